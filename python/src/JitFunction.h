// The Python type of compiled functions.
#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>

namespace weft {

/// Makes the type and adds it to the module; -1 on error.
int registerJitType(PyObject *module);

} // namespace weft

// The Python type weft.Tensor: its methods and operators.
#pragma once

#include "python/src/TensorObject.h"

namespace weft {

/// Makes the type and adds it to the module; -1 on error.
int registerTensorType(PyObject *module);

/// The slots of NumberSlots.cpp, ended by a zero slot.
extern PyType_Slot numberSlots[];

} // namespace weft

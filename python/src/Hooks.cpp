#include "python/src/Hooks.h"

#include <array>
#include <string>

using namespace weft;

static constexpr size_t hookCount = static_cast<size_t>(Hook::Count);
static constexpr std::array<const char *, hookCount> names = {
    "errors",   "scanner",  "describe_type", "copy",     "as_dtype",    "as_array",     "matmul",
    "get_item", "set_item", "argument_name", "is_fixed", "put_numbers", "record_print", "print"};

/// Filled once and never emptied: a call that looks one up runs no Python, so it neither waits for
/// the lock of an import nor lets another thread in.
static std::array<PyObject *, hookCount> hooks = {};

void weft::registerHooks(PyObject *byName) {
  if (!PyDict_Check(byName) || PyDict_GET_SIZE(byName) != Py_ssize_t(hookCount)) {
    PyErr_SetString(PyExc_ImportError, "weft._hooks does not fit weft._core: build weft again");
    throw PythonError();
  }
  for (size_t i = 0; i < hookCount; ++i) {
    PyObject *found = PyDict_GetItemString(byName, names[i]);
    if (!found) {
      PyErr_Format(PyExc_ImportError, "weft._hooks lacks %s: build weft again", names[i]);
      throw PythonError();
    }
    hooks[i] = Py_NewRef(found);
  }
}

PyObject *weft::hook(Hook which) {
  PyObject *found = hooks[static_cast<size_t>(which)];
  if (found)
    return found;
  PyErr_Format(PyExc_ImportError, "weft._core needs %s before weft is imported",
               names[static_cast<size_t>(which)]);
  throw PythonError();
}

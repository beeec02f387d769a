#include "python/src/Printing.h"

#include "python/src/Errors.h"
#include "python/src/Hooks.h"
#include "python/src/TraceScope.h"
#include "python/src/Translated.h"
#include "python/src/state/Handle.h"

#include <utility>

namespace py = pybind11;
using namespace weft;

static thread_local size_t skippedPrints = 0;

PrintsSkipped::PrintsSkipped(size_t count) : former(std::exchange(skippedPrints, count)) {}
PrintsSkipped::~PrintsSkipped() { skippedPrints = former; }

/// Python's own.
static _PyCFunctionFastWithKeywords plainPrint = nullptr;

static PyObject *printNow(PyObject *self, PyObject *const *arguments, Py_ssize_t count,
                          PyObject *names) {
  if (skippedPrints > 0) {
    --skippedPrints;
    return Py_NewRef(Py_None);
  }
  return plainPrint(self, arguments, count, names);
}

/// In a trace that answers questions, what is printed becomes a part of the path.
static PyObject *tracedPrint(PyObject *self, PyObject *const *arguments, Py_ssize_t count,
                             PyObject *names) {
  if (!currentScope || !currentScope->answers)
    return printNow(self, arguments, count, names);
  return guarded([&] {
    return PyObject_Vectorcall(hook(Hook::RecordPrint), arguments, size_t(count), names);
  });
}

/// The function object stays what it is, for all who have it and for the guards.
static void watchPrint() {
  PyObject *builtins = PyEval_GetBuiltins();
  PyObject *print = PyDict_GetItemString(builtins, "print");
  if (!print || !PyCFunction_Check(print))
    return;
  PyMethodDef *definition = reinterpret_cast<PyCFunctionObject *>(print)->m_ml;
  auto own = reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(tracedPrint));
  if (definition->ml_flags != (METH_FASTCALL | METH_KEYWORDS) || definition->ml_meth == own)
    return;
  plainPrint = reinterpret_cast<_PyCFunctionFastWithKeywords>(
      reinterpret_cast<void (*)()>(definition->ml_meth));
  definition->ml_meth = own;
}

void weft::registerPrinting(py::module_ &module) {
  watchPrint();
  // print() as it is outside of traces.
  static PyMethodDef plain = {"print_now",
                              reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(printNow)),
                              METH_FASTCALL | METH_KEYWORDS, "print() as it is outside of traces."};
  if (plainPrint)
    module.attr("print_now") = py::reinterpret_steal<py::object>(PyCFunction_New(&plain, nullptr));
  else
    module.attr("print_now") = py::module_::import("builtins").attr("print");
  // Lets calls print a text of weft._printing, with the values of tensors.
  module.def("record_print", [](const py::object &text, const py::list &tensors) {
    translated([&] {
      llvm::SmallVector<ValueId> ids;
      for (py::handle tensor : tensors)
        ids.push_back(owned(asTensor(tensor.ptr()))->value.id);
      currentScope->answers->print(text.ptr(), ids);
      return 0;
    });
  });
}

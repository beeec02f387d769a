// Gradients of values of the trace in progress.
#include "python/src/FunctionalGradient.h"

#include "lib/Trace/Promotion.h"
#include "python/src/Errors.h"
#include "python/src/TraceScope.h"
#include "python/src/state/Handle.h"

namespace py = pybind11;
using namespace weft;

static py::object adopted(PyObject *object) {
  if (!object)
    throw py::error_already_set();
  return py::reinterpret_steal<py::object>(object);
}

/// A tensor equal to `tensor` whose uses can be told from other uses of it.
static py::object differentiationInput(py::object tensor) {
  return adopted(guarded([&] {
    TraceScope &scope = *currentScope;
    mlir::Location location = scope.location();
    ValueId id = traced(asTensor(tensor.ptr()));
    if (scope.graph.isWeak(id))
      id = scope.graph.cast(id, defaultDType(scope.graph.dtype(id)), location);
    if (!isInexact(scope.graph.dtype(id)))
      throwError("DTypeError", "gradients exist for floating and complex dtypes only, not for " +
                                   std::string(dtypeName(scope.graph.dtype(id))));
    ValueId alias = scope.graph.alias(id, location);
    scope.rememberLine(alias);
    PyRef result = checked(newTensor(scope.tracer(alias)));
    asTensor(result.get())->requiresGrad = true;
    asTensor(result.get())->derived = true;
    return result.release();
  }));
}

/// Gradients of the outputs, times the cotangents, for the inputs (tensors of the trace).
static py::object gradients(py::list outputs, py::list cotangents, py::list inputs) {
  return adopted(guarded([&] {
    TraceScope &scope = *currentScope;
    mlir::Location location = scope.location();
    auto read = [&](py::list &list) {
      llvm::SmallVector<ValueId> ids;
      for (py::handle item : list)
        ids.push_back(traced(asTensor(item.ptr())));
      return ids;
    };
    llvm::SmallVector<ValueId> wanted = read(inputs);
    auto built = scope.graph.gradients(read(outputs), read(cotangents), wanted);
    PyRef result = checked(PyList_New(Py_ssize_t(built.size())));
    for (size_t i = 0; i < built.size(); ++i) {
      Graph &graph = scope.graph;
      ValueId id = built[i] ? *built[i]
                            : graph.constant(graph.dtype(wanted[i]), graph.shape(wanted[i]), 0.0,
                                             false, location);
      scope.rememberLine(id);
      PyRef tensor = checked(newTensor(scope.tracer(id)));
      asTensor(tensor.get())->requiresGrad = gradientsEnabled;
      asTensor(tensor.get())->derived = true;
      PyList_SET_ITEM(result.get(), Py_ssize_t(i), tensor.release());
    }
    return result.release();
  }));
}

void weft::registerFunctionalGradient(py::module_ &module) {
  module.def("differentiation_input", differentiationInput);
  module.def("gradients", gradients);
}

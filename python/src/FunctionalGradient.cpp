// Gradients of values of the trace in progress.
#include "python/src/FunctionalGradient.h"

#include "lib/Trace/Promotion.h"
#include "python/src/Apply.h"
#include "python/src/Errors.h"
#include "python/src/TraceSession.h"

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
    TraceSession &session = *currentSession;
    mlir::Location location = session.location();
    ValueId id = session.read(asTensor(tensor.ptr()));
    if (session.graph.isWeak(id))
      id = session.graph.cast(id, defaultDType(session.graph.dtype(id)), location);
    if (!isFloating(session.graph.dtype(id)))
      throwError("DTypeError", "gradients exist for floating dtypes only, not for " +
                                   std::string(dtypeName(session.graph.dtype(id))));
    ValueId alias = session.graph.alias(id, location);
    session.rememberLine(alias);
    PyRef result = checked(newTensor(session.tracer(alias)));
    asTensor(result.get())->requiresGrad = true;
    asTensor(result.get())->derived = true;
    return result.release();
  }));
}

/// Gradients of the outputs, times the cotangents, for the inputs (tensors of the trace).
static py::object gradients(py::list outputs, py::list cotangents, py::list inputs) {
  return adopted(guarded([&] {
    TraceSession &session = *currentSession;
    mlir::Location location = session.location();
    auto read = [&](py::list &list) {
      llvm::SmallVector<ValueId> ids;
      for (py::handle item : list)
        ids.push_back(session.read(asTensor(item.ptr())));
      return ids;
    };
    llvm::SmallVector<ValueId> wanted = read(inputs);
    auto built = session.graph.gradients(read(outputs), read(cotangents), wanted);
    PyRef result = checked(PyList_New(Py_ssize_t(built.size())));
    for (size_t i = 0; i < built.size(); ++i) {
      Graph &graph = session.graph;
      ValueId id = built[i] ? *built[i]
                            : graph.constant(graph.dtype(wanted[i]), graph.shape(wanted[i]), 0.0,
                                             false, location);
      session.rememberLine(id);
      PyRef tensor = checked(newTensor(session.tracer(id)));
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

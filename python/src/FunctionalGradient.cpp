// Gradients of values of the trace in progress.
#include "python/src/FunctionalGradient.h"

#include "lib/Trace/Promotion.h"
#include "python/src/Backward.h"
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
    if (gradientsEnabled && asTensor(tensor.ptr())->isTracked())
      scope.noteHistory(alias, {id});
    PyRef result = checked(newTensor(scope.tracer(alias)));
    asTensor(result.get())->requiresGrad = true;
    asTensor(result.get())->derived = true;
    return result.release();
  }));
}

static llvm::SmallVector<ValueId> tracedAll(const py::list &tensors) {
  llvm::SmallVector<ValueId> ids;
  for (py::handle tensor : tensors)
    ids.push_back(traced(asTensor(tensor.ptr())));
  return ids;
}

/// Those of the tensors that gradients flow to.
static llvm::SmallVector<ValueId> trackedAmong(std::initializer_list<py::list> lists) {
  llvm::SmallVector<ValueId> ids;
  for (const py::list &tensors : lists)
    for (py::handle each : tensors) {
      TensorObject *tensor = asTensor(each.ptr());
      if (tensor->isTracked() && isInexact(tensor->value.dtype))
        ids.push_back(traced(tensor));
    }
  return ids;
}

/// Tensors of derivatives; zeros like the values of `like` where there is none. While gradients are
/// recorded, they flow through these to `history`.
static PyObject *derivatives(llvm::ArrayRef<std::optional<ValueId>> built,
                             llvm::ArrayRef<ValueId> like, llvm::ArrayRef<ValueId> history) {
  TraceScope &scope = *currentScope;
  Graph &graph = scope.graph;
  mlir::Location location = scope.location();
  PyRef result = checked(PyList_New(Py_ssize_t(built.size())));
  for (size_t i = 0; i < built.size(); ++i) {
    const std::optional<ValueId> &found = built[i];
    ValueId id =
        found ? *found
              : graph.constant(graph.dtype(like[i]), graph.shape(like[i]), 0.0, false, location);
    scope.rememberLine(id);
    PyRef tensor = checked(newTensor(scope.tracer(id)));
    bool differentiable = gradientsEnabled && !history.empty() && isInexact(graph.dtype(id));
    if (differentiable)
      scope.noteHistory(id, history);
    asTensor(tensor.get())->requiresGrad = asTensor(tensor.get())->derived = differentiable;
    PyList_SET_ITEM(result.get(), Py_ssize_t(i), tensor.release());
  }
  return result.release();
}

/// Gradients of the outputs, times the cotangents, for the inputs (tensors of the trace).
static py::object gradients(py::list outputs, py::list cotangents, py::list inputs) {
  return adopted(guarded([&] {
    llvm::SmallVector<ValueId> wanted = tracedAll(inputs);
    auto history = currentScope->historyBefore(trackedAmong({outputs, cotangents}), wanted);
    auto built = currentScope->graph.gradients(tracedAll(outputs), tracedAll(cotangents), wanted);
    return derivatives(built, wanted, history);
  }));
}

static llvm::SmallVector<TensorObject *> currentOf(const py::list &tensors) {
  llvm::SmallVector<TensorObject *> found;
  for (py::handle each : tensors)
    found.push_back(current(asTensor(each.ptr())));
  return found;
}

/// As gradients(), of any tensors for others that they were computed from; None where there is
/// none.
static py::object gradientsFor(py::list outputs, py::list cotangents, py::list targets, bool retain,
                               bool record) {
  return adopted(guarded([&] {
    auto of = currentScope ? gradientsInTrace : gradientsOnTape;
    auto found = of(currentOf(outputs), currentOf(cotangents), currentOf(targets), retain, record);
    PyRef result = checked(PyList_New(Py_ssize_t(found.size())));
    for (auto [number, gradient] : llvm::enumerate(found))
      PyList_SET_ITEM(result.get(), Py_ssize_t(number),
                      gradient ? gradient.release() : Py_NewRef(Py_None));
    return result.release();
  }));
}

/// Tangents of the outputs where those of the inputs are `along` (tensors of the trace).
static py::object tangents(py::list outputs, py::list inputs, py::list along) {
  return adopted(guarded([&] {
    llvm::SmallVector<ValueId> wanted = tracedAll(outputs), from = tracedAll(inputs);
    auto history = currentScope->historyBefore(trackedAmong({outputs, along}), from);
    auto built = currentScope->graph.tangents(wanted, from, tracedAll(along));
    return derivatives(built, wanted, history);
  }));
}

/// The tensor as it is outside of a differentiation for the inputs: one that depends on no other
/// tensor with gradients requires none.
static py::object outsideOf(py::object tensor, py::list inputs) {
  return adopted(guarded([&] {
    py::list tensors;
    tensors.append(tensor);
    llvm::SmallVector<ValueId> tracked = trackedAmong({tensors});
    if (tracked.empty() || !currentScope->historyBefore(tracked, tracedAll(inputs)).empty())
      return tensor.inc_ref().ptr();
    return checked(newTensor(currentScope->tracer(tracked[0]))).release();
  }));
}

namespace {

/// A linear function that was cut out of a trace; any trace may call it.
struct LinearCallable {
  mlir::OwningOpRef<mlir::ModuleOp> function;
};

} // namespace

/// The function from tangents of the inputs to those of the outputs, or if `transposes` that from
/// cotangents of the outputs to those of the inputs; then what it takes first.
static py::object linearPart(py::list outputs, py::list inputs, bool transposes) {
  return adopted(guarded([&] {
    TraceScope &scope = *currentScope;
    llvm::SmallVector<ValueId> from = tracedAll(outputs), wanted = tracedAll(inputs);
    auto history = scope.historyBefore(trackedAmong({outputs}), wanted);
    Graph::LinearPart part =
        transposes ? scope.graph.transposed(from, wanted) : scope.graph.linearized(from, wanted);
    auto callable = std::make_unique<LinearCallable>(std::move(part.function));
    llvm::SmallVector<std::optional<ValueId>> kept(part.kept.begin(), part.kept.end());
    py::list tensors = py::reinterpret_steal<py::list>(derivatives(kept, part.kept, history));
    return py::make_tuple(py::cast(std::move(callable)), tensors).release().ptr();
  }));
}

/// What a linear function makes of tensors of the trace: of what it keeps, then of tangents.
static py::object callLinear(LinearCallable &callable, py::list arguments) {
  return adopted(guarded([&] {
    auto history = trackedAmong({arguments});
    auto ids = currentScope->graph.inlineCall(*callable.function, tracedAll(arguments));
    llvm::SmallVector<std::optional<ValueId>> made(ids.begin(), ids.end());
    return derivatives(made, ids, history);
  }));
}

void weft::registerFunctionalGradient(py::module_ &module) {
  py::class_<LinearCallable> linear(module, "LinearFunction",
                                    "A linear function that was cut out of a trace.");
  module.def("linear_part", linearPart);
  module.def("call_linear", callLinear);
  module.def("differentiation_input", differentiationInput);
  module.def("gradients", gradients);
  module.def("gradients_for", gradientsFor);
  module.def("outside_of", outsideOf);
  module.def("tangents", tangents);
}

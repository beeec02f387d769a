// Examples of batches in the trace in progress, and back; values with names.
#include "python/src/FunctionalBatching.h"

#include "lib/Trace/Promotion.h"
#include "python/src/Errors.h"
#include "python/src/TraceScope.h"
#include "python/src/state/Handle.h"

#include <pybind11/stl.h>

namespace py = pybind11;
using namespace weft;

static py::object adopted(PyObject *object) {
  if (!object)
    throw py::error_already_set();
  return py::reinterpret_steal<py::object>(object);
}

/// A tensor of the trace, differentiable if it is made of one that is.
static PyRef derivedFrom(TraceScope &scope, ValueId id, TensorObject *source, ValueId sourceId) {
  scope.rememberLine(id);
  PyRef result = checked(newTensor(scope.tracer(id)));
  bool differentiable = gradientsEnabled && source->isTracked() && isInexact(scope.graph.dtype(id));
  if (differentiable)
    scope.noteHistory(id, {sourceId});
  asTensor(result.get())->requiresGrad = differentiable;
  asTensor(result.get())->derived = differentiable;
  return result;
}

/// A tensor that stands for one example of a batch, which has them along its first dimension; then
/// the ids of both in the trace, as the tensors may be given other values.
static py::object example(py::object batch) {
  return adopted(guarded([&] {
    TraceScope &scope = *currentScope;
    TensorObject *tensor = asTensor(batch.ptr());
    ValueId all = traced(tensor), one = scope.graph.example(all, scope.location());
    PyRef made = derivedFrom(scope, one, tensor, all);
    return checked(Py_BuildValue("(OII)", made.get(), one, all)).release();
  }));
}

static llvm::SmallVector<ValueId> tracedAll(py::list &tensors) {
  llvm::SmallVector<ValueId> ids;
  for (py::handle tensor : tensors) {
    ValueId id = traced(asTensor(tensor.ptr()));
    Graph &graph = currentScope->graph;
    if (graph.isWeak(id))
      id = graph.cast(id, defaultDType(graph.dtype(id)), currentScope->location());
    ids.push_back(id);
  }
  return ids;
}

/// For each output of one example that of all, or None where no example has part in it.
static py::object batched(py::list outputs, std::vector<ValueId> examples,
                          std::vector<ValueId> batches, int64_t count) {
  return adopted(guarded([&] {
    TraceScope &scope = *currentScope;
    llvm::SmallVector<ValueId> ofOne = tracedAll(outputs);
    auto ofAll = scope.graph.batched(ofOne, examples, batches, count);
    PyRef result = checked(PyList_New(Py_ssize_t(ofAll.size())));
    for (size_t i = 0; i < ofAll.size(); ++i) {
      TensorObject *one = asTensor(outputs[i].ptr());
      PyRef all = ofAll[i] ? derivedFrom(scope, *ofAll[i], one, ofOne[i]) : PyRef::borrow(Py_None);
      PyList_SET_ITEM(result.get(), Py_ssize_t(i), all.release());
    }
    return result.release();
  }));
}

/// What one example asks of all of its axis, of which it is number `index`: their sum, or if
/// `count` is not negative the values of all.
static py::object acrossExamples(py::object x, py::object index, int64_t count) {
  return adopted(guarded([&] {
    TraceScope &scope = *currentScope;
    py::list operands;
    operands.append(x);
    operands.append(index);
    llvm::SmallVector<ValueId> ids = tracedAll(operands);
    ValueId made = count < 0
                       ? scope.graph.sumOfExamples(ids[0], ids[1], scope.location())
                       : scope.graph.gatherOfExamples(ids[0], ids[1], count, scope.location());
    return derivedFrom(scope, made, asTensor(x.ptr()), ids[0]).release();
  }));
}

/// A tensor itself, by a name that checkpoints know.
static py::object named(py::object x, const std::string &name) {
  return adopted(guarded([&] {
    TraceScope &scope = *currentScope;
    ValueId id = traced(asTensor(x.ptr()));
    ValueId made = scope.graph.named(id, name, scope.location());
    return derivedFrom(scope, made, asTensor(x.ptr()), id).release();
  }));
}

void weft::registerFunctionalBatching(py::module_ &module) {
  module.def("across_examples", acrossExamples);
  module.def("named", named);
  module.def("example", example);
  module.def("batched", batched);
  module.def("forget_examples",
             [](std::vector<ValueId> examples) { currentScope->graph.forget(examples); });
}

// Control flow in the trace in progress.
//
// The body of a loop, or a branch, is run once, on tensors that stand for its arguments; what it
// computes is built in a region. It may read what is around. Handles from around that it has
// changed can't be given the new value, which is there in the region alone: that is an error.
#include "python/src/ControlFlow.h"

#include "python/src/Conversion.h"
#include "python/src/DeviceObject.h"
#include "python/src/Errors.h"
#include "python/src/SymbolicSizeObject.h"
#include "python/src/TraceScope.h"
#include "python/src/state/Handle.h"

#include <pybind11/stl.h>

namespace py = pybind11;
using namespace weft;

//===----------------------------------------------------------------------===//
// Handles
//===----------------------------------------------------------------------===//

void TraceScope::beginRegion() {
  TracedRegion region;
  for (TensorObject *tensor : made)
    if (tensor->value.scope.get() == this)
      region.handles.emplace_back(referenceTo(tensor), tensor->value.id);
  for (auto &[handle, former] : region.handles) {
    // Leaves get their aliases here: one that is made in the region is not there outside.
    TensorObject *tensor = asTensor(handle.get());
    if (tensor->requiresGrad && tensor->isLeaf())
      traced(tensor);
    former = tensor->value.id;
  }
  region.sharedBefore = shared.size();
  regions.push_back(std::move(region));
}

/// Views that were read in the region are read anew.
TracedRegion TraceScope::leaveRegion() {
  TracedRegion region = std::move(regions.back());
  regions.pop_back();
  auto restore = [this](TensorObject *tensor, ValueId former) {
    if (!graph.isGone(tensor->value.id))
      return;
    if (tensor->lens)
      tensor->lens->seen = tensor->lens->root->generation - 1;
    else
      tensor->value.id = former;
  };
  for (auto &[tensor, former] : region.handles)
    restore(asTensor(tensor.get()), former);
  for (size_t number = region.sharedBefore; number < shared.size(); ++number)
    if (SharedHandle &entry = shared[number]; entry.stand)
      restore(asTensor(entry.stand.get()), entry.initial);
  return region;
}

void TraceScope::checkWrites(const char *name) const {
  const TracedRegion &region = regions.back();
  auto check = [&](TensorObject *tensor, ValueId former) {
    ValueId id = tensor->value.id;
    if (tensor->lens || id == former || isGenerator(tensor))
      return;
    throwError("UnsupportedError", std::string(name) +
                                       ": the body changes a tensor from outside (" +
                                       lineOf(id).text() +
                                       "), for which there is no place in a compiled loop or "
                                       "branch; return the new value from the body");
  };
  for (const auto &[tensor, former] : region.handles)
    check(asTensor(tensor.get()), former);
  for (size_t number = region.sharedBefore; number < shared.size(); ++number)
    if (const SharedHandle &entry = shared[number]; entry.stand)
      check(asTensor(entry.stand.get()), entry.initial);
}

bool TraceScope::isGenerator(TensorObject *tensor) const {
  TensorObject *outside = outsideOf(tensor);
  return outside && isGeneratorState(outside);
}

std::optional<std::pair<ValueId, ValueId>> TraceScope::drawsOfRegion() const {
  const TracedRegion &region = regions.back();
  for (const auto &[tensor, former] : region.handles)
    if (ValueId id = asTensor(tensor.get())->value.id;
        id != former && isGenerator(asTensor(tensor.get())))
      return std::pair(former, id);
  for (size_t number = region.sharedBefore; number < shared.size(); ++number)
    if (const SharedHandle &entry = shared[number]; entry.stand)
      if (TensorObject *stand = asTensor(entry.stand.get());
          stand->value.id != entry.initial && isGenerator(stand))
        return std::pair(entry.initial, stand->value.id);
  return std::nullopt;
}

void TraceScope::requireNoRegion(const char *what) const {
  if (isInRegion())
    throwError("UnsupportedError", std::string(what) +
                                       " in the body of a loop or a branch that is compiled; use "
                                       "weft.grad there, or do it outside");
}

//===----------------------------------------------------------------------===//
// Regions
//===----------------------------------------------------------------------===//

static py::object adopted(PyObject *object) {
  if (!object)
    throw py::error_already_set();
  return py::reinterpret_steal<py::object>(object);
}

static llvm::SmallVector<ValueId> tracedAll(py::handle tensors) {
  llvm::SmallVector<ValueId> ids;
  for (py::handle tensor : py::reinterpret_borrow<py::list>(tensors))
    ids.push_back(traced(asTensor(tensor.ptr())));
  return ids;
}

static PyObject *listOf(llvm::ArrayRef<PyRef> items) {
  PyRef list = checked(PyList_New(Py_ssize_t(items.size())));
  for (auto [number, item] : llvm::enumerate(items))
    PyList_SET_ITEM(list.get(), Py_ssize_t(number), PyRef(item).release());
  return list.release();
}

/// Begins a region; tensors for its arguments, which are like `carried`, and like slices of
/// `scanned`. All that are floating count as tracked, so that what is cut off from gradients is.
static py::object beginRegion(py::list carried, py::list scanned) {
  return adopted(guarded([&] {
    TraceScope &scope = *currentScope;
    llvm::SmallVector<std::pair<DType, Shape>> types;
    auto add = [&](py::list &tensors, size_t dropped) {
      for (py::handle tensor : tensors) {
        const TensorValue &value = asTensor(tensor.ptr())->value;
        types.emplace_back(value.dtype,
                           Shape(llvm::ArrayRef<int64_t>(value.shape).drop_front(dropped)));
      }
    };
    add(carried, 0);
    add(scanned, 1);
    scope.beginRegion();
    llvm::SmallVector<PyRef> arguments;
    for (ValueId id : scope.graph.beginRegion(types)) {
      scope.rememberLine(id);
      arguments.push_back(checked(newTensor(scope.tracer(id))));
      TensorObject *tensor = asTensor(arguments.back().get());
      tensor->requiresGrad = tensor->derived = isInexact(tensor->value.dtype);
    }
    return listOf(arguments);
  }));
}

/// Ends the region that was begun last, with these results; the values with gradients that it
/// reads, by their numbers, and those of the generator's state before and behind it, with the line
/// of the draw, or None if it draws nothing.
static py::object endRegion(const std::string &name, py::list results) {
  return adopted(guarded([&] {
    TraceScope &scope = *currentScope;
    llvm::SmallVector<ValueId> ids = tracedAll(results), tracked;
    for (auto [id, result] : llvm::zip_equal(ids, results))
      if (owned(asTensor(result.ptr()))->isTracked() && isInexact(scope.graph.dtype(id)))
        tracked.push_back(id);
    scope.checkWrites(name.c_str());
    auto draws = scope.drawsOfRegion();
    scope.graph.endRegion(ids);
    TracedRegion region = scope.leaveRegion();
    PyRef numbers = checked(PyList_New(0));
    llvm::append_range(region.tracked, tracked);
    for (ValueId id : region.tracked)
      if (!scope.graph.isGone(id))
        checkStatus(PyList_Append(numbers.get(), checked(PyLong_FromUnsignedLong(id)).get()));
    PyRef drawn = PyRef::borrow(Py_None);
    if (draws)
      drawn = checked(Py_BuildValue("(IIs)", draws->first, draws->second,
                                    scope.lineOf(draws->second).text().c_str()));
    return checked(Py_BuildValue("(OO)", numbers.get(), drawn.get())).release();
  }));
}

//===----------------------------------------------------------------------===//
// Ops
//===----------------------------------------------------------------------===//

/// Tensors for the results of an op; `tracked` are the numbers of values with gradients that its
/// regions read.
static PyObject *resultsOf(llvm::ArrayRef<ValueId> ids, std::initializer_list<py::list> operands,
                           const std::vector<ValueId> &tracked) {
  TraceScope &scope = *currentScope;
  llvm::SmallVector<ValueId> history(tracked.begin(), tracked.end());
  for (const py::list &tensors : operands)
    for (py::handle operand : tensors) {
      TensorObject *tensor = owned(asTensor(operand.ptr()));
      if (tensor->isTracked() && isInexact(tensor->value.dtype))
        history.push_back(traced(tensor));
    }
  llvm::SmallVector<PyRef> results;
  for (ValueId id : ids) {
    scope.rememberLine(id);
    results.push_back(checked(newTensor(scope.tracer(id))));
    bool differentiable = gradientsEnabled && !history.empty() && isInexact(scope.graph.dtype(id));
    if (differentiable)
      scope.noteHistory(id, history);
    TensorObject *result = asTensor(results.back().get());
    result->requiresGrad = result->derived = differentiable;
  }
  return listOf(results);
}

/// The numbers of operands, cut off from their history while gradients are off.
static llvm::SmallVector<ValueId> operandsOf(const py::list &tensors) {
  TraceScope &scope = *currentScope;
  llvm::SmallVector<ValueId> ids = tracedAll(tensors);
  for (auto [id, tensor] : llvm::zip_equal(ids, tensors))
    if (!gradientsEnabled && owned(asTensor(tensor.ptr()))->isTracked())
      id = scope.detached(id, scope.location());
  return ids;
}

static py::object scan(py::list init, py::list scanned, py::object length, bool reverse,
                       std::vector<ValueId> tracked) {
  return adopted(guarded([&] {
    TraceScope &scope = *currentScope;
    std::optional<int64_t> size = symbolicSizeOf(length.ptr());
    int64_t count = size ? *size : int64From(length.ptr());
    auto first = operandsOf(init), all = operandsOf(scanned);
    auto ids = scope.graph.scan(first, all, count, reverse, scope.location());
    return resultsOf(ids, {init, scanned}, tracked);
  }));
}

static py::object whileLoop(py::list init, std::vector<ValueId> tracked) {
  return adopted(guarded([&] {
    TraceScope &scope = *currentScope;
    auto ids = scope.graph.whileLoop(operandsOf(init), scope.location());
    return resultsOf(ids, {init}, tracked);
  }));
}

static py::object choose(py::object index, size_t branches, std::vector<ValueId> tracked) {
  return adopted(guarded([&] {
    TraceScope &scope = *currentScope;
    ValueId number = traced(asTensor(index.ptr()));
    auto ids = scope.graph.choose(number, branches, scope.location());
    return resultsOf(ids, {}, tracked);
  }));
}

static py::object checkpoint(const std::string &saves, const std::vector<std::string> &names,
                             int64_t budget, std::vector<ValueId> tracked) {
  return adopted(guarded([&] {
    TraceScope &scope = *currentScope;
    auto ids = scope.graph.checkpoint(saves, names, budget, scope.location());
    return resultsOf(ids, {}, tracked);
  }));
}

/// Lets the regions that were ended last hand on the state of the generator, which was `former`
/// (Graph::handOn): `next` has -1 for one that does not draw.
static void handOn(ValueId former, const std::vector<int64_t> &next,
                   const std::vector<bool> &yields, int64_t argument, size_t yield) {
  llvm::SmallVector<std::optional<ValueId>> made;
  llvm::SmallVector<bool> are(yields.begin(), yields.end());
  for (int64_t id : next)
    made.push_back(id < 0 ? std::nullopt : std::optional(static_cast<ValueId>(id)));
  currentScope->graph.handOn(former, made, are,
                             argument < 0 ? std::nullopt : std::optional<size_t>(argument), yield);
}

static py::object customDerivative(const std::string &name, py::list inputs, size_t rules,
                                   std::vector<ValueId> tracked) {
  return adopted(guarded([&] {
    TraceScope &scope = *currentScope;
    auto ids = scope.graph.customDerivative(name, operandsOf(inputs), rules, scope.location());
    return resultsOf(ids, {inputs}, tracked);
  }));
}

//===----------------------------------------------------------------------===//
// Programs over blocks
//===----------------------------------------------------------------------===//

/// A tensor for a value of the trace; a new reference.
static PyObject *tensorOf(ValueId id) {
  currentScope->rememberLine(id);
  return checked(newTensor(currentScope->tracer(id))).release();
}

static std::optional<ValueId> tracedIfAny(const py::object &tensor) {
  if (tensor.is_none())
    return std::nullopt;
  return traced(asTensor(tensor.ptr()));
}

static Graph::BlockAccess accessOf(int64_t number, std::string site, py::list indices,
                                   const py::object &mask, const py::object &other) {
  return {number, std::move(site), tracedAll(indices), tracedIfAny(mask), tracedIfAny(other)};
}

static py::object programNumber(const std::string &what, int64_t first, int64_t second) {
  return adopted(guarded([&] {
    TraceScope &scope = *currentScope;
    return tensorOf(scope.graph.programNumber(what, first, second, scope.location()));
  }));
}

static py::object programLoad(int64_t number, py::object dtype, py::object shape, std::string site,
                              py::list indices, py::object mask, py::object other) {
  return adopted(guarded([&] {
    TraceScope &scope = *currentScope;
    auto access = accessOf(number, std::move(site), indices, mask, other);
    ValueId id =
        scope.graph.programLoad(access, dtypeFrom(dtype.ptr()),
                                shapeFrom(shape.ptr(), "load: the block"), scope.location());
    return tensorOf(id);
  }));
}

static py::object programStore(py::object state, py::object value, int64_t number, std::string site,
                               py::list indices, py::object mask, const std::string &combine) {
  return adopted(guarded([&] {
    TraceScope &scope = *currentScope;
    auto access = accessOf(number, std::move(site), indices, mask, py::none());
    ValueId id =
        scope.graph.programStore(traced(asTensor(state.ptr())), traced(asTensor(value.ptr())),
                                 access, combine, scope.location());
    return tensorOf(id);
  }));
}

/// `results` are pairs of a dtype and a shape.
static py::object program(const std::string &name, py::object grid, py::object initial,
                          py::list inputs, py::list results, bool isChecked) {
  return adopted(guarded([&] {
    TraceScope &scope = *currentScope;
    Graph::ProgramCall call{name, {}, {}, {}, isChecked};
    llvm::append_range(call.grid, shapeFrom(grid.ptr(), "a grid"));
    llvm::append_range(call.initial, shapeFrom(initial.ptr(), "initial"));
    for (py::handle result : results) {
      auto pair = py::reinterpret_borrow<py::tuple>(result);
      call.results.emplace_back(dtypeFrom(py::object(pair[0]).ptr()),
                                shapeFrom(py::object(pair[1]).ptr(), "a result"));
    }
    auto ids = scope.graph.program(call, operandsOf(inputs), scope.location());
    return resultsOf(ids, {inputs}, {});
  }));
}

void weft::registerControlFlow(py::module_ &module) {
  module.def("begin_region", beginRegion);
  module.def("end_region", endRegion);
  module.def("drop_region", [] {
    currentScope->graph.dropRegion();
    currentScope->leaveRegion();
  });
  module.def("drop_ended_regions",
             [](size_t ended) { currentScope->graph.dropEndedRegions(ended); });
  module.def("hand_on", handOn);
  module.def("scan_op", scan);
  module.def("while_op", whileLoop);
  module.def("case_op", choose);
  module.def("checkpoint_op", checkpoint);
  module.def("custom_derivative_op", customDerivative);
  module.def("program_number", programNumber);
  module.def("program_load", programLoad);
  module.def("program_store", programStore);
  module.def("program_op", program);
}

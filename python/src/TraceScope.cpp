// Tracing: reads and writes of handles while a user's function runs on tracers.
#include "python/src/TraceScope.h"

#include "python/src/Errors.h"
#include "python/src/HookObject.h"
#include "python/src/state/StateLock.h"
#include "python/src/state/View.h"

#include <algorithm>

using namespace weft;

thread_local TraceScope *weft::currentScope = nullptr;

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

TensorValue TraceScope::tracer(ValueId id) {
  TensorValue value;
  value.dtype = graph.dtype(id);
  value.weak = graph.isWeak(id);
  llvm::ArrayRef<int64_t> shape = graph.shape(id);
  value.shape.assign(shape.begin(), shape.end());
  value.scope = shared_from_this();
  value.id = id;
  return value;
}

TensorValue TraceScope::addArgument(DType dtype, llvm::ArrayRef<int64_t> shape, bool weak) {
  ValueId id = graph.addInput(dtype, shape, weak);
  rememberLine(id);
  return tracer(id);
}

void TraceScope::rememberLine(ValueId id) {
  if (lines.size() <= id)
    lines.resize(id + 1);
  lines[id] = userLine();
}

SourceLine TraceScope::lineOf(ValueId id) const {
  return id < lines.size() ? lines[id] : SourceLine();
}

mlir::Location TraceScope::location() {
  SourceLine line = userLine();
  return line.known() ? graph.location(line.file, line.line) : graph.unknownLocation();
}

void TraceScope::meet(TensorObject *tensor) {
  // An array of the host that is made in the trace goes to where the trace is.
  bool movable = !isOlder(tensor) && tensor->value.storage && !tensor->value.storage->device();
  if (!place && !movable && tensor->value.storage && !isOfEachDevice(tensor))
    place = tensor->value.storage->device();
}

void weft::requireConcrete(TensorObject *tensor, const char *action) {
  const TensorValue &value = tensor->value;
  if (!value.isTracer()) {
    // Another call may begin as soon as one is done.
    while (!value.storage)
      if (!waitForStateChanges())
        throwError("WeftError", "the tensor is being updated by the call that was interrupted");
    return;
  }
  std::string made = value.scope->lineOf(value.id).text();
  if (!value.scope->active || value.scope.get() != currentScope)
    throwError("TracerLeakError",
               "this tensor was made at " + made +
                   " while a function was traced, and has no value outside of that trace; return "
                   "it from the function, or assign it to a tensor that exists before the call");
  value.scope->refuseValue(value.id, action);
}

void TraceScope::refuseValue(ValueId id, const char *action) const {
  throwError("ConcretizationError",
             std::string(action) + " needs the value of a tensor (made at " + lineOf(id).text() +
                 ") that is not known here: what is exported, lowered, mapped by vmap or the body "
                 "of a loop is one piece. Use weft.where(condition, a, b) for a choice, move the "
                 "statement out of the function, or mark the argument as static");
}

bool TraceScope::givesValueOf(ValueId id) const {
  return answers && !isInRegion() && !graph.valuesOfExamples().contains(graph.value(id));
}

Array TraceScope::valueOf(ValueId id, const char *action) {
  if (!answers)
    refuseValue(id, action);
  return answers->ask(id, action);
}

ValueId TraceScope::read(TensorObject *tensor) {
  ValueId id = tensor->value.id;
  if (!tensor->value.isTracer()) {
    auto [found, isNew] = constants.try_emplace(tensor, 0);
    if (isNew) {
      found->second = graph.addInput(tensor->value.dtype, tensor->value.shape);
      meet(tensor);
      hidden.push_back({{}, tensor->value.array()});
      keptAlive.push_back(referenceTo(tensor));
    }
    id = found->second;
  } else if (tensor->value.scope.get() != this) {
    requireConcrete(tensor, "an operation");
  }
  return tensor->requiresGrad && tensor->isLeaf() ? leafValue(tensor, id) : id;
}

/// Leaves are told apart by their values: one that got its value in the trace, which others may
/// have too, gets an alias of it.
ValueId TraceScope::leafValue(TensorObject *tensor, ValueId id) {
  bool isInput = isShared(tensor) ? sharedOf(tensor).initial == id : !tensor->value.isTracer();
  if (!isInput && !leafNumbers.contains({tensor, id})) {
    id = tensor->value.id = graph.alias(id, location());
    rememberLine(id);
    innerLeaves[id] = tensor;
  }
  if (leafNumbers.try_emplace({tensor, id}, leaves.size()).second)
    leaves.push_back({referenceTo(tensor), id});
  return id;
}

ValueId TraceScope::detached(ValueId id, mlir::Location location) {
  auto [found, isNew] = detachedIds.try_emplace(id, 0);
  if (isNew || graph.isGone(found->second))
    found->second = graph.apply(OpCall(requireOp("weft.stop_gradient")), {id}, location)[0];
  return detachedIds[id];
}

//===----------------------------------------------------------------------===//
// Python numbers among the arguments
//===----------------------------------------------------------------------===//

void TraceScope::addScalar(ValueId id, PyRef value) {
  scalarValues[id] = {value, {unsigned(scalars.size())}, int(scalars.size())};
  scalars.push_back(std::move(value));
  specialized.push_back(false);
  numbers.begin(scalars.size());
}

const TraceScope::ScalarValue *TraceScope::scalarOf(PyObject *object) const {
  auto found =
      isTensor(object) ? scalarValues.find(asTensor(object)->value.id) : scalarValues.end();
  return found == scalarValues.end() ? nullptr : &found->second;
}

void TraceScope::noteScalar(ValueId id, PyRef value, NumberStep step, PyObject *left,
                            PyObject *right) {
  ScalarValue scalar{std::move(value), {}};
  for (auto [object, operand] : {std::pair(left, &step.left), std::pair(right, &step.right)}) {
    const ScalarValue *known = scalarOf(object);
    if (!known) {
      operand->constant = PyRef::borrow(object);
      continue;
    }
    operand->place = known->place;
    for (unsigned source : known->sources)
      if (!llvm::is_contained(scalar.sources, source))
        scalar.sources.push_back(source);
  }
  step.resultType = Py_TYPE(scalar.value.get());
  scalar.place = numbers.add(std::move(step));
  scalarValues[id] = std::move(scalar);
}

PyObject *TraceScope::scalarValue(ValueId id) const {
  auto found = scalarValues.find(id);
  return found == scalarValues.end() ? nullptr : found->second.value.get();
}

PyRef TraceScope::specialize(ValueId id) {
  auto found = scalarValues.find(id);
  if (found == scalarValues.end())
    return {};
  for (unsigned source : found->second.sources)
    specialized[source] = true;
  return found->second.value;
}

void TraceScope::requireFit(ValueId id, DType dtype) {
  numbers.requireFit(scalarValues.at(id).place, dtype);
}

//===----------------------------------------------------------------------===//
// Handles from outside
//===----------------------------------------------------------------------===//

void TraceScope::share(TensorObject *handle, PyRef stand, int leaf) {
  TensorObject *inside = asTensor(stand.get());
  standOf[handle] = inside;
  stands[inside] = shared.size();
  shared.push_back({referenceTo(handle), std::move(stand), inside->value.id, leaf});
}

void TraceScope::addSharedArgument(TensorObject *handle, PyRef stand, int leaf) {
  share(handle, std::move(stand), leaf);
}

TensorObject *TraceScope::outsideOf(TensorObject *tensor) const {
  auto found = stands.find(tensor);
  return found == stands.end() ? nullptr : asTensor(shared[found->second].handle.get());
}

TensorObject *TraceScope::known(TensorObject *tensor) {
  if (!isOlder(tensor))
    return tensor;
  auto found = standOf.find(tensor);
  if (found == standOf.end())
    return tensor;
  sharedOf(found->second).reachedElsewhere = true;
  return found->second;
}

/// A view from outside is one of what stands for its root.
PyRef TraceScope::standForView(TensorObject *older) {
  const Lens &lens = *older->lens;
  TensorObject *outside = lens.root->holder();
  viewsOf.try_emplace(outside, older);
  TensorObject *root = own(outside);
  PyRef stand = checked(newTensor(older->value));
  TensorObject *inside = asTensor(stand.get());
  inside->requiresGrad = lens.detached && older->requiresGrad;
  makeView(inside, root, lens.path, lens.tracked, lens.detached);
  // The value is one from outside: it is read anew.
  inside->lens->seen = root->root->generation - 1;
  return stand;
}

TensorObject *TraceScope::own(TensorObject *tensor) {
  if (TensorObject *found = known(tensor); !isOlder(found))
    return found;
  if (!tensor->value.storage)
    requireConcrete(tensor, "an operation");
  if (tensor->lens) {
    PyRef view = standForView(tensor);
    share(tensor, std::move(view), -1);
    return standOf[tensor];
  }
  ValueId id = graph.addInput(tensor->value.dtype, tensor->value.shape);
  meet(tensor);
  hidden.push_back({referenceTo(tensor), tensor->value.array()});
  PyRef stand = checked(newTensor(tracer(id)));
  TensorObject *inside = asTensor(stand.get());
  inside->requiresGrad = tensor->isTracked();
  inside->derived = !tensor->isLeaf();
  if (inside->derived)
    computedOutside.push_back(id);
  share(tensor, std::move(stand), -1);
  return inside;
}

TensorObject *TraceScope::gradientOwner(TensorObject *tensor) const {
  auto found = gradientOwners.find(tensor);
  return found == gradientOwners.end() ? nullptr : found->second;
}

TensorObject *TraceScope::viewOf(TensorObject *root) const {
  auto found = viewsOf.find(root);
  return found == viewsOf.end() ? nullptr : found->second;
}

TensorObject *TraceScope::gradientIsRead(TensorObject *tensor) {
  TensorObject *inside = own(tensor);
  if (!isShared(inside))
    return inside;
  SharedHandle &entry = sharedOf(inside);
  if (entry.gradientRead || entry.gradientSet)
    return inside;
  TensorObject *outside = asTensor(entry.handle.get());
  entry.gradientRead = true;
  if (outside->slot && outside->slot->gradient) {
    entry.gradientPresent = true;
    gradientOwners[asTensor(outside->slot->gradient.get())] = outside;
    inside->gradientSlot().gradient = outside->slot->gradient;
    keptAlive.push_back(outside->slot->gradient);
  }
  return inside;
}

TensorObject *TraceScope::gradientChanges(TensorObject *tensor) {
  requireNoRegion("setting .grad");
  TensorObject *inside = own(tensor);
  if (isShared(inside))
    sharedOf(inside).gradientSet = true;
  return inside;
}

TensorObject *TraceScope::replaces(TensorObject *tensor) {
  requireNoRegion("setting .data");
  TensorObject *inside = own(tensor);
  if (!isShared(inside))
    return inside;
  SharedHandle &entry = sharedOf(inside);
  // Views outside keep the slot that is left: what was written to it here would be lost for them.
  bool hasViews = inside->lens || (inside->root && inside->root.use_count() > 1);
  if (hasViews || (!entry.replaced && inside->value.id != entry.initial))
    throwError("UnsupportedError", "`.data = ...` in a compiled function, of a tensor from outside "
                                   "that has views or was written before; use assign()");
  entry.replaced = true;
  return inside;
}

void TraceScope::store(PyObject *dict, PyObject *key, PyObject *value) {
  requireNoRegion("setting an attribute of an object from outside");
  auto isPlace = [&](const Store &store) {
    return store.dict.get() == dict && PyUnicode_Compare(store.key.get(), key) == 0;
  };
  auto found = std::ranges::find_if(stores, isPlace);
  if (found == stores.end())
    found = stores.insert(found, {PyRef::borrow(dict), PyRef::borrow(key),
                                  PyRef::borrow(PyDict_GetItemWithError(dict, key)), PyRef()});
  found->value = PyRef::borrow(value);
  checkStatus(PyDict_SetItem(dict, key, value));
}

void TraceScope::undoStores() {
  for (const Store &store : stores)
    if (PyDict_GetItemWithError(store.dict.get(), store.key.get()) == store.value.get())
      PyDict_SetItem(store.dict.get(), store.key.get(), store.former.get());
}

std::vector<PyRef> TraceScope::letGo() {
  leaves.clear();
  stores.clear();
  keptAlive.clear();
  // Views come after what they look into, and keep it.
  for (SharedHandle &entry : llvm::reverse(shared))
    if (entry.stand && Py_REFCNT(entry.stand.get()) == 1)
      entry.stand = PyRef();
  std::vector<PyRef> left;
  for (TensorObject *tensor : made)
    if (tensor->value.scope.get() == this)
      left.push_back(referenceTo(tensor));
  std::ranges::stable_sort(left, {},
                           [](const PyRef &tensor) { return asTensor(tensor.get())->value.id; });
  return left;
}

void TraceScope::close() {
  active = false;
  answers = nullptr;
  standOf.clear();
  stands.clear();
  shared.clear();
  stores.clear();
  hidden.clear();
  scalarValues.clear();
  keptAlive.clear();
  leaves.clear();
}

//===----------------------------------------------------------------------===//
// Gradients
//===----------------------------------------------------------------------===//

void TraceScope::noteHistory(ValueId result, llvm::ArrayRef<ValueId> operands) {
  histories[result].assign(operands.begin(), operands.end());
  if (isInRegion())
    llvm::append_range(regions.back().tracked, operands);
}

bool TraceScope::anyInHistory(ValueId id, llvm::function_ref<bool(ValueId)> found) const {
  llvm::SmallVector<ValueId> waiting = {id};
  llvm::DenseSet<ValueId> seen;
  while (!waiting.empty()) {
    ValueId next = waiting.pop_back_val();
    if (!seen.insert(next).second)
      continue;
    if (found(next))
      return true;
    if (auto operands = histories.find(next); operands != histories.end())
      llvm::append_range(waiting, operands->second);
  }
  return false;
}

llvm::SmallVector<ValueId> TraceScope::historyBefore(llvm::ArrayRef<ValueId> values,
                                                     llvm::ArrayRef<ValueId> inputs) const {
  ValueId first = inputs.empty() ? 0 : *std::ranges::min_element(inputs);
  llvm::SmallVector<ValueId> waiting(values), before;
  llvm::DenseSet<ValueId> own(inputs.begin(), inputs.end()), seen;
  while (!waiting.empty()) {
    ValueId next = waiting.pop_back_val();
    if (!seen.insert(next).second)
      continue;
    auto operands = histories.find(next);
    if (next >= first && operands != histories.end())
      llvm::append_range(waiting, operands->second);
    else if (!own.contains(next))
      before.push_back(next);
  }
  return before;
}

bool TraceScope::isUsedUp(ValueId id) const {
  return anyInHistory(id, [this](ValueId value) { return usedUp.contains(value); });
}

void TraceScope::checkReach(ValueId id, llvm::function_ref<bool(TensorObject *)> isKept) const {
  auto isOutOfReach = [&](ValueId value) {
    auto leaf = innerLeaves.find(value);
    return leaf != innerLeaves.end() && (isShared(leaf->second) || isKept(leaf->second));
  };
  if (anyInHistory(id, isOutOfReach))
    throwError("UnsupportedError",
               "a compiled function changes a tensor that requires gradients, or makes one, and "
               "returns what it computes from the new value: gradients that are asked for after "
               "the call can't reach it. detach() what needs no gradient, call backward() in the "
               "function, or change the tensor before the call");
}

void TraceScope::useUp(ValueId id) {
  anyInHistory(id, [this](ValueId value) {
    if (histories.contains(value))
      usedUp.insert(value);
    return false;
  });
}

void TraceScope::requireNoHooks(TensorObject *leaf) {
  TensorObject *outside = outsideOf(leaf);
  if (!outside)
    return;
  if (callsHooks(outside))
    throwError("UnsupportedError",
               "backward: a tensor that the compiled function computes the gradient of has a "
               "gradient hook (register_hook), and compiled functions call none; call backward() "
               "outside of it, or remove the hook and change the gradient in the function");
  sharedOf(leaf).hasNoHooks = true;
}

std::vector<LeafGradientValue> TraceScope::gradients(ValueId output, ValueId seed, bool retain) {
  requireNoRegion("backward()");
  mlir::Location here = location();
  llvm::SmallVector<ValueId> wanted;
  for (const TracedLeaf &leaf : leaves)
    wanted.push_back(leaf.id);
  llvm::append_range(wanted, computedOutside);
  auto found = graph.gradients({output}, {seed}, wanted);
  if (!retain)
    useUp(output);
  for (size_t i = leaves.size(); i < found.size(); ++i)
    if (found[i])
      throwError("UnsupportedError",
                 "backward: a compiled function can't follow the history of a tensor that was "
                 "computed before the call; compute it inside, or call backward() outside");
  std::vector<LeafGradientValue> results;
  for (auto [leaf, gradient] : llvm::zip(leaves, found)) {
    if (!gradient)
      continue;
    requireNoHooks(asTensor(leaf.handle.get()));
    // A constant for later gradients, as outside.
    results.push_back({leaf.handle, detached(*gradient, here)});
    rememberLine(results.back().gradient);
  }
  return results;
}

llvm::SmallVector<std::optional<ValueId>> TraceScope::gradients(llvm::ArrayRef<ValueId> outputs,
                                                                llvm::ArrayRef<ValueId> seeds,
                                                                llvm::ArrayRef<ValueId> targets,
                                                                bool retain) {
  requireNoRegion("autograd.grad()");
  // A leaf has a value for each time that it was changed.
  llvm::SmallVector<ValueId> wanted(targets);
  llvm::SmallVector<size_t> targetOf = llvm::to_vector(llvm::seq<size_t>(0, targets.size()));
  for (auto [number, target] : llvm::enumerate(targets)) {
    auto known = llvm::find_if(leaves, [&](const TracedLeaf &leaf) { return leaf.id == target; });
    for (const TracedLeaf &leaf : leaves)
      if (known != leaves.end() && leaf.handle.get() == known->handle.get() && leaf.id != target) {
        wanted.push_back(leaf.id);
        targetOf.push_back(number);
      }
  }
  llvm::DenseSet<ValueId> asked(wanted.begin(), wanted.end());
  for (const TracedLeaf &leaf : leaves)
    if (asked.contains(leaf.id))
      requireNoHooks(asTensor(leaf.handle.get()));
  auto found = graph.gradients(outputs, seeds, wanted);
  if (!retain)
    for (ValueId output : outputs)
      useUp(output);
  llvm::SmallVector<std::optional<ValueId>> sums(targets.size());
  for (auto [number, gradient] : llvm::zip_equal(targetOf, found)) {
    std::optional<ValueId> &sum = sums[number];
    if (sum && gradient)
      sum = graph.apply(OpCall(requireOp("weft.add")), {*sum, *gradient}, location())[0];
    else if (gradient)
      sum = gradient;
  }
  return sums;
}

// Tracing: reads and writes of handles while a user's function runs on tracers.
#include "python/src/TraceScope.h"

#include "python/src/Apply.h"
#include "python/src/DeviceObject.h"
#include "python/src/Errors.h"

using namespace weft;

thread_local TraceScope *weft::currentScope = nullptr;

TraceScope::TraceScope() : firstSerial(nextTensorSerial()) {}

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

void TraceScope::addScalar(ValueId id, PyRef value) {
  scalarIds[id] = scalars.size();
  scalars.push_back({std::move(value), false});
}

PyRef TraceScope::specialize(ValueId id) {
  auto found = scalarIds.find(id);
  if (found == scalarIds.end())
    return {};
  scalars[found->second].specialized = true;
  return scalars[found->second].value;
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
  bool movable =
      tensor->serial >= firstSerial && tensor->value.storage && !tensor->value.storage->device();
  if (!place && !movable && tensor->value.storage && !isGeneratorState(tensor))
    place = tensor->value.storage->device();
}

ValueId TraceScope::read(TensorObject *tensor) {
  ValueId id;
  if (tensor->value.isTracer()) {
    if (tensor->value.scope.get() != this)
      requireConcrete(tensor, "an operation");
    id = tensor->value.id;
  } else {
    auto [found, isNew] = hiddenIds.try_emplace(tensor, 0);
    if (isNew) {
      found->second = graph.addInput(tensor->value.dtype, tensor->value.shape);
      meet(tensor);
      auto owner = gradientOwners.find(tensor);
      PyObject *handle =
          reinterpret_cast<PyObject *>(owner != gradientOwners.end() ? owner->second : tensor);
      hidden.push_back(
          {PyRef::borrow(handle), owner != gradientOwners.end(), tensor->value.array()});
      keptAlive.push_back(PyRef::borrow(reinterpret_cast<PyObject *>(tensor)));
    }
    id = found->second;
  }
  if (tensor->requiresGrad && tensor->isLeaf())
    noteLeaf(tensor, id);
  return id;
}

ValueId TraceScope::detached(ValueId id, mlir::Location location) {
  auto [found, isNew] = detachedIds.try_emplace(id, 0);
  if (isNew)
    found->second = graph.apply(OpCall(requireOp("weft.stop_gradient")), {id}, location)[0];
  return detachedIds[id];
}

//===----------------------------------------------------------------------===//
// Effects on handles
//===----------------------------------------------------------------------===//

void TraceScope::willRebind(TensorObject *tensor) {
  if (tensor->serial >= firstSerial || !reboundHandles.insert(tensor).second)
    return;
  rebound.push_back({PyRef::borrow(reinterpret_cast<PyObject *>(tensor)), tensor->value,
                     tensor->node, tensor->nodeResult, tensor->requiresGrad, tensor->derived});
}

void TraceScope::willSetGradient(TensorObject *tensor) {
  if (tensor->serial >= firstSerial || !gradientHandles.insert(tensor).second)
    return;
  gradientsSet.push_back({PyRef::borrow(reinterpret_cast<PyObject *>(tensor)),
                          tensor->slot ? tensor->slot->gradient : PyRef()});
}

void TraceScope::didReadGradient(TensorObject *tensor) {
  if (tensor->serial >= firstSerial || gradientHandles.contains(tensor))
    return;
  PyObject *gradient = tensor->slot ? tensor->slot->gradient.get() : nullptr;
  if (gradient)
    gradientOwners[asTensor(gradient)] = tensor;
  for (auto &[handle, present] : gradientsRead)
    if (asTensor(handle.get()) == tensor)
      return;
  gradientsRead.push_back({PyRef::borrow(reinterpret_cast<PyObject *>(tensor)), gradient});
}

void TraceScope::noteLeaf(TensorObject *tensor, ValueId id) {
  for (const TracedLeaf &leaf : leaves)
    if (leaf.id == id && asTensor(leaf.handle.get()) == tensor)
      return;
  leaves.push_back({PyRef::borrow(reinterpret_cast<PyObject *>(tensor)), id});
}

void TraceScope::undo() {
  for (SavedValue &saved : rebound) {
    TensorObject *tensor = asTensor(saved.handle.get());
    tensor->value = saved.value;
    tensor->node = saved.node;
    tensor->nodeResult = saved.nodeResult;
    tensor->requiresGrad = saved.requiresGrad;
    tensor->derived = saved.derived;
  }
  for (SavedGradient &saved : gradientsSet)
    asTensor(saved.handle.get())->gradientSlot().gradient = saved.before;
}

void TraceScope::close() {
  active = false;
  rebound.clear();
  gradientsSet.clear();
  gradientsRead.clear();
  hidden.clear();
  keptAlive.clear();
  leaves.clear();
}

//===----------------------------------------------------------------------===//
// Gradients
//===----------------------------------------------------------------------===//

void TraceScope::backward(TensorObject *root, PyObject *cotangent) {
  differentiated = true;
  mlir::Location here = location();
  ValueId output = read(root);
  ValueId seed = cotangent ? read(asTensor(cotangent))
                           : graph.constant(root->value.dtype, root->value.shape, 1.0, false, here);
  llvm::SmallVector<ValueId> wanted;
  std::vector<TracedLeaf> asked = leaves;
  for (const TracedLeaf &leaf : asked)
    wanted.push_back(leaf.id);
  auto gradients = graph.gradients({output}, {seed}, wanted);
  for (auto [leaf, gradient] : llvm::zip_equal(asked, gradients)) {
    if (!gradient)
      continue;
    rememberLine(*gradient);
    PyRef tensor = checked(newTensor(tracer(*gradient)));
    accumulateGradient(asTensor(leaf.handle.get()), std::move(tensor));
  }
}

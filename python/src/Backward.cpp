// Gradients by the tape, or in the trace in progress.
#include "python/src/Backward.h"

#include "lib/Trace/TapeGradients.h"
#include "python/src/Apply.h"
#include "python/src/DeviceObject.h"
#include "python/src/Errors.h"
#include "python/src/GradientHooks.h"
#include "python/src/Recording.h"
#include "python/src/TraceScope.h"
#include "python/src/state/StateLock.h"

#include "python/src/Conversion.h"
#include "python/src/state/Handle.h"
#include "llvm/ADT/MapVector.h"

using namespace weft;

static Array ones(DType dtype, Device *device) {
  PyRef one = checked(PyFloat_FromDouble(1.0));
  return scalarOn(device, scalarArray(one.get(), dtype));
}

/// Adds the gradients to what the leaves have, unless it had to wait for another thread that
/// changes state. All sums come before the first `.grad` changes: one that fails leaves them as
/// they were. Gradients with gradients in turn are new tensors, of recorded sums.
static bool accumulate(llvm::ArrayRef<FoundGradient> gradients, bool record) {
  StateLock lock(/*needed=*/true);
  if (lock.waited())
    return false;
  GradientMode mode(record);
  llvm::MapVector<Leaf *, std::pair<std::shared_ptr<Leaf>, PyRef>> sums;
  for (const FoundGradient &found : gradients) {
    const std::shared_ptr<Leaf> &target = found.target.leaf;
    auto &[leaf, sum] = sums[target.get()];
    PyRef former = leaf ? sum : static_cast<GradientSlot &>(*target).gradient;
    leaf = target;
    sum = tensorOf(found.gradient);
    if (former)
      sum = apply(OpCall(requireOp("weft.add")), {{former.get(), sum.get()}});
  }
  for (auto &[key, entry] : sums) {
    PyRef &gradient = static_cast<GradientSlot &>(*entry.first).gradient;
    if (gradient && !record)
      adopt(asTensor(gradient.get()), asTensor(entry.second.get()));
    else
      gradient = std::move(entry.second);
  }
  return true;
}

/// The value of a tensor of the trace whose gradient is asked for.
static ValueId rootInTrace(const TraceScope &scope, TensorObject *root) {
  ValueId output = traced(root);
  if (scope.isUsedUp(output))
    throwError("GradientError", "backward: the values recorded for this gradient were released by "
                                "an earlier backward(); pass retain_graph=True to that one");
  return output;
}

static void backwardInTrace(TraceScope &scope, TensorObject *root, PyObject *cotangent,
                            bool retain) {
  ValueId output = rootInTrace(scope, root);
  ValueId seed = cotangent
                     ? traced(asTensor(cotangent))
                     : scope.graph.constant(scope.graph.dtype(output), scope.graph.shape(output),
                                            1.0, false, scope.location());
  for (const LeafGradientValue &found : scope.gradients(output, seed, retain))
    accumulateGradient(asTensor(found.leaf.get()),
                       checked(newTensor(scope.tracer(found.gradient))));
}

void weft::backward(TensorObject *root, PyObject *cotangent, bool retain, bool record) {
  root = current(root);
  const TensorValue &value = root->value;
  if (!root->isTracked())
    throwError("GradientError",
               "backward: the tensor does not depend on any tensor that requires a "
               "gradient");
  if (!cotangent && isComplex(value.dtype))
    throwError("DTypeError", "backward: a complex number has no gradient of its own; take its "
                             "weft.real or weft.abs, or give a cotangent");
  if (!cotangent && elementCount(value.shape) != 1)
    throwError("ShapeError", "backward: a tensor of shape " + shapeTuple(value.shape) +
                                 " needs a cotangent of that shape; only tensors of one element "
                                 "have a default");
  if (cotangent && isTensor(cotangent))
    cotangent = reinterpret_cast<PyObject *>(current(asTensor(cotangent)));
  if (cotangent && (!isTensor(cotangent) || asTensor(cotangent)->value.shape != value.shape))
    throwError("ShapeError",
               "backward: the cotangent has to be a tensor of shape " + shapeTuple(value.shape));
  if (currentScope)
    return backwardInTrace(*currentScope, root, cotangent, retain);
  RecordedCall recorded("call", "backward");
  requireConcrete(root, "backward");
  TapeInput seed;
  if (cotangent) {
    requireConcrete(asTensor(cotangent), "backward");
    requireSameDevice(root, asTensor(cotangent), "backward");
    seed.array = asTensor(cotangent)->value.array();
    if (record)
      seed.origin = asTensor(cotangent)->origin();
  } else {
    seed.array = ones(value.dtype, value.storage->device());
    seed.array.shape = value.shape;
  }
  GradientRequest request;
  request.retain = retain;
  request.record = record;
  std::vector<FoundGradient> gradients = differentiate(GradientSeed{root->origin(), seed}, request);
  while (!accumulate(gradients, record))
    ;
  llvm::DenseSet<Leaf *> seen;
  for (const FoundGradient &found : gradients)
    if (seen.insert(found.target.leaf.get()).second)
      callAccumulated(*found.target.leaf);
}

llvm::SmallVector<PyRef> weft::gradientsOnTape(llvm::ArrayRef<TensorObject *> roots,
                                               llvm::ArrayRef<TensorObject *> cotangents,
                                               llvm::ArrayRef<TensorObject *> targets, bool retain,
                                               bool record) {
  GradientRequest request;
  request.retain = retain;
  request.record = record;
  for (TensorObject *target : targets)
    request.wanted.push_back(target->origin());
  std::vector<GradientSeed> seeds;
  for (auto [root, cotangent] : llvm::zip_equal(roots, cotangents)) {
    if (!root->isTracked())
      continue;
    requireConcrete(cotangent, "a gradient");
    requireSameDevice(root, cotangent, "a gradient");
    Origin history = record ? cotangent->origin() : Origin();
    seeds.push_back({root->origin(), {cotangent->value.array(), std::move(history)}});
  }
  llvm::DenseMap<OriginKey, TapeInput> sums;
  for (const FoundGradient &found : differentiate(seeds, request)) {
    auto [sum, isNew] = sums.try_emplace(keyOf(found.target), found.gradient);
    if (!isNew)
      sum->second = sumOfGradients(sum->second, found.gradient, record);
  }
  llvm::SmallVector<PyRef> results;
  for (const Origin &origin : request.wanted) {
    auto sum = origin ? sums.find(keyOf(origin)) : sums.end();
    results.push_back(sum == sums.end() ? PyRef() : tensorOf(sum->second));
  }
  return results;
}

llvm::SmallVector<PyRef> weft::gradientsInTrace(llvm::ArrayRef<TensorObject *> roots,
                                                llvm::ArrayRef<TensorObject *> cotangents,
                                                llvm::ArrayRef<TensorObject *> targets, bool retain,
                                                bool record) {
  TraceScope &scope = *currentScope;
  llvm::SmallVector<ValueId> outputs, seeds, wanted, history;
  for (auto [root, cotangent] : llvm::zip_equal(roots, cotangents)) {
    if (!root->isTracked())
      continue;
    if (root->node)
      throwError("UnsupportedError",
                 "a gradient: a compiled function can't follow the history of a tensor that was "
                 "computed before the call; compute it inside, or ask for its gradient outside");
    outputs.push_back(rootInTrace(scope, root));
    seeds.push_back(traced(cotangent));
    for (TensorObject *tensor : {root, cotangent})
      if (record && tensor->isTracked())
        history.push_back(traced(tensor));
  }
  for (TensorObject *target : targets)
    wanted.push_back(traced(target));
  auto found = scope.gradients(outputs, seeds, wanted, retain);
  llvm::SmallVector<PyRef> results;
  for (const std::optional<ValueId> &gradient : found) {
    PyRef &result = results.emplace_back();
    if (!gradient)
      continue;
    ValueId id = record ? *gradient : scope.detached(*gradient, scope.location());
    scope.rememberLine(id);
    result = checked(newTensor(scope.tracer(id)));
    asTensor(result.get())->requiresGrad = asTensor(result.get())->derived = record;
    if (record)
      scope.noteHistory(id, history);
  }
  return results;
}

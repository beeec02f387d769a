// Gradients by the tape, or in the trace in progress.
#include "python/src/Backward.h"

#include "python/src/Apply.h"
#include "python/src/DeviceObject.h"
#include "python/src/Errors.h"
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
/// they were.
static bool accumulate(std::vector<LeafGradient> &gradients) {
  StateLock lock(/*needed=*/true);
  if (lock.waited())
    return false;
  GradientMode mode(false);
  llvm::MapVector<Leaf *, std::pair<std::shared_ptr<Leaf>, PyRef>> sums;
  for (LeafGradient &result : gradients) {
    auto &[leaf, sum] = sums[result.leaf.get()];
    PyRef former = leaf ? sum : static_cast<GradientSlot &>(*result.leaf).gradient;
    leaf = result.leaf;
    sum = checked(newTensor(TensorValue::of(std::move(result.gradient))));
    if (former)
      sum = apply(OpCall(requireOp("weft.add")), {{former.get(), sum.get()}});
  }
  for (auto &[key, entry] : sums) {
    PyRef &gradient = static_cast<GradientSlot &>(*entry.first).gradient;
    if (gradient)
      adopt(asTensor(gradient.get()), asTensor(entry.second.get()));
    else
      gradient = std::move(entry.second);
  }
  return true;
}

static void backwardInTrace(TraceScope &scope, TensorObject *root, PyObject *cotangent,
                            bool retain) {
  ValueId output = traced(root);
  if (scope.isUsedUp(output))
    throwError("GradientError", "backward: the values recorded for this gradient were released by "
                                "an earlier backward(); pass retain_graph=True to that one");
  ValueId seed = cotangent
                     ? traced(asTensor(cotangent))
                     : scope.graph.constant(scope.graph.dtype(output), scope.graph.shape(output),
                                            1.0, false, scope.location());
  for (const LeafGradientValue &found : scope.gradients(output, seed, retain))
    accumulateGradient(asTensor(found.leaf.get()),
                       checked(newTensor(scope.tracer(found.gradient))));
}

void weft::backward(TensorObject *root, PyObject *cotangent, bool retain) {
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
  requireConcrete(root, "backward");
  Array seed;
  if (cotangent) {
    requireConcrete(asTensor(cotangent), "backward");
    requireSameDevice(root, asTensor(cotangent), "backward");
    seed = asTensor(cotangent)->value.array();
  } else {
    seed = ones(value.dtype, value.storage->device());
    seed.shape = value.shape;
  }
  std::vector<LeafGradient> gradients = differentiate(root->origin(), seed, retain);
  while (!accumulate(gradients))
    ;
}

llvm::SmallVector<PyRef> weft::gradientsOnTape(llvm::ArrayRef<TensorObject *> roots,
                                               llvm::ArrayRef<TensorObject *> cotangents,
                                               llvm::ArrayRef<TensorObject *> leaves) {
  GradientMode mode(false);
  llvm::DenseMap<Leaf *, size_t> numbers;
  for (auto [number, leaf] : llvm::enumerate(leaves))
    numbers[&leaf->gradientSlot()] = number;
  llvm::SmallVector<PyRef> sums(leaves.size());
  for (auto [root, cotangent] : llvm::zip_equal(roots, cotangents)) {
    if (!root->isTracked())
      continue;
    requireConcrete(cotangent, "vjp");
    requireSameDevice(root, cotangent, "vjp");
    for (LeafGradient &found :
         differentiate(root->origin(), cotangent->value.array(), /*retain=*/true)) {
      auto wanted = numbers.find(found.leaf.get());
      if (wanted == numbers.end())
        continue;
      PyRef &sum = sums[wanted->second];
      PyRef gradient = checked(newTensor(TensorValue::of(std::move(found.gradient))));
      sum = sum ? apply(OpCall(requireOp("weft.add")), {{sum.get(), gradient.get()}})
                : std::move(gradient);
    }
  }
  return sums;
}

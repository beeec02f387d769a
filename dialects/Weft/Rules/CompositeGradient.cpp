// Gradients of the composites that have a shorter or more robust derivative in terms of their
// results than their definitions give.
#include "dialects/Weft/Rules/Build.h"

using namespace mlir;

namespace weft {

/// By the definition, exp(-x) overflows for large negative x and gives infinity times 0.
void SigmoidOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool>,
                              MutableArrayRef<Value> gradients) {
  Compose at(builder, getLoc());
  Expression g = at(cotangents[0]), result = at(getResult());
  gradients[0] = g * (result * (1.0 - result));
}

void SoftplusOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool>,
                               MutableArrayRef<Value> gradients) {
  Compose at(builder, getLoc());
  gradients[0] = at(cotangents[0]) * sigmoid(at(getX()));
}

/// s (g - sum(g s)) with s the softmax: neither exponentials nor their sum are kept.
void SoftmaxOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool>,
                              MutableArrayRef<Value> gradients) {
  Compose at(builder, getLoc());
  Expression g = widen(at(cotangents[0])), result = widen(at(getResult()));
  int64_t axis = getAxis();
  Expression mean = repeat(sum(g * result, axis), g.type().getShape(), axis);
  gradients[0] = convert(result * (g - mean), at(getX()).element());
}

/// g - softmax sum(g).
void LogSoftmaxOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool>,
                                 MutableArrayRef<Value> gradients) {
  Compose at(builder, getLoc());
  Expression g = widen(at(cotangents[0])), result = widen(at(getResult()));
  int64_t axis = getAxis();
  Expression total = repeat(sum(g, axis), g.type().getShape(), axis);
  gradients[0] = convert(g - exp(result) * total, at(getX()).element());
}

} // namespace weft

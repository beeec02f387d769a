// Definitions of means, softmax and the normalisations. float16 and bfloat16 are computed in
// float32.
#include "dialects/Weft/Rules/Build.h"

using namespace mlir;

namespace weft {

/// e to the power of x less its largest element along `axis`; the softmax does not depend on what
/// is subtracted, so no derivative goes there.
static Expression shiftedBelowZero(const Expression &x, int64_t axis) {
  return x - repeat(stopGradient(max(x, axis)), x.type().getShape(), axis);
}

SmallVector<Value> SoftmaxOp::decompose(OpBuilder &builder) {
  Expression x = widen(Compose(builder, getLoc())(getX()));
  int64_t axis = getAxis();
  Expression exponential = exp(shiftedBelowZero(x, axis));
  Expression total = repeat(sum(exponential, axis), x.type().getShape(), axis);
  return {convert(exponential / total, getType().getElementType())};
}

SmallVector<Value> LogSoftmaxOp::decompose(OpBuilder &builder) {
  Expression x = widen(Compose(builder, getLoc())(getX()));
  int64_t axis = getAxis();
  Expression shifted = shiftedBelowZero(x, axis);
  Expression total = repeat(log(sum(exp(shifted), axis)), x.type().getShape(), axis);
  return {convert(shifted - total, getType().getElementType())};
}

static Expression mean(const Expression &x, Axes axes, double count) {
  return sum(x, axes) / count;
}

/// x less its mean along `axes`.
static Expression centered(const Expression &x, Axes axes, double count) {
  return x - repeat(mean(x, axes, count), x.type().getShape(), axes);
}

SmallVector<Value> MeanOp::decompose(OpBuilder &builder) {
  FailureOr<int64_t> count = countAlong(*this, getX(), getAxes());
  if (failed(count))
    return {};
  Expression x = widen(Compose(builder, getLoc())(getX()));
  return {convert(mean(x, getAxes(), *count), getType().getElementType())};
}

SmallVector<Value> VarianceOp::decompose(OpBuilder &builder) {
  FailureOr<int64_t> count = countAlong(*this, getX(), getAxes());
  if (failed(count))
    return {};
  Expression x = widen(Compose(builder, getLoc())(getX()));
  Expression distance = centered(x, getAxes(), *count);
  double freedom = std::max(*count - getCorrection().convertToDouble(), 0.0);
  return {convert(mean(distance * distance, getAxes(), freedom), getType().getElementType())};
}

SmallVector<Value> LayerNormOp::decompose(OpBuilder &builder) {
  Compose at(builder, getLoc());
  Expression x = widen(at(getX())), weight = widen(at(getWeight())), bias = widen(at(getBias()));
  SmallVector<int64_t> axes = lastAxes(x.rank(), weight.rank());
  FailureOr<int64_t> count = countAlong(*this, getX(), axes);
  if (failed(count))
    return {};
  Shape shape = x.type().getShape();
  Expression distance = centered(x, axes, *count);
  Expression variance = mean(distance * distance, axes, *count);
  Expression scale = rsqrt(variance + getEpsilon().convertToDouble());
  Expression normal = distance * repeat(scale, shape, axes);
  return {convert(normal * broadcast(weight, shape, axes) + broadcast(bias, shape, axes),
                  getType().getElementType())};
}

SmallVector<Value> BatchNormOp::decompose(OpBuilder &builder) {
  Compose at(builder, getLoc());
  Expression x = widen(at(getX())), weight = widen(at(getWeight()));
  auto perChannel = [&](const Expression &values) {
    return broadcast(convert(values, x.element()), x.type().getShape(), 1);
  };
  Expression variance = widen(at(getVariance()));
  Expression scale = weight * rsqrt(variance + getEpsilon().convertToDouble());
  Expression distance = x - perChannel(at(getMean()));
  return {convert(distance * perChannel(scale) + perChannel(at(getBias())),
                  getType().getElementType())};
}

} // namespace weft

// Definitions of means, softmax and the normalisations. float16 and bfloat16 are computed in
// float32.
#include "dialects/Weft/IR/ElementBodies.h"
#include "dialects/Weft/Rules/Build.h"
#include "lib/Support/SymbolicSize.h"
#include <cmath>

using namespace mlir;

namespace weft {

/// e to the power of x less its largest element along `axis`; the softmax does not depend on what
/// is subtracted, so no derivative goes there.
static Expression shiftedBelowZero(const Expression &x, int64_t axis) {
  return x - repeat(stopGradient(max(x, axis)), x.type().getShape(), axis);
}

/// The exponential of what is not positive, which takes less.
static Expression expOfNonpositive(const Expression &x) {
  Expression result = exp(x);
  static_cast<Value>(result).getDefiningOp()->setAttr(nonpositiveAttribute,
                                                      UnitAttr::get(x.type().getContext()));
  return result;
}

SmallVector<Value> SoftmaxOp::decompose(OpBuilder &builder) {
  Expression x = widen(Compose(builder, getLoc())(getX()));
  int64_t axis = getAxis();
  Expression exponential = expOfNonpositive(shiftedBelowZero(x, axis));
  // A quotient for each row, not for each element: 1 is the least total.
  Expression factor = repeat(1.0 / sum(exponential, axis), x.type().getShape(), axis);
  return {convert(exponential * factor, getType().getElementType())};
}

SmallVector<Value> LogSoftmaxOp::decompose(OpBuilder &builder) {
  Expression x = widen(Compose(builder, getLoc())(getX()));
  int64_t axis = getAxis();
  Expression shifted = shiftedBelowZero(x, axis);
  Expression total = repeat(log(sum(expOfNonpositive(shifted), axis)), x.type().getShape(), axis);
  return {convert(shifted - total, getType().getElementType())};
}

static Expression mean(const Expression &x, Axes axes, int64_t count) {
  Expression total = sum(x, axes);
  return total / total.at().size(total.type(), count);
}

/// x less its mean along `axes`.
static Expression centered(const Expression &x, Axes axes, int64_t count) {
  return x - repeat(mean(x, axes, count), x.type().getShape(), axes);
}

SmallVector<Value> MeanOp::decompose(OpBuilder &builder) {
  std::optional<int64_t> count = countAlong(*this, getX(), getAxes());
  if (!count)
    return {};
  Compose at(builder, getLoc());
  // By parts, as where it is taken apart: a division by a complex number would mix their NaN.
  if (isComplexTensor(getX().getType()))
    return {at.create<ComplexOp>(mean(at.create<RealOp>(getX()), getAxes(), *count),
                                 mean(at.create<ImagOp>(getX()), getAxes(), *count))};
  Expression x = widen(at(getX()));
  return {convert(mean(x, getAxes(), *count), getType().getElementType())};
}

/// count - correction, but not below 0, in a tensor like `total`. It is computed in float64 and
/// rounded once, with a known count as with a symbolic one.
static Expression degreesOfFreedom(const Expression &total, int64_t count, double correction) {
  const Compose &at = total.at();
  if (!isSymbolicSize(count))
    return total.filled(std::max(static_cast<double>(count) - correction, 0.0));
  if (std::trunc(correction) == correction && std::abs(correction) < 1e6)
    return at.size(total.type(), subtractSizes(count, static_cast<int64_t>(correction)));
  Type wide = RankedTensorType::get({}, Float64Type::get(total.element().getContext()));
  Expression freedom = maximum(at.size(wide, count) - correction, 0.0);
  return broadcast(convert(freedom, total.element()), total.type().getShape(), {});
}

SmallVector<Value> VarianceOp::decompose(OpBuilder &builder) {
  std::optional<int64_t> count = countAlong(*this, getX(), getAxes());
  if (!count)
    return {};
  Expression x = widen(Compose(builder, getLoc())(getX()));
  Expression distance = centered(x, getAxes(), *count);
  Expression total = sum(distance * distance, getAxes());
  Expression freedom = degreesOfFreedom(total, *count, getCorrection().convertToDouble());
  return {convert(total / freedom, getType().getElementType())};
}

SmallVector<Value> LayerNormOp::decompose(OpBuilder &builder) {
  Compose at(builder, getLoc());
  Expression x = widen(at(getX())), weight = widen(at(getWeight())), bias = widen(at(getBias()));
  SmallVector<int64_t> axes = lastAxes(x.rank(), weight.rank());
  std::optional<int64_t> count = countAlong(*this, getX(), axes);
  if (!count)
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

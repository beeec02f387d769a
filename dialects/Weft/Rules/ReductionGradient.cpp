// Gradients of the reductions.
#include "dialects/Weft/Rules/Build.h"
#include "lib/Support/SymbolicSize.h"

using namespace mlir;

namespace weft {

void SumOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool>,
                          MutableArrayRef<Value> gradients) {
  Compose at(builder, getLoc());
  gradients[0] = repeat(at(cotangents[0]), getX().getType().getShape(), getAxes());
}

/// The product of all other elements along `axis`, for each element. It divides by nothing, so it
/// is right where elements are zero, and so are its derivatives: the two halves are multiplied into
/// one of half the size, whose products of others lack only the partner in the other half.
static Expression productOfOthers(const Expression &x, int64_t axis) {
  int64_t size = x.size(axis), half = (size + 1) / 2;
  if (size <= 1)
    return x.filled(1.0);
  // How often it is halved, the number decides; fusion says so of a slice that starts at one.
  if (isSymbolicSize(size))
    return reverse(x, axis);
  Expression low = sliceAlong(x, axis, 0, half), high = sliceAlong(x, axis, half, size - half);
  if (size % 2 != 0) {
    SmallVector<int64_t> none(x.rank(), 0);
    high = pad(high, 1.0, none, none, low.type().getShape());
  }
  Expression others = productOfOthers(low * high, axis);
  Expression both = concatenate({others * high, others * low}, axis, x.at());
  return size % 2 == 0 ? both : sliceAlong(both, axis, 0, size);
}

/// One axis after the other, the last one first.
void ProdOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool>,
                           MutableArrayRef<Value> gradients) {
  Compose at(builder, getLoc());
  SmallVector<Expression> factors;
  Expression product = at(getX());
  for (int64_t axis : llvm::reverse(getAxes())) {
    factors.push_back(product);
    product = prod(product, axis);
  }
  Expression gradient = at(cotangents[0]);
  for (auto [axis, factor] : llvm::zip_equal(getAxes(), llvm::reverse(factors)))
    gradient = repeat(gradient, factor.type().getShape(), axis) * productOfOthers(factor, axis);
  gradients[0] = gradient;
}

static Expression isNan(const Expression &x) { return x.at().create<NotEqualOp>(x, x); }

/// The gradient of the largest or smallest elements: shared evenly among the elements that are
/// equal to the result, or NaN, as the result is then.
static Value shareAmongEquals(const Expression &x, const Expression &result, const Expression &g,
                              Axes axes) {
  Shape shape = x.type().getShape();
  Expression wins = x == repeat(result, shape, axes) || isNan(x), wide = widen(g);
  Expression count = sum(convert(wins, wide.element()), axes);
  return select(wins, repeat(convert(wide / count, g.element()), shape, axes), 0.0);
}

void MaxOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool>,
                          MutableArrayRef<Value> gradients) {
  Compose at(builder, getLoc());
  gradients[0] = shareAmongEquals(at(getX()), at(getResult()), at(cotangents[0]), getAxes());
}

void MinOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool>,
                          MutableArrayRef<Value> gradients) {
  Compose at(builder, getLoc());
  gradients[0] = shareAmongEquals(at(getX()), at(getResult()), at(cotangents[0]), getAxes());
}

} // namespace weft

// Gradients of the scans.
#include "dialects/Weft/Rules/Build.h"
#include "lib/Support/SymbolicSize.h"

using namespace mlir;

namespace weft {

/// What comes before an element reaches those behind it: the sums from the other end.
void CumulativeSumOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool>,
                                    MutableArrayRef<Value> gradients) {
  gradients[0] =
      CumulativeSumOp::create(builder, getLoc(), cotangents[0], getAxis(), !getReversed());
}

/// `x` moved by `distance` towards the front along the axis, with `fill` behind.
static Expression ahead(const Expression &x, int64_t axis, int64_t distance, double fill) {
  SmallVector<int64_t> none(x.rank(), 0);
  Expression rest = sliceAlong(x, axis, distance, x.size(axis) - distance);
  return pad(rest, fill, none, none, x.type().getShape());
}

/// Element i of the gradient is that of the products before i, times r(i) = g(i) + x(i+1) r(i+1).
/// The recurrence is solved by doubling (Hillis and Steele, 1986), so it divides by nothing and is
/// right where elements are zero.
void CumulativeProdOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool>,
                                     MutableArrayRef<Value> gradients) {
  Compose at(builder, getLoc());
  auto axis = static_cast<int64_t>(getAxis());
  Expression x = at(getX()), g = at(cotangents[0]);
  int64_t size = x.size(axis);
  if (size == 0)
    return;
  if (isSymbolicSize(size)) {
    // How often it is doubled, the number decides; fusion says so of a slice that starts at one.
    gradients[0] = reverse(x, axis);
    return;
  }
  if (getReversed()) {
    x = reverse(x, axis);
    g = reverse(g, axis);
  }
  Expression factor = ahead(x, axis, 1, 0.0), total = g;
  for (int64_t distance = 1; distance < size; distance *= 2) {
    total = total + factor * ahead(total, axis, distance, 0.0);
    factor = factor * ahead(factor, axis, distance, 0.0);
  }
  SmallVector<int64_t> low(x.rank(), 0), none(x.rank(), 0);
  low[axis] = 1;
  Expression products = at.create<CumulativeProdOp>(x, getAxis(), false);
  Expression before =
      pad(sliceAlong(products, axis, 0, size - 1), 1.0, low, none, x.type().getShape());
  Expression gradient = before * total;
  gradients[0] = getReversed() ? reverse(gradient, axis) : gradient;
}

} // namespace weft

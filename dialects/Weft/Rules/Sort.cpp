// How sorting orders elements (SortOpInterface), and its gradient.
#include "dialects/Weft/Rules/Build.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using arith::CmpFPredicate;
using arith::CmpIPredicate;

namespace weft {

Value SortOp::emitPrecedes(OpBuilder &builder, Location location, Value left, Value right) {
  Type dtype = getElementTypeOrSelf(getX());
  if (getDescending())
    std::swap(left, right);
  if (!isa<FloatType>(dtype)) {
    bool isUnsigned = dtype.isUnsignedInteger() || dtype.isInteger(1);
    return arith::CmpIOp::create(builder, location,
                                 isUnsigned ? CmpIPredicate::ult : CmpIPredicate::slt, left, right);
  }
  // A number comes before NaN, in both directions; NaN before nothing.
  Value less = arith::CmpFOp::create(builder, location, CmpFPredicate::ULT, left, right);
  Value number = getDescending() ? right : left;
  Value isNumber = arith::CmpFOp::create(builder, location, CmpFPredicate::ORD, number, number);
  return arith::AndIOp::create(builder, location, less, isNumber);
}

/// The number of each element in row-major order with the position along the axis replaced by
/// `indices`.
static Expression placesOf(const Expression &indices, int64_t axis) {
  const Compose &at = indices.at();
  RankedTensorType type = indices.type();
  Expression place = at.constant(type, 0.0);
  for (int64_t dimension = 0; dimension < type.getRank(); ++dimension)
    place = place * at.size(type, type.getDimSize(dimension)) +
            (dimension == axis ? indices : at.iota(type, dimension));
  return place;
}

/// Each cotangent goes back to where its element was.
void SortOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool>,
                           MutableArrayRef<Value> gradients) {
  if (!cotangents[0] || isEmpty(getX().getType()))
    return;
  Compose at(builder, getLoc());
  Expression g = at(cotangents[0]);
  int64_t count = productOf(g.type().getShape()).value_or(ShapedType::kDynamic);
  Expression places = reshape(placesOf(at(getIndices()), getAxis()), {count});
  Expression zeros = at.constant(RankedTensorType::get({count}, g.element()), 0.0);
  Expression moved = at.create<ScatterOp>(zeros, places, reshape(g, {count}), 0);
  gradients[0] = reshape(moved, g.type().getShape());
}

} // namespace weft

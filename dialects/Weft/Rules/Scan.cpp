// How scans combine elements (ScanOpInterface).
#include "dialects/Weft/IR/Weft.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace weft {

static Value makeNumber(OpBuilder &builder, Location location, Type type, double value) {
  Type scalar = getElementTypeOrSelf(type);
  TypedAttr number = isa<FloatType>(scalar)
                         ? TypedAttr(builder.getFloatAttr(scalar, value))
                         : builder.getIntegerAttr(scalar, static_cast<int64_t>(value));
  if (auto vector = dyn_cast<VectorType>(type))
    number = DenseElementsAttr::get(vector, number);
  return arith::ConstantOp::create(builder, location, number);
}

template <typename FloatOp, typename IntegerOp>
static Value combine(OpBuilder &builder, Location location, Value before, Value next) {
  if (isa<FloatType>(getElementTypeOrSelf(before)))
    return FloatOp::create(builder, location, before, next);
  return IntegerOp::create(builder, location, before, next);
}

/// The negative zero: that of the other sign turns it into itself.
Value CumulativeSumOp::emitIdentity(OpBuilder &builder, Location location, Type type) {
  return makeNumber(builder, location, type, -0.0);
}
Value CumulativeSumOp::emitCombine(OpBuilder &builder, Location location, Value before,
                                   Value next) {
  return combine<arith::AddFOp, arith::AddIOp>(builder, location, before, next);
}

Value CumulativeProdOp::emitIdentity(OpBuilder &builder, Location location, Type type) {
  return makeNumber(builder, location, type, 1);
}
Value CumulativeProdOp::emitCombine(OpBuilder &builder, Location location, Value before,
                                    Value next) {
  return combine<arith::MulFOp, arith::MulIOp>(builder, location, before, next);
}

} // namespace weft

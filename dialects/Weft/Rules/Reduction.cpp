// The accumulators of reductions (ReductionOpInterface).
#include "dialects/Weft/IR/Weft.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include <limits>

using namespace mlir;
using arith::CmpFPredicate;
using arith::CmpIPredicate;

namespace weft {

ArrayRef<int64_t> SumOp::getReducedAxes() { return getAxes(); }
ArrayRef<int64_t> ProdOp::getReducedAxes() { return getAxes(); }
ArrayRef<int64_t> MaxOp::getReducedAxes() { return getAxes(); }
ArrayRef<int64_t> MinOp::getReducedAxes() { return getAxes(); }
ArrayRef<int64_t> ArgmaxOp::getReducedAxes() { return getAxes(); }
ArrayRef<int64_t> ArgminOp::getReducedAxes() { return getAxes(); }

static Value makeConstant(OpBuilder &builder, Location location, Type type, TypedAttr scalar) {
  if (auto vector = dyn_cast<VectorType>(type))
    scalar = DenseElementsAttr::get(vector, scalar);
  return arith::ConstantOp::create(builder, location, scalar);
}

static Value makeNumber(OpBuilder &builder, Location location, Type type, double value) {
  Type scalar = getElementTypeOrSelf(type);
  if (isa<FloatType>(scalar))
    return makeConstant(builder, location, type, builder.getFloatAttr(scalar, value));
  return makeConstant(builder, location, type,
                      builder.getIntegerAttr(scalar, static_cast<int64_t>(value)));
}

/// The value that loses against any other: the least of the dtype for a maximum, else the greatest.
static Value makeExtreme(OpBuilder &builder, Location location, Type type, Type dtype, bool least) {
  Type scalar = getElementTypeOrSelf(type);
  if (isa<FloatType>(scalar)) {
    double infinity = std::numeric_limits<double>::infinity();
    return makeNumber(builder, location, type, least ? -infinity : infinity);
  }
  unsigned bits = scalar.getIntOrFloatBitWidth();
  bool isUnsigned = dtype.isUnsignedInteger() || bits == 1;
  APInt value = isUnsigned
                    ? (least ? APInt::getMinValue(bits) : APInt::getMaxValue(bits))
                    : (least ? APInt::getSignedMinValue(bits) : APInt::getSignedMaxValue(bits));
  return makeConstant(builder, location, type, builder.getIntegerAttr(scalar, value));
}

/// left < right of the dtype.
static Value makeLess(OpBuilder &builder, Location location, Type dtype, Value left, Value right) {
  if (isa<FloatType>(dtype))
    return arith::CmpFOp::create(builder, location, CmpFPredicate::OLT, left, right);
  bool isUnsigned = dtype.isUnsignedInteger() || dtype.isInteger(1);
  return arith::CmpIOp::create(builder, location,
                               isUnsigned ? CmpIPredicate::ult : CmpIPredicate::slt, left, right);
}

static Value isNan(OpBuilder &builder, Location location, Value x) {
  return arith::CmpFOp::create(builder, location, CmpFPredicate::UNO, x, x);
}

static Type dtypeOf(Operation *op) { return getElementTypeOrSelf(op->getOperand(0)); }

//===----------------------------------------------------------------------===//
// Sums and products
//===----------------------------------------------------------------------===//

template <typename FloatOp, typename IntegerOp>
static SmallVector<Value> combineArithmetic(OpBuilder &builder, Location location, Value left,
                                            Value right) {
  if (isa<FloatType>(getElementTypeOrSelf(left)))
    return {FloatOp::create(builder, location, left, right)};
  return {IntegerOp::create(builder, location, left, right)};
}

SmallVector<Value> SumOp::emitIdentity(OpBuilder &builder, Location location, Type type) {
  return {makeNumber(builder, location, type, 0)};
}
SmallVector<Value> SumOp::emitElement(OpBuilder &, Location, Value element, Value) {
  return {element};
}
SmallVector<Value> SumOp::emitCombine(OpBuilder &builder, Location location, ValueRange left,
                                      ValueRange right) {
  return combineArithmetic<arith::AddFOp, arith::AddIOp>(builder, location, left[0], right[0]);
}
SmallVector<Value> ProdOp::emitIdentity(OpBuilder &builder, Location location, Type type) {
  return {makeNumber(builder, location, type, 1)};
}
SmallVector<Value> ProdOp::emitElement(OpBuilder &, Location, Value element, Value) {
  return {element};
}
SmallVector<Value> ProdOp::emitCombine(OpBuilder &builder, Location location, ValueRange left,
                                       ValueRange right) {
  return combineArithmetic<arith::MulFOp, arith::MulIOp>(builder, location, left[0], right[0]);
}

//===----------------------------------------------------------------------===//
// Extrema
//===----------------------------------------------------------------------===//

/// The one of two values that is NaN or comes first.
static SmallVector<Value> combineExtrema(OpBuilder &builder, Location location, Type dtype,
                                         Value left, Value right, bool largest) {
  Value first = largest ? makeLess(builder, location, dtype, right, left)
                        : makeLess(builder, location, dtype, left, right);
  // Two selections: the first is one instruction of many processors.
  Value chosen = arith::SelectOp::create(builder, location, first, left, right);
  if (isa<FloatType>(dtype))
    chosen =
        arith::SelectOp::create(builder, location, isNan(builder, location, left), left, chosen);
  return {chosen};
}

SmallVector<Value> MaxOp::emitIdentity(OpBuilder &builder, Location location, Type type) {
  return {makeExtreme(builder, location, type, dtypeOf(*this), /*least=*/true)};
}
SmallVector<Value> MaxOp::emitElement(OpBuilder &, Location, Value element, Value) {
  return {element};
}
SmallVector<Value> MaxOp::emitCombine(OpBuilder &builder, Location location, ValueRange left,
                                      ValueRange right) {
  return combineExtrema(builder, location, dtypeOf(*this), left[0], right[0], /*largest=*/true);
}
SmallVector<Value> MinOp::emitIdentity(OpBuilder &builder, Location location, Type type) {
  return {makeExtreme(builder, location, type, dtypeOf(*this), /*least=*/false)};
}
SmallVector<Value> MinOp::emitElement(OpBuilder &, Location, Value element, Value) {
  return {element};
}
SmallVector<Value> MinOp::emitCombine(OpBuilder &builder, Location location, ValueRange left,
                                      ValueRange right) {
  return combineExtrema(builder, location, dtypeOf(*this), left[0], right[0], /*largest=*/false);
}

//===----------------------------------------------------------------------===//
// Positions of extrema: accumulators of (value, position)
//===----------------------------------------------------------------------===//

static Type positionType(OpBuilder &builder, Type type) {
  auto vector = dyn_cast<VectorType>(type);
  Type scalar = builder.getI64Type();
  return vector ? VectorType::get(vector.getShape(), scalar) : scalar;
}

static SmallVector<Value> positionIdentity(OpBuilder &builder, Location location, Type type,
                                           Type dtype, bool largest) {
  Value last = makeConstant(builder, location, positionType(builder, type),
                            builder.getI64IntegerAttr(std::numeric_limits<int64_t>::max()));
  return {makeExtreme(builder, location, type, dtype, largest), last};
}

static SmallVector<Value> combinePositions(OpBuilder &builder, Location location, Type dtype,
                                           ValueRange left, ValueRange right, bool largest) {
  auto both = [&](Value x, Value y) { return arith::AndIOp::create(builder, location, x, y); };
  auto either = [&](Value x, Value y) { return arith::OrIOp::create(builder, location, x, y); };
  Value before = arith::CmpIOp::create(builder, location, CmpIPredicate::slt, left[1], right[1]);
  Value wins = largest ? makeLess(builder, location, dtype, right[0], left[0])
                       : makeLess(builder, location, dtype, left[0], right[0]);
  Value loses = largest ? makeLess(builder, location, dtype, left[0], right[0])
                        : makeLess(builder, location, dtype, right[0], left[0]);
  Value truth = makeConstant(builder, location, wins.getType(), builder.getBoolAttr(true));
  auto negate = [&](Value x) { return arith::XOrIOp::create(builder, location, x, truth); };
  Value takeLeft = either(wins, both(negate(loses), before));
  if (isa<FloatType>(dtype)) {
    Value leftNan = isNan(builder, location, left[0]),
          rightNan = isNan(builder, location, right[0]);
    Value ordered = both(negate(rightNan), takeLeft);
    Value ofNans = either(negate(rightNan), before);
    takeLeft = arith::SelectOp::create(builder, location, leftNan, ofNans, ordered);
  }
  return {arith::SelectOp::create(builder, location, takeLeft, left[0], right[0]),
          arith::SelectOp::create(builder, location, takeLeft, left[1], right[1])};
}

SmallVector<Value> ArgmaxOp::emitIdentity(OpBuilder &builder, Location location, Type type) {
  return positionIdentity(builder, location, type, dtypeOf(*this), /*largest=*/true);
}
SmallVector<Value> ArgmaxOp::emitElement(OpBuilder &, Location, Value element, Value position) {
  return {element, position};
}
SmallVector<Value> ArgmaxOp::emitCombine(OpBuilder &builder, Location location, ValueRange left,
                                         ValueRange right) {
  return combinePositions(builder, location, dtypeOf(*this), left, right, /*largest=*/true);
}
SmallVector<Value> ArgminOp::emitIdentity(OpBuilder &builder, Location location, Type type) {
  return positionIdentity(builder, location, type, dtypeOf(*this), /*largest=*/false);
}
SmallVector<Value> ArgminOp::emitElement(OpBuilder &, Location, Value element, Value position) {
  return {element, position};
}
SmallVector<Value> ArgminOp::emitCombine(OpBuilder &builder, Location location, ValueRange left,
                                         ValueRange right) {
  return combinePositions(builder, location, dtypeOf(*this), left, right, /*largest=*/false);
}

} // namespace weft

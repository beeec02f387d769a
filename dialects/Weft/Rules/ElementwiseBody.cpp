// What each elementwise op computes, on scalars or vectors (ElementwiseOpInterface::emitBody).
#include "dialects/Weft/IR/ElementBodies.h"
#include "dialects/Weft/IR/NarrowFloats.h"
#include "dialects/Weft/IR/Weft.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using arith::CmpFPredicate;
using arith::CmpIPredicate;

namespace weft {
namespace {

/// Emits arithmetic of one op. `element` is the dtype of the op's first operand, which knows
/// whether an integer is unsigned; the values themselves are signless.
struct Body {
  OpBuilder &builder;
  Location location;
  Type element;

  Body(OpBuilder &builder, Location location, Operation *op, unsigned operand = 0)
      : builder(builder),
        location(location),
        element(getElementTypeOrSelf(op->getOperand(operand))) {}

  bool isFloat() const { return isa<FloatType>(element); }
  bool isUnsigned() const { return element.isUnsignedInteger() || element.isInteger(1); }
  unsigned bits() const { return element.getIntOrFloatBitWidth(); }

  template <typename Op> Value make(Value x) { return Op::create(builder, location, x); }
  template <typename Op> Value make(Value x, Value y) {
    return Op::create(builder, location, x, y);
  }
  /// FloatOp or IntegerOp, as the dtype is.
  template <typename FloatOp, typename IntegerOp> Value choose(Value x, Value y) {
    return isFloat() ? make<FloatOp>(x, y) : make<IntegerOp>(x, y);
  }

  Value compare(CmpFPredicate predicate, Value x, Value y) {
    return arith::CmpFOp::create(builder, location, predicate, x, y);
  }
  Value compare(CmpIPredicate predicate, Value x, Value y) {
    return arith::CmpIOp::create(builder, location, predicate, x, y);
  }
  /// x < y of the dtype.
  Value less(Value x, Value y) {
    if (isFloat())
      return compare(CmpFPredicate::OLT, x, y);
    return compare(isUnsigned() ? CmpIPredicate::ult : CmpIPredicate::slt, x, y);
  }
  Value equal(Value x, Value y) {
    return isFloat() ? compare(CmpFPredicate::OEQ, x, y) : compare(CmpIPredicate::eq, x, y);
  }
  Value select(Value condition, Value x, Value y) {
    return arith::SelectOp::create(builder, location, condition, x, y);
  }
  Value either(Value x, Value y) { return make<arith::OrIOp>(x, y); }
  Value both(Value x, Value y) { return make<arith::AndIOp>(x, y); }
  Value isNan(Value x) { return compare(CmpFPredicate::UNO, x, x); }

  /// A constant of x's type.
  Value constant(Value like, double value) { return constantOf(like.getType(), value); }
  Value constantOf(Type type, double value) {
    Type scalar = getElementTypeOrSelf(type);
    TypedAttr attribute =
        isa<FloatType>(scalar)
            ? TypedAttr(builder.getFloatAttr(scalar, value))
            : TypedAttr(builder.getIntegerAttr(scalar, static_cast<int64_t>(value)));
    return constantOf(type, attribute);
  }
  Value constantOf(Type type, TypedAttr attribute) {
    if (auto vector = dyn_cast<VectorType>(type))
      attribute = DenseElementsAttr::get(vector, attribute);
    return arith::ConstantOp::create(builder, location, attribute);
  }
  Value integer(Value like, const APInt &value) {
    return constantOf(like.getType(),
                      builder.getIntegerAttr(getElementTypeOrSelf(like.getType()), value));
  }
  Value isNegative(Value x) {
    return isUnsigned() ? constantOf(typeWith(x, builder.getI1Type()), 0)
                        : compare(CmpIPredicate::slt, x, constant(x, 0));
  }
  /// The type of x with another element type.
  Type typeWith(Value x, Type scalar) {
    auto vector = dyn_cast<VectorType>(x.getType());
    return vector ? VectorType::get(vector.getShape(), scalar) : scalar;
  }
  /// y, but 1 where x / y would trap: by zero, and of the least integer by -1.
  Value safeDivisor(Value x, Value y) {
    Value bad = equal(y, constant(y, 0));
    if (!isUnsigned()) {
      Value least = equal(x, integer(x, APInt::getSignedMinValue(bits())));
      bad = either(bad, both(least, equal(y, constant(y, -1))));
    }
    return select(bad, constant(y, 1), y);
  }
};

} // namespace

//===----------------------------------------------------------------------===//
// Unary
//===----------------------------------------------------------------------===//

Value NegativeOp::emitBody(OpBuilder &builder, Location location, ValueRange x) {
  Body body(builder, location, *this);
  if (body.isFloat())
    return body.make<arith::NegFOp>(x[0]);
  return body.make<arith::SubIOp>(body.constant(x[0], 0), x[0]);
}

Value AbsOp::emitBody(OpBuilder &builder, Location location, ValueRange x) {
  Body body(builder, location, *this);
  if (body.isFloat())
    return body.make<math::AbsFOp>(x[0]);
  Value negated = body.make<arith::SubIOp>(body.constant(x[0], 0), x[0]);
  return body.select(body.isNegative(x[0]), negated, x[0]);
}

Value SignOp::emitBody(OpBuilder &builder, Location location, ValueRange x) {
  Body body(builder, location, *this);
  Value zero = body.constant(x[0], 0), one = body.constant(x[0], 1);
  Value positive = body.select(body.less(zero, x[0]), one, zero);
  if (body.isUnsigned())
    return positive;
  Value sign = body.select(body.less(x[0], zero), body.constant(x[0], -1), positive);
  return body.isFloat() ? body.select(body.isNan(x[0]), x[0], sign) : sign;
}

/// A rounding op; integers are round already.
template <typename MathOp>
static Value emitRounding(Operation *op, OpBuilder &builder, Location location, ValueRange x) {
  Body body(builder, location, op);
  return body.isFloat() ? body.make<MathOp>(x[0]) : x[0];
}

Value FloorOp::emitBody(OpBuilder &builder, Location location, ValueRange x) {
  return emitRounding<math::FloorOp>(*this, builder, location, x);
}
Value CeilOp::emitBody(OpBuilder &builder, Location location, ValueRange x) {
  return emitRounding<math::CeilOp>(*this, builder, location, x);
}
Value TruncOp::emitBody(OpBuilder &builder, Location location, ValueRange x) {
  return emitRounding<math::TruncOp>(*this, builder, location, x);
}
Value RoundOp::emitBody(OpBuilder &builder, Location location, ValueRange x) {
  return emitRounding<math::RoundEvenOp>(*this, builder, location, x);
}
Value ReciprocalOp::emitBody(OpBuilder &builder, Location location, ValueRange x) {
  Body body(builder, location, *this);
  return body.make<arith::DivFOp>(body.constant(x[0], 1), x[0]);
}
Value RsqrtOp::emitBody(OpBuilder &builder, Location location, ValueRange x) {
  Body body(builder, location, *this);
  return body.make<arith::DivFOp>(body.constant(x[0], 1), body.make<math::SqrtOp>(x[0]));
}

// Ops that are one op of the math dialect; `weft-expand-math` gives those their arithmetic.
#define WEFT_MATH_BODY(WeftOp, MathOp)                                                             \
  Value WeftOp::emitBody(OpBuilder &builder, Location location, ValueRange x) {                    \
    return MathOp::create(builder, location, x[0]);                                                \
  }
Value ExpOp::emitBody(OpBuilder &builder, Location location, ValueRange x) {
  auto body = math::ExpOp::create(builder, location, x[0]);
  if ((*this)->hasAttr(nonpositiveAttribute))
    body->setAttr(nonpositiveAttribute, builder.getUnitAttr());
  return body;
}

WEFT_MATH_BODY(SqrtOp, math::SqrtOp)
WEFT_MATH_BODY(CbrtOp, math::CbrtOp)
WEFT_MATH_BODY(Exp2Op, math::Exp2Op)
WEFT_MATH_BODY(Expm1Op, math::ExpM1Op)
WEFT_MATH_BODY(LogOp, math::LogOp)
WEFT_MATH_BODY(Log2Op, math::Log2Op)
WEFT_MATH_BODY(Log10Op, math::Log10Op)
WEFT_MATH_BODY(Log1pOp, math::Log1pOp)
WEFT_MATH_BODY(SinOp, math::SinOp)
WEFT_MATH_BODY(CosOp, math::CosOp)
WEFT_MATH_BODY(TanOp, math::TanOp)
WEFT_MATH_BODY(AsinOp, math::AsinOp)
WEFT_MATH_BODY(AcosOp, math::AcosOp)
WEFT_MATH_BODY(AtanOp, math::AtanOp)
WEFT_MATH_BODY(SinhOp, math::SinhOp)
WEFT_MATH_BODY(CoshOp, math::CoshOp)
WEFT_MATH_BODY(TanhOp, math::TanhOp)
WEFT_MATH_BODY(AsinhOp, math::AsinhOp)
WEFT_MATH_BODY(AcoshOp, math::AcoshOp)
WEFT_MATH_BODY(AtanhOp, math::AtanhOp)
WEFT_MATH_BODY(ErfOp, math::ErfOp)
#undef WEFT_MATH_BODY

Value IsnanOp::emitBody(OpBuilder &builder, Location location, ValueRange x) {
  return Body(builder, location, *this).isNan(x[0]);
}

Value IsinfOp::emitBody(OpBuilder &builder, Location location, ValueRange x) {
  Body body(builder, location, *this);
  Value infinity = body.constant(x[0], std::numeric_limits<double>::infinity());
  return body.equal(body.make<math::AbsFOp>(x[0]), infinity);
}

Value IsfiniteOp::emitBody(OpBuilder &builder, Location location, ValueRange x) {
  Body body(builder, location, *this);
  Value infinity = body.constant(x[0], std::numeric_limits<double>::infinity());
  return body.less(body.make<math::AbsFOp>(x[0]), infinity);
}

/// Every bit of x inverted; of a bool, its negation.
static Value emitInvert(Operation *op, OpBuilder &builder, Location location, Value x) {
  Body body(builder, location, op);
  return body.make<arith::XOrIOp>(x, body.integer(x, APInt::getAllOnes(body.bits())));
}

Value LogicalNotOp::emitBody(OpBuilder &builder, Location location, ValueRange x) {
  return emitInvert(*this, builder, location, x[0]);
}
Value BitwiseInvertOp::emitBody(OpBuilder &builder, Location location, ValueRange x) {
  return emitInvert(*this, builder, location, x[0]);
}
Value StopGradientOp::emitBody(OpBuilder &, Location, ValueRange x) { return x[0]; }

//===----------------------------------------------------------------------===//
// Binary
//===----------------------------------------------------------------------===//

Value AddOp::emitBody(OpBuilder &builder, Location location, ValueRange x) {
  return Body(builder, location, *this).choose<arith::AddFOp, arith::AddIOp>(x[0], x[1]);
}
Value SubtractOp::emitBody(OpBuilder &builder, Location location, ValueRange x) {
  return Body(builder, location, *this).choose<arith::SubFOp, arith::SubIOp>(x[0], x[1]);
}
Value MultiplyOp::emitBody(OpBuilder &builder, Location location, ValueRange x) {
  return Body(builder, location, *this).choose<arith::MulFOp, arith::MulIOp>(x[0], x[1]);
}
Value DivideOp::emitBody(OpBuilder &builder, Location location, ValueRange x) {
  return arith::DivFOp::create(builder, location, x[0], x[1]);
}

/// True where the remainder of a division of floats is neither 0 nor of y's sign.
static Value differsInSign(Body &body, Value remainder, Value y) {
  Value zero = body.constant(y, 0);
  Value differs = body.compare(CmpIPredicate::ne, body.less(remainder, zero), body.less(y, zero));
  return body.both(body.compare(CmpFPredicate::UNE, remainder, zero), differs);
}

/// The remainder with the sign of y, from C's remainder with the sign of x; of floats it is exact.
static Value emitRemainder(Body &body, Value x, Value y) {
  Value zero = body.constant(x, 0);
  if (body.isUnsigned())
    return body.select(body.equal(y, zero), zero,
                       body.make<arith::RemUIOp>(x, body.safeDivisor(x, y)));
  if (!body.isFloat()) {
    Value remainder = body.make<arith::RemSIOp>(x, body.safeDivisor(x, y));
    Value differs = body.less(body.make<arith::XOrIOp>(remainder, y), zero);
    Value wrong = body.both(body.compare(CmpIPredicate::ne, remainder, zero), differs);
    Value result = body.select(wrong, body.make<arith::AddIOp>(remainder, y), remainder);
    return body.select(body.equal(y, zero), zero, result);
  }
  Value remainder = body.make<arith::RemFOp>(x, y);
  Value sum = body.make<arith::AddFOp>(remainder, y);
  Value result = body.select(differsInSign(body, remainder, y), sum, remainder);
  // A zero takes the sign of y.
  return body.select(body.equal(result, zero), body.make<math::CopySignOp>(zero, y), result);
}

Value FloorDivideOp::emitBody(OpBuilder &builder, Location location, ValueRange x) {
  Body body(builder, location, *this);
  Value zero = body.constant(x[0], 0);
  if (body.isUnsigned())
    return body.select(body.equal(x[1], zero), zero,
                       body.make<arith::DivUIOp>(x[0], body.safeDivisor(x[0], x[1])));
  if (!body.isFloat()) {
    Value divisor = body.safeDivisor(x[0], x[1]);
    Value quotient = body.make<arith::DivSIOp>(x[0], divisor);
    Value remainder = body.make<arith::SubIOp>(x[0], body.make<arith::MulIOp>(quotient, divisor));
    Value differs = body.less(body.make<arith::XOrIOp>(remainder, divisor), zero);
    Value inexact = body.both(body.compare(CmpIPredicate::ne, remainder, zero), differs);
    Value floored = body.make<arith::SubIOp>(quotient, body.constant(x[0], 1));
    return body.select(body.equal(x[1], zero), zero, body.select(inexact, floored, quotient));
  }
  // As in CPython's float_divmod: (x - remainder) / y is within rounding of an integer, of C's
  // remainder; where that has not the sign of y, the floor is one less.
  Value quotient = body.make<arith::DivFOp>(x[0], x[1]);
  Value remainder = body.make<arith::RemFOp>(x[0], x[1]);
  Value exact = body.make<arith::DivFOp>(body.make<arith::SubFOp>(x[0], remainder), x[1]);
  Value truncated = body.make<math::RoundEvenOp>(exact);
  Value less = body.make<arith::SubFOp>(truncated, body.constant(x[0], 1));
  Value rounded = body.select(differsInSign(body, remainder, x[1]), less, truncated);
  Value signedZero = body.make<math::CopySignOp>(rounded, quotient);
  Value result = body.select(body.equal(rounded, zero), signedZero, rounded);
  return body.select(body.equal(x[1], zero), quotient, result);
}

Value RemainderOp::emitBody(OpBuilder &builder, Location location, ValueRange x) {
  Body body(builder, location, *this);
  return emitRemainder(body, x[0], x[1]);
}

Value emitSum(OpBuilder &builder, Location location, Value x, Value y) {
  if (isa<FloatType>(getElementTypeOrSelf(x)))
    return arith::AddFOp::create(builder, location, x, y);
  return arith::AddIOp::create(builder, location, x, y);
}

/// x to the power of a fixed exponent.
static Value emitFixedPower(Body &body, Value x, double exponent) {
  auto product = [&](Value left, Value right) {
    return body.choose<arith::MulFOp, arith::MulIOp>(left, right);
  };
  auto inverse = [&](Value value) {
    return body.make<arith::DivFOp>(body.constant(value, 1), value);
  };
  if (exponent == 0 || exponent == 1)
    return exponent == 0 ? body.constant(x, 1) : x;
  if (exponent == 0.5 || exponent == -0.5) {
    double infinity = std::numeric_limits<double>::infinity();
    Value isLowest = body.equal(x, body.constant(x, -infinity));
    Value unsignedZero = body.make<arith::AddFOp>(x, body.constant(x, 0));
    Value root =
        body.make<math::SqrtOp>(body.select(isLowest, body.constant(x, infinity), unsignedZero));
    return exponent < 0 ? inverse(root) : root;
  }
  if (exponent < 0)
    return exponent == -1 ? inverse(x) : emitFixedPower(body, inverse(x), 2);
  Value square = product(x, x);
  if (exponent == 2)
    return square;
  return product(square, exponent == 3 ? x : square);
}

Value FixedPowOp::emitBody(OpBuilder &builder, Location location, ValueRange x) {
  Body body(builder, location, *this);
  return emitFixedPower(body, x[0], getExponent().convertToDouble());
}

Value PowOp::emitBody(OpBuilder &builder, Location location, ValueRange x) {
  Body body(builder, location, *this);
  if (body.isFloat()) {
    // An exponent that is not known gives what it would give if it were.
    Value result = body.make<math::PowFOp>(x[0], x[1]);
    for (double exponent : {-2.0, -1.0, -0.5, 0.5, 1.0, 2.0, 3.0, 4.0})
      result = body.select(body.equal(x[1], body.constant(x[1], exponent)),
                           emitFixedPower(body, x[0], exponent), result);
    return result;
  }
  // Square and multiply over the bits of y; a negative power is 0 but for the bases 1 and -1.
  Value zero = body.constant(x[0], 0), one = body.constant(x[0], 1);
  Value result = one, base = x[0];
  for (unsigned bit = 0; bit < body.bits() - !body.isUnsigned(); ++bit) {
    Value mask = body.integer(x[1], APInt::getOneBitSet(body.bits(), bit));
    Value set = body.compare(CmpIPredicate::ne, body.make<arith::AndIOp>(x[1], mask), zero);
    result = body.select(set, body.make<arith::MulIOp>(result, base), result);
    base = body.make<arith::MulIOp>(base, base);
  }
  if (body.isUnsigned())
    return result;
  Value odd = body.equal(body.make<arith::AndIOp>(x[1], one), one);
  Value minusOne = body.constant(x[0], -1);
  Value ofMinusOne = body.select(odd, minusOne, one);
  Value inverse = body.select(body.equal(x[0], one), one,
                              body.select(body.equal(x[0], minusOne), ofMinusOne, zero));
  return body.select(body.isNegative(x[1]), inverse, result);
}

/// x where it is NaN or `first` says that it comes before y, else y (which may be NaN).
static Value emitExtremum(Body &body, Value x, Value y, Value first) {
  return body.select(body.isFloat() ? body.either(body.isNan(x), first) : first, x, y);
}

Value MaximumOp::emitBody(OpBuilder &builder, Location location, ValueRange x) {
  Body body(builder, location, *this);
  return emitExtremum(body, x[0], x[1], body.less(x[1], x[0]));
}
Value MinimumOp::emitBody(OpBuilder &builder, Location location, ValueRange x) {
  Body body(builder, location, *this);
  return emitExtremum(body, x[0], x[1], body.less(x[0], x[1]));
}
Value Atan2Op::emitBody(OpBuilder &builder, Location location, ValueRange x) {
  return math::Atan2Op::create(builder, location, x[0], x[1]);
}

#define WEFT_BITS_BODY(WeftOp, ArithOp)                                                            \
  Value WeftOp::emitBody(OpBuilder &builder, Location location, ValueRange x) {                    \
    return ArithOp::create(builder, location, x[0], x[1]);                                         \
  }
WEFT_BITS_BODY(LogicalAndOp, arith::AndIOp)
WEFT_BITS_BODY(LogicalOrOp, arith::OrIOp)
WEFT_BITS_BODY(LogicalXorOp, arith::XOrIOp)
WEFT_BITS_BODY(BitwiseAndOp, arith::AndIOp)
WEFT_BITS_BODY(BitwiseOrOp, arith::OrIOp)
WEFT_BITS_BODY(BitwiseXorOp, arith::XOrIOp)
#undef WEFT_BITS_BODY

/// True where a shift by y is by fewer bits than there are.
static Value isSmallShift(Body &body, Value y) {
  return body.compare(CmpIPredicate::ult, y, body.constant(y, body.bits()));
}

Value BitwiseLeftShiftOp::emitBody(OpBuilder &builder, Location location, ValueRange x) {
  Body body(builder, location, *this);
  Value small = isSmallShift(body, x[1]), zero = body.constant(x[0], 0);
  Value shifted = body.make<arith::ShLIOp>(x[0], body.select(small, x[1], zero));
  return body.select(small, shifted, zero);
}

Value BitwiseRightShiftOp::emitBody(OpBuilder &builder, Location location, ValueRange x) {
  Body body(builder, location, *this);
  Value small = isSmallShift(body, x[1]);
  Value amount = body.select(small, x[1], body.constant(x[1], body.bits() - 1));
  if (!body.isUnsigned())
    return body.make<arith::ShRSIOp>(x[0], amount);
  Value shifted = body.make<arith::ShRUIOp>(x[0], amount);
  return body.select(small, shifted, body.constant(x[0], 0));
}

//===----------------------------------------------------------------------===//
// Comparison, selection, conversion
//===----------------------------------------------------------------------===//

static Value emitComparison(Operation *op, OpBuilder &builder, Location location, ValueRange x,
                            CmpFPredicate ofFloats, CmpIPredicate ofSigned,
                            CmpIPredicate ofUnsigned) {
  Body body(builder, location, op);
  if (body.isFloat())
    return body.compare(ofFloats, x[0], x[1]);
  return body.compare(body.isUnsigned() ? ofUnsigned : ofSigned, x[0], x[1]);
}

#define WEFT_COMPARISON_BODY(WeftOp, floats, signeds, unsigneds)                                   \
  Value WeftOp::emitBody(OpBuilder &builder, Location location, ValueRange x) {                    \
    return emitComparison(*this, builder, location, x, CmpFPredicate::floats,                      \
                          CmpIPredicate::signeds, CmpIPredicate::unsigneds);                       \
  }
WEFT_COMPARISON_BODY(EqualOp, OEQ, eq, eq)
WEFT_COMPARISON_BODY(NotEqualOp, UNE, ne, ne)
WEFT_COMPARISON_BODY(LessOp, OLT, slt, ult)
WEFT_COMPARISON_BODY(LessEqualOp, OLE, sle, ule)
WEFT_COMPARISON_BODY(GreaterOp, OGT, sgt, ugt)
WEFT_COMPARISON_BODY(GreaterEqualOp, OGE, sge, uge)
#undef WEFT_COMPARISON_BODY

Value SelectOp::emitBody(OpBuilder &builder, Location location, ValueRange x) {
  return arith::SelectOp::create(builder, location, x[0], x[1], x[2]);
}

/// Floating to integer of dtype `to`: towards zero, saturated, NaN to 0.
static Value emitToInteger(Body &body, Value x, IntegerType to) {
  Type result = body.typeWith(x, IntegerType::get(to.getContext(), to.getWidth()));
  bool isUnsigned = to.isUnsigned();
  unsigned bits = to.getWidth();
  double low = isUnsigned ? -1 : -std::ldexp(1.0, bits - 1);
  double high = std::ldexp(1.0, isUnsigned ? bits : bits - 1);
  Value above = body.compare(CmpFPredicate::OGE, x, body.constant(x, high));
  // An unsigned result keeps -0.5, which truncates to 0; a signed one keeps the least integer.
  Value inside = body.both(
      body.compare(isUnsigned ? CmpFPredicate::OGT : CmpFPredicate::OGE, x, body.constant(x, low)),
      body.compare(CmpFPredicate::OLT, x, body.constant(x, high)));
  Value below = body.compare(CmpFPredicate::OLT, x, body.constant(x, low));
  Value safe = body.select(inside, x, body.constant(x, 0));
  Value converted = isUnsigned
                        ? Value(arith::FPToUIOp::create(body.builder, body.location, result, safe))
                        : Value(arith::FPToSIOp::create(body.builder, body.location, result, safe));
  APInt most = isUnsigned ? APInt::getMaxValue(bits) : APInt::getSignedMaxValue(bits);
  APInt least = isUnsigned ? APInt::getMinValue(bits) : APInt::getSignedMinValue(bits);
  Value clamped = body.select(above, body.integer(converted, most), converted);
  return body.select(below, body.integer(converted, least), clamped);
}

static Value emitFromInteger(Body &body, Value x, Type to) {
  if (auto wanted = dyn_cast<FloatType>(to)) {
    Type compute = wanted.getWidth() < 32 ? body.builder.getF32Type() : Type(wanted);
    Type type = body.typeWith(x, compute);
    if (body.isUnsigned())
      return arith::UIToFPOp::create(body.builder, body.location, type, x);
    return arith::SIToFPOp::create(body.builder, body.location, type, x);
  }
  unsigned have = body.bits(), want = to.getIntOrFloatBitWidth();
  Type type = body.typeWith(x, IntegerType::get(to.getContext(), want));
  if (have == want)
    return x;
  if (have > want)
    return arith::TruncIOp::create(body.builder, body.location, type, x);
  if (body.isUnsigned())
    return arith::ExtUIOp::create(body.builder, body.location, type, x);
  return arith::ExtSIOp::create(body.builder, body.location, type, x);
}

/// An f64 in f32, rounded to odd: cut towards zero, and with the last bit set if anything was lost.
/// Rounding that to half precision gives what rounding the f64 at once would.
static Value emitRoundToOdd(Body &body, Value x) {
  Value nearest = arith::TruncFOp::create(body.builder, body.location,
                                          body.typeWith(x, body.builder.getF32Type()), x);
  Value back = arith::ExtFOp::create(body.builder, body.location, x.getType(), nearest);
  Type words = body.typeWith(x, body.builder.getI32Type());
  auto asWord = [&](Value flag) {
    return arith::ExtUIOp::create(body.builder, body.location, words, flag);
  };
  Value larger =
      body.compare(CmpFPredicate::OGT, body.make<math::AbsFOp>(back), body.make<math::AbsFOp>(x));
  Value inexact = body.compare(CmpFPredicate::UNE, back, x);
  Value bits = arith::BitcastOp::create(body.builder, body.location, words, nearest);
  Value cut = body.make<arith::SubIOp>(bits, asWord(larger));
  Value odd = body.make<arith::OrIOp>(cut, asWord(inexact));
  return arith::BitcastOp::create(body.builder, body.location, nearest.getType(), odd);
}

Value CastOp::emitBody(OpBuilder &builder, Location location, ValueRange x) {
  Body body(builder, location, *this);
  Type to = getElementTypeOrSelf(getType());
  if (to.isInteger(1)) {
    Value zero = body.constant(x[0], 0);
    return body.isFloat() ? body.compare(CmpFPredicate::UNE, x[0], zero)
                          : body.compare(CmpIPredicate::ne, x[0], zero);
  }
  if (!body.isFloat())
    return emitFromInteger(body, x[0], to);
  if (auto integer = dyn_cast<IntegerType>(to))
    return emitToInteger(body, x[0], integer);
  unsigned have = getElementTypeOrSelf(x[0]).getIntOrFloatBitWidth();
  Type compute = to.isF64() ? builder.getF64Type() : builder.getF32Type();
  unsigned want = compute.getIntOrFloatBitWidth();
  if (have < want)
    return arith::ExtFOp::create(builder, location, body.typeWith(x[0], compute), x[0]);
  if (have > want && !to.isF32())
    return emitRoundToOdd(body, x[0]);
  if (have > want)
    return arith::TruncFOp::create(builder, location, body.typeWith(x[0], compute), x[0]);
  return x[0];
}

/// The bits of a value in the dtype that it is stored in; narrow floats are computed in f32.
static Value emitBits(Body &body, Value x, Type stored) {
  OpBuilder &builder = body.builder;
  if (isKeptAsBits(stored))
    return emitBitsOfFloat(builder, body.location, x, stored);
  Type bits = body.typeWith(x, builder.getIntegerType(stored.getIntOrFloatBitWidth()));
  if (stored.isF16())
    x = arith::TruncFOp::create(builder, body.location, body.typeWith(x, stored), x);
  return isa<FloatType>(stored) ? arith::BitcastOp::create(builder, body.location, bits, x) : x;
}

/// The value in a dtype whose bits are given, as it is computed in.
static Value emitOfBits(Body &body, Value bits, Type stored) {
  OpBuilder &builder = body.builder;
  if (!isa<FloatType>(stored))
    return bits;
  if (isKeptAsBits(stored))
    return emitFloatOfBits(builder, body.location, bits, stored);
  Type wide = body.typeWith(bits, builder.getF32Type());
  Value value = arith::BitcastOp::create(builder, body.location, body.typeWith(bits, stored), bits);
  return stored.isF16() ? arith::ExtFOp::create(builder, body.location, wide, value) : value;
}

Value BitcastOp::emitBody(OpBuilder &builder, Location location, ValueRange x) {
  Body body(builder, location, *this);
  return emitOfBits(body, emitBits(body, x[0], body.element), getElementTypeOrSelf(getType()));
}

} // namespace weft

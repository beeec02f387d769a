//===- VectorMathTrigonometric.cpp - sin, cos, tan ------------------------===//
//
// x = q pi/2 + r with |r| <= pi/4: below 2^28 by Cody and Waite with pi/2 in
// three parts, where fma makes the first step exact. Beyond it, f32 arguments
// are multiplied by a window of the binary digits of 2/pi in 64-bit integers,
// whose wrapping drops the whole turns (Payne and Hanek); f64 ones, which would
// need a thousand digits, go to libm lane by lane. Both lie behind a branch
// that is hardly ever taken. sin r and cos r are minimax polynomials.
//
//===----------------------------------------------------------------------===//

#include "codegen/Loops/VectorMath.h"
#include "codegen/Loops/VectorMathCoefficients.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

namespace weft::vectormath {

using namespace coefficients;

namespace {

constexpr double largeArgument = 0x1p28;
constexpr double twoOverPiRounded = 0x1.45f306dc9c883p-1;

/// x = quadrant * pi/2 + high + low; the low bits of `quadrant` hold it. `low` only for Double.
struct ReducedAngle {
  Real high, low;
  Integer quadrant;
};

/// Bits [shift, shift + 64) of the 128 bits of `high` and `low`, counted from the top.
Integer funnel(Integer high, Integer low, Integer shift) {
  // In two steps to the right, as a shift by 64 is undefined.
  return (high << shift) | ((low >> 1) >> (63 - shift));
}

/// The reduction of f64 lanes that hold f32 numbers of 2^28 or more, in 64-bit fixed point with two
/// bits before the point. The worst f32 argument is 2^-29 from a multiple of pi/2, the result is
/// within 2^-60.
ReducedAngle reduceLarge(Real x) {
  Integer bits = x.bits();
  Integer zero = bits.like(0);
  // |x| = significand * 2^exponent, with 24 bits of significand.
  Integer significand = ((bits >> 29) & 0x7fffff) | 0x800000;
  Integer exponent = ((bits >> 52) & 0x7ff) - (1023 + 23);
  Integer shift = exponent & 63;
  Mask further = (exponent & 64) != 0;
  auto word = [&](int index) {
    return select(further, bits.like(twoOverPi[index + 1]), bits.like(twoOverPi[index]));
  };
  Integer first = word(0), second = word(1), third = word(2);
  Integer digits = funnel(first, second, shift);
  Integer following = funnel(second, third, shift) >> 32;
  Integer turns = significand * digits + ((significand * following) >> 32);
  Integer rounded = (turns + (int64_t(1) << 61)) >> 62;
  // The fraction as a signed number of 2^-64 quarter turns.
  VectorBuilder &builder = *x.builder;
  Real fraction = builder.real(mlir::arith::SIToFPOp::create(
      builder.base(), builder.loc(), x.value.getType(), (turns << 2).value));
  Real angle = fraction * (halfPi[0] * 0x1p-64);
  Mask negative = isNegative(bits);
  // x - x makes infinity NaN.
  return {select(negative, -angle, angle) + (x - x), x, select(negative, zero - rounded, rounded)};
}

ReducedAngle reduceExtended(Real x) {
  Rounded n = roundScaled(x, twoOverPiRounded);
  Real r = fma(n.value, -halfPi[1], fma(n.value, -halfPi[0], x));
  Mask large = atLeast(abs(x), largeArgument) == abs(x);
  auto results = x.builder->rarely(large, {r.value, n.bits.value}, [&] {
    ReducedAngle other = reduceLarge(x);
    Real high = select(large, other.high, r);
    Integer quadrant = select(large, other.quadrant, n.bits);
    return llvm::SmallVector<mlir::Value>{high.value, quadrant.value};
  });
  Integer quadrant{{x.builder, results[1]}};
  return {x.builder->real(results[0]), x, quadrant};
}

/// For |x| < 2^28. x - n halfPi[0] is exact; the other parts are subtracted with their errors.
ReducedAngle reduceDouble(Real x) {
  Rounded n = roundScaled(x, twoOverPiRounded);
  Real rest = fma(n.value, -halfPi[0], x);
  Real product = n.value * halfPi[1];
  Real productLow = fma(n.value, n.value.like(halfPi[1]), -product);
  auto [high, low] = twoSum(rest, -product);
  return {high, fma(n.value, -halfPi[2], low - productLow), n.bits};
}

ReducedAngle reduceAngle(Real x, Precision precision) {
  return precision == Precision::Extended ? reduceExtended(x) : reduceDouble(x);
}

/// sin and cos of the reduced angle, each high + low; `low` only for Double.
struct SineCosine {
  Real sine, sineLow, cosine, cosineLow;
};

SineCosine sineCosine(ReducedAngle angle, Precision precision) {
  Real r = angle.high;
  Real z = r * r;
  Real half = z * 0.5;
  Real p = polynomial(z, choose(precision, {}, sineExtended, sineDouble));
  Real q = polynomial(z, choose(precision, {}, cosineExtended, cosineDouble));
  Real oneMinusHalf = 1.0 - half;
  if (precision == Precision::Extended)
    return {r * fma(z, p, 1.0), r, fma(z * z, q, oneMinusHalf), r};
  // sin(r + low) = sin r + low cos r, cos(r + low) = cos r - low sin r.
  Real sineRest = fma(r * z, p, angle.low * oneMinusHalf);
  Real cosineRest = ((1.0 - oneMinusHalf) - half) + fma(z * z, q, -(r * angle.low));
  Real sine = r + sineRest, cosine = oneMinusHalf + cosineRest;
  return {sine, (r - sine) + sineRest, cosine, (oneMinusHalf - cosine) + cosineRest};
}

/// `result`, but from libm where |x| is large.
template <typename LibraryOp> Real withLibrary(Real x, Real result) {
  Mask large = atLeast(abs(x), largeArgument) == abs(x);
  VectorBuilder &builder = *x.builder;
  mlir::OpBuilder &base = builder.base();
  mlir::Location loc = builder.loc();
  auto vector = mlir::dyn_cast<mlir::VectorType>(x.value.getType());
  auto compute = [&]() -> llvm::SmallVector<mlir::Value> {
    // A small argument stands in for the lanes that need nothing.
    Real argument = select(large, x, 0.0);
    Real library = result;
    if (!vector) {
      library.value = LibraryOp::create(base, loc, argument.value);
    } else {
      mlir::Value zero = mlir::arith::ConstantIndexOp::create(base, loc, 0);
      mlir::Value one = mlir::arith::ConstantIndexOp::create(base, loc, 1);
      mlir::Value lanes = mlir::arith::ConstantIndexOp::create(base, loc, vector.getNumElements());
      auto loop = mlir::scf::ForOp::create(
          base, loc, zero, lanes, one, result.value,
          [&](mlir::OpBuilder &body, mlir::Location, mlir::Value lane, mlir::ValueRange carried) {
            mlir::Value scalar = mlir::vector::ExtractOp::create(body, loc, argument.value, lane);
            mlir::Value value = LibraryOp::create(body, loc, scalar);
            mlir::Value inserted =
                mlir::vector::InsertOp::create(body, loc, value, carried[0], lane);
            mlir::scf::YieldOp::create(body, loc, inserted);
          });
      library.value = loop.getResult(0);
    }
    return {select(large, library, result).value};
  };
  return builder.real(builder.rarely(large, result.value, compute)[0]);
}

/// Small arguments are their own sine and tangent; so -0 and denormals stay exact.
Real keepTiny(Real x, Real result) { return select(abs(x) < 0x1p-30, x, result); }

/// sin(x + turns * pi/2).
Real shiftedSine(ReducedAngle angle, int turns, Precision precision) {
  SineCosine parts = sineCosine(angle, precision);
  Integer quadrant = turns == 0 ? angle.quadrant : angle.quadrant + turns;
  Real magnitude = select((quadrant & 1) == 0, parts.sine, parts.cosine);
  return asReal(magnitude.bits() ^ ((quadrant & 2) << 62));
}

} // namespace

Real expandSin(Real x, Precision precision) {
  Real sine = shiftedSine(reduceAngle(x, precision), 0, precision);
  if (precision == Precision::Extended)
    return sine;
  return withLibrary<mlir::LLVM::SinOp>(x, keepTiny(x, sine));
}

Real expandCos(Real x, Precision precision) {
  Real cosine = shiftedSine(reduceAngle(x, precision), 1, precision);
  return precision == Precision::Extended ? cosine : withLibrary<mlir::LLVM::CosOp>(x, cosine);
}

/// sin / cos, or -cos / sin in odd quadrants; for f64 corrected by the quotient's remainder.
Real expandTan(Real x, Precision precision) {
  ReducedAngle angle = reduceAngle(x, precision);
  SineCosine parts = sineCosine(angle, precision);
  Mask even = (angle.quadrant & 1) == 0;
  Real above = select(even, parts.sine, -parts.cosine);
  Real below = select(even, parts.cosine, parts.sine);
  Real quotient = above / below;
  if (precision == Precision::Extended)
    return quotient;
  Real aboveLow = select(even, parts.sineLow, -parts.cosineLow);
  Real belowLow = select(even, parts.cosineLow, parts.sineLow);
  Real remainder = fma(-quotient, below, above) + fma(-quotient, belowLow, aboveLow);
  return withLibrary<mlir::LLVM::TanOp>(x, keepTiny(x, quotient + remainder / below));
}

} // namespace weft::vectormath

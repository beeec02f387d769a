//===- VectorMathHyperbolic.cpp - hyperbolic functions and inverses -------===//
//
// Near zero odd minimax polynomials; elsewhere the definitions by exp and log,
// arranged so that each rounding error but the last is small against the
// result, with the low parts of sums and square roots carried for f64.
//
//===----------------------------------------------------------------------===//

#include "codegen/Loops/VectorMath.h"
#include "codegen/Loops/VectorMathCoefficients.h"
#include <limits>

namespace weft::vectormath {

using namespace coefficients;

namespace {

/// a + a^3 P(a^2).
Real oddPolynomial(Real a, llvm::ArrayRef<double> coefficients) {
  Real z = a * a;
  return fma(a * z, polynomial(z, coefficients), a);
}

/// e^|x| / 4 = scale + scale * y, and e^-|x| / 4. With the quarter, scale stays finite as long as
/// sinh and cosh do, which is a little longer than exp does.
struct QuarterExp {
  Real scale, y, inverse;
};

QuarterExp quarterExp(Real a, Precision precision) {
  SplitExp parts = splitExp(atMost(a, 710.5), precision);
  Real scale = powerOfTwo(parts.n, a, -2);
  return {scale, parts.y, 0.0625 / fma(scale, parts.y, scale)};
}

} // namespace

/// Beyond 1: 1 - 2 / (e^2a + 1), with 2^n (1 + y) + 1 rounded once.
Real expandTanh(Real x, Precision precision) {
  Real a = abs(x);
  Real small = oddPolynomial(a, choose(precision, tanhFloat, {}, tanhDouble));
  // From the bound on the result rounds to 1.
  SplitExp parts = splitExp(atMost(a + a, x.isDouble() ? 44 : 20), precision);
  Real scale = powerOfTwo(parts.n, x);
  Real large = 1.0 - 2.0 / fma(scale, parts.y, scale + 1.0);
  return copysign(select(a < 1.0, small, large), x);
}

Real expandSinh(Real x, Precision precision) {
  Real a = abs(x);
  Real small = oddPolynomial(a, choose(precision, {}, sinhExtended, sinhDouble));
  QuarterExp parts = quarterExp(a, precision);
  Real half = parts.scale + fma(parts.scale, parts.y, -parts.inverse);
  return copysign(select(a < 1.0, small, half + half), x);
}

Real expandCosh(Real x, Precision precision) {
  QuarterExp parts = quarterExp(abs(x), precision);
  Real half = parts.scale + fma(parts.scale, parts.y, parts.inverse);
  return half + half;
}

/// Beyond 1/2: log(a + sqrt(a^2 + 1)).
Real expandAsinh(Real x, Precision precision) {
  Real a = abs(x);
  Real small = oddPolynomial(a, choose(precision, {}, asinhExtended, asinhDouble));
  Real large = a;
  if (precision == Precision::Extended) {
    Real sum = a + sqrt(fma(a, a, 1.0));
    large = logOfSum(sum, nullptr, nullptr, precision);
  } else {
    // The square of a large number overflows, but there the sum is 2 a.
    Mask huge = a > 0x1p60;
    Real held = select(huge, 1.0, a);
    Real square = held * held;
    auto [sum, sumLow] = twoSum(square, x.like(1));
    Real root = sqrt(sum);
    Real rootLow = (fma(-root, root, sum) + (sumLow + fma(held, held, -square))) / (root + root);
    Real high = root + held;
    Real low = ((root - high) + held) + rootLow;
    low = select(huge, 0.0, low);
    Real doublings = select(huge, 1.0, x.like(0));
    large = logOfSum(select(huge, a, high), &low, &doublings, precision);
  }
  return copysign(select(a < 0.5, small, large), x);
}

/// log(x + sqrt(x^2 - 1)), NaN below 1.
Real expandAcosh(Real x, Precision precision) {
  constexpr double notANumber = std::numeric_limits<double>::quiet_NaN();
  if (precision == Precision::Extended) {
    Real sum = x + sqrt(fma(x, x, -1.0));
    return select(x < 1.0, notANumber, logOfSum(sum, nullptr, nullptr, precision));
  }
  Mask huge = x > 0x1p60;
  Real held = select(huge, 1.0, x);
  Real square = held * held;
  Real difference = square - 1.0;
  Real differenceLow = ((square - difference) - 1.0) + fma(held, held, -square);
  Real root = sqrt(difference);
  // The addend only prevents 0 / 0 at x = 1.
  Real rootLow = (fma(-root, root, difference) + differenceLow) / fma(root, 2.0, x.like(0x1p-900));
  Real high = held + root;
  Real low = ((held - high) + root) + rootLow;
  low = select(huge, 0.0, low);
  Real doublings = select(huge, 1.0, x.like(0));
  Real result = logOfSum(select(huge, x, high), &low, &doublings, precision);
  return select(x < 1.0, notANumber, result);
}

/// Beyond 1/2: log((1 + a) / (1 - a)) / 2, where 1 - a is exact.
Real expandAtanh(Real x, Precision precision) {
  Real a = abs(x);
  Real small = oddPolynomial(a, choose(precision, {}, atanhExtended, atanhDouble));
  Real above = 1.0 + a, below = 1.0 - a;
  Real quotient = above / below;
  Real large = a;
  if (precision == Precision::Extended) {
    large = logOfSum(quotient, nullptr, nullptr, precision);
  } else {
    Real aboveLow = a - (above - 1.0);
    Real low = (fma(-quotient, below, above) + aboveLow) / below;
    large = logOfSum(quotient, &low, nullptr, precision);
  }
  return copysign(select(a < 0.5, small, large * 0.5), x);
}

} // namespace weft::vectormath

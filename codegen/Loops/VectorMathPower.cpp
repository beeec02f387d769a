//===- VectorMathPower.cpp - pow, cbrt, rsqrt -----------------------------===//
//
// x^y = e^(y log x). The logarithm's error is multiplied by up to 745, so that
// for f64 it and the product are sums of two numbers (Dekker's arithmetic), by
// the series in s = (m - 1) / (m + 1); for f32, f64 is enough. The cube root
// iterates on m^(-1/3), which needs no division, in Halley's manner.
//
//===----------------------------------------------------------------------===//

#include "codegen/Loops/VectorMath.h"
#include "codegen/Loops/VectorMathCoefficients.h"
#include <limits>

namespace weft::vectormath {

using namespace coefficients;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double notANumber = std::numeric_limits<double>::quiet_NaN();

/// high + low, an unevaluated sum.
struct Sum {
  Real high, low;
};

/// a + b where |a| >= |b| or a = 0.
Sum fastTwoSum(Real a, Real b) {
  Real high = a + b;
  return {high, (a - high) + b};
}

/// a * b, to about twice the precision.
Sum multiply(Sum a, Sum b) {
  Real high = a.high * b.high;
  Real low = fma(a.high, b.high, -high);
  return {high, fma(a.high, b.low, fma(a.low, b.high, low))};
}

/// log x to about 2^-65, for 0 < x < infinity.
Sum preciseLog(Real x) {
  SplitLog parts = splitLog(x, /*mayBeDenormal=*/true);
  Real f = parts.fraction;
  // s = f / (2 + f); the sum's error counts.
  Real below = 2.0 + f;
  Real belowLow = f - (below - 2.0);
  Real inverse = 1.0 / below;
  Real quotient = f * inverse;
  Sum s{quotient, fma(-quotient, belowLow, fma(-quotient, below, f)) * inverse};
  Sum w = multiply(s, s);
  // log(1 + f) = s (2 + w (2/3 + w P(w))).
  Sum inner = fastTwoSum(x.like(twoThirds.high), w.high * polynomial(w.high, powerLogDouble));
  Sum product = multiply(w, {inner.high, inner.low + twoThirds.low});
  Sum outer = fastTwoSum(x.like(2), product.high);
  Sum fractionLog = multiply(s, {outer.high, outer.low + product.low});
  Sum sum = fastTwoSum(parts.exponent * ln2ShortDouble.high, fractionLog.high);
  return {sum.high, sum.low + fma(parts.exponent, ln2ShortDouble.low, fractionLog.low)};
}

/// |x|^y for f32 numbers in f64 lanes, x neither zero nor infinite.
Real powerExtended(Real magnitude, Real y) {
  SplitLog parts = splitLog(magnitude, /*mayBeDenormal=*/false);
  Real tail = fma(parts.exponent, ln2ShortDouble.low, logTail(parts.fraction, Precision::Extended));
  Real log = fma(parts.exponent, ln2ShortDouble.high, parts.fraction + tail);
  Real product = atLeast(atMost(y * log, 200), -200);
  SplitExp exp = splitExp(product, Precision::Extended);
  Real scale = powerOfTwo(exp.n, y);
  return fma(exp.y, scale, scale);
}

/// The same for f64.
Real powerDouble(Real magnitude, Real y) {
  Sum log = preciseLog(magnitude);
  Real high = y * log.high;
  Real low = fma(y, log.low, fma(y, log.high, -high));
  // Beyond the bound the result is infinite or zero, and `low` may be NaN.
  low = select(abs(high) < 800.0, low, 0.0);
  Real held = atLeast(atMost(high, 800), -800);
  return scaleGradually(splitExp(held, Precision::Double, &low, twoBiases(y)));
}

} // namespace

Real expandPow(Real x, Real y, Precision precision) {
  Real magnitude = abs(x);
  Real result =
      precision == Precision::Extended ? powerExtended(magnitude, y) : powerDouble(magnitude, y);
  // Zero or infinite operands: infinity or zero, by whether the power grows.
  Mask extreme = (magnitude == 0.0) | (magnitude == infinity) | (abs(y) == infinity);
  Mask shrinks = (magnitude > 1.0) ^ (y > 0.0);
  Real limit = select(magnitude == 1.0, 1.0, select(shrinks, 0.0, x.like(infinity)));
  result = select(extreme, limit, result);
  // The sign: odd exponents keep it, others lose it; no real power of it where y is no integer.
  Real half = y * 0.5;
  Mask integral = trunc(y) == y;
  Mask odd = integral & (trunc(half) != half);
  result = select(odd, copysign(result, x), result);
  Mask negative = (x < 0.0) & (magnitude < infinity);
  Mask complex = negative & (trunc(y) != y);
  result = select(complex | isNaN(x) | isNaN(y), notANumber, result);
  // x^0 and 1^y are 1 even for NaN.
  return select((y == 0.0) | (x == 1.0), 1.0, result);
}

Real expandCbrt(Real x, Precision precision) {
  Real a = abs(x);
  SplitLog parts = splitLog(a, /*mayBeDenormal=*/precision == Precision::Double);
  // a = 2^3k m with m in [0.35, 2.83].
  Rounded third = roundScaled(parts.exponent, 1.0 / 3);
  Integer left = roundScaled(fma(third.value, -3.0, parts.exponent), 1).bits;
  Real m = (1.0 + parts.fraction) * powerOfTwo(left, x);
  Real r = polynomial(m, inverseCubeRootDouble);
  for (int step = 0; step < 2; ++step) {
    // m r^3 = 1 - h, and (1 - h)^(-1/3) = 1 + h/3 + 2 h^2 / 9 + ...
    Real h = fma(-(m * r), r * r, 1.0);
    r = fma(r * h, fma(h, x.like(2.0 / 9), 1.0 / 3), r);
  }
  Real square = r * r;
  Real root = m * square;
  if (precision == Precision::Double) {
    Real rootSquare = root * root;
    Real lost = fma(root, root, -rootSquare);
    Real rest = fma(-lost, root, fma(-rootSquare, root, m));
    root = fma(rest * square, 1.0 / 3, root);
  }
  Real result = copysign(root * powerOfTwo(third.bits, x), x);
  return select((a > 0.0) & (a < infinity), result, x);
}

Real expandRsqrt(Real x, Precision) { return 1.0 / sqrt(x); }

} // namespace weft::vectormath

//===- VectorMathInverseTrigonometric.cpp - asin, acos, atan, atan2 -------===//
//
// asin(x) = x + x^3 P(x^2) for |x| <= 1/2; beyond it asin(a) = pi/2 - 2 asin(s)
// with s = sqrt((1 - a) / 2). atan(t) = t + t^3 P(t^2) for |t| <= 1; beyond it
// atan(a) = pi/2 + atan(-1 / a). Multiples of pi/2 are added with the error of
// the sum and their low parts.
//
//===----------------------------------------------------------------------===//

#include "codegen/Loops/VectorMath.h"
#include "codegen/Loops/VectorMathCoefficients.h"
#include <limits>

namespace weft::vectormath {

using namespace coefficients;

namespace {

/// base + value + rest, where `base` is 0 or larger than `value` in magnitude.
Real addToBase(Real base, Real baseLow, Real value, Real rest) {
  Real sum = base + value;
  return sum + (((base - sum) + value) + (baseLow + rest));
}

/// asin(v) = value + rest for v = |x| up to 1/2, or v = s beyond (then doubled).
struct Arc {
  Mask small;
  Real value, rest;
};

Arc arc(Real a, Precision precision) {
  Mask small = a < 0.5;
  Real z = select(small, a * a, (1.0 - a) * 0.5);
  Real root = sqrt(z);
  Real p = polynomial(z, choose(precision, {}, asinExtended, asinDouble));
  Real v = select(small, a, root);
  Real rest = (v * z) * p;
  if (precision == Precision::Double) {
    // What the square root's rounding lost; the addend only prevents 0 / 0.
    Real lost = fma(-root, root, z) / fma(root, 2.0, z.like(0x1p-900));
    rest = rest + select(small, 0.0, lost);
  }
  return {small, select(small, v, v + v), select(small, rest, rest + rest)};
}

/// atan(t + low) - t for |t| <= 1.
Real atanRest(Real t, Precision precision) {
  Real z = t * t;
  return (t * z) * polynomial(z, choose(precision, {}, atanExtended, atanDouble));
}

} // namespace

Real expandAsin(Real x, Precision precision) {
  Arc parts = arc(abs(x), precision);
  Real large = addToBase(x.like(halfPi[0]), x.like(halfPi[1]), -parts.value, -parts.rest);
  return copysign(select(parts.small, parts.value + parts.rest, large), x);
}

/// pi/2 - asin(x) if small; 2 asin(s) if x > 0; pi - 2 asin(s) if x < 0.
Real expandAcos(Real x, Precision precision) {
  Arc parts = arc(abs(x), precision);
  Real far = select(x < 0.0, x.like(pi.high), x.like(0));
  Real farLow = select(x < 0.0, x.like(pi.low), x.like(0));
  Real base = select(parts.small, halfPi[0], far);
  Real baseLow = select(parts.small, halfPi[1], farLow);
  Mask subtracted = (x < 0.0) ^ parts.small;
  Real value = select(subtracted, -parts.value, parts.value);
  Real rest = select(subtracted, -parts.rest, parts.rest);
  return addToBase(base, baseLow, value, rest);
}

Real expandAtan(Real x, Precision precision) {
  Real a = abs(x);
  Mask inverted = a > 1.0;
  Real t = select(inverted, -1.0, a) / select(inverted, a, 1.0);
  Real base = select(inverted, halfPi[0], x.like(0));
  Real baseLow = select(inverted, halfPi[1], x.like(0));
  return copysign(addToBase(base, baseLow, t, atanRest(t, precision)), x);
}

/// The angle of the point (x, y): v = atan(min / max) of the magnitudes, placed in its octant as
/// v, pi/2 - v, pi/2 + v or pi - v.
Real expandAtan2(Real y, Real x, Precision precision) {
  Real width = abs(x), height = abs(y);
  Mask steep = width < height;
  Mask left = isNegative(x.bits());
  Real above = select(steep, width, height), below = select(steep, height, width);
  // 0 / 0 counts as 0, and infinity / infinity as 1.
  Real equal = select(below == 0.0, 0.0, x.like(1));
  Real t = select(above == below, equal, above / below);
  Real rest = atanRest(t, precision);
  if (precision == Precision::Double) {
    Mask regular = (above < below) & (below < std::numeric_limits<double>::infinity());
    rest = rest + select(regular, fma(-t, below, above) / below, 0.0);
  }
  Real base = select(steep, halfPi[0], select(left, pi.high, x.like(0)));
  Real baseLow = select(steep, halfPi[1], select(left, pi.low, x.like(0)));
  Mask subtracted = steep ^ left;
  Real value = select(subtracted, -t, t);
  Real angle = addToBase(base, baseLow, value, select(subtracted, -rest, rest));
  return copysign(angle, y);
}

} // namespace weft::vectormath

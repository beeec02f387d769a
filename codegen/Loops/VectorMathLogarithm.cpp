//===- VectorMathLogarithm.cpp - log, log2, log10, log1p ------------------===//
//
// x = 2^e (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)), or [2/3, 4/3) for f32,
// where the tail's share in log2 is smaller; log x = e log 2 + f + tail(f).
// e log 2 (with trailing zero bits, so exact) and f are added with Dekker's
// error-free sum, as near e = -1 they cancel each other. The tail is a minimax
// polynomial in f; for f64 it is the series in s = f / (2 + f) that fdlibm made
// known, with our own coefficients.
//
//===----------------------------------------------------------------------===//

#include "codegen/Loops/VectorMath.h"
#include "codegen/Loops/VectorMathCoefficients.h"
#include <cmath>
#include <limits>

namespace weft::vectormath {

using namespace coefficients;

namespace {

/// A base's logarithms: of 2 (short, so that its multiples are exact) and of e.
struct Base {
  Split ofTwo, ofE;
};

constexpr double infinity = std::numeric_limits<double>::infinity();

/// exponent * log 2 + fraction + tail.
Real naturalSum(Real exponent, Real fraction, Real tail) {
  Split ln2 = fraction.isDouble() ? ln2ShortDouble : ln2ShortFloat;
  Real large = exponent * ln2.high;
  Real sum = large + fraction;
  return sum + (((large - sum) + fraction) + fma(exponent, ln2.low, tail));
}

/// log(1 + f) - f in two parts: -f^2 / 2, and what is left.
struct Tail {
  Real quadratic, rest;
};

Tail splitTail(Real f, Precision precision) {
  if (precision != Precision::Double) {
    Real square = f * f;
    Real p = polynomial(f, choose(precision, logFloat, logExtended, {}));
    return {square * -0.5, (square * f) * p};
  }
  Real s = f / (2.0 + f);
  Real w = s * s;
  Real half = (0.5 * f) * f;
  return {-half, s * fma(w, polynomial(w, logRatioDouble), half)};
}

/// `result` where 0 < x < infinity, else log's special values.
Real withSpecialValues(Real x, Real result) {
  Real finite = select(x < infinity, result, x);
  Real positive = select(x < 0.0, std::numeric_limits<double>::quiet_NaN(), finite);
  return select(x == 0.0, -infinity, positive);
}

/// The logarithm to a base other than e. Where exponent and fraction cancel most, the tail is a
/// fourth of the result: its largest part is multiplied by log(e) without being rounded first, and
/// added to the other corrections last.
Real logarithm(Real x, Precision precision, Base base) {
  SplitLog parts = splitLog(x, /*mayBeDenormal=*/true);
  Real f = parts.fraction;
  Real scale = f.like(base.ofE.high);
  Real small = f * scale;
  Real large = parts.exponent;
  Real rest = fma(f, base.ofE.low, fma(f, scale, -small));
  if (base.ofTwo.high != 1) {
    large = large * base.ofTwo.high;
    rest = fma(parts.exponent, base.ofTwo.low, rest);
  }
  Real sum = large + small;
  rest = ((large - sum) + small) + rest;
  Tail tail = splitTail(f, precision);
  Real squareLost = fma(f * -0.5, f, -tail.quadratic);
  rest = fma(tail.quadratic, scale, fma(tail.rest + squareLost, scale, rest));
  return withSpecialValues(x, sum + rest);
}

} // namespace

SplitLog splitLog(Real x, bool mayBeDenormal) {
  unsigned shift = x.mantissaBits();
  double twoToShift = std::ldexp(1.0, shift);
  int64_t bias = x.bias() + 1;
  // Where 1 + f begins: sqrt(1/2), or 2/3.
  int64_t lowestBits = x.isDouble() ? 0x3fe6a09e667f3bcd : 0x3f2aaaab;
  Real normal = x, offset = x.like(twoToShift + bias);
  if (mayBeDenormal) {
    Mask denormal = x < std::ldexp(1.0, 1 - x.bias());
    normal = select(denormal, x * (2 * twoToShift), x);
    offset = select(denormal, twoToShift + bias + (shift + 1), offset);
  }
  // Seen from there, the exponent's carry falls where the range of 1 + f ends. The bias keeps
  // it positive, as vectors of i64 have no cheap arithmetic shift or conversion to float.
  Integer shifted = normal.bits() + ((bias << shift) - lowestBits);
  Integer biased = shifted >> shift;
  Real exponent = asReal(biased | x.like(twoToShift).bits()) - offset;
  Integer mantissa = (shifted & ((int64_t(1) << shift) - 1)) + lowestBits;
  return {exponent, asReal(mantissa) - 1.0, biased, bias};
}

Real logTail(Real f, Precision precision) {
  Tail tail = splitTail(f, precision);
  return tail.quadratic + tail.rest;
}

std::pair<Real, Real> twoSum(Real a, Real b) {
  Real sum = a + b;
  Real second = sum - a;
  return {sum, (a - (sum - second)) + (b - second)};
}

Real logOfSum(Real high, const Real *low, const Real *doublings, Precision precision) {
  SplitLog parts = splitLog(high, /*mayBeDenormal=*/false);
  Real exponent = doublings ? parts.exponent + *doublings : parts.exponent;
  Real f = parts.fraction;
  if (!low) {
    Real tail = logTail(f, precision);
    return withSpecialValues(high, naturalSum(exponent, f, tail));
  }
  // low / 2^e, through 2^(1 - e), as 2^-1024 has no exponent; then f + low again as a sum of a
  // number and its rounding error.
  Real scale = asReal(((parts.bias + high.bias() + 1) - parts.biased) << high.mantissaBits());
  Real scaled = (*low * 0.5) * scale;
  Real sum = f + scaled;
  Real lost = (f - sum) + scaled;
  // log(1 + sum + lost) - log(1 + sum) = lost / (1 + sum), where three terms are enough.
  Real tail = fma(lost, fma(sum, sum - 1.0, 1.0), logTail(sum, precision));
  return withSpecialValues(high, naturalSum(exponent, sum, tail));
}

Real expandLog(Real x, Precision precision) {
  SplitLog parts = splitLog(x, /*mayBeDenormal=*/true);
  Real tail = logTail(parts.fraction, precision);
  return withSpecialValues(x, naturalSum(parts.exponent, parts.fraction, tail));
}

Real expandLog2(Real x, Precision precision) {
  return logarithm(x, precision, {{1, 0}, x.isDouble() ? log2OfEDouble : log2OfEFloat});
}

Real expandLog10(Real x, Precision precision) {
  if (x.isDouble())
    return logarithm(x, precision, {log10Of2ShortDouble, log10OfEDouble});
  return logarithm(x, precision, {log10Of2ShortFloat, log10OfEFloat});
}

Real expandLog1p(Real x, Precision precision) {
  auto [high, low] = twoSum(x.like(1), x);
  Real result = logOfSum(high, &low, nullptr, precision);
  // Exact for denormals and -0.
  return select(abs(x) < 0x1p-60, x, result);
}

} // namespace weft::vectormath

//===- VectorMathExponential.cpp - exp, exp2, expm1 -----------------------===//
//
// e^x = 2^n e^r with n = round(x / ln 2) and r = x - n ln 2, |r| <= ln(2) / 2
// (Cody and Waite's reduction; ln 2 in two parts, where fma makes the first
// step exact). e^r - 1 = r + r^2 P(r), P a minimax polynomial.
//
//===----------------------------------------------------------------------===//

#include "codegen/Loops/VectorMath.h"
#include "codegen/Loops/VectorMathCoefficients.h"

namespace weft::vectormath {

using namespace coefficients;

namespace {

/// r = x - n ln 2 and what its rounding lost.
struct ReducedExp {
  Real high, low;
  Integer n;
};

ReducedExp reduceExp(Real x) {
  Split ln2 = x.isDouble() ? ln2Double : ln2Float;
  Rounded n = roundScaled(x, log2OfEDouble.high);
  Real rest = fma(n.value, -ln2.high, x);
  Real high = fma(n.value, -ln2.low, rest);
  return {high, fma(n.value, -ln2.low, rest - high), n.bits};
}

} // namespace

SplitExp splitExp(Real x, Precision precision, const Real *low, int64_t more) {
  Split ln2 = x.isDouble() ? ln2Double : ln2Float;
  Rounded n = roundScaled(x, log2OfEDouble.high, more);
  Real r = fma(n.value, -ln2.low, fma(n.value, -ln2.high, x));
  if (low)
    r = r + *low;
  Real p = polynomial(r, choose(precision, expFloat, expExtended, expDouble));
  return {fma(r * r, p, r), n.bits, n.value};
}

Real powerOfTwo(Integer n, Real like, int64_t offset) {
  return asReal((n << like.mantissaBits()) + ((like.bias() + offset) << like.mantissaBits()));
}

Real scaleGradually(SplitExp parts) {
  // 1 + y is rounded, then what underflows: as below, to the bit.
  if (mlir::Value result = parts.y.builder->scaled(1.0 + parts.y, parts.exponent))
    return {{parts.y.builder, result}};
  unsigned shift = parts.y.mantissaBits();
  // n = half + rest, both with their biases and already in the place of the exponent; neither power
  // of two leaves the normal range, only the last product does.
  Integer half = (parts.n << (shift - 1)) & -(int64_t(1) << shift);
  Integer rest = (parts.n << shift) - half;
  Real scale = asReal(half);
  return fma(parts.y, scale, scale) * asReal(rest);
}

Real expandExp(Real x, Precision precision) {
  // Beyond the bounds the result is infinite or zero. The lower one is where both powers of two of
  // scaleGradually are 0: an exact product, as one that underflows can be slow.
  double low = x.isDouble() ? -1418 : -176, high = x.isDouble() ? 710 : 89;
  Real held = atLeast(atMost(x, high), low);
  return scaleGradually(splitExp(held, precision, nullptr, twoBiases(x)));
}

/// At the bound, and below it, 2^n has the exponent of 0, so that it and the result are 0.
Real expandExpOfNonpositive(Real x, Precision precision) {
  double low = x.isDouble() ? -709.2 : -88;
  SplitExp parts = splitExp(atLeast(x, low), precision);
  Real scale = powerOfTwo(parts.n, x);
  return fma(parts.y, scale, scale);
}

Real expandExp2(Real x, Precision precision) {
  double low = x.isDouble() ? -2046 : -254, high = x.isDouble() ? 1025 : 129;
  Real held = atLeast(atMost(x, high), low);
  Rounded n = roundScaled(held, 1, twoBiases(x));
  Real r = held - n.value;
  llvm::ArrayRef<double> coefficients = choose(precision, exp2Float, {}, exp2Double);
  // The leading term apart, as its rounding error would be that of the whole.
  Real rest = (r * r) * polynomial(r, coefficients.drop_front());
  return scaleGradually({fma(r, coefficients.front(), rest), n.bits, n.value});
}

/// 2^n (e^r - 1) + (2^n - 1), by halves so that 2^n may be 2^1024. The low part of r counts where
/// n = 1 cancels most of the sum.
Real expandExpM1(Real x, Precision precision) {
  ReducedExp r = reduceExp(atLeast(atMost(x, 709.9), -44));
  Real p = polynomial(r.high, choose(precision, {}, expExtended, expDouble));
  Real tail = fma(r.high * r.high, p, r.low);
  Real scale = powerOfTwo(r.n, x, -1);
  Real half = fma(scale, tail, fma(scale, r.high, scale - 0.5));
  // Halving a denormal is inexact, and the sum loses the sign of -0.
  return select(abs(x) < 0x1p-60, x, half + half);
}

} // namespace weft::vectormath

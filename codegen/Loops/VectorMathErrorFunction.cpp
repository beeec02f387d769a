//===- VectorMathErrorFunction.cpp - erf ----------------------------------===//
//
// erf(x) = x + x P(x^2) for |x| <= 1, a minimax polynomial; beyond it
// 1 - exp(Q(|x| - 1)), Q a minimax polynomial of log(erfc), whose weight falls
// as erfc does.
//
//===----------------------------------------------------------------------===//

#include "codegen/Loops/VectorMath.h"
#include "codegen/Loops/VectorMathCoefficients.h"

namespace weft::vectormath {

using namespace coefficients;

Real expandErf(Real x, Precision precision) {
  Real a = abs(x);
  Real small = fma(a, polynomial(a * a, choose(precision, erfFloat, {}, erfDouble)), a);
  // From the bound on, 1 - erfc rounds to 1.
  Real t = atMost(a, x.isDouble() ? 6 : 4) - 1.0;
  Real logErfc = polynomial(t, choose(precision, logErfcFloat, {}, logErfcDouble));
  SplitExp erfc = splitExp(logErfc, precision);
  Real scale = powerOfTwo(erfc.n, x);
  Real large = fma(-scale, erfc.y, 1.0 - scale);
  return copysign(select(a < 1.0, small, large), x);
}

} // namespace weft::vectormath

// Formulas over complex tensors, whose parts are formulas over real ones.
#pragma once

#include "dialects/Weft/Rules/Build.h"

namespace weft {

/// A complex tensor value in a formula.
struct ComplexExpression {
  Expression real, imaginary;

  ComplexExpression(const Expression &real, const Expression &imaginary)
      : real(real), imaginary(imaginary) {}
  /// The parts of an operand of an op at `at`.
  ComplexExpression(const Compose &at, const ComplexParts &parts)
      : real(at(parts.real)), imaginary(at(parts.imaginary)) {}

  /// The one result of an op.
  operator llvm::SmallVector<ComplexParts>() const { return {{real, imaginary}}; }
};

inline ComplexExpression operator+(const ComplexExpression &x, const ComplexExpression &y) {
  return {x.real + y.real, x.imaginary + y.imaginary};
}
inline ComplexExpression operator+(double x, const ComplexExpression &y) {
  return {x + y.real, y.imaginary};
}
inline ComplexExpression operator-(const ComplexExpression &x) { return {-x.real, -x.imaginary}; }
/// 1 - x keeps the sign of a zero imaginary part as the opposite one, on which branches depend.
inline ComplexExpression operator-(double x, const ComplexExpression &y) {
  return {x - y.real, -y.imaginary};
}
inline ComplexExpression operator-(const ComplexExpression &x, double y) {
  return {x.real - y, x.imaginary};
}
inline ComplexExpression operator*(const ComplexExpression &x, const ComplexExpression &y) {
  return {x.real * y.real - x.imaginary * y.imaginary, x.real * y.imaginary + x.imaginary * y.real};
}
inline ComplexExpression operator*(const ComplexExpression &x, double y) {
  return {x.real * y, x.imaginary * y};
}
inline ComplexExpression select(const Expression &condition, const ComplexExpression &x,
                                const ComplexExpression &y) {
  return {select(condition, x.real, y.real), select(condition, x.imaginary, y.imaginary)};
}

/// x times the imaginary unit, and divided by it.
inline ComplexExpression timesUnit(const ComplexExpression &x) { return {-x.imaginary, x.real}; }
inline ComplexExpression overUnit(const ComplexExpression &x) { return {x.imaginary, -x.real}; }

/// x / y (Smith, "Algorithm 116: complex division", 1962): no intermediate overflows that the
/// quotient does not.
ComplexExpression operator/(const ComplexExpression &x, const ComplexExpression &y);
/// The distance of x from 0.
Expression magnitude(const ComplexExpression &x);
/// The principal root: its real part is not negative.
ComplexExpression sqrt(const ComplexExpression &x);
ComplexExpression exp(const ComplexExpression &x);
/// The principal logarithm: its imaginary part is in [-pi, pi].
ComplexExpression log(const ComplexExpression &x);

} // namespace weft

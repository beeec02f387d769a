// Elementary functions of complex tensors, by their parts.
//
// Errors are a few ulp of the distance of the result from 0. Branches are cut as by C99 and the
// array API, and continuous with the side that the sign of a zero part names (Kahan, "Branch cuts
// for complex elementary functions, or much ado about nothing's sign bit", 1987).
#include "dialects/Weft/Rules/ComplexFormula.h"
#include "llvm/Support/MathExtras.h"
#include <cmath>

using namespace mlir;
using namespace llvm::numbers;

namespace weft {

using Parts = SmallVector<ComplexParts>;

static constexpr double infinity = std::numeric_limits<double>::infinity();
static constexpr double notANumber = std::numeric_limits<double>::quiet_NaN();

//===----------------------------------------------------------------------===//
// Pieces
//===----------------------------------------------------------------------===//

static bool isDouble(const Expression &x) { return x.element().isF64(); }

static Expression isInfinite(const Expression &x) { return abs(x) == infinity; }
static Expression isNaN(const Expression &x) { return x.at().create<IsnanOp>(x); }
/// True for what no angle or power is known of: infinities and NaN.
static Expression isUndefined(const Expression &x) { return isInfinite(x) || isNaN(x); }
static Expression isEndless(const ComplexExpression &z) {
  return isInfinite(z.real) || isInfinite(z.imaginary);
}

/// True for negative numbers and for -0.
static Expression isNegative(const Expression &x) { return x < 0.0 || 1.0 / x < 0.0; }

/// |x| with the sign of y.
static Expression copySign(const Expression &x, const Expression &y) {
  Expression distance = abs(x);
  return select(isNegative(y), -distance, distance);
}

static Expression larger(const Expression &x, const Expression &y) {
  return x.at().create<MaximumOp>(x, y);
}
static Expression smaller(const Expression &x, const Expression &y) {
  return x.at().create<MinimumOp>(x, y);
}
static Expression sqrt(const Expression &x) { return x.at().create<SqrtOp>(x); }
static Expression tan(const Expression &x) { return x.at().create<TanOp>(x); }
static Expression asinh(const Expression &x) { return x.at().create<AsinhOp>(x); }
static Expression expm1(const Expression &x) { return x.at().create<Expm1Op>(x); }
/// The angle of the point (x, y).
static Expression angle(const Expression &x, const Expression &y) {
  return x.at().create<Atan2Op>(y, x);
}

Expression magnitude(const ComplexExpression &z) {
  Expression x = abs(z.real), y = abs(z.imaginary);
  Expression major = larger(x, y);
  Expression ratio = smaller(x, y) / major;
  Expression distance = select(major == 0.0, 0.0, major * sqrt(1.0 + ratio * ratio));
  return select(isInfinite(x) || isInfinite(y), infinity, distance);
}

/// exp(x) factor, which may be finite where exp(x) is not. A factor of 0 gives 0, whatever the
/// power; and so does the power of -infinity, even if there is no factor, as no sine of infinity.
static Expression scaledExponential(const Expression &x, const Expression &factor) {
  double limit = isDouble(x) ? 709.0 : 88.0, part = isDouble(x) ? 600.0 : 40.0;
  Expression power = exp(x);
  Expression large = (exp(x - part) * factor) * std::exp(part);
  Expression product = select(x > limit, large, power * factor);
  Expression vanishes = isNaN(factor) && x == -infinity;
  return select(factor == 0.0, factor, select(vanishes, power, product));
}

//===----------------------------------------------------------------------===//
// Roots, exponentials, logarithms
//===----------------------------------------------------------------------===//

/// sqrt((|x| + |z|) / 2) is one part, and half of the other part over it the other one.
ComplexExpression sqrt(const ComplexExpression &z) {
  // Numbers that are so large, or so small, are brought nearer to 1 by an even power of two.
  double edge = isDouble(z.real) ? 0x1p1000 : 0x1p100, up = isDouble(z.real) ? 0x1p54 : 0x1p24;
  Expression extent = larger(abs(z.real), abs(z.imaginary));
  auto scale = [&](double down, double raise) {
    return select(extent >= edge, extent.filled(down),
                  select(extent <= 1 / edge, extent.filled(raise), 1.0));
  };
  Expression before = scale(0x1p-4, up * up), after = scale(0x1p2, 1 / up);
  Expression x = z.real * before, y = z.imaginary * before;
  Expression root = sqrt(0.5 * (abs(x) + magnitude({x, y})));
  Expression other = select(root == 0.0, y, y / (2.0 * root));
  Expression isLeft = x < 0.0, isFar = isInfinite(z.imaginary);
  Expression real = select(isLeft, abs(other), root) * after;
  Expression imaginary = select(isLeft, copySign(root, y), other) * after;
  return {select(isFar, infinity, real), select(isFar, z.imaginary, imaginary)};
}

ComplexExpression exp(const ComplexExpression &z) {
  // On the real line there is no angle, which would be that of an infinite power times 0.
  Expression isReal = z.imaginary == 0.0;
  Expression sine = select(isReal, z.imaginary, sin(z.imaginary));
  Expression isLost = z.real == infinity && isUndefined(z.imaginary);
  return {select(isLost, infinity, scaledExponential(z.real, cos(z.imaginary))),
          scaledExponential(z.real, sine)};
}

/// log|z|, near the unit circle from what |z|^2 is beyond 1.
static Expression logOfMagnitude(const ComplexExpression &z) {
  Expression x = abs(z.real), y = abs(z.imaginary);
  Expression major = larger(x, y), minor = smaller(x, y);
  Expression beyond = (major - 1.0) * (major + 1.0) + minor * minor;
  Expression isNear = major >= 0.5 && major <= 2.0;
  Expression ratio = select(major == 0.0, 0.0, minor / major);
  Expression logarithm = select(isNear, 0.5 * log1p(select(isNear, beyond, 0.0)),
                                log(major) + 0.5 * log1p(ratio * ratio));
  return select(isInfinite(x) || isInfinite(y), infinity, logarithm);
}

ComplexExpression log(const ComplexExpression &z) {
  return {logOfMagnitude(z), angle(z.real, z.imaginary)};
}

static ComplexExpression log1p(const ComplexExpression &z) {
  Expression x = z.real, y = z.imaginary;
  Expression isNear = abs(x) < 0.5 && abs(y) < 0.5;
  Expression near = 0.5 * log1p(select(isNear, x * (2.0 + x) + y * y, 0.0));
  ComplexExpression moved = 1.0 + z;
  return {select(isNear, near, logOfMagnitude(moved)), angle(moved.real, y)};
}

/// exp(x) cos(y) - 1 = expm1(x) cos(y) - 2 sin(y / 2)^2.
static ComplexExpression expm1(const ComplexExpression &z) {
  Expression half = sin(0.5 * z.imaginary);
  Expression near = expm1(z.real) * cos(z.imaginary) - 2.0 * (half * half) + 0.0;
  ComplexExpression far = exp(z);
  Expression real = select(z.real > 1.0, far.real - 1.0, near);
  return {select(z.real == -infinity, -1.0, real), far.imaginary};
}

//===----------------------------------------------------------------------===//
// Trigonometric and hyperbolic functions
//===----------------------------------------------------------------------===//

/// cosh(x) c and sinh(x) s, which may be finite where cosh(x) is not; a zero s stays one.
static ComplexExpression hyperbolic(const Expression &x, const Expression &c, const Expression &s) {
  double limit = isDouble(x) ? 700.0 : 80.0;
  Expression distance = abs(x), isFar = distance > limit;
  Expression farCosine = scaledExponential(distance, 0.5 * c);
  Expression farSine = scaledExponential(distance, 0.5 * s);
  return {select(isFar, farCosine, cosh(x) * c),
          select(isFar, select(x < 0.0, -farSine, farSine), sinh(x) * s)};
}

/// cosh(x) cos(y) + i sinh(x) sin(y).
static ComplexExpression cosh(const ComplexExpression &z) {
  Expression x = z.real, y = z.imaginary;
  ComplexExpression product = hyperbolic(x, cos(y), select(y == 0.0, y, sin(y)));
  Expression isZero = (x == 0.0 && isUndefined(y)) || (y == 0.0 && isNaN(x));
  return {select(isInfinite(x) && isUndefined(y), infinity, product.real),
          select(isZero, 0.0, product.imaginary)};
}

/// sinh(x) cos(y) + i cosh(x) sin(y).
static ComplexExpression sinh(const ComplexExpression &z) {
  Expression x = z.real, y = z.imaginary;
  ComplexExpression turned = hyperbolic(x, select(y == 0.0, y, sin(y)), cos(y));
  Expression isItself = x == 0.0 || (isInfinite(x) && isUndefined(y));
  return {select(isItself, x, turned.imaginary), select(y == 0.0, y, turned.real)};
}

/// Kahan's form, exact to the signs of zeros; beyond `limit` the real part is 1 to the last bit.
static ComplexExpression tanh(const ComplexExpression &z) {
  double limit = isDouble(z.real) ? 22.0 : 11.0;
  Expression distance = abs(z.real), isFar = distance > limit;
  Expression x = select(isFar, 0.0, z.real);
  Expression tangent = tan(z.imaginary), sine = sinh(x);
  Expression beta = 1.0 + tangent * tangent, denominator = 1.0 + beta * (sine * sine);
  Expression root = sqrt(1.0 + sine * sine);
  Expression isPole = isInfinite(tangent);
  Expression real =
      select(isPole, root / select(sine == 0.0, 1.0, sine), beta * root * sine / denominator);
  Expression imaginary = select(isPole, 0.0, tangent / denominator);
  Expression far = 4.0 * (sin(z.imaginary) * cos(z.imaginary)) * exp(-2.0 * distance);
  Expression isLost = isUndefined(z.imaginary), isEnd = isInfinite(z.real);
  Expression side = select(isFar, copySign(x.filled(1.0), z.real), real);
  Expression end = copySign(x.filled(0.0), z.imaginary);
  Expression turn = select(isFar, select(isEnd, end, far), imaginary);
  Expression nothing = select(z.real == 0.0, z.real, notANumber);
  return {select(isEnd, side, select(isLost, nothing, side)),
          select(z.imaginary == 0.0, z.imaginary, turn)};
}

//===----------------------------------------------------------------------===//
// Their inverses
//===----------------------------------------------------------------------===//

static ComplexExpression asin(const ComplexExpression &z) {
  ComplexExpression left = sqrt(1.0 - z), right = sqrt(1.0 + z);
  Expression real = angle(left.real * right.real - left.imaginary * right.imaginary, z.real);
  ComplexExpression near{select(z.real == 0.0, z.real, real),
                         asinh(left.real * right.imaginary - left.imaginary * right.real)};
  ComplexExpression far{angle(abs(z.imaginary), z.real),
                        copySign(z.real.filled(infinity), z.imaginary)};
  return select(isEndless(z), far, near);
}

static ComplexExpression acos(const ComplexExpression &z) {
  ComplexExpression left = sqrt(1.0 - z), right = sqrt(1.0 + z);
  Expression isUpright = z.real == 0.0 && isNaN(z.imaginary);
  ComplexExpression near{select(isUpright, pi / 2, 2.0 * angle(right.real, left.real)),
                         asinh(right.real * left.imaginary - right.imaginary * left.real)};
  ComplexExpression far{angle(z.real, abs(z.imaginary)),
                        -copySign(z.real.filled(infinity), z.imaginary)};
  return select(isEndless(z), far, near);
}

static ComplexExpression acosh(const ComplexExpression &z) {
  ComplexExpression left = sqrt(z - 1.0), right = sqrt(1.0 + z);
  Expression isUpright = z.real == 0.0 && isNaN(z.imaginary);
  ComplexExpression near{asinh(left.real * right.real + left.imaginary * right.imaginary),
                         select(isUpright, pi / 2, 2.0 * angle(right.real, left.imaginary))};
  ComplexExpression far{z.real.filled(infinity), angle(z.real, z.imaginary)};
  return select(isEndless(z), far, near);
}

static ComplexExpression atanh(const ComplexExpression &z) {
  Expression x = z.real, y = z.imaginary;
  Expression below = 1.0 - abs(x);
  Expression distance = below * below + y * y;
  Expression isFar = isEndless(z);
  Expression real = copySign(0.25 * log1p(4.0 * abs(x) / distance), x);
  Expression turn = 0.5 * angle(below * (1.0 + abs(x)) - y * y, 2.0 * y);
  Expression quarter = select(isNaN(y), y, copySign(x.filled(pi / 2), y));
  return {select(x == 0.0, x, select(isFar, copySign(x.filled(0.0), x), real)),
          select(isFar, quarter, turn)};
}

//===----------------------------------------------------------------------===//
// The ops
//===----------------------------------------------------------------------===//

/// The rule of an op of one operand z, in terms of z.
#define COMPLEX_FUNCTION(OpType, formula)                                                          \
  Parts OpType::buildOnParts(OpBuilder &builder, ArrayRef<ComplexParts> operands) {                \
    ComplexExpression z(Compose(builder, getLoc()), operands[0]);                                  \
    return formula;                                                                                \
  }

// The formatter takes products for pointers.
// clang-format off
COMPLEX_FUNCTION(SqrtOp, sqrt(z))
COMPLEX_FUNCTION(ExpOp, exp(z))
COMPLEX_FUNCTION(Exp2Op, exp(z * ln2))
COMPLEX_FUNCTION(Expm1Op, expm1(z))
COMPLEX_FUNCTION(LogOp, log(z))
COMPLEX_FUNCTION(Log2Op, log(z) * log2e)
COMPLEX_FUNCTION(Log10Op, log(z) * log10e)
COMPLEX_FUNCTION(Log1pOp, log1p(z))
COMPLEX_FUNCTION(CosOp, cosh(timesUnit(z)))
COMPLEX_FUNCTION(SinOp, overUnit(sinh(timesUnit(z))))
COMPLEX_FUNCTION(TanOp, overUnit(tanh(timesUnit(z))))
COMPLEX_FUNCTION(AsinOp, asin(z))
COMPLEX_FUNCTION(AcosOp, acos(z))
COMPLEX_FUNCTION(AtanOp, overUnit(atanh(timesUnit(z))))
COMPLEX_FUNCTION(SinhOp, sinh(z))
COMPLEX_FUNCTION(CoshOp, cosh(z))
COMPLEX_FUNCTION(TanhOp, tanh(z))
COMPLEX_FUNCTION(AsinhOp, overUnit(asin(timesUnit(z))))
COMPLEX_FUNCTION(AcoshOp, acosh(z))
COMPLEX_FUNCTION(AtanhOp, atanh(z))
// clang-format on

#undef COMPLEX_FUNCTION

} // namespace weft

// Gradients of the elementwise ops, as formulas in g (the cotangent), x (and y), and the result.
#include "dialects/Weft/Rules/Build.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace llvm::numbers;

namespace weft {

/// 1 / sqrt(x y); of complex numbers by a root of each, as the root of the product may be the other
/// one.
static Expression rsqrtOfProduct(const Expression &x, const Expression &y) {
  return isComplexTensor(x.type()) ? rsqrt(x) * rsqrt(y) : rsqrt(x * y);
}

/// The real part of x, which is x if it is not complex.
static Expression realPart(const Expression &x) {
  return isComplexTensor(x.type()) ? x.at().create<RealOp>(x) : x;
}

/// The rule of an op of one operand x: its gradient, in terms of g, x and result.
#define UNARY_GRADIENT(OpType, formula)                                                            \
  void OpType::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool>,            \
                             MutableArrayRef<Value> gradients) {                                   \
    Compose at(builder, getLoc());                                                                 \
    [[maybe_unused]] Expression g = at(cotangents[0]), x = at(getX()), result = at(getResult());   \
    gradients[0] = formula;                                                                        \
  }

// The formatter takes products for pointers.
// clang-format off

UNARY_GRADIENT(NegativeOp, -g)
UNARY_GRADIENT(AbsOp, g * sign(x))
UNARY_GRADIENT(SqrtOp, g / (2.0 * result))
UNARY_GRADIENT(RsqrtOp, g * (-0.5 * (result * result * result)))
UNARY_GRADIENT(CbrtOp, g / (3.0 * (result * result)))
UNARY_GRADIENT(ReciprocalOp, -(g * (result * result)))

UNARY_GRADIENT(ExpOp, g * result)
UNARY_GRADIENT(Exp2Op, g * (ln2 * result))
// Not result + 1, which loses the digits of small exponentials.
UNARY_GRADIENT(Expm1Op, g * exp(x))
UNARY_GRADIENT(LogOp, g / x)
UNARY_GRADIENT(Log2Op, g / (ln2 * x))
UNARY_GRADIENT(Log10Op, g / (ln10 * x))
UNARY_GRADIENT(Log1pOp, g / (1.0 + x))

UNARY_GRADIENT(SinOp, g * cos(x))
UNARY_GRADIENT(CosOp, -(g * sin(x)))
UNARY_GRADIENT(TanOp, g * (1.0 + result * result))
// 1 - x^2 as a product keeps its digits near 1.
UNARY_GRADIENT(AsinOp, g * rsqrt((1.0 - x) * (1.0 + x)))
UNARY_GRADIENT(AcosOp, -(g * rsqrt((1.0 - x) * (1.0 + x))))
UNARY_GRADIENT(AtanOp, g / (1.0 + x * x))
UNARY_GRADIENT(SinhOp, g * cosh(x))
UNARY_GRADIENT(CoshOp, g * sinh(x))
UNARY_GRADIENT(TanhOp, g * (1.0 - result * result))
UNARY_GRADIENT(AsinhOp, g * rsqrt(1.0 + x * x))
UNARY_GRADIENT(AcoshOp, g * rsqrtOfProduct(x - 1.0, x + 1.0))
UNARY_GRADIENT(AtanhOp, g / ((1.0 - x) * (1.0 + x)))
UNARY_GRADIENT(ErfOp, g * ((2.0 * inv_sqrtpi) * exp(-(x * x))))

UNARY_GRADIENT(CastOp, convert(isComplexTensor(x.type()) ? g : realPart(g), x.element()))

// clang-format on

#undef UNARY_GRADIENT

/// The rule of an op of two operands x and y: their gradients, in terms of g, x, y and result.
#define BINARY_GRADIENT(OpType, formulaX, formulaY)                                                \
  void OpType::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool> wanted,     \
                             MutableArrayRef<Value> gradients) {                                   \
    Compose at(builder, getLoc());                                                                 \
    [[maybe_unused]] Expression g = at(cotangents[0]), x = at(getX()), y = at(getY()),             \
                                result = at(getResult());                                          \
    if (wanted[0])                                                                                 \
      gradients[0] = formulaX;                                                                     \
    if (wanted[1])                                                                                 \
      gradients[1] = formulaY;                                                                     \
  }

/// g where `x` is beyond `y` on the winning side, half of it where they are equal.
static Expression unlessLost(const Expression &g, const Expression &equal, const Expression &lost) {
  return select(equal, 0.5 * g, select(lost, 0.0, g));
}

/// y x^(y - 1), which is 0 for y = 0 even where x^-1 is infinite.
static Expression powerForBase(const Expression &x, const Expression &y) {
  return y * pow(x, select(y == 0.0, 1.0, y) - 1.0);
}

/// x^y log(x), which is 0 for x = 0 as long as x^y is finite. The logarithm never sees such an x,
/// so that derivatives of this formula stay finite too.
static Expression powerForExponent(const Expression &x, const Expression &y,
                                   const Expression &result) {
  return result * log(select(x == 0.0 && realPart(y) >= 0.0, 1.0, x));
}

/// x^2 + y^2, and 1 at the origin, where the quotients by it are 0.
static Expression squaredDistance(const Expression &x, const Expression &y) {
  Expression square = x * x + y * y;
  return select(square == 0.0, 1.0, square);
}

// clang-format off
BINARY_GRADIENT(AddOp, g, g)
BINARY_GRADIENT(SubtractOp, g, -g)
BINARY_GRADIENT(MultiplyOp, g * y, g * x)
BINARY_GRADIENT(DivideOp, g / y, -(g * (result / y)))
BINARY_GRADIENT(RemainderOp, g, -(g * floorDivide(x, y)))
BINARY_GRADIENT(PowOp, g * powerForBase(x, y), g * powerForExponent(x, y, result))
BINARY_GRADIENT(MaximumOp, unlessLost(g, x == y, x < y), unlessLost(g, x == y, x > y))
BINARY_GRADIENT(MinimumOp, unlessLost(g, x == y, x > y), unlessLost(g, x == y, x < y))
BINARY_GRADIENT(Atan2Op, g * (y / squaredDistance(x, y)), -(g * (x / squaredDistance(x, y))))
// clang-format on

#undef BINARY_GRADIENT

static Expression power(const Expression &x, double exponent) {
  if (!isFixedExponent(exponent, x.element()))
    return pow(x, x.filled(exponent));
  return x.at().create<FixedPowOp>(x, APFloat(exponent));
}

/// As for pow, whose exponent happens to be known.
void FixedPowOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool>,
                               MutableArrayRef<Value> gradients) {
  Compose at(builder, getLoc());
  Expression g = at(cotangents[0]), x = at(getX());
  double exponent = getExponent().convertToDouble();
  if (exponent == 0)
    gradients[0] = g.filled(0.0);
  else if (exponent == 1)
    gradients[0] = g;
  else
    gradients[0] = g * (exponent * power(x, exponent - 1));
}

void SelectOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool> wanted,
                             MutableArrayRef<Value> gradients) {
  Compose at(builder, getLoc());
  Expression g = at(cotangents[0]), condition = at(getCondition());
  if (wanted[1])
    gradients[1] = select(condition, g, 0.0);
  if (wanted[2])
    gradients[2] = select(condition, 0.0, g);
}

} // namespace weft

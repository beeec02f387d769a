// Arithmetic, comparison, reduction and products of complex tensors, by their parts.
#include "dialects/Weft/Rules/ComplexFormula.h"
#include "lib/Support/SymbolicSize.h"

using namespace mlir;

namespace weft {

using Parts = SmallVector<ComplexParts>;

//===----------------------------------------------------------------------===//
// Parts
//===----------------------------------------------------------------------===//

SmallVector<Value> ConjOp::decompose(OpBuilder &builder) {
  Compose at(builder, getLoc());
  Expression imaginary = at.create<ImagOp>(getX());
  return {at.create<ComplexOp>(at.create<RealOp>(getX()), -imaginary)};
}

SmallVector<Value> MagnitudeOp::decompose(OpBuilder &builder) {
  Compose at(builder, getLoc());
  return {magnitude({at.create<RealOp>(getX()), at.create<ImagOp>(getX())})};
}

//===----------------------------------------------------------------------===//
// Arithmetic
//===----------------------------------------------------------------------===//

ComplexExpression operator/(const ComplexExpression &x, const ComplexExpression &y) {
  Expression isWide = abs(y.real) >= abs(y.imaginary);
  Expression major = select(isWide, y.real, y.imaginary);
  Expression minor = select(isWide, y.imaginary, y.real);
  // Zero over zero, or what is infinite twice, leaves the quotient by the real part.
  Expression ratio = select(major == 0.0, major, minor / major);
  Expression denominator = major + minor * ratio;
  Expression real = select(isWide, x.real + x.imaginary * ratio, x.real * ratio + x.imaginary);
  Expression imaginary = select(isWide, x.imaginary - x.real * ratio, x.imaginary * ratio - x.real);
  return {real / denominator, imaginary / denominator};
}

Parts MultiplyOp::buildOnParts(OpBuilder &builder, ArrayRef<ComplexParts> operands) {
  Compose at(builder, getLoc());
  return ComplexExpression(at, operands[0]) * ComplexExpression(at, operands[1]);
}

Parts DivideOp::buildOnParts(OpBuilder &builder, ArrayRef<ComplexParts> operands) {
  Compose at(builder, getLoc());
  return ComplexExpression(at, operands[0]) / ComplexExpression(at, operands[1]);
}

static ComplexExpression reciprocal(const ComplexExpression &x) {
  return ComplexExpression(x.real.filled(1.0), x.real.filled(0.0)) / x;
}

Parts ReciprocalOp::buildOnParts(OpBuilder &builder, ArrayRef<ComplexParts> operands) {
  Compose at(builder, getLoc());
  return reciprocal({at, operands[0]});
}

Parts RsqrtOp::buildOnParts(OpBuilder &builder, ArrayRef<ComplexParts> operands) {
  Compose at(builder, getLoc());
  return reciprocal(sqrt(ComplexExpression(at, operands[0])));
}

/// exp(y log(x)); of 0 it is 1, 0 or undefined.
Parts PowOp::buildOnParts(OpBuilder &builder, ArrayRef<ComplexParts> operands) {
  Compose at(builder, getLoc());
  ComplexExpression x(at, operands[0]), y(at, operands[1]);
  ComplexExpression zero{x.real.filled(0.0), x.real.filled(0.0)};
  ComplexExpression one{x.real.filled(1.0), x.real.filled(0.0)};
  Expression undefined = x.real.filled(std::numeric_limits<double>::quiet_NaN());
  Expression isZero = x.real == 0.0 && x.imaginary == 0.0;
  Expression hasNoExponent = y.real == 0.0 && y.imaginary == 0.0;
  // The logarithm never sees a 0, so that derivatives stay finite.
  ComplexExpression power = exp(y * log(select(isZero, one, x)));
  ComplexExpression ofZero = select(y.real > 0.0, zero, ComplexExpression(undefined, undefined));
  return select(hasNoExponent, one, select(isZero, ofZero, power));
}

Parts FixedPowOp::buildOnParts(OpBuilder &builder, ArrayRef<ComplexParts> operands) {
  Compose at(builder, getLoc());
  ComplexExpression x(at, operands[0]);
  double exponent = getExponent().convertToDouble();
  if (exponent == 0.0)
    return ComplexExpression(x.real.filled(1.0), x.real.filled(0.0));
  ComplexExpression base = exponent == 0.5 || exponent == -0.5 ? sqrt(x) : x;
  ComplexExpression root = exponent < 0.0 ? reciprocal(base) : base;
  double count = std::abs(exponent);
  if (count <= 1.0)
    return root;
  ComplexExpression square = root * root;
  return count == 2.0 ? square : count == 3.0 ? square * root : square * square;
}

//===----------------------------------------------------------------------===//
// Comparison and conversion
//===----------------------------------------------------------------------===//

/// A predicate of the parts, true where it is for both, or for one.
template <typename Join>
static Parts predicate(Operation *op, OpBuilder &builder, ArrayRef<ComplexParts> operands,
                       Join join) {
  auto built = [&](Value ComplexParts::*part) {
    SmallVector<Value> values =
        llvm::map_to_vector(operands, [&](const ComplexParts &operand) { return operand.*part; });
    Operation *onPart = rebuild(builder, op, values, op->getResultTypes());
    return Compose(builder, op->getLoc())(onPart->getResult(0));
  };
  Value joined = join(built(&ComplexParts::real), built(&ComplexParts::imaginary));
  return {{joined, {}}};
}

static Expression both(const Expression &x, const Expression &y) { return x && y; }
static Expression either(const Expression &x, const Expression &y) { return x || y; }

Parts EqualOp::buildOnParts(OpBuilder &builder, ArrayRef<ComplexParts> operands) {
  return predicate(*this, builder, operands, both);
}
Parts NotEqualOp::buildOnParts(OpBuilder &builder, ArrayRef<ComplexParts> operands) {
  return predicate(*this, builder, operands, either);
}
Parts IsfiniteOp::buildOnParts(OpBuilder &builder, ArrayRef<ComplexParts> operands) {
  return predicate(*this, builder, operands, both);
}
Parts IsinfOp::buildOnParts(OpBuilder &builder, ArrayRef<ComplexParts> operands) {
  return predicate(*this, builder, operands, either);
}
Parts IsnanOp::buildOnParts(OpBuilder &builder, ArrayRef<ComplexParts> operands) {
  return predicate(*this, builder, operands, either);
}

Parts CastOp::buildOnParts(OpBuilder &builder, ArrayRef<ComplexParts> operands) {
  if (!isComplexTensor(getType()))
    return predicate(*this, builder, operands, either);
  Compose at(builder, getLoc());
  Type element = partType(getType()).getElementType();
  Expression real = convert(at(operands[0].real), element);
  if (!operands[0].imaginary)
    return ComplexExpression(real, real.filled(0.0));
  return ComplexExpression(real, convert(at(operands[0].imaginary), element));
}

//===----------------------------------------------------------------------===//
// Along axes
//===----------------------------------------------------------------------===//

static ComplexExpression sliceAlong(const ComplexExpression &x, int64_t axis, int64_t start,
                                    int64_t count) {
  return {sliceAlong(x.real, axis, start, count), sliceAlong(x.imaginary, axis, start, count)};
}

static ComplexExpression joined(const ComplexExpression &x, const ComplexExpression &y,
                                int64_t axis) {
  const Compose &at = x.real.at();
  return {concatenate({x.real, y.real}, axis, at),
          concatenate({x.imaginary, y.imaginary}, axis, at)};
}

/// Ones of the shape of x, but with `count` elements along `axis`.
static ComplexExpression ones(const ComplexExpression &x, int64_t axis, int64_t count) {
  SmallVector<int64_t> shape(x.real.type().getShape());
  shape[axis] = count;
  auto type = withShape(x.real.type(), shape);
  return {x.real.at().constant(type, 1.0), x.real.at().constant(type, 0.0)};
}

/// The size of x along `axis`; nothing, after an error of `op`, if it is not known.
static std::optional<int64_t> knownSize(Operation *op, Value x, int64_t axis) {
  std::optional<int64_t> size = countAlong(op, x, axis);
  if (!size || !isSymbolicSize(*size))
    return size;
  op->emitOpError() << "of complex numbers needs a fixed size along axis " << axis
                    << ", but its operand has shape " << shapeText(x.getType());
  return std::nullopt;
}

/// The product along `axis`, of size 1 in the result: halves are multiplied until one is left.
static ComplexExpression productAlong(ComplexExpression x, int64_t axis, int64_t count) {
  if (count == 0)
    return ones(x, axis, 1);
  while (count > 1) {
    int64_t half = count / 2;
    ComplexExpression product = sliceAlong(x, axis, 0, half) * sliceAlong(x, axis, half, half);
    x = count % 2 == 0 ? product : joined(product, sliceAlong(x, axis, 2 * half, 1), axis);
    count = half + count % 2;
  }
  return x;
}

Parts ProdOp::buildOnParts(OpBuilder &builder, ArrayRef<ComplexParts> operands) {
  Compose at(builder, getLoc());
  ComplexExpression x(at, operands[0]);
  for (int64_t axis : getAxes()) {
    std::optional<int64_t> count = knownSize(*this, getX(), axis);
    if (!count)
      return {};
    x = productAlong(x, axis, *count);
  }
  Shape shape = getType().getShape();
  return ComplexExpression(reshape(x.real, shape), reshape(x.imaginary, shape));
}

Parts CumulativeProdOp::buildOnParts(OpBuilder &builder, ArrayRef<ComplexParts> operands) {
  Compose at(builder, getLoc());
  ComplexExpression x(at, operands[0]);
  int64_t axis = getAxis();
  std::optional<int64_t> count = knownSize(*this, getX(), axis);
  if (!count)
    return {};
  auto turned = [&](const ComplexExpression &value) {
    return getReversed()
               ? ComplexExpression(reverse(value.real, axis), reverse(value.imaginary, axis))
               : value;
  };
  x = turned(x);
  for (int64_t step = 1; step < *count; step *= 2)
    x = x * joined(ones(x, axis, step), sliceAlong(x, axis, 0, *count - step), axis);
  return turned(x);
}

Parts MatmulOp::buildOnParts(OpBuilder &builder, ArrayRef<ComplexParts> operands) {
  Compose at(builder, getLoc());
  auto product = [&](Value lhs, Value rhs) {
    return matmul(at(lhs), at(rhs), getTransposeLhs(), getTransposeRhs());
  };
  const ComplexParts &lhs = operands[0], &rhs = operands[1];
  return ComplexExpression(product(lhs.real, rhs.real) - product(lhs.imaginary, rhs.imaginary),
                           product(lhs.real, rhs.imaginary) + product(lhs.imaginary, rhs.real));
}

//===----------------------------------------------------------------------===//
// Gradients: the derivative by the real part, plus i times that by the imaginary part
//===----------------------------------------------------------------------===//

void RealOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool>,
                           MutableArrayRef<Value> gradients) {
  Expression g = Compose(builder, getLoc())(cotangents[0]);
  gradients[0] = g.at().create<ComplexOp>(g, g.filled(0.0));
}

void ImagOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool>,
                           MutableArrayRef<Value> gradients) {
  Expression g = Compose(builder, getLoc())(cotangents[0]);
  gradients[0] = g.at().create<ComplexOp>(g.filled(0.0), g);
}

void ComplexOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool>,
                              MutableArrayRef<Value> gradients) {
  Expression g = Compose(builder, getLoc())(cotangents[0]);
  gradients[0] = g.at().create<RealOp>(g);
  gradients[1] = g.at().create<ImagOp>(g);
}

/// The direction from 0 to x.
void MagnitudeOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool>,
                                MutableArrayRef<Value> gradients) {
  Compose at(builder, getLoc());
  Expression g = at(cotangents[0]), result = at(getResult());
  Expression scale = g / select(result == 0.0, 1.0, result);
  Expression real = at.create<RealOp>(getX()), imaginary = at.create<ImagOp>(getX());
  gradients[0] = at.create<ComplexOp>(scale * real, scale * imaginary);
}

} // namespace weft

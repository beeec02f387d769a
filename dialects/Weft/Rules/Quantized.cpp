// Weights that are kept as whole numbers of few bits: their shapes, what they stand for, and
// products by them.
#include "dialects/Weft/IR/Quantized.h"
#include "dialects/Weft/Rules/Build.h"
#include "dialects/Weft/Rules/QuantizedInference.h"
#include "lib/Support/SymbolicSize.h"

using namespace mlir;

namespace weft {

static RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

/// How many numbers are in `bytes` bytes.
static int64_t numbersIn(int64_t bytes, int64_t bits) {
  return ShapedType::isDynamic(bytes) ? bytes : multiplySizes(bytes, 8 / bits);
}

/// Reports what does not fit of the operands that both ops have.
template <typename Adaptor>
static LogicalResult checkWeight(Adaptor adaptor, StringRef name, InferenceLocation location) {
  RankedTensorType numbers = typeOf(adaptor.getNumbers()), scale = typeOf(adaptor.getScale());
  auto bits = static_cast<int64_t>(adaptor.getBits());
  auto mismatch = [&](const Twine &why) { return emitOptionalError(location, name + ": " + why); };
  if (bits != 4 && bits != 8)
    return mismatch("numbers have 4 or 8 bits, not " + Twine(bits));
  if (numbers.getElementType().isUnsignedInteger() != (bits == 4))
    return mismatch("numbers of 4 bits are in uint8, two in each; of 8 bits in int8 or float8");
  if (numbers.getRank() != 3 || scale.getRank() != 2 ||
      !agree(numbers.getDimSize(0), scale.getDimSize(0)) ||
      !agree(numbers.getDimSize(1), scale.getDimSize(1)))
    return mismatch("numbers [N, G, S] have shape " + shapeText(numbers) + ", scale [N, G] has " +
                    shapeText(scale));
  Value zero = adaptor.getZero();
  if (zero && isa<FloatType>(numbers.getElementType()))
    return mismatch("numbers that are floats have no zero");
  if (zero && (typeOf(zero).getElementType() != numbers.getElementType() ||
               failed(verifyCompatibleShape(typeOf(zero), scale))))
    return mismatch("zero [N, G] has the dtype of numbers and the shape of scale, " +
                    shapeText(scale) + ", not " + shapeText(typeOf(zero)));
  return success();
}

LogicalResult inferQuantizedValues(QuantizedValuesOp::Adaptor adaptor, InferenceLocation location,
                                   InferredTypes &types) {
  if (failed(checkWeight(adaptor, "quantized_values", location)))
    return failure();
  SmallVector<int64_t> shape(typeOf(adaptor.getNumbers()).getShape());
  shape[2] = numbersIn(shape[2], adaptor.getBits());
  types.push_back(withShape(typeOf(adaptor.getScale()), shape));
  return success();
}

/// Infers the type of a product of x by the weight.
template <typename Adaptor>
static LogicalResult inferProduct(Adaptor adaptor, StringRef name, InferenceLocation location,
                                  InferredTypes &types) {
  if (failed(checkWeight(adaptor, name, location)))
    return failure();
  RankedTensorType x = typeOf(adaptor.getX()), numbers = typeOf(adaptor.getNumbers());
  if (x.getRank() != 3 || !agree(x.getDimSize(1), numbers.getDimSize(1)) ||
      !agree(x.getDimSize(2), numbersIn(numbers.getDimSize(2), adaptor.getBits())))
    return emitOptionalError(location, name + ": x [M, G, S] has shape " + shapeText(x) +
                                           ", numbers of " + Twine(adaptor.getBits()) +
                                           " bits have " + shapeText(numbers));
  types.push_back(withShape(typeOf(adaptor.getScale()), {x.getDimSize(0), numbers.getDimSize(0)}));
  return success();
}

LogicalResult inferQuantizedMatmul(QuantizedMatmulOp::Adaptor adaptor, InferenceLocation location,
                                   InferredTypes &types) {
  return inferProduct(adaptor, "quantized_matmul", location, types);
}

LogicalResult inferQuantizedDot(QuantizedDotOp::Adaptor adaptor, InferenceLocation location,
                                InferredTypes &types) {
  if (isa<FloatType>(typeOf(adaptor.getNumbers()).getElementType()))
    return emitOptionalError(location, "quantized_dot: numbers are whole");
  return inferProduct(adaptor, "quantized_dot", location, types);
}

LogicalResult inferQuantizedSteps(QuantizedStepsOp::Adaptor adaptor, InferenceLocation location,
                                  InferredTypes &types) {
  RankedTensorType x = typeOf(adaptor.getX()), scale = typeOf(adaptor.getScale());
  bool isOfRows = scale.getRank() == 1 && x.getRank() == 2;
  if (x.getRank() != 2 ||
      !(scale.getRank() == 0 || (isOfRows && agree(scale.getDimSize(0), x.getDimSize(0)))))
    return emitOptionalError(location, "quantized_steps: x [M, K] has shape " + shapeText(x) +
                                           ", scale, [] or [M], has " + shapeText(scale));
  types.push_back(withElement(x, IntegerType::get(x.getContext(), 8)));
  return success();
}

/// The rows, the columns, the groups, the numbers of a group. Bytes may hold two.
static SmallVector<SmallVector<int64_t>> labelsOfProduct(bool hasZero) {
  SmallVector<SmallVector<int64_t>> labels{{0, 2, 3}, {1, 2, -1}, {1, 2}};
  if (hasZero)
    labels.push_back({1, 2});
  labels.push_back({0, 1});
  return labels;
}

SmallVector<SmallVector<int64_t>> QuantizedMatmulOp::getDimensionLabels() {
  return labelsOfProduct(bool(getZero()));
}

SmallVector<SmallVector<int64_t>> QuantizedDotOp::getDimensionLabels() {
  return labelsOfProduct(bool(getZero()));
}

/// The halves of bytes, the lower one first.
static Expression halves(const Expression &bytes) {
  SmallVector<int64_t> shape(bytes.type().getShape());
  SmallVector<int64_t> apart = {shape[0], shape[1], shape[2], 1};
  Expression low = bytes.at().create<BitwiseAndOp>(bytes, bytes.filled(15));
  Expression high = bytes.at().create<BitwiseRightShiftOp>(bytes, bytes.filled(4));
  shape[2] = multiplySizes(shape[2], 2);
  return reshape(concatenate({reshape(low, apart), reshape(high, apart)}, 3, bytes.at()), shape);
}

/// numbers - zero, as numbers of `computed`.
template <typename Op> static Expression differences(const Compose &at, Op op, Type computed) {
  auto bits = static_cast<int64_t>(op.getBits());
  Expression numbers = at(op.getNumbers());
  Expression exact = convert(bits == 4 ? halves(numbers) : numbers, computed);
  if (Value zero = op.getZero())
    return exact - broadcast(convert(at(zero), computed), exact.type().getShape(), {0, 1});
  return usualZero(bits) == 0 ? exact : exact - static_cast<double>(usualZero(bits));
}

SmallVector<Value> QuantizedValuesOp::decompose(OpBuilder &builder) {
  Compose at(builder, getLoc());
  Expression exact = differences(at, *this, getType().getElementType());
  return {exact * broadcast(at(getScale()), exact.type().getShape(), {0, 1})};
}

SmallVector<Value> QuantizedMatmulOp::decompose(OpBuilder &builder) {
  Compose at(builder, getLoc());
  Expression x = at(getX());
  Expression weight = at.create<QuantizedValuesOp>(getNumbers(), getScale(), getZero(), getBits());
  int64_t depth = multiplySizes(x.size(1), x.size(2));
  return {matmul(reshape(x, {x.size(0), depth}), reshape(weight, {weight.size(0), depth}), false,
                 true)};
}

SmallVector<Value> QuantizedStepsOp::decompose(OpBuilder &builder) {
  Compose at(builder, getLoc());
  Expression x = at(getX()), scale = at(getScale());
  SmallVector<int64_t> dimensions;
  if (scale.rank() == 1)
    dimensions.push_back(0);
  Expression steps = x / broadcast(scale, x.type().getShape(), dimensions);
  Expression whole = at.create<RoundOp>(steps);
  Expression least = at.create<MinimumOp>(maximum(whole, -128), whole.filled(127));
  // At once it would be vfncvt.rtz on RISC-V: QEMU before 8 fails at such, processors do not.
  return {convert(convert(least, builder.getI32Type()), getType().getElementType())};
}

SmallVector<Value> QuantizedDotOp::decompose(OpBuilder &builder) {
  Compose at(builder, getLoc());
  Type whole = builder.getI32Type();
  Expression x = convert(at(getX()), whole), scale = at(getScale());
  Expression weight = differences(at, *this, whole);
  Expression sums =
      matmul(transpose(x, {1, 0, 2}), transpose(weight, {1, 0, 2}), false, /*transposeRhs=*/true);
  Expression wide = transpose(convert(sums, getType().getElementType()), {2, 1, 0});
  Expression factors = reshape(scale, {scale.size(0), scale.size(1), 1});
  Expression product = matmul(wide, factors, false, false);
  return {transpose(reshape(product, {product.size(0), product.size(1)}), {1, 0})};
}

} // namespace weft

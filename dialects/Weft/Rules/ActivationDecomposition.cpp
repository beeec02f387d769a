// Definitions of the activation functions. float16 and bfloat16 are computed in float32.
#include "dialects/Weft/Rules/Build.h"
#include "llvm/Support/MathExtras.h"
#include <cmath>

using namespace mlir;

namespace weft {

/// The one result of an activation, in the dtype of its operand.
static SmallVector<Value> finish(const Expression &result, Value x) {
  return {convert(result, getElementTypeOrSelf(x))};
}

/// Where exp(-x) overflows, the quotient is 0, as it should be.
SmallVector<Value> SigmoidOp::decompose(OpBuilder &builder) {
  Expression x = widen(Compose(builder, getLoc())(getX()));
  return finish(1.0 / (1.0 + exp(-x)), getX());
}

SmallVector<Value> SiluOp::decompose(OpBuilder &builder) {
  Expression x = widen(Compose(builder, getLoc())(getX()));
  return finish(x * sigmoid(x), getX());
}

SmallVector<Value> GeluOp::decompose(OpBuilder &builder) {
  Expression x = widen(Compose(builder, getLoc())(getX()));
  return finish(0.5 * x * (1.0 + erf((1 / llvm::numbers::sqrt2) * x)), getX());
}

/// Not by `maximum`, which shares the derivative between equal operands. NaN stays NaN.
SmallVector<Value> ReluOp::decompose(OpBuilder &builder) {
  Expression x = Compose(builder, getLoc())(getX());
  return {select(x <= 0.0, 0.0, x)};
}

SmallVector<Value> SoftplusOp::decompose(OpBuilder &builder) {
  Expression x = widen(Compose(builder, getLoc())(getX()));
  return finish(maximum(x, 0.0) + log1p(exp(-abs(x))), getX());
}

/// An element is dropped if its 32 random bits, as a signed number, are below the threshold:
/// exactly round(probability * 2^32) of the 2^32 patterns are.
SmallVector<Value> DropoutOp::decompose(OpBuilder &builder) {
  Compose at(builder, getLoc());
  double probability = getProbability().convertToDouble();
  if (probability >= 1.0)
    return {at(getX()).filled(0.0)};
  Expression x = widen(at(getX()));
  Type bitsType = withElement(x.type(), builder.getI32Type());
  Expression bits = at.create<RandomBitsOp>(bitsType, getKey());
  constexpr double patterns = 0x1p32;
  double threshold = std::min(std::round(probability * patterns), patterns - 1) - patterns / 2;
  return finish(select(bits >= threshold, x / (1.0 - probability), 0.0), getX());
}

} // namespace weft

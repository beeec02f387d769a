// Gradients of matrix products, convolutions and windows.
#include "dialects/Weft/Rules/Build.h"
#include "lib/Support/SymbolicSize.h"

using namespace mlir;

namespace weft {

/// For C = L R: the gradient of L is g R^T, that of R is L^T g; a stored transpose turns the whole
/// product round. Only flags change, nothing is transposed.
void MatmulOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool> wanted,
                             MutableArrayRef<Value> gradients) {
  Compose at(builder, getLoc());
  Expression g = at(cotangents[0]), lhs = at(getLhs());
  Expression rhs = convert(at(getRhs()), lhs.element());
  bool left = getTransposeLhs(), right = getTransposeRhs();
  if (wanted[0])
    gradients[0] = left ? matmul(rhs, g, right, true) : matmul(g, rhs, false, !right);
  if (wanted[1])
    gradients[1] = convert(right ? matmul(g, lhs, true, left) : matmul(lhs, g, !left, false),
                           getElementTypeOrSelf(getRhs()));
}

/// The gradient of a convolution for its input, of shape `shape`: element s * ho + d * kh of it
/// receives cotangent[ho] * weight[kh]. With the cotangent spread `stride` apart behind a border of
/// d * (KH - 1), that is a convolution of stride 1 with the weight turned round. Rows and columns
/// that no window reached stay zero.
static Expression convolutionInputGradient(const Expression &cotangent, const Expression &weight,
                                           Axes strides, Axes dilations, Shape shape) {
  SmallVector<int64_t> padded(cotangent.type().getShape());
  SmallVector<int64_t> low(padded.size(), 0), interior(padded.size(), 0);
  for (int64_t d : {0, 1}) {
    int64_t border = sizeOrDynamic(
        [&] { return multiplySizes(subtractSizes(weight.size(d), 1), dilations[d]); });
    low[d + 1] = border;
    interior[d + 1] = strides[d] - 1;
    padded[d + 1] = sizeOrDynamic([&] { return addSizes(shape[d + 1], border); });
  }
  Expression spread = pad(cotangent, 0.0, low, interior, padded);
  // [KH, KW, C, (G,) O] to [KH, KW, O, (G,) C].
  Expression reversed = reverse(weight, {0, 1});
  Expression turned =
      padded.size() == 4 ? transpose(reversed, {0, 1, 3, 2}) : transpose(reversed, {0, 1, 4, 3, 2});
  const int64_t one[] = {1, 1};
  return cotangent.at().create<ConvolutionOp>(spread, turned, Axes(one), dilations);
}

void ConvolutionOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool> wanted,
                                  MutableArrayRef<Value> gradients) {
  Compose at(builder, getLoc());
  Expression g = at(cotangents[0]), x = at(getX());
  if (getChannelsFirst())
    g = transpose(g, {0, 2, 3, 1});
  Expression weight = convert(at(getWeight()), x.element());
  if (isEmpty(g.type()))
    return;
  if (wanted[0])
    gradients[0] =
        convolutionInputGradient(g, weight, getStrides(), getDilations(), x.type().getShape());
  if (wanted[1])
    gradients[1] = convert(
        at.create<ConvolutionWeightGradientOp>(weight.type(), x, g, getStrides(), getDilations()),
        getElementTypeOrSelf(getWeight()));
}

void ConvolutionWeightGradientOp::buildGradient(OpBuilder &builder, ValueRange cotangents,
                                                ArrayRef<bool> wanted,
                                                MutableArrayRef<Value> gradients) {
  Compose at(builder, getLoc());
  Expression weight = at(cotangents[0]), x = at(getX()), cotangent = at(getCotangent());
  if (isEmpty(weight.type()) || isEmpty(cotangent.type()))
    return;
  if (wanted[0])
    gradients[0] = convolutionInputGradient(cotangent, weight, getStrides(), getDilations(),
                                            x.type().getShape());
  if (wanted[1]) {
    // x may have room for more windows than the cotangent has.
    Expression all = at.create<ConvolutionOp>(x, weight, getStrides(), getDilations());
    bool same = all.type() == cotangent.type();
    SmallVector<int64_t> zero(all.type().getRank(), 0), one(zero.size(), 1);
    gradients[1] = same ? all : slice(all, zero, one, cotangent.type().getShape());
  }
}

void WindowGatherOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool>,
                                   MutableArrayRef<Value> gradients) {
  gradients[0] = WindowScatterOp::create(builder, getLoc(), getX().getType(), cotangents[0],
                                         getIndex(), getWindow(), getStrides());
}

void WindowScatterOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool>,
                                    MutableArrayRef<Value> gradients) {
  gradients[0] = WindowGatherOp::create(builder, getLoc(), getX().getType(), cotangents[0],
                                        getIndex(), getWindow(), getStrides());
}

void WindowSumOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool>,
                                MutableArrayRef<Value> gradients) {
  gradients[0] = WindowSpreadOp::create(builder, getLoc(), getX().getType(), cotangents[0],
                                        getWindow(), getStrides());
}

void WindowSpreadOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool>,
                                   MutableArrayRef<Value> gradients) {
  gradients[0] = WindowSumOp::create(builder, getLoc(), getX().getType(), cotangents[0],
                                     getWindow(), getStrides());
}

} // namespace weft

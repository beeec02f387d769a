// Computes depthwise convolutions of images that are channels first where they are.
//
//   %0 = weft.transpose (weft.pad %x) [0, 2, 3, 1] : tensor<1x2x6x6xf32> -> tensor<1x6x6x2xf32>
//   %1 = weft.reshape %0 : tensor<1x6x6x2xf32> -> tensor<1x6x6x2x1xf32>
//   %2 = weft.convolution %1, %w strides [1, 1] dilations [1, 1] : ... -> tensor<1x4x4x2x1xf32>
//   %3 = weft.reshape %2 : tensor<1x4x4x2x1xf32> -> tensor<1x4x4x2xf32>
//   %4 = weft.transpose %3 [0, 3, 1, 2] : tensor<1x4x4x2xf32> -> tensor<1x2x4x4xf32>
// becomes
//   %4 = weft.depthwise_convolution %x, %1 window [3, 3] ... low [1, 1] high [1, 1] : ...
#include "dialects/Weft/IR/Weft.h"
#include "lib/Support/SymbolicSize.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "passes/Passes.h"

using namespace mlir;

namespace weft {

#define GEN_PASS_DEF_KEEPCHANNELSFIRST
#include "passes/Passes.h.inc"

namespace {

constexpr int64_t toChannelsLast[] = {0, 2, 3, 1}, toChannelsFirst[] = {0, 3, 1, 2};

/// An image, channels first, and how wide the border of zeros around it is along H and W.
struct BorderedImage {
  Value image;
  SmallVector<int64_t> low = {0, 0}, high = {0, 0};
};

/// True if the one use of `value` is, behind elementwise ops, a transpose to channels first.
bool isTurnedBack(Value value) {
  constexpr int mostSteps = 16;
  for (int step = 0; step < mostSteps && value.hasOneUse(); ++step) {
    Operation *user = *value.user_begin();
    if (auto transpose = dyn_cast<TransposeOp>(user))
      return transpose.getPermutation() == ArrayRef(toChannelsFirst);
    if (!isa<ElementwiseOpInterface>(user))
      return false;
    value = user->getResult(0);
  }
  return false;
}

bool isKnown(int64_t size) { return !ShapedType::isDynamic(size) && !isSymbolicSize(size); }

/// What is inside of `value`, if that is an image of known sizes in a border of zeros.
BorderedImage withoutBorder(Value value) {
  BorderedImage whole{value};
  auto pad = value.getDefiningOp<PadOp>();
  if (!pad || !matchPattern(pad.getValue(), m_AnyZeroFloat()))
    return whole;
  BorderedImage found{pad.getX()};
  for (int64_t d = 0; d < 4; ++d) {
    int64_t inside = pad.getX().getType().getDimSize(d), size = pad.getType().getDimSize(d);
    int64_t low = pad.getLow()[d];
    bool isAlike = inside == size && low == 0 && !ShapedType::isDynamic(size);
    bool isBorder = d >= 2 && isKnown(inside) && isKnown(size) && pad.getInterior()[d] == 0;
    if (!isAlike && !isBorder)
      return whole;
    if (isBorder) {
      found.low[d - 2] = low;
      found.high[d - 2] = size - inside - low;
    }
  }
  return found;
}

/// True if each channel is convolved for itself, with a window that is known and small: each of its
/// elements is instructions of the kernel. Columns that are farther apart than every second one
/// would be gathered one by one, as would be parts of vectors of half precision.
bool isDepthwise(ConvolutionOp op) {
  constexpr int64_t mostElements = 64, mostStride = 2;
  constexpr unsigned leastBits = 32;
  RankedTensorType weight = op.getWeight().getType();
  if (weight.getRank() != 5 || weight.getDimSize(2) != 1 || weight.getDimSize(4) != 1)
    return false;
  int64_t height = weight.getDimSize(0), width = weight.getDimSize(1);
  auto isSmall = [](int64_t size) { return size >= 1 && size <= mostElements; };
  return isSmall(height) && isSmall(width) && isSmall(height * width) &&
         op.getStrides()[1] <= mostStride && op.getType().getElementTypeBitWidth() >= leastBits &&
         weight.getElementType() == op.getType().getElementType();
}

struct KeepDepthwise : OpRewritePattern<ConvolutionOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(ConvolutionOp op, PatternRewriter &rewriter) const override {
    auto before = op.getX().getDefiningOp<ReshapeOp>();
    auto turned = before ? before.getX().getDefiningOp<TransposeOp>() : TransposeOp();
    if (!isDepthwise(op) || !turned || turned.getPermutation() != ArrayRef(toChannelsLast) ||
        !op->hasOneUse())
      return failure();
    auto after = dyn_cast<ReshapeOp>(*op->user_begin());
    if (!after || after.getType().getRank() != 4 || !isTurnedBack(after))
      return failure();
    BorderedImage bordered = withoutBorder(turned.getX());
    RankedTensorType weight = op.getWeight().getType();
    int64_t channels = weight.getDimSize(3), height = weight.getDimSize(0),
            width = weight.getDimSize(1);
    Value factors = TransposeOp::create(rewriter, op.getLoc(),
                                        withShape(weight, {channels, 1, 1, height, width}),
                                        op.getWeight(), ArrayRef<int64_t>{3, 4, 2, 0, 1});
    factors = ReshapeOp::create(rewriter, op.getLoc(), withShape(weight, {channels, height, width}),
                                factors);
    SmallVector<int64_t> shape;
    for (int64_t axis : toChannelsFirst)
      shape.push_back(after.getType().getDimSize(axis));
    Value result = DepthwiseConvolutionOp::create(
        rewriter, op.getLoc(), withShape(op.getType(), shape), bordered.image, factors,
        ArrayRef<int64_t>{height, width}, op.getStrides(), op.getDilations(), bordered.low,
        bordered.high);
    rewriter.replaceOpWithNewOp<TransposeOp>(after, after.getType(), result,
                                             ArrayRef(toChannelsLast));
    return success();
  }
};

struct KeepChannelsFirst : impl::KeepChannelsFirstBase<KeepChannelsFirst> {
  using KeepChannelsFirstBase::KeepChannelsFirstBase;

  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<KeepDepthwise>(&getContext());
    TransposeOp::getCanonicalizationPatterns(patterns, &getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns)))) {
      getOperation().emitError("weft-keep-channels-first did not come to an end");
      signalPassFailure();
    }
  }
};

} // namespace
} // namespace weft

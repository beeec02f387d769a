// Puts the border of zeros around an image into the depthwise convolution that reads it.
//
//   %1 = weft.pad %x, %0 low [0, 1, 1, 0] ... : tensor<1x4x4x32xf32> -> tensor<1x6x6x32xf32>
//   %2 = weft.reshape %1 : tensor<1x6x6x32xf32> -> tensor<1x6x6x32x1xf32>
//   %3 = weft.convolution %2, %w strides [1, 1] dilations [1, 1] : ... -> tensor<1x4x4x32x1xf32>
// becomes
//   %2 = weft.depthwise_convolution %x, %1 window [3, 3] ... {channels_last = true}
//   %3 = weft.reshape %2 : tensor<1x4x4x32xf32> -> tensor<1x4x4x32x1xf32>
//
// A frame would be as many bytes as the image, written and read: a third of the time of such a
// convolution. Where windows are larger than 3 by 4, what counts is that the convolution's own
// template shares what it loads among several pixels: it stays.
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "passes/Passes.h"
#include "passes/simplify/DepthwiseConvolutions.h"

using namespace mlir;

namespace weft {

#define GEN_PASS_DEF_ABSORBBORDERS
#include "passes/Passes.h.inc"

namespace {

struct AbsorbBorder : OpRewritePattern<ConvolutionOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(ConvolutionOp op, PatternRewriter &rewriter) const override {
    auto apart = op.getX().getDefiningOp<ReshapeOp>();
    if (!apart || !isDepthwise(op) || !dropsGroupSize(apart.getType(), apart.getX().getType()))
      return failure();
    BorderedImage bordered = withoutBorder(apart.getX(), /*height=*/1);
    if (bordered.image == apart.getX())
      return failure();
    constexpr int64_t largestWindow = 12;
    RankedTensorType weight = op.getWeight().getType(), result = op.getType();
    int64_t height = weight.getDimSize(0), width = weight.getDimSize(1);
    if (height * width > largestWindow)
      return failure();
    Value factors =
        ReshapeOp::create(rewriter, op.getLoc(),
                          withShape(weight, {height, width, weight.getDimSize(3)}), op.getWeight());
    Value joined = DepthwiseConvolutionOp::create(
        rewriter, op.getLoc(), withShape(result, result.getShape().drop_back()), bordered.image,
        factors, ArrayRef<int64_t>{height, width}, op.getStrides(), op.getDilations(), bordered.low,
        bordered.high, /*joined=*/false, /*channels_last=*/true);
    rewriter.replaceOpWithNewOp<ReshapeOp>(op, result, joined);
    return success();
  }
};

struct AbsorbBorders : impl::AbsorbBordersBase<AbsorbBorders> {
  using AbsorbBordersBase::AbsorbBordersBase;

  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<AbsorbBorder>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns)))) {
      getOperation().emitError("weft-absorb-borders did not come to an end");
      signalPassFailure();
    }
  }
};

} // namespace
} // namespace weft

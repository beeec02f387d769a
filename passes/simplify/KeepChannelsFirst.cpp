// Computes depthwise convolutions of images that are channels first where they are.
//
//   %0 = weft.transpose (weft.pad %x) [0, 2, 3, 1] : tensor<1x2x6x6xf32> -> tensor<1x6x6x2xf32>
//   %1 = weft.reshape %0 : tensor<1x6x6x2xf32> -> tensor<1x6x6x2x1xf32>
//   %2 = weft.convolution %1, %w strides [1, 1] dilations [1, 1] : ... -> tensor<1x4x4x2x1xf32>
//   %3 = weft.reshape %2 : tensor<1x4x4x2x1xf32> -> tensor<1x4x4x2xf32>
//   %4 = weft.transpose %3 [0, 3, 1, 2] : tensor<1x4x4x2xf32> -> tensor<1x2x4x4xf32>
// becomes
//   %3 = weft.depthwise_convolution %x, %1 window [3, 3] ... low [1, 1] high [1, 1] {joined = true}
//   %4 = weft.reshape %3 : tensor<1x2x16xf32> -> tensor<1x2x4x4xf32>
// and, with rows that are longer than some vectors or another size than those of %x, has the shape
// of %4 itself.
//
// A convolution of one pixel, a weft.matmul of an image's pixels or of a weft.slice of them,
// becomes one of the weight and the image; any other weft.convolution whose result is turned back
// stores it turned. Elementwise ops in between may have a weft.broadcast beside it, which has no
// order.
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "passes/Passes.h"
#include "passes/simplify/DepthwiseConvolutions.h"

using namespace mlir;

namespace weft {

#define GEN_PASS_DEF_KEEPCHANNELSFIRST
#include "passes/Passes.h.inc"

namespace {

constexpr int64_t toChannelsLast[] = {0, 2, 3, 1}, toChannelsFirst[] = {0, 3, 1, 2};

/// True if an operand beside one that is turned can be had turned too, without moving it.
bool hasOtherForm(Value operand) {
  auto transpose = operand.getDefiningOp<TransposeOp>();
  return (transpose && transpose.getPermutation() == ArrayRef(toChannelsLast)) ||
         operand.getDefiningOp<BroadcastOp>() || matchPattern(operand, m_Constant());
}

/// True if the one use of `value` is, behind elementwise ops, a transpose to channels first.
bool isTurnedBack(Value value) {
  constexpr int mostSteps = 16;
  for (int step = 0; step < mostSteps && value.hasOneUse(); ++step) {
    Operation *user = *value.user_begin();
    if (auto transpose = dyn_cast<TransposeOp>(user))
      return transpose.getPermutation() == ArrayRef(toChannelsFirst);
    bool goesOn =
        isa<ElementwiseOpInterface>(user) && llvm::all_of(user->getOperands(), [&](Value operand) {
          return operand == value || hasOtherForm(operand);
        });
    if (!goesOn)
      return false;
    value = user->getResult(0);
  }
  return false;
}

/// Puts `result`, channels first, in the stead of `op`, channels last.
void replaceTurned(PatternRewriter &rewriter, Operation *op, Value result) {
  rewriter.replaceOpWithNewOp<TransposeOp>(op, op->getResult(0).getType(), result,
                                           ArrayRef(toChannelsLast));
}

/// The type of the same image [N, H, W, C], channels first.
RankedTensorType channelsFirstType(Type type) {
  auto image = cast<RankedTensorType>(type);
  SmallVector<int64_t> shape;
  for (int64_t axis : toChannelsFirst)
    shape.push_back(image.getDimSize(axis));
  return withShape(image, shape);
}

/// True if most vectors of a row of the result would be partly empty or partly in the border: rows
/// are joined then, if they are those of the image.
bool joinsRows(ConvolutionOp op, Value image, RankedTensorType result) {
  constexpr int64_t longestRow = 32;
  auto isOne = [](int64_t stride) { return stride == 1; };
  return llvm::all_of(op.getStrides(), isOne) && image.getType() == result &&
         llvm::all_of(result.getShape().drop_front(2), isKnownSize) &&
         result.getDimSize(3) <= longestRow;
}

RankedTensorType joinedRowsType(RankedTensorType image) {
  ArrayRef<int64_t> shape = image.getShape();
  return withShape(image, {shape[0], shape[1], shape[2] * shape[3]});
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
    if (!after || !dropsGroupSize(op.getX().getType(), before.getX().getType()) ||
        !dropsGroupSize(op.getType(), after.getType()) || !isTurnedBack(after))
      return failure();
    BorderedImage bordered = withoutBorder(turned.getX(), /*height=*/2);
    RankedTensorType weight = op.getWeight().getType();
    int64_t channels = weight.getDimSize(3), height = weight.getDimSize(0),
            width = weight.getDimSize(1);
    Value factors = TransposeOp::create(rewriter, op.getLoc(),
                                        withShape(weight, {channels, 1, 1, height, width}),
                                        op.getWeight(), ArrayRef<int64_t>{3, 4, 2, 0, 1});
    factors = ReshapeOp::create(rewriter, op.getLoc(), withShape(weight, {channels, height, width}),
                                factors);
    RankedTensorType type = channelsFirstType(after.getType());
    bool joins = joinsRows(op, bordered.image, type);
    RankedTensorType rows = joins ? joinedRowsType(type) : type;
    Value result = DepthwiseConvolutionOp::create(rewriter, op.getLoc(), rows, bordered.image,
                                                  factors, ArrayRef<int64_t>{height, width},
                                                  op.getStrides(), op.getDilations(), bordered.low,
                                                  bordered.high, joins, /*channels_last=*/false);
    if (joins)
      result = ReshapeOp::create(rewriter, op.getLoc(), type, result);
    replaceTurned(rewriter, after, result);
    return success();
  }
};

/// The image [1, H, W, C] of which `value`, channels last, has every so many elements, channels
/// first; null, with nothing built, if it is not turned from one.
Value sameImageFirst(Value value, PatternRewriter &rewriter) {
  auto slice = value.getDefiningOp<SliceOp>();
  auto turned = (slice ? slice.getX() : value).getDefiningOp<TransposeOp>();
  if (!turned || turned.getPermutation() != ArrayRef(toChannelsLast))
    return {};
  if (!slice)
    return turned.getX();
  SmallVector<int64_t> starts, steps;
  for (int64_t axis : toChannelsFirst) {
    starts.push_back(slice.getStarts()[axis]);
    steps.push_back(slice.getSteps()[axis]);
  }
  return SliceOp::create(rewriter, slice.getLoc(), channelsFirstType(slice.getType()),
                         turned.getX(), starts, steps);
}

/// [pixels, C] by [O, C], turned, as [O, C] by [C, pixels]: the same sums. A weight that is larger
/// than the image is better as the right operand, which is copied once.
struct KeepPixels : OpRewritePattern<MatmulOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(MatmulOp op, PatternRewriter &rewriter) const override {
    auto before = op.getLhs().getDefiningOp<ReshapeOp>();
    auto after = op->hasOneUse() ? dyn_cast<ReshapeOp>(*op->user_begin()) : ReshapeOp();
    if (!before || !after || before.getX().getType().getRank() != 4 ||
        after.getType().getRank() != 4 || op.getTransposeLhs() || !op.getTransposeRhs())
      return failure();
    ArrayRef<int64_t> image = before.getX().getType().getShape(),
                      result = after.getType().getShape();
    RankedTensorType weight = op.getRhs().getType(), pixels = op.getLhs().getType();
    bool isImage = image[0] == 1 && pixels.getRank() == 2 && pixels.getDimSize(1) == image[3] &&
                   result.drop_back() == image.drop_back() && result[3] == weight.getDimSize(0);
    bool isLarger = isKnownSize(pixels.getDimSize(0)) && isKnownSize(weight.getDimSize(0)) &&
                    weight.getDimSize(0) <= pixels.getDimSize(0);
    if (!isImage || !isLarger || weight.getElementType() != pixels.getElementType() ||
        !isTurnedBack(after))
      return failure();
    Value first = sameImageFirst(before.getX(), rewriter);
    if (!first)
      return failure();
    int64_t count = pixels.getDimSize(0);
    Value channels =
        ReshapeOp::create(rewriter, before.getLoc(), withShape(pixels, {image[3], count}), first);
    Value product = MatmulOp::create(rewriter, op.getLoc(),
                                     withShape(op.getType(), {weight.getDimSize(0), count}),
                                     op.getRhs(), channels, false, false);
    replaceTurned(
        rewriter, after,
        ReshapeOp::create(rewriter, after.getLoc(), channelsFirstType(after.getType()), product));
    return success();
  }
};

/// Elements are stored one by one then, which is worth it behind long sums.
struct StoreTurned : OpRewritePattern<ConvolutionOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(ConvolutionOp op, PatternRewriter &rewriter) const override {
    constexpr int64_t leastTerms = 192;
    ArrayRef<int64_t> summed = op.getWeight().getType().getShape().take_front(3);
    if (op.getType().getRank() != 4 || op.getChannelsFirst() ||
        !llvm::all_of(summed, isKnownSize) || productOf(summed).value_or(leastTerms) < leastTerms ||
        !isTurnedBack(op))
      return failure();
    Value result = ConvolutionOp::create(rewriter, op.getLoc(), channelsFirstType(op.getType()),
                                         op.getX(), op.getWeight(), op.getStrides(),
                                         op.getDilations(), /*channels_first=*/true);
    replaceTurned(rewriter, op, result);
    return success();
  }
};

struct KeepChannelsFirst : impl::KeepChannelsFirstBase<KeepChannelsFirst> {
  using KeepChannelsFirstBase::KeepChannelsFirstBase;

  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<KeepDepthwise, KeepPixels>(&getContext());
    if (columnsApart)
      patterns.add<StoreTurned>(&getContext());
    TransposeOp::getCanonicalizationPatterns(patterns, &getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns)))) {
      getOperation().emitError("weft-keep-channels-first did not come to an end");
      signalPassFailure();
    }
  }
};

} // namespace
} // namespace weft

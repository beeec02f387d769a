// Moves transposes behind elementwise ops, so that those of neighbouring layers cancel.
//
//   %0 = weft.transpose %x [0, 3, 1, 2] : tensor<2x5x5x3xf32> -> tensor<2x3x5x5xf32>
//   %1 = weft.broadcast %b [1] : tensor<3xf32> -> tensor<2x3x5x5xf32>
//   %2 = weft.add %0, %1 : tensor<2x3x5x5xf32>
// becomes
//   %0 = weft.broadcast %b [3] : tensor<3xf32> -> tensor<2x5x5x3xf32>
//   %1 = weft.add %x, %0 : tensor<2x5x5x3xf32>
//   %2 = weft.transpose %1 [0, 3, 1, 2] : tensor<2x5x5x3xf32> -> tensor<2x3x5x5xf32>
//
// Sums are not moved: their order is a function of the shape that they were written on.
#include "passes/Passes.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace weft {

#define GEN_PASS_DEF_SINKTRANSPOSES
#include "passes/Passes.h.inc"

namespace {

/// `value`, a result of a transpose by `permutation`, before it; null if there is no form of it
/// without moving data.
Value untranspose(OpBuilder &builder, Value value, ArrayRef<int64_t> permutation) {
  if (auto transpose = value.getDefiningOp<TransposeOp>())
    return transpose.getPermutation() == permutation ? transpose.getX() : Value();
  SmallVector<int64_t> shape(permutation.size());
  for (auto [d, source] : llvm::enumerate(permutation))
    shape[source] = cast<RankedTensorType>(value.getType()).getDimSize(d);
  Type type = withShape(value.getType(), shape);
  DenseElementsAttr constant;
  if (matchPattern(value, m_Constant(&constant)) && constant.isSplat())
    return ConstantOp::create(builder, value.getLoc(), type,
                              DenseElementsAttr::get(cast<ShapedType>(type),
                                                     constant.getSplatValue<Attribute>()));
  auto broadcast = value.getDefiningOp<BroadcastOp>();
  if (!broadcast)
    return {};
  SmallVector<int64_t> dimensions;
  for (int64_t dimension : broadcast.getDimensions())
    dimensions.push_back(permutation[dimension]);
  if (!llvm::is_sorted(dimensions))
    return {};
  return BroadcastOp::create(builder, value.getLoc(), type, broadcast.getX(), dimensions);
}

struct SinkTranspose : OpInterfaceRewritePattern<ElementwiseOpInterface> {
  using OpInterfaceRewritePattern::OpInterfaceRewritePattern;

  LogicalResult matchAndRewrite(ElementwiseOpInterface op, PatternRewriter &rewriter) const override {
    auto found = llvm::find_if(op->getOperands(), [](Value operand) {
      return operand.getDefiningOp<TransposeOp>() != nullptr;
    });
    if (found == op->getOperands().end())
      return failure();
    SmallVector<int64_t> permutation((*found).getDefiningOp<TransposeOp>().getPermutation());
    SmallVector<Value> operands;
    for (Value operand : op->getOperands()) {
      Value moved = untranspose(rewriter, operand, permutation);
      if (!moved)
        return failure();
      operands.push_back(moved);
    }
    Type result = op->getResult(0).getType();
    Type inner = withShape(result, cast<RankedTensorType>(operands[0].getType()).getShape());
    Operation *copy = rebuild(rewriter, op, operands, inner);
    rewriter.replaceOpWithNewOp<TransposeOp>(op, result, copy->getResult(0), permutation);
    return success();
  }
};

struct SinkTransposes : impl::SinkTransposesBase<SinkTransposes> {
  using SinkTransposesBase::SinkTransposesBase;

  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<SinkTranspose>(&getContext());
    TransposeOp::getCanonicalizationPatterns(patterns, &getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
} // namespace weft

// Moves reshapes behind elementwise ops, so that what they separate can be fused.
//
//   %0 = weft.sum %x [1] : tensor<4x8xf32> -> tensor<4xf32>
//   %1 = weft.reshape %0 : tensor<4xf32> -> tensor<4x1xf32>
//   %2 = weft.exp %1 : tensor<4x1xf32>
// becomes
//   %0 = weft.sum %x [1] : tensor<4x8xf32> -> tensor<4xf32>
//   %1 = weft.exp %0 : tensor<4xf32>
//   %2 = weft.reshape %1 : tensor<4xf32> -> tensor<4x1xf32>
//
// Reshapes of arguments stay: they cost nothing and separate nothing. Operands that are broadcast
// (weft.broadcast) are repeated in the other shape. Two of them with a reshape between that joins
// dimensions are one.
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "passes/Passes.h"
#include "passes/simplify/FreeForm.h"

using namespace mlir;

namespace weft {

#define GEN_PASS_DEF_SINKRESHAPES
#include "passes/Passes.h.inc"

namespace {

ArrayRef<int64_t> shapeOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape();
}

/// The dimensions of `to` that are those of `from`, where `to` differs by dimensions of size 1
/// only: for each dimension of `from` its place in `to`, or -1 where it was removed.
std::optional<SmallVector<int64_t>> matchUnits(ArrayRef<int64_t> from, ArrayRef<int64_t> to) {
  SmallVector<int64_t> places;
  size_t next = 0;
  for (int64_t size : from) {
    while (next < to.size() && to[next] == 1 && size != 1)
      ++next;
    if (next < to.size() && to[next] == size)
      places.push_back(next++);
    else if (size == 1)
      places.push_back(-1);
    else
      return std::nullopt;
  }
  while (next < to.size() && to[next] == 1)
    ++next;
  return next == to.size() ? std::optional(places) : std::nullopt;
}

/// For each dimension of `from` its place in `to`, or -1 where it was removed, merged or split:
/// those of one shape that the other has at its start or at its end are the same ones.
SmallVector<int64_t> matchEnds(ArrayRef<int64_t> from, ArrayRef<int64_t> to) {
  SmallVector<int64_t> places(from.size(), -1);
  size_t shorter = std::min(from.size(), to.size()), start = 0, end = 0;
  for (; start < shorter && from[start] == to[start]; ++start)
    places[start] = start;
  for (; start + end < shorter && from[from.size() - 1 - end] == to[to.size() - 1 - end]; ++end)
    places[from.size() - 1 - end] = to.size() - 1 - end;
  return places;
}

/// `value` in the shape `shape` without moving data; nullopt if there is no such form.
std::optional<FreeForm> reshapeForFree(Value value, ArrayRef<int64_t> shape) {
  FreeForm form{withShape(value.getType(), shape)};
  if ((form.element = splatElement(value)))
    return form;
  if (auto reshape = value.getDefiningOp<ReshapeOp>()) {
    form.existing = reshape.getX();
    return shapeOf(reshape.getX()) == shape ? std::optional(form) : std::nullopt;
  }
  // An argument is in memory: in another shape it is the same memory.
  if (isa<BlockArgument>(value)) {
    form.viewed = value;
    return form;
  }
  form.broadcast = value.getDefiningOp<BroadcastOp>();
  if (!form.broadcast)
    return std::nullopt;
  SmallVector<int64_t> places =
      matchUnits(shapeOf(value), shape).value_or(matchEnds(shapeOf(value), shape));
  for (int64_t dimension : form.broadcast.getDimensions()) {
    if (places[dimension] < 0)
      return std::nullopt;
    form.dimensions.push_back(places[dimension]);
  }
  return form;
}

struct SinkReshape : OpInterfaceRewritePattern<ElementwiseOpInterface> {
  using OpInterfaceRewritePattern::OpInterfaceRewritePattern;

  LogicalResult matchAndRewrite(ElementwiseOpInterface op,
                                PatternRewriter &rewriter) const override {
    for (Value operand : op->getOperands())
      if (auto reshape = operand.getDefiningOp<ReshapeOp>();
          reshape && !isa<BlockArgument>(reshape.getX()))
        if (succeeded(sink(op, shapeOf(reshape.getX()), rewriter)))
          return success();
    return failure();
  }

private:
  static LogicalResult sink(Operation *op, ArrayRef<int64_t> shape, PatternRewriter &rewriter) {
    Operation *copy =
        rebuildOver(op, shape, rewriter, [&](Value value) { return reshapeForFree(value, shape); });
    if (!copy)
      return failure();
    rewriter.replaceOpWithNewOp<ReshapeOp>(op, op->getResult(0).getType(), copy->getResult(0));
    return success();
  }
};

/// For each dimension of `to` those of `from` that it joins, if that is all that a reshape does.
std::optional<SmallVector<SmallVector<int64_t>>> joinedDimensions(ArrayRef<int64_t> from,
                                                                  ArrayRef<int64_t> to) {
  SmallVector<SmallVector<int64_t>> groups;
  size_t next = 0;
  for (int64_t size : to) {
    SmallVector<int64_t> &group = groups.emplace_back();
    int64_t product = 1;
    do {
      // Joined sizes are known; one that stays may be symbolic.
      if (next == from.size() || (!group.empty() && (from[next] < 1 || product < 1)))
        return std::nullopt;
      group.push_back(static_cast<int64_t>(next));
      product *= from[next++];
    } while (product != size);
  }
  return next == from.size() ? std::optional(groups) : std::nullopt;
}

/// Elements that are repeated along several dimensions, one after the other, are at once.
struct JoinBroadcasts : OpRewritePattern<BroadcastOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(BroadcastOp op, PatternRewriter &rewriter) const override {
    auto reshape = op.getX().getDefiningOp<ReshapeOp>();
    auto inner = reshape ? reshape.getX().getDefiningOp<BroadcastOp>() : BroadcastOp();
    if (!inner)
      return failure();
    auto groups = joinedDimensions(shapeOf(inner), shapeOf(reshape));
    for (int64_t d = 0; d < op.getX().getType().getRank(); ++d)
      if (op.isExpanded(d))
        return failure();
    if (!groups)
      return failure();
    SmallVector<int64_t> shape, dimensions(shapeOf(inner).size());
    for (auto [place, size] : llvm::enumerate(shapeOf(op))) {
      const auto *found = llvm::find(op.getDimensions(), static_cast<int64_t>(place));
      if (found == op.getDimensions().end()) {
        shape.push_back(size);
        continue;
      }
      for (int64_t d : (*groups)[found - op.getDimensions().begin()]) {
        dimensions[d] = static_cast<int64_t>(shape.size());
        shape.push_back(shapeOf(inner)[d]);
      }
    }
    Value joined = BroadcastOp::create(rewriter, op.getLoc(), withShape(op.getType(), shape), inner,
                                       dimensions);
    rewriter.replaceOpWithNewOp<ReshapeOp>(op, op.getType(), joined);
    return success();
  }
};

struct SinkReshapes : impl::SinkReshapesBase<SinkReshapes> {
  using SinkReshapesBase::SinkReshapesBase;

  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<SinkReshape, JoinBroadcasts>(&getContext());
    ReshapeOp::getCanonicalizationPatterns(patterns, &getContext());
    BroadcastOp::getCanonicalizationPatterns(patterns, &getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns)))) {
      getOperation().emitError("weft-sink-reshapes did not come to an end");
      signalPassFailure();
    }
  }
};

} // namespace
} // namespace weft

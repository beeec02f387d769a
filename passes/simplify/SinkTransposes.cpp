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
// Behind a weft.pad, too, so that it copies runs of memory as they are:
//
//   weft.pad(weft.transpose(%x))  becomes  weft.transpose(weft.pad(%x))
//
// Behind a weft.concatenate of tensors that are all transposed in the same way, and behind a
// repetition, which is a weft.broadcast whose dimensions a weft.reshape puts together: upsampling.
//
// Sums are not moved: their order is a function of the shape that they were written on.
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "passes/Passes.h"
#include "passes/simplify/FreeForm.h"

using namespace mlir;

namespace weft {

#define GEN_PASS_DEF_SINKTRANSPOSES
#include "passes/Passes.h.inc"

namespace {

/// `value`, a result of a transpose by `permutation`, before it; nullopt if there is no form of it
/// without moving data.
std::optional<FreeForm> untranspose(Value value, ArrayRef<int64_t> permutation) {
  SmallVector<int64_t> shape(permutation.size());
  for (auto [d, source] : llvm::enumerate(permutation))
    shape[source] = cast<RankedTensorType>(value.getType()).getDimSize(d);
  FreeForm form{withShape(value.getType(), shape)};
  form.element = splatElement(value);
  if (form.element)
    return form;
  if (auto transpose = value.getDefiningOp<TransposeOp>()) {
    form.existing = transpose.getX();
    return transpose.getPermutation() == permutation ? std::optional(form) : std::nullopt;
  }
  form.broadcast = value.getDefiningOp<BroadcastOp>();
  if (!form.broadcast)
    return std::nullopt;
  for (int64_t dimension : form.broadcast.getDimensions())
    form.dimensions.push_back(permutation[dimension]);
  return llvm::is_sorted(form.dimensions) ? std::optional(form) : std::nullopt;
}

struct SinkTranspose : OpInterfaceRewritePattern<ElementwiseOpInterface> {
  using OpInterfaceRewritePattern::OpInterfaceRewritePattern;

  LogicalResult matchAndRewrite(ElementwiseOpInterface op,
                                PatternRewriter &rewriter) const override {
    auto found = llvm::find_if(op->getOperands(), [](Value operand) {
      return operand.getDefiningOp<TransposeOp>() != nullptr;
    });
    if (found == op->getOperands().end())
      return failure();
    auto transpose = (*found).getDefiningOp<TransposeOp>();
    SmallVector<int64_t> permutation(transpose.getPermutation());
    Operation *copy =
        rebuildOver(op, cast<RankedTensorType>(transpose.getX().getType()).getShape(), rewriter,
                    [&](Value value) { return untranspose(value, permutation); });
    if (!copy)
      return failure();
    rewriter.replaceOpWithNewOp<TransposeOp>(op, op->getResult(0).getType(), copy->getResult(0),
                                             permutation);
    return success();
  }
};

struct SinkBehindPad : OpRewritePattern<PadOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(PadOp op, PatternRewriter &rewriter) const override {
    auto transpose = op.getX().getDefiningOp<TransposeOp>();
    if (!transpose || !transpose->hasOneUse())
      return failure();
    SmallVector<int64_t> permutation(transpose.getPermutation());
    SmallVector<int64_t> low(permutation.size()), interior(permutation.size()),
        shape(permutation.size());
    for (auto [d, source] : llvm::enumerate(permutation)) {
      low[source] = op.getLow()[d];
      interior[source] = op.getInterior()[d];
      shape[source] = op.getType().getDimSize(d);
    }
    Value padded = PadOp::create(rewriter, op.getLoc(), withShape(op.getType(), shape),
                                 transpose.getX(), op.getValue(), low, interior);
    rewriter.replaceOpWithNewOp<TransposeOp>(op, op.getType(), padded, permutation);
    return success();
  }
};

struct SinkBehindConcatenate : OpRewritePattern<ConcatenateOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(ConcatenateOp op, PatternRewriter &rewriter) const override {
    SmallVector<Value> before;
    SmallVector<int64_t> permutation;
    for (Value input : op.getInputs()) {
      auto transpose = input.getDefiningOp<TransposeOp>();
      if (!transpose || (!before.empty() && transpose.getPermutation() != ArrayRef(permutation)))
        return failure();
      permutation.assign(transpose.getPermutation().begin(), transpose.getPermutation().end());
      before.push_back(transpose.getX());
    }
    if (before.empty())
      return failure();
    SmallVector<int64_t> shape(permutation.size());
    for (auto [d, source] : llvm::enumerate(permutation))
      shape[source] = op.getType().getDimSize(d);
    Value joined = ConcatenateOp::create(rewriter, op.getLoc(), withShape(op.getType(), shape),
                                         before, permutation[op.getAxis()]);
    rewriter.replaceOpWithNewOp<TransposeOp>(op, op.getType(), joined, permutation);
    return success();
  }
};

/// The places in `shape` of each of `parts`, which are consecutive sizes each that `shape` has the
/// product of; nothing if it goes across two of them.
std::optional<SmallVector<SmallVector<int64_t>>> placesOfParts(ArrayRef<SmallVector<int64_t>> parts,
                                                               ArrayRef<int64_t> shape) {
  SmallVector<SmallVector<int64_t>> places;
  int64_t next = 0, rank = static_cast<int64_t>(shape.size());
  for (const SmallVector<int64_t> &part : parts) {
    std::optional<int64_t> size = productOf(part);
    if (!size || *size <= 0)
      return std::nullopt;
    places.emplace_back();
    int64_t product = 1;
    while (next < rank && (product < *size || (places.back().empty() && shape[next] == 1))) {
      product *= shape[next];
      places.back().push_back(next++);
    }
    if (product != *size)
      return std::nullopt;
  }
  for (; next < rank; ++next)
    places.back().push_back(next);
  return places;
}

struct SinkBehindRepeat : OpRewritePattern<ReshapeOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(ReshapeOp op, PatternRewriter &rewriter) const override {
    auto broadcast = op.getX().getDefiningOp<BroadcastOp>();
    auto transpose = broadcast && broadcast->hasOneUse()
                         ? broadcast.getX().getDefiningOp<TransposeOp>()
                         : TransposeOp();
    if (!transpose || broadcast.getDimensions().empty() || broadcast.getDimensions()[0] != 0)
      return failure();
    // A part is a dimension that is repeated and the new ones behind it.
    ArrayRef<int64_t> repeated = broadcast.getType().getShape(), shape = op.getType().getShape();
    SmallVector<int64_t> starts(broadcast.getDimensions());
    starts.push_back(repeated.size());
    SmallVector<SmallVector<int64_t>> parts;
    for (size_t d = 0; d + 1 < starts.size(); ++d)
      parts.emplace_back(repeated.slice(starts[d], starts[d + 1] - starts[d]));
    auto places = placesOfParts(parts, shape);
    if (!places)
      return failure();
    // The same parts in the order before the transpose.
    ArrayRef<int64_t> order = transpose.getPermutation();
    SmallVector<int64_t> dimensions, wide, merged, permutation(shape.size());
    for (int64_t source = 0; source < static_cast<int64_t>(order.size()); ++source) {
      int64_t part = llvm::find(order, source) - order.begin();
      dimensions.push_back(wide.size());
      llvm::append_range(wide, parts[part]);
      for (int64_t place : (*places)[part]) {
        permutation[place] = merged.size();
        merged.push_back(shape[place]);
      }
    }
    Value copy = BroadcastOp::create(rewriter, broadcast.getLoc(), withShape(op.getType(), wide),
                                     transpose.getX(), dimensions);
    copy = ReshapeOp::create(rewriter, op.getLoc(), withShape(op.getType(), merged), copy);
    rewriter.replaceOpWithNewOp<TransposeOp>(op, op.getType(), copy, permutation);
    return success();
  }
};

struct SinkTransposes : impl::SinkTransposesBase<SinkTransposes> {
  using SinkTransposesBase::SinkTransposesBase;

  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<SinkTranspose, SinkBehindPad, SinkBehindConcatenate, SinkBehindRepeat>(
        &getContext());
    TransposeOp::getCanonicalizationPatterns(patterns, &getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns)))) {
      getOperation().emitError("weft-sink-transposes did not come to an end");
      signalPassFailure();
    }
  }
};

} // namespace
} // namespace weft

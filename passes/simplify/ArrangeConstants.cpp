// Rearranges constants while compiling, where a program would do it in each call.
//
//   %w = weft.constant dense<[[1.0, 2.0]]>           %t = weft.constant dense<[[1.0], [2.0]]>
//   %t = weft.transpose %w [1, 0]               ->
//
// Transposes and reshapes of constants are constants, and the right operand of a matmul is stored
// as its rows are read.
#include "dialects/Weft/IR/ElementTypes.h"
#include "dialects/Weft/IR/Shape.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "passes/Passes.h"

using namespace mlir;

namespace weft {

#define GEN_PASS_DEF_ARRANGECONSTANTS
#include "passes/Passes.h.inc"

namespace {

/// The constant behind `value` if its elements are all there, and differ.
ConstantOp constantOf(Value value) {
  auto constant = value.getDefiningOp<ConstantOp>();
  if (!constant || isa<SplatElementsAttr>(constant.getValue()) ||
      getElementTypeOrSelf(value).getIntOrFloatBitWidth() < 8)
    return nullptr;
  return constant;
}

/// Row-major elements of `unit` bytes in another order of dimensions: dimension d of the result is
/// dimension permutation[d] of `shape`.
std::vector<char> permute(ArrayRef<char> source, ArrayRef<int64_t> shape,
                          ArrayRef<int64_t> permutation, size_t unit) {
  size_t rank = shape.size();
  SmallVector<int64_t> strides(rank, 1), sizes(rank), steps(rank), index(rank, 0);
  for (size_t d = rank; d-- > 1;)
    strides[d - 1] = strides[d] * shape[d];
  for (size_t d = 0; d < rank; ++d) {
    sizes[d] = shape[permutation[d]];
    steps[d] = strides[permutation[d]];
  }
  std::vector<char> target(source.size());
  int64_t from = 0;
  for (size_t to = 0; to < target.size(); to += unit) {
    std::memcpy(target.data() + to, source.data() + from * unit, unit);
    // The next index, as an odometer counts.
    for (size_t d = rank; d-- > 0;) {
      from += steps[d];
      if (++index[d] < sizes[d])
        break;
      from -= steps[d] * sizes[d];
      index[d] = 0;
    }
  }
  return target;
}

/// A constant of `type` with these elements, of the kind and with the name of `original`.
ConstantOp createLike(ConstantOp original, RankedTensorType type, ArrayRef<char> bytes,
                      PatternRewriter &rewriter) {
  ElementsAttr elements;
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(original.getValue())) {
    AsmResourceBlob blob = HeapAsmResourceBlob::allocateAndCopyWithAlign(bytes, /*align=*/64);
    elements = cast<ElementsAttr>(
        DenseResourceElementsAttr::get(type, resource.getRawHandle().getKey(), std::move(blob)));
  } else {
    elements = DenseElementsAttr::getFromRawBuffer(type, bytes);
  }
  auto constant = ConstantOp::create(rewriter, original.getLoc(), type, elements);
  constant->setDiscardableAttrs(original->getDiscardableAttrDictionary());
  return constant;
}

FailureOr<ConstantOp> arranged(ConstantOp constant, ArrayRef<int64_t> permutation, Type result,
                               PatternRewriter &rewriter) {
  auto elements = cast<ElementsAttr>(constant.getValue());
  std::vector<char> bytes(bytesOfElements(elements));
  if (failed(copyElementBytes(elements, bytes.data())))
    return failure();
  auto type = cast<RankedTensorType>(constant.getType());
  if (!permutation.empty())
    bytes = permute(bytes, type.getShape(), permutation, type.getElementTypeBitWidth() / 8);
  OpBuilder::InsertionGuard guard(rewriter);
  rewriter.setInsertionPoint(constant);
  return createLike(constant, cast<RankedTensorType>(result), bytes, rewriter);
}

struct TransposeConstant : OpRewritePattern<TransposeOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(TransposeOp op, PatternRewriter &rewriter) const override {
    ConstantOp constant = constantOf(op.getX());
    if (!constant)
      return failure();
    auto result = arranged(constant, op.getPermutation(), op.getType(), rewriter);
    if (failed(result))
      return failure();
    rewriter.replaceOp(op, *result);
    return success();
  }
};

struct ReshapeConstant : OpRewritePattern<ReshapeOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(ReshapeOp op, PatternRewriter &rewriter) const override {
    ConstantOp constant = constantOf(op.getX());
    if (!constant)
      return failure();
    auto result = arranged(constant, {}, op.getType(), rewriter);
    if (failed(result))
      return failure();
    rewriter.replaceOp(op, *result);
    return success();
  }
};

/// Columns that lie side by side in memory are read as vectors; others would be packed in each
/// call.
struct StoreRightOperandByRows : OpRewritePattern<MatmulOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(MatmulOp op, PatternRewriter &rewriter) const override {
    ConstantOp constant = op.getTransposeRhs() ? constantOf(op.getRhs()) : nullptr;
    if (!constant)
      return failure();
    auto type = cast<RankedTensorType>(constant.getType());
    auto permutation = llvm::to_vector(llvm::seq<int64_t>(0, type.getRank()));
    std::swap(permutation[type.getRank() - 1], permutation[type.getRank() - 2]);
    SmallVector<int64_t> shape;
    for (int64_t axis : permutation)
      shape.push_back(type.getDimSize(axis));
    auto result = arranged(constant, permutation, withShape(type, shape), rewriter);
    if (failed(result))
      return failure();
    rewriter.modifyOpInPlace(op, [&] {
      op.getRhsMutable().assign(result->getResult());
      op.setTransposeRhs(false);
    });
    return success();
  }
};

struct ArrangeConstants : impl::ArrangeConstantsBase<ArrangeConstants> {
  using ArrangeConstantsBase::ArrangeConstantsBase;

  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<TransposeConstant, ReshapeConstant, StoreRightOperandByRows>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns)))) {
      getOperation().emitError("weft-arrange-constants did not come to an end");
      signalPassFailure();
    }
  }
};

} // namespace
} // namespace weft

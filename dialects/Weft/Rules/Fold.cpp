// Folds and canonical forms.
#include "dialects/Weft/IR/NarrowFloats.h"
#include "dialects/Weft/IR/Weft.h"
#include "lib/Support/SymbolicSize.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace weft {

/// True if `attribute` is a splat of exactly `number`, sign of zero included.
static bool isSplatOf(Attribute attribute, double number) {
  auto splat = dyn_cast_or_null<SplatElementsAttr>(attribute);
  if (!splat)
    return false;
  if (auto value = dyn_cast<FloatAttr>(splat.getSplatValue<Attribute>()))
    return value.getValue().bitwiseIsEqual(FloatAttr::get(value.getType(), number).getValue());
  auto value = dyn_cast<IntegerAttr>(splat.getSplatValue<Attribute>());
  return value && value.getValue() == APInt(value.getValue().getBitWidth(),
                                            static_cast<int64_t>(number), /*isSigned=*/true,
                                            /*implicitTrunc=*/true);
}

/// The neutral element of addition: -0.0, as x + 0.0 turns -0.0 into 0.0.
static bool isNeutralForAddition(Attribute attribute, Type type) {
  return isSplatOf(attribute, isa<FloatType>(getElementTypeOrSelf(type)) ? -0.0 : 0.0);
}

static OpFoldResult splatAs(Type type, Attribute splat) {
  if (isa_and_nonnull<SymbolicSizeAttr>(splat))
    return splat; // fills any shape
  auto elements = dyn_cast_or_null<SplatElementsAttr>(splat);
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!elements || !tensor || !tensor.hasStaticShape() || tensor.getEncoding())
    return {};
  return DenseElementsAttr::get(tensor, elements.getSplatValue<Attribute>());
}

OpFoldResult AddOp::fold(FoldAdaptor adaptor) {
  if (isNeutralForAddition(adaptor.getY(), getType()))
    return getX();
  return isNeutralForAddition(adaptor.getX(), getType()) ? getY() : Value();
}

OpFoldResult SubtractOp::fold(FoldAdaptor adaptor) {
  return isSplatOf(adaptor.getY(), 0.0) ? getX() : Value();
}

OpFoldResult MultiplyOp::fold(FoldAdaptor adaptor) {
  if (isSplatOf(adaptor.getY(), 1.0))
    return getX();
  return isSplatOf(adaptor.getX(), 1.0) ? getY() : Value();
}

OpFoldResult DivideOp::fold(FoldAdaptor adaptor) {
  return isSplatOf(adaptor.getY(), 1.0) ? getX() : Value();
}

OpFoldResult SelectOp::fold(FoldAdaptor adaptor) {
  if (getX() == getY())
    return getX();
  if (isSplatOf(adaptor.getCondition(), 0.0))
    return getY();
  return isa_and_nonnull<SplatElementsAttr>(adaptor.getCondition()) ? getX() : Value();
}

/// A scalar attribute converted to another element type, where that is exact to describe.
static Attribute convertScalar(Attribute scalar, Type from, Type to) {
  if (auto number = dyn_cast<FloatAttr>(scalar)) {
    auto type = dyn_cast<FloatType>(to);
    if (!type)
      return {};
    return FloatAttr::get(type, roundedTo(number.getValue(), type.getFloatSemantics()));
  }
  auto number = dyn_cast<IntegerAttr>(scalar);
  if (!number || to.isInteger(1))
    return {};
  bool isUnsigned = from.isUnsignedInteger() || from.isInteger(1);
  if (auto type = dyn_cast<FloatType>(to)) {
    // Halves by way of float32, as kernels do.
    APFloat value(type.isF64() ? APFloat::IEEEdouble() : APFloat::IEEEsingle());
    value.convertFromAPInt(number.getValue(), !isUnsigned, APFloat::rmNearestTiesToEven);
    return FloatAttr::get(type, roundedTo(value, type.getFloatSemantics()));
  }
  unsigned bits = to.getIntOrFloatBitWidth();
  APInt value = number.getValue();
  return IntegerAttr::get(to, isUnsigned ? value.zextOrTrunc(bits) : value.sextOrTrunc(bits));
}

OpFoldResult CastOp::fold(FoldAdaptor adaptor) {
  if (getX().getType() == getType())
    return getX();
  auto splat = dyn_cast_or_null<SplatElementsAttr>(adaptor.getX());
  auto type = cast<RankedTensorType>(getType());
  if (!splat || !type.hasStaticShape() || type.getEncoding())
    return {};
  Attribute scalar = convertScalar(splat.getSplatValue<Attribute>(), splat.getElementType(),
                                   type.getElementType());
  return scalar ? OpFoldResult(DenseElementsAttr::get(type, scalar)) : OpFoldResult();
}

OpFoldResult ConstantOp::fold(FoldAdaptor adaptor) {
  // Inside a kernel the value has no shape of its own, and a parameter is not its value: nothing
  // is to be folded with it, and it equals constants with the same attributes only.
  if (getType().getEncoding())
    return (*this)->getAttrDictionary();
  return adaptor.getValue();
}

OpFoldResult SizeOp::fold(FoldAdaptor) {
  int64_t size = getSize().getSize();
  if (isSymbolicSize(size) || !getType().hasStaticShape() || getType().getEncoding())
    return getSize();
  size = std::max<int64_t>(size, 0);
  Type element = getType().getElementType();
  Attribute number;
  if (isa<FloatType>(element))
    number = FloatAttr::get(element, static_cast<double>(size));
  else
    number = IntegerAttr::get(element, APInt(element.getIntOrFloatBitWidth(), size,
                                             /*isSigned=*/true, /*implicitTrunc=*/true));
  return DenseElementsAttr::get(getType(), number);
}

void SizeOp::build(OpBuilder &builder, OperationState &state, Type result, int64_t size) {
  build(builder, state, result,
        SymbolicSizeAttr::get(builder.getContext(), size, getElementTypeOrSelf(result)));
}

OpFoldResult ReshapeOp::fold(FoldAdaptor adaptor) {
  // With two unknown sizes, equal types do not say that the shapes are equal.
  if (getX().getType() == getType() && getType().getNumDynamicDims() < 2)
    return getX();
  if (auto inner = getX().getDefiningOp<ReshapeOp>()) {
    setOperand(inner.getX());
    return getResult();
  }
  return splatAs(getType(), adaptor.getX());
}

OpFoldResult TransposeOp::fold(FoldAdaptor adaptor) {
  if (llvm::is_sorted(getPermutation()) && getX().getType() == getType())
    return getX();
  return splatAs(getType(), adaptor.getX());
}

OpFoldResult BroadcastOp::fold(FoldAdaptor adaptor) {
  // An unknown size may be 1, and another one may not.
  bool isKnown = getType().hasStaticShape() || getType().getEncoding();
  if (getX().getType() == getType() && isKnown)
    return getX();
  return splatAs(getType(), adaptor.getX());
}

OpFoldResult SliceOp::fold(FoldAdaptor adaptor) {
  auto isOne = [](int64_t step) { return step == 1; };
  auto isZero = [](int64_t start) { return start == 0; };
  auto type = cast<RankedTensorType>(getType());
  if (getX().getType() == getType() && type.hasStaticShape() && llvm::all_of(getSteps(), isOne) &&
      llvm::all_of(getStarts(), isZero))
    return getX();
  return splatAs(getType(), adaptor.getX());
}

OpFoldResult PadOp::fold(FoldAdaptor adaptor) {
  auto from = getX().getType(), to = cast<RankedTensorType>(getType());
  if (from == to && to.hasStaticShape())
    return getX();
  if (from.hasStaticShape() && isEmpty(from))
    return splatAs(to, adaptor.getValue());
  return {};
}

/// Nothing replaced. The value in the place of everything stays a copy: it may be foreign memory.
OpFoldResult UpdateOp::fold(FoldAdaptor) {
  auto part = getValue().getType();
  return part.hasStaticShape() && isEmpty(part) && !part.getEncoding() ? getX() : Value();
}

void PadOp::build(OpBuilder &builder, OperationState &state, Type result, Value x, double value,
                  ArrayRef<int64_t> low, ArrayRef<int64_t> interior) {
  Type element = getElementTypeOrSelf(result);
  Attribute scalar = isa<FloatType>(element)
                         ? Attribute(builder.getFloatAttr(element, value))
                         : Attribute(builder.getIntegerAttr(element, static_cast<int64_t>(value)));
  auto type = RankedTensorType::get({}, element);
  Value filling =
      ConstantOp::create(builder, state.location, type, DenseElementsAttr::get(type, scalar));
  build(builder, state, result, x, filling, low, interior);
}

namespace {

/// transpose(transpose(x)) is one transpose.
struct ComposeTransposes : OpRewritePattern<TransposeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(TransposeOp op, PatternRewriter &rewriter) const override {
    auto inner = op.getX().getDefiningOp<TransposeOp>();
    if (!inner)
      return failure();
    SmallVector<int64_t> permutation;
    for (int64_t axis : op.getPermutation())
      permutation.push_back(inner.getPermutation()[axis]);
    rewriter.replaceOpWithNewOp<TransposeOp>(op, op.getType(), inner.getX(), permutation);
    return success();
  }
};

/// A transpose that only moves dimensions of size 1 is a reshape.
struct TransposeOfUnits : OpRewritePattern<TransposeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(TransposeOp op, PatternRewriter &rewriter) const override {
    auto type = cast<RankedTensorType>(op.getX().getType());
    SmallVector<int64_t> moved;
    for (int64_t axis : op.getPermutation())
      if (type.getDimSize(axis) != 1)
        moved.push_back(axis);
    if (!type.hasStaticShape() || type.getEncoding() || !llvm::is_sorted(moved))
      return failure();
    rewriter.replaceOpWithNewOp<ReshapeOp>(op, op.getType(), op.getX());
    return success();
  }
};

/// broadcast(x) with dimensions of size 1 to repeat becomes broadcast(reshape(x)) without them.
struct DropUnitDimensions : OpRewritePattern<BroadcastOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(BroadcastOp op, PatternRewriter &rewriter) const override {
    SmallVector<int64_t> shape, dimensions;
    for (auto [d, target] : llvm::enumerate(op.getDimensions()))
      if (!op.isExpanded(d)) {
        shape.push_back(op.getX().getType().getDimSize(d));
        dimensions.push_back(target);
      }
    if (shape.size() == op.getDimensions().size() || !op.getX().getType().hasStaticShape())
      return failure();
    auto type = withShape(op.getX().getType(), shape);
    Value reshaped = ReshapeOp::create(rewriter, op.getLoc(), type, op.getX());
    rewriter.replaceOpWithNewOp<BroadcastOp>(op, op.getType(), reshaped, dimensions);
    return success();
  }
};

/// broadcast(broadcast(x)) is one broadcast.
struct ComposeBroadcasts : OpRewritePattern<BroadcastOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(BroadcastOp op, PatternRewriter &rewriter) const override {
    auto inner = op.getX().getDefiningOp<BroadcastOp>();
    if (!inner)
      return failure();
    SmallVector<int64_t> dimensions;
    for (int64_t target : inner.getDimensions())
      dimensions.push_back(op.getDimensions()[target]);
    rewriter.replaceOpWithNewOp<BroadcastOp>(op, op.getType(), inner.getX(), dimensions);
    return success();
  }
};

/// How an update goes along one dimension: `count` elements of `size`, `step` apart.
struct UpdateDimension {
  int64_t start, step, count, size;

  bool isWhole() const { return start == 0 && step == 1 && count == size; }

  /// This dimension and the one inside of it as one; nothing if the elements are not evenly apart
  /// in it, or a number is not known.
  std::optional<UpdateDimension> mergedWith(const UpdateDimension &inner) const {
    bool isRun = step == 1 && inner.isWhole();
    if (count != 1 && inner.count != 1 && !isRun)
      return std::nullopt;
    auto product = [](int64_t left, int64_t right) {
      return sizeOrDynamic([&] { return multiplySizes(left, right); });
    };
    UpdateDimension both = inner;
    both.size = product(size, inner.size);
    int64_t first = start == 0 ? 0 : product(start, inner.size);
    both.start = sizeOrDynamic([&] { return addSizes(first, inner.start); });
    if (count != 1) {
      both.count = product(count, inner.count);
      both.step = isRun ? 1 : product(step, inner.size);
    }
    int64_t numbers[] = {both.start, both.step, both.count, both.size};
    if (llvm::any_of(numbers, ShapedType::isDynamic) || isSymbolicSize(both.start) ||
        isSymbolicSize(both.step))
      return std::nullopt;
    return both;
  }
};

/// An update of as few dimensions as its elements are evenly apart in: a row of a matrix is a run
/// of elements, and a column elements with one distance.
struct MergeUpdateDimensions : OpRewritePattern<UpdateOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(UpdateOp op, PatternRewriter &rewriter) const override {
    auto whole = cast<RankedTensorType>(op.getX().getType()), part = op.getValue().getType();
    if (!whole.hasStaticShape() || !part.hasStaticShape() || whole.getEncoding())
      return failure();
    SmallVector<UpdateDimension> merged;
    for (auto [start, step, count, size] :
         llvm::zip_equal(op.getStarts(), op.getSteps(), part.getShape(), whole.getShape())) {
      UpdateDimension next{start, step, count, size};
      auto both = merged.empty() ? std::nullopt : merged.back().mergedWith(next);
      if (both)
        merged.back() = *both;
      else
        merged.push_back(next);
    }
    if (static_cast<int64_t>(merged.size()) == whole.getRank())
      return failure();
    auto list = [&](int64_t UpdateDimension::*number) {
      return llvm::map_to_vector(merged, [&](auto &dimension) { return dimension.*number; });
    };
    auto reshaped = [&](Value value, ArrayRef<int64_t> shape) -> Value {
      return rewriter.createOrFold<ReshapeOp>(op.getLoc(), withShape(value.getType(), shape),
                                              value);
    };
    Value x = reshaped(op.getX(), list(&UpdateDimension::size));
    Value value = reshaped(op.getValue(), list(&UpdateDimension::count));
    Value update = UpdateOp::create(rewriter, op.getLoc(), x, value, list(&UpdateDimension::start),
                                    list(&UpdateDimension::step));
    rewriter.replaceOpWithNewOp<ReshapeOp>(op, op.getType(), update);
    return success();
  }
};

/// matmul of an operand whose last two dimensions were swapped reads it as it was.
struct AbsorbTranspose : OpRewritePattern<MatmulOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(MatmulOp op, PatternRewriter &rewriter) const override {
    auto swapped = [](Value value) -> Value {
      auto transpose = value.getDefiningOp<TransposeOp>();
      if (!transpose)
        return {};
      auto expected = llvm::to_vector(llvm::seq<int64_t>(0, transpose.getPermutation().size()));
      std::swap(expected[expected.size() - 1], expected[expected.size() - 2]);
      return transpose.getPermutation() == ArrayRef<int64_t>(expected) ? transpose.getX() : Value();
    };
    Value lhs = swapped(op.getLhs()), rhs = swapped(op.getRhs());
    if (!lhs && !rhs)
      return failure();
    rewriter.modifyOpInPlace(op, [&] {
      if (lhs) {
        op.getLhsMutable().assign(lhs);
        op.setTransposeLhs(!op.getTransposeLhs());
      }
      if (rhs) {
        op.getRhsMutable().assign(rhs);
        op.setTransposeRhs(!op.getTransposeRhs());
      }
    });
    return success();
  }
};

/// A power with a known exponent that products compute is these products.
struct FixExponent : OpRewritePattern<PowOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(PowOp op, PatternRewriter &rewriter) const override {
    SplatElementsAttr exponents;
    if (op.getType().getEncoding() || !matchPattern(op.getY(), m_Constant(&exponents)))
      return failure();
    Attribute element = exponents.getSplatValue<Attribute>();
    if (isComplexTensor(op.getType()))
      return failure(); // Python's constant exponents are of that op already
    auto number = dyn_cast<FloatAttr>(element);
    double exponent =
        number ? number.getValueAsDouble()
               : static_cast<double>(cast<IntegerAttr>(element).getValue().getSExtValue());
    if (!isFixedExponent(exponent, op.getType().getElementType()))
      return failure();
    rewriter.replaceOpWithNewOp<FixedPowOp>(op, op.getX(), rewriter.getF64FloatAttr(exponent));
    return success();
  }
};

} // namespace

void PowOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<FixExponent>(context);
}

void TransposeOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<ComposeTransposes, TransposeOfUnits>(context);
}

void UpdateOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<MergeUpdateDimensions>(context);
}

void BroadcastOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<DropUnitDimensions, ComposeBroadcasts>(context);
}

void MatmulOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<AbsorbTranspose>(context);
}

} // namespace weft

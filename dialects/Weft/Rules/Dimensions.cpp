// Which dimensions of operands and results are walked together (DimensionOpInterface).
#include "dialects/Weft/IR/Weft.h"

using namespace mlir;

namespace weft {

using Labels = SmallVector<SmallVector<int64_t>>;

static int64_t rankOf(Value value) { return cast<RankedTensorType>(value.getType()).getRank(); }

static SmallVector<int64_t> identity(int64_t rank) {
  return llvm::to_vector(llvm::seq<int64_t>(0, rank));
}

static int64_t positionOf(ArrayRef<int64_t> labels, int64_t label) {
  return llvm::find(labels, label) - labels.begin();
}

//===----------------------------------------------------------------------===//
// Creation
//===----------------------------------------------------------------------===//

Labels ConstantOp::getDimensionLabels() { return {identity(rankOf(getResult()))}; }

Operation *ConstantOp::rebuildWithLabels(OpBuilder &builder, ValueRange, TypeRange types,
                                         ArrayRef<SmallVector<int64_t>>) {
  auto splat = dyn_cast<SplatElementsAttr>(getValue());
  if (!splat)
    return nullptr;
  // The value of a constant in a kernel is of rank 0: its sizes are those of the type.
  auto scalar = RankedTensorType::get({}, splat.getElementType());
  auto copy = ConstantOp::create(builder, getLoc(), types[0],
                                 DenseElementsAttr::get(scalar, splat.getSplatValue<Attribute>()));
  // A parameter of the kernel stays one.
  copy->setDiscardableAttrs((*this)->getDiscardableAttrDictionary());
  return copy;
}

Labels IotaOp::getDimensionLabels() {
  SmallVector<int64_t> labels = identity(rankOf(getResult()));
  labels[getAxis()] = -1;
  return {labels};
}

Operation *IotaOp::rebuildWithLabels(OpBuilder &builder, ValueRange, TypeRange types,
                                     ArrayRef<SmallVector<int64_t>> labels) {
  return IotaOp::create(builder, getLoc(), types[0], positionOf(labels[0], -1));
}

Labels RandomBitsOp::getDimensionLabels() {
  SmallVector<int64_t> ofKey = identity(rankOf(getKey()) - 1);
  ofKey.push_back(-1);
  return {ofKey, identity(rankOf(getResult()))};
}

Operation *RandomBitsOp::rebuildWithLabels(OpBuilder &builder, ValueRange operands, TypeRange types,
                                           ArrayRef<SmallVector<int64_t>>) {
  return rebuild(builder, *this, operands, types);
}

//===----------------------------------------------------------------------===//
// Parts of complex numbers
//===----------------------------------------------------------------------===//

Labels RealOp::getDimensionLabels() { return elementwiseLabels(*this); }
Labels ImagOp::getDimensionLabels() { return elementwiseLabels(*this); }
Labels ComplexOp::getDimensionLabels() { return elementwiseLabels(*this); }

Operation *RealOp::rebuildWithLabels(OpBuilder &builder, ValueRange operands, TypeRange types,
                                     ArrayRef<SmallVector<int64_t>>) {
  return rebuild(builder, *this, operands, types);
}
Operation *ImagOp::rebuildWithLabels(OpBuilder &builder, ValueRange operands, TypeRange types,
                                     ArrayRef<SmallVector<int64_t>>) {
  return rebuild(builder, *this, operands, types);
}
Operation *ComplexOp::rebuildWithLabels(OpBuilder &builder, ValueRange operands, TypeRange types,
                                        ArrayRef<SmallVector<int64_t>>) {
  return rebuild(builder, *this, operands, types);
}

//===----------------------------------------------------------------------===//
// Rearrangement
//===----------------------------------------------------------------------===//

Labels TransposeOp::getDimensionLabels() {
  SmallVector<int64_t> result = identity(rankOf(getResult())), operand(result.size());
  for (auto [d, source] : llvm::enumerate(getPermutation()))
    operand[source] = d;
  return {operand, result};
}

Operation *TransposeOp::rebuildWithLabels(OpBuilder &builder, ValueRange operands, TypeRange types,
                                          ArrayRef<SmallVector<int64_t>> labels) {
  SmallVector<int64_t> permutation;
  for (int64_t label : labels[1])
    permutation.push_back(positionOf(labels[0], label));
  return TransposeOp::create(builder, getLoc(), types[0], operands[0], permutation);
}

bool BroadcastOp::isExpanded(int64_t d) {
  auto from = getX().getType(), to = getType();
  bool mayRepeat = from.getEncoding() || from.getDimSize(d) == 1;
  return mayRepeat && !haveSameSize(from, d, to, getDimensions()[d]);
}

Labels BroadcastOp::getDimensionLabels() {
  SmallVector<int64_t> operand(getDimensions());
  for (auto [d, label] : llvm::enumerate(operand))
    if (isExpanded(d))
      label = -1;
  return {operand, identity(rankOf(getResult()))};
}

Operation *BroadcastOp::rebuildWithLabels(OpBuilder &builder, ValueRange operands, TypeRange types,
                                          ArrayRef<SmallVector<int64_t>> labels) {
  SmallVector<int64_t> dimensions;
  for (int64_t label : labels[0]) {
    if (label < 0)
      return nullptr;
    dimensions.push_back(positionOf(labels[1], label));
  }
  return BroadcastOp::create(builder, getLoc(), types[0], operands[0], dimensions);
}

Labels SliceOp::getDimensionLabels() {
  SmallVector<int64_t> labels = identity(rankOf(getResult()));
  for (auto [d, label] : llvm::enumerate(labels))
    if (getStarts()[d] != 0 || getSteps()[d] != 1 ||
        !haveSameSize(getX().getType(), d, getType(), d))
      label = -1;
  return {labels, labels};
}

Labels PadOp::getDimensionLabels() {
  SmallVector<int64_t> labels = identity(rankOf(getResult()));
  for (auto [d, label] : llvm::enumerate(labels))
    if (getLow()[d] != 0 || getInterior()[d] != 0 ||
        !haveSameSize(getX().getType(), d, getType(), d))
      label = -1;
  return {labels, {}, labels};
}

Labels UpdateOp::getDimensionLabels() {
  SmallVector<int64_t> all = identity(rankOf(getResult())), labels = all;
  for (auto [d, label] : llvm::enumerate(labels))
    if (getStarts()[d] != 0 || getSteps()[d] != 1 ||
        !haveSameSize(getValue().getType(), d, getType(), d))
      label = -1;
  return {all, labels, all};
}

Labels ConcatenateOp::getDimensionLabels() {
  SmallVector<int64_t> labels = identity(rankOf(getResult()));
  labels[getAxis()] = -1;
  return Labels(getNumOperands() + 1, labels);
}

/// Labels of x, indices and the gathered tensor, whose dimensions are x's with `axis` replaced by
/// the indices'.
static Labels gatherLabels(Value x, Value indices, int64_t axis) {
  int64_t inner = rankOf(indices);
  SmallVector<int64_t> ofX, ofIndices, gathered = identity(rankOf(x) + inner - 1);
  for (int64_t d = 0; d < rankOf(x); ++d)
    ofX.push_back(d < axis ? d : d == axis ? -1 : d + inner - 1);
  for (int64_t d = 0; d < inner; ++d)
    ofIndices.push_back(axis + d);
  return {ofX, ofIndices, gathered};
}

Labels GatherOp::getDimensionLabels() { return gatherLabels(getX(), getIndices(), getAxis()); }

template <typename Scatter> static Labels scatterLabels(Scatter op) {
  Labels labels = gatherLabels(op.getX(), op.getIndices(), op.getAxis());
  labels.push_back(labels[0]);
  return labels;
}

Labels ScatterAddOp::getDimensionLabels() { return scatterLabels(*this); }
Labels ScatterOp::getDimensionLabels() { return scatterLabels(*this); }

//===----------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------===//

static Labels reductionLabels(Value x, ArrayRef<int64_t> axes) {
  SmallVector<int64_t> operand = identity(rankOf(x)), result;
  for (int64_t label : operand)
    if (!llvm::is_contained(axes, label))
      result.push_back(label);
  return {operand, result};
}

template <typename Op>
static Operation *rebuildReduction(Op op, OpBuilder &builder, ValueRange operands, TypeRange types,
                                   ArrayRef<SmallVector<int64_t>> labels) {
  SmallVector<int64_t> axes;
  for (auto [d, label] : llvm::enumerate(labels[0]))
    if (!llvm::is_contained(labels[1], label))
      axes.push_back(d);
  return Op::create(builder, op.getLoc(), types[0], operands[0], axes);
}

#define WEFT_REDUCTION_DIMENSIONS(Op)                                                              \
  Labels Op::getDimensionLabels() { return reductionLabels(getX(), getAxes()); }                   \
  Operation *Op::rebuildWithLabels(OpBuilder &builder, ValueRange operands, TypeRange types,       \
                                   ArrayRef<SmallVector<int64_t>> labels) {                        \
    return rebuildReduction(*this, builder, operands, types, labels);                              \
  }
WEFT_REDUCTION_DIMENSIONS(SumOp)
WEFT_REDUCTION_DIMENSIONS(ProdOp)
WEFT_REDUCTION_DIMENSIONS(MaxOp)
WEFT_REDUCTION_DIMENSIONS(MinOp)
WEFT_REDUCTION_DIMENSIONS(ArgmaxOp)
WEFT_REDUCTION_DIMENSIONS(ArgminOp)
#undef WEFT_REDUCTION_DIMENSIONS

//===----------------------------------------------------------------------===//
// Along an axis
//===----------------------------------------------------------------------===//

/// The same dimensions throughout, of which no loop walks the axis alone.
static Labels alongAxisLabels(Operation *op, int64_t axis) {
  SmallVector<int64_t> labels = identity(rankOf(op->getOperand(0)));
  labels[axis] = -1;
  return Labels(1 + op->getNumResults(), labels);
}

static int64_t axisIn(ArrayRef<int64_t> labels) { return llvm::find(labels, -1) - labels.begin(); }

#define WEFT_SCAN_DIMENSIONS(Op)                                                                   \
  Labels Op::getDimensionLabels() { return alongAxisLabels(*this, getAxis()); }                    \
  Operation *Op::rebuildWithLabels(OpBuilder &builder, ValueRange operands, TypeRange types,       \
                                   ArrayRef<SmallVector<int64_t>> labels) {                        \
    return Op::create(builder, getLoc(), types[0], operands[0], axisIn(labels[0]), getReversed()); \
  }
WEFT_SCAN_DIMENSIONS(CumulativeSumOp)
WEFT_SCAN_DIMENSIONS(CumulativeProdOp)
#undef WEFT_SCAN_DIMENSIONS

Labels SortOp::getDimensionLabels() { return alongAxisLabels(*this, getAxis()); }
Operation *SortOp::rebuildWithLabels(OpBuilder &builder, ValueRange operands, TypeRange types,
                                     ArrayRef<SmallVector<int64_t>> labels) {
  return SortOp::create(builder, getLoc(), types[0], types[1], operands[0], axisIn(labels[0]),
                        getDescending());
}

//===----------------------------------------------------------------------===//
// Contractions and windows
//===----------------------------------------------------------------------===//

/// A dimension that one loop walks alone, one by one, has that loop's number as its label.
static Labels contractionLabels(const Contraction &contraction) {
  Labels labels;
  for (const Contraction::Access &access : contraction.accesses) {
    SmallVector<int64_t> &list = labels.emplace_back();
    for (const auto &terms : access)
      list.push_back(terms.size() == 1 && terms[0].factor == 1 ? int64_t(terms[0].loop) : -1);
  }
  return labels;
}

Labels MatmulOp::getDimensionLabels() { return contractionLabels(getContraction()); }
Labels ConvolutionOp::getDimensionLabels() { return contractionLabels(getContraction()); }
Labels ConvolutionWeightGradientOp::getDimensionLabels() {
  return contractionLabels(getContraction());
}

/// The batch, then queries, keys, the depth of the scores, the columns of the values. The mask is
/// of the scores.
Labels ScaledDotProductAttentionOp::getDimensionLabels() {
  int64_t batch = rankOf(getQuery()) - 2;
  auto of = [&](int64_t row, int64_t column) {
    SmallVector<int64_t> labels = identity(batch);
    labels.append({batch + row, batch + column});
    return labels;
  };
  Labels labels{of(0, 2), of(1, 2), of(1, 3)};
  if (getMask())
    labels.push_back(of(0, 1));
  labels.push_back(of(0, 3));
  return labels;
}

// Of [N, H, W, C] of the elements, and of the windows.
static SmallVector<int64_t> windowElements() { return {0, -1, -1, 3}; }
static SmallVector<int64_t> windows() { return {0, 1, 2, 3}; }

Labels WindowMaxIndexOp::getDimensionLabels() { return {windowElements(), windows()}; }
Labels WindowGatherOp::getDimensionLabels() { return {windowElements(), windows(), windows()}; }
Labels WindowScatterOp::getDimensionLabels() { return {windows(), windows(), windowElements()}; }
Labels WindowSumOp::getDimensionLabels() { return {windowElements(), windows()}; }
Labels WindowSpreadOp::getDimensionLabels() { return {windows(), windowElements()}; }
Labels DepthwiseConvolutionOp::getDimensionLabels() {
  if (getChannelsLast())
    return {windowElements(), {-1, -1, 3}, windows()};
  return {{0, 1, -1, -1}, {1, -1, -1}, getJoined() ? SmallVector<int64_t>{0, 1, 2} : windows()};
}

} // namespace weft

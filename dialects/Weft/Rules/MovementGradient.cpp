// Gradients of the ops that move elements: each moves the cotangent back.
#include "dialects/Weft/Rules/Build.h"
#include "lib/Support/SymbolicSize.h"

using namespace mlir;

namespace weft {

void ReshapeOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool>,
                              MutableArrayRef<Value> gradients) {
  Compose at(builder, getLoc());
  gradients[0] = reshape(at(cotangents[0]), getX().getType().getShape());
}

void BarrierOp::buildGradient(OpBuilder &, ValueRange cotangents, ArrayRef<bool>,
                              MutableArrayRef<Value> gradients) {
  gradients[0] = cotangents[0];
}

/// Each example has part in the sums of all.
void SumExamplesOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool>,
                                  MutableArrayRef<Value> gradients) {
  gradients[0] =
      SumExamplesOp::create(builder, getLoc(), getX().getType(), cotangents[0], getIndex());
}

void GatherExamplesOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool>,
                                     MutableArrayRef<Value> gradients) {
  gradients[0] =
      ScatterExamplesOp::create(builder, getLoc(), getX().getType(), cotangents[0], getIndex());
}

void ScatterExamplesOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool>,
                                      MutableArrayRef<Value> gradients) {
  gradients[0] =
      GatherExamplesOp::create(builder, getLoc(), getX().getType(), cotangents[0], getIndex());
}

void TransposeOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool>,
                                MutableArrayRef<Value> gradients) {
  Compose at(builder, getLoc());
  SmallVector<int64_t> inverse(getPermutation().size());
  for (auto [d, source] : llvm::enumerate(getPermutation()))
    inverse[source] = d;
  gradients[0] = transpose(at(cotangents[0]), inverse);
}

/// Sums over the copies.
void BroadcastOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool>,
                                MutableArrayRef<Value> gradients) {
  Compose at(builder, getLoc());
  SmallVector<int64_t> repeated = allAxes(getType().getRank());
  for (auto [d, target] : llvm::enumerate(getDimensions()))
    if (!isExpanded(d))
      llvm::erase(repeated, target);
  Expression total = at(cotangents[0]);
  if (!repeated.empty())
    total = sum(total, repeated);
  gradients[0] = reshape(total, getX().getType().getShape());
}

/// Puts the cotangent where the elements were read, zeros elsewhere.
void SliceOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool>,
                            MutableArrayRef<Value> gradients) {
  if (isEmpty(getType()))
    return;
  Compose at(builder, getLoc());
  SmallVector<int64_t> low(getStarts()), interior, reversed;
  for (auto [d, step] : llvm::enumerate(getSteps())) {
    interior.push_back(std::abs(step) - 1);
    if (step > 0)
      continue;
    reversed.push_back(d);
    low[d] = sizeOrDynamic([&] {
      int64_t distance = multiplySizes(subtractSizes(getType().getDimSize(d), 1), step);
      return addSizes(low[d], distance);
    });
  }
  gradients[0] =
      pad(reverse(at(cotangents[0]), reversed), 0.0, low, interior, getX().getType().getShape());
}

void PadOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool> wanted,
                          MutableArrayRef<Value> gradients) {
  Compose at(builder, getLoc());
  Expression g = at(cotangents[0]);
  auto x = cast<RankedTensorType>(getX().getType());
  if (wanted[0]) {
    auto steps = llvm::map_to_vector(getInterior(), [](int64_t gap) { return gap + 1; });
    gradients[0] = slice(g, getLow(), steps, x.getShape());
  }
  if (wanted[1]) {
    Expression inside = at.constant(withElement(x, builder.getI1Type()), 0);
    Expression filled = pad(inside, 1, getLow(), getInterior(), getType().getShape());
    gradients[1] = sum(select(filled, g, 0.0), allAxes(g.rank()));
  }
}

void UpdateOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool> wanted,
                             MutableArrayRef<Value> gradients) {
  Compose at(builder, getLoc());
  Expression g = at(cotangents[0]);
  if (wanted[0])
    gradients[0] =
        at.create<UpdateOp>(g, at.constant(getValue().getType(), 0.0), getStarts(), getSteps());
  if (wanted[1])
    gradients[1] = slice(g, getStarts(), getSteps(), getValue().getType().getShape());
}

void ConcatenateOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool> wanted,
                                  MutableArrayRef<Value> gradients) {
  Compose at(builder, getLoc());
  int64_t axis = getAxis(), start = 0;
  for (auto [number, input] : llvm::enumerate(getInputs())) {
    int64_t count = at(input).size(axis);
    if (wanted[number])
      gradients[number] = sliceAlong(at(cotangents[0]), axis, start, count);
    start = sizeOrDynamic([&] { return addSizes(start, count); });
  }
}

void GatherOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool>,
                             MutableArrayRef<Value> gradients) {
  Compose at(builder, getLoc());
  Expression zeros = at.constant(getX().getType(), 0.0);
  gradients[0] = at.create<ScatterAddOp>(zeros, getIndices(), cotangents[0], getAxis());
}

void ScatterAddOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool> wanted,
                                 MutableArrayRef<Value> gradients) {
  Compose at(builder, getLoc());
  if (wanted[0])
    gradients[0] = cotangents[0];
  // An empty axis takes no updates, and there is nothing to gather from.
  if (wanted[2] && at(getX()).size(getAxis()) != 0)
    gradients[2] = at.create<GatherOp>(cotangents[0], getIndices(), getAxis());
}

/// For each index whether it is the last of those equal to it, by the numbers, from 1 on, that
/// scattering the numbers of the indices leaves; false for an index out of range, which gives 0.
static Expression isLastOfEqual(const Expression &indices, int64_t size) {
  const Compose &at = indices.at();
  Type integer = IntegerType::get(indices.element().getContext(), 64);
  std::optional<int64_t> count = productOf(indices.type().getShape());
  auto flat = RankedTensorType::get({count.value_or(ShapedType::kDynamic)}, integer);
  Expression numbers = at.iota(flat, 0) + 1.0;
  Expression list = reshape(indices, flat.getShape());
  Expression nobody = at.constant(RankedTensorType::get({size}, integer), 0);
  Expression winners = at.create<ScatterOp>(nobody, list, numbers, 0);
  Expression winner = at.create<GatherOp>(winners, list, 0);
  return reshape(winner == numbers, indices.type().getShape());
}

void ScatterOp::buildGradient(OpBuilder &builder, ValueRange cotangents, ArrayRef<bool> wanted,
                              MutableArrayRef<Value> gradients) {
  Compose at(builder, getLoc());
  Expression g = at(cotangents[0]), indices = at(getIndices());
  Expression zeros = at.constant(getUpdates().getType(), 0.0);
  if (wanted[0])
    gradients[0] = at.create<ScatterOp>(g, indices, zeros, getAxis());
  int64_t axis = getAxis(), size = at(getX()).size(axis);
  if (!wanted[2] || size == 0)
    return;
  Expression gathered = at.create<GatherOp>(g, indices, axis);
  auto dimensions = llvm::to_vector(llvm::seq<int64_t>(axis, axis + indices.rank()));
  Expression counts =
      broadcast(isLastOfEqual(indices, size), gathered.type().getShape(), dimensions);
  gradients[2] = select(counts, gathered, 0.0);
}

} // namespace weft

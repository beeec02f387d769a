// For which sizes an op is defined (SizeConditionOpInterface). A condition that overflows is left
// out: no tensor has such a size.
#include "dialects/Weft/IR/Weft.h"
#include "lib/Support/SymbolicSize.h"

using namespace mlir;

namespace weft {

static bool areKnown(ArrayRef<int64_t> sizes) {
  return llvm::none_of(sizes, ShapedType::isDynamic);
}

/// The position of the last of `count` elements.
static int64_t lastPosition(int64_t first, int64_t count, int64_t distance) {
  return addSizes(first, multiplySizes(subtractSizes(count, 1), distance));
}

/// How many elements of `size` lie behind `position`.
static int64_t roomBehind(int64_t position, int64_t size) {
  return subtractSizes(subtractSizes(size, position), 1);
}

static void addCondition(SmallVector<int64_t> &conditions, function_ref<int64_t()> compute) {
  if (std::optional<int64_t> condition = checkedSize(compute))
    conditions.push_back(*condition);
}

/// The last element read must be in x, and that nearest to the end. A slice of no elements reads
/// none: for a positive step, which begins in x or right behind, the last one says that, too.
SmallVector<int64_t> SliceOp::getSizeConditions() {
  SmallVector<int64_t> conditions;
  auto from = getX().getType(), to = cast<RankedTensorType>(getType());
  for (auto [d, first] : llvm::enumerate(getStarts())) {
    int64_t size = from.getDimSize(d), count = to.getDimSize(d), step = getSteps()[d];
    if (!areKnown({size, count}) || count == 0)
      continue;
    if (step < 0) {
      addCondition(conditions, [&] { return roomBehind(first, size); });
      addCondition(conditions, [&] { return lastPosition(first, count, step); });
    } else {
      addCondition(conditions, [&] { return roomBehind(lastPosition(first, count, step), size); });
    }
  }
  return conditions;
}

/// The last element of `part`, placed at `first` with `distance(d)` between neighbours, must be in
/// `whole`.
static SmallVector<int64_t> placementConditions(Type part, Type whole, ArrayRef<int64_t> first,
                                                function_ref<int64_t(unsigned)> distance) {
  SmallVector<int64_t> conditions;
  auto from = cast<RankedTensorType>(part), to = cast<RankedTensorType>(whole);
  for (auto [d, low] : llvm::enumerate(first)) {
    int64_t size = from.getDimSize(d), result = to.getDimSize(d);
    if (!areKnown({size, result}) || size == 0)
      continue;
    addCondition(conditions,
                 [&] { return roomBehind(lastPosition(low, size, distance(d)), result); });
  }
  return conditions;
}

SmallVector<int64_t> PadOp::getSizeConditions() {
  return placementConditions(getX().getType(), getType(), getLow(),
                             [&](unsigned d) { return addSizes(getInterior()[d], 1); });
}

SmallVector<int64_t> UpdateOp::getSizeConditions() {
  return placementConditions(getValue().getType(), getType(), getStarts(),
                             [&](unsigned d) { return getSteps()[d]; });
}

/// There must be something to take.
SmallVector<int64_t> GatherOp::getSizeConditions() {
  SmallVector<int64_t> conditions;
  int64_t size = getX().getType().getDimSize(getAxis());
  if (areKnown(size))
    addCondition(conditions, [&] { return roomBehind(0, size); });
  return conditions;
}

} // namespace weft

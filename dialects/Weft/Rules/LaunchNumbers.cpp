// Which numbers of ops their kernels may get from the launch (LaunchNumberOpInterface).
#include "dialects/Weft/IR/Weft.h"

using namespace mlir;

namespace weft {

/// Along dimensions that are not walked one to one all of `first` (where elements are taken from,
/// or put), and those of `distances` that are not `isKnown`.
static SmallVector<LaunchNumber> numbersAlong(ArrayRef<int64_t> labels, StringRef first,
                                              StringRef second, ArrayRef<int64_t> distances,
                                              function_ref<bool(int64_t)> isKnown) {
  SmallVector<LaunchNumber> numbers;
  for (auto [d, label] : llvm::enumerate(labels)) {
    if (label >= 0)
      continue;
    numbers.push_back({first, static_cast<unsigned>(d)});
    if (!isKnown(distances[d]))
      numbers.push_back({second, static_cast<unsigned>(d)});
  }
  return numbers;
}

/// Neighbours, in order or reversed, are loaded as vectors.
SmallVector<LaunchNumber> SliceOp::getLaunchNumbers() {
  return numbersAlong(getDimensionLabels()[0], getStartsAttrName(), getStepsAttrName(), getSteps(),
                      [](int64_t step) { return step == 1 || step == -1; });
}

/// Without gaps nothing is divided; by 2 it is a shift, as in the gradient of strided windows.
SmallVector<LaunchNumber> PadOp::getLaunchNumbers() {
  return numbersAlong(getDimensionLabels()[2], getLowAttrName(), getInteriorAttrName(),
                      getInterior(), [](int64_t gap) { return gap == 0 || gap == 1; });
}

/// Neighbours are stored as vectors.
SmallVector<LaunchNumber> UpdateOp::getLaunchNumbers() {
  return numbersAlong(getDimensionLabels()[1], getStartsAttrName(), getStepsAttrName(), getSteps(),
                      [](int64_t step) { return step == 1; });
}

} // namespace weft

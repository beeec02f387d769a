// Lets kernels look through reshapes that join or split dimensions.
//
//   %1 = weft.broadcast %x [0, 1, 3] : tensor<4x4x8xf32> -> tensor<4x4x2x8xf32>
//   %2 = weft.reshape %1 : tensor<4x4x2x8xf32> -> tensor<4x8x8xf32>
//   %3 = weft.concatenate %y, %2 axis 2 : tensor<4x8x3xf32>, tensor<4x8x8xf32> ->
//   tensor<4x8x11xf32>
// becomes
//   %2 = weft.regroup %1 [0, 1, 1, 2] to [0, 1, 2] : tensor<4x4x2x8xf32> -> tensor<4x8x8xf32>
//   %3 = weft.concatenate %y, %2 axis 2 : tensor<4x8x3xf32>, tensor<4x8x8xf32> ->
//   tensor<4x8x11xf32>
//
// The same where a weft.pad frames what is reshaped: what computes it then stores it in the frame.
#include "passes/fusion/RegroupDimensions.h"
#include "dialects/Weft/IR/Frames.h"
#include "dialects/Weft/IR/Regroup.h"
#include "lib/Support/SymbolicSize.h"

using namespace mlir;

namespace weft {

namespace {

/// The groups of dimensions of two shapes with the same elements.
struct Groups {
  SmallVector<int64_t> from, to;
};

/// The smallest groups, from the first dimension on; nothing if sizes that are joined or split are
/// not known, or are 0.
std::optional<Groups> groupsOf(ArrayRef<int64_t> from, ArrayRef<int64_t> to) {
  Groups groups;
  size_t i = 0, j = 0;
  auto isUnit = [](ArrayRef<int64_t> sizes, size_t d) { return d < sizes.size() && sizes[d] == 1; };
  for (int64_t group = 0; i < from.size() || j < to.size(); ++group) {
    // One dimension, on both sides or, of size 1, on one of them.
    bool isAlike = i < from.size() && j < to.size() && from[i] == to[j];
    bool isInTo = isAlike || isUnit(to, j), isInFrom = isAlike || (!isInTo && isUnit(from, i));
    if (isInFrom || isInTo) {
      if (isInFrom)
        groups.from.push_back(group), ++i;
      if (isInTo)
        groups.to.push_back(group), ++j;
      continue;
    }
    int64_t before = 1, after = 1;
    do {
      bool takesFrom = before <= after;
      size_t &next = takesFrom ? i : j;
      ArrayRef<int64_t> sizes = takesFrom ? from : to;
      if (next == sizes.size() || sizes[next] < 1 || isSymbolicSize(sizes[next]))
        return std::nullopt;
      (takesFrom ? before : after) *= sizes[next++];
      (takesFrom ? groups.from : groups.to).push_back(group);
    } while (before != after);
  }
  return groups;
}

/// True if what computes the operand of the reshape can be in the kernel of its one reader, and the
/// reader gains by it: it copies what is only repeated, or frames what can be stored in the frame.
bool separates(ReshapeOp op) {
  Operation *before = op.getX().getDefiningOp();
  if (!before || !op->hasOneUse() || !before->hasOneUse())
    return false;
  Operation *reader = *op->user_begin();
  bool isInside = !framingOps(reader).empty() && reader->getOperand(0) == op.getResult();
  if (isa<BroadcastOp>(before))
    return isInside || isa<ConcatenateOp>(reader);
  return isInside && isa<ElementwiseOpInterface, ContractionOpInterface, ConcatenateOp>(before);
}

} // namespace

void regroupDimensions(Block &block) {
  for (ReshapeOp op : llvm::make_early_inc_range(block.getOps<ReshapeOp>())) {
    if (!separates(op))
      continue;
    auto groups = groupsOf(op.getX().getType().getShape(), op.getType().getShape());
    auto isAlone = [](ArrayRef<int64_t> numbers) {
      return !numbers.empty() && llvm::count(numbers, numbers.back()) == 1;
    };
    if (!groups || !isAlone(groups->from) || !isAlone(groups->to) ||
        groups->from.back() != groups->to.back())
      continue;
    OpBuilder builder(op);
    op.replaceAllUsesWith(
        RegroupOp::create(builder, op.getLoc(), op.getType(), op.getX(), groups->from, groups->to)
            .getResult());
    op.erase();
  }
}

} // namespace weft

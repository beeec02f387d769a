// Ops that become one kernel.
#include "passes/fusion/FusionGroup.h"
#include "dialects/Weft/IR/Frames.h"

using namespace mlir;

namespace weft {

bool isFree(Operation *op) {
  auto indexed = dyn_cast<IndexedOpInterface>(op);
  return op->getNumOperands() == 0 || (indexed && indexed.getInstructionCount() == 0);
}

int64_t instructionCount(Operation *op) {
  if (isFree(op))
    return 0;
  if (auto elementwise = dyn_cast<ElementwiseOpInterface>(op))
    return elementwise.getInstructionCount();
  auto indexed = dyn_cast<IndexedOpInterface>(op);
  return indexed ? indexed.getInstructionCount() : 1;
}

bool isReadWhereWalked(OpOperand &use) {
  auto update = dyn_cast<UpdateOpInterface>(use.getOwner());
  return (update && &update.getUpdatesMutable() == &use) ||
         readsInPlace(use.getOwner(), use.getOperandNumber());
}

bool repeatsInnermost(Operation *op) {
  auto dimensions = dyn_cast<DimensionOpInterface>(op);
  if (!dimensions || !isFree(op) || op->getNumOperands() != 1)
    return false;
  auto labels = dimensions.getDimensionLabels();
  ArrayRef<int64_t> operand = labels[0], result = labels[1];
  return operand == result.take_front(operand.size());
}

SmallVector<Operation *, 2> FusionGroup::findFrame() const {
  bool mayHaveOne = storesInFrames && results == 1 && !ops.empty();
  auto found = mayHaveOne ? framingOps(ops.front()) : SmallVector<Operation *, 2>();
  llvm::erase_if(found, [&](Operation *op) { return !ops.contains(op); });
  return found;
}

/// True if ops of the group read `op`, or what they compute again of it.
static bool reads(const FusionGroup &group, Operation *op) {
  return llvm::any_of(op->getUsers(), [&](Operation *user) {
    return group.ops.contains(user) || (group.rematerialized->contains(user) && reads(group, user));
  });
}

bool FusionGroup::readsInPlace(Operation *op, bool byRows, ArrayRef<Operation *> around) const {
  SmallVector<Operation *> pending{op};
  llvm::DenseSet<Operation *> seen;
  while (!pending.empty()) {
    Operation *current = pending.pop_back_val();
    for (OpOperand &use : current->getUses()) {
      Operation *user = use.getOwner();
      if (!ops.contains(user) && !(rematerialized->contains(user) && reads(*this, user)))
        continue;
      if (isa<ReductionOpInterface>(user))
        continue;
      // A row's own value may be read by the whole row.
      bool ofRow = byRows && repeatsInnermost(user);
      if (llvm::is_contained(around, user))
        continue;
      if (!ofRow && !isReadWhereWalked(use))
        return false;
      if (seen.insert(user).second)
        pending.push_back(user);
    }
  }
  return true;
}

} // namespace weft

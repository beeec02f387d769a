// What passes ask of the ops that have regions.
#include "passes/ControlFlow.h"
#include "dialects/Weft/IR/ElementTypes.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace weft {

bool isControlFlow(Operation *op) {
  return isa<CaseOp, WhileOp, ScanOp, CheckpointOp, CustomDerivativeOp>(op);
}

llvm::DenseSet<Value> dependentsOf(Block &block, ArrayRef<Value> values) {
  llvm::DenseSet<Value> found(values.begin(), values.end());
  Operation *first = nullptr;
  for (Value value : values)
    if (Operation *op = value.getDefiningOp(); op && (!first || op->isBeforeInBlock(first)))
      first = op;
  if (!first && !block.empty())
    first = &block.front();
  for (Operation *op = first; op; op = op->getNextNode())
    if (llvm::any_of(op->getOperands(), [&](Value value) { return found.contains(value); }))
      found.insert(op->result_begin(), op->result_end());
  return found;
}

SmallVector<bool> dependentYields(Region &region, ArrayRef<bool> marked) {
  SmallVector<Value> arguments;
  for (auto [argument, isMarked] : llvm::zip_equal(region.getArguments(), marked))
    if (isMarked)
      arguments.push_back(argument);
  llvm::DenseSet<Value> dependent = dependentsOf(region.front(), arguments);
  return llvm::map_to_vector(region.front().getTerminator()->getOperands(),
                             [&](Value value) { return dependent.contains(value); });
}

SmallVector<Operation *> opsBehind(Block &block, ValueRange values,
                                   llvm::function_ref<bool(Value)> follows) {
  llvm::SetVector<Operation *> ops;
  auto follow = [&](ValueRange next) {
    for (Value value : next)
      if (Operation *op = value.getDefiningOp(); op && op->getBlock() == &block && follows(value))
        ops.insert(op);
  };
  follow(values);
  for (size_t next = 0; next < ops.size(); ++next)
    follow(ops[next]->getOperands());
  SmallVector<Operation *> order = ops.takeVector();
  llvm::sort(order, [](Operation *left, Operation *right) { return left->isBeforeInBlock(right); });
  return order;
}

SmallVector<Value> buildInlined(OpBuilder &builder, Region &region, ValueRange values) {
  IRMapping mapping;
  mapping.map(region.getArguments(), values);
  for (Operation &op : region.front().without_terminator())
    builder.clone(op, mapping);
  return llvm::map_to_vector(region.front().getTerminator()->getOperands(),
                             [&](Value value) { return mapping.lookupOrDefault(value); });
}

void eraseUnread(Block &block, ArrayRef<Value> keep) {
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
    if (isOpTriviallyDead(&op) && llvm::none_of(op.getResults(), [&](Value result) {
          return llvm::is_contained(keep, result);
        }))
      op.erase();
}

bool isInexact(Value value) { return hasInexactElements(value.getType()); }

Value orZeros(OpBuilder &builder, Location location, Value value, Type type) {
  return value ? value : buildFilled(builder, location, type, 0.0);
}

} // namespace weft

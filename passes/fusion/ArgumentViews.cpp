// Parts of arguments that no kernel has to copy.
#include "passes/fusion/ArgumentViews.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/plan/ValueMemory.h"
#include "passes/templates/Template.h"

using namespace mlir;

namespace weft {

/// True if all that reads the value, reshapes of it included, becomes part of a kernel.
static bool isReadByKernels(Value value) {
  return llvm::all_of(value.getUsers(), [](Operation *user) {
    return isa<ReshapeOp>(user) ? isReadByKernels(user->getResult(0))
                                : templateClaiming(user) != nullptr;
  });
}

ArgumentViews::ArgumentViews(Block &body) {
  if (!isa<func::FuncOp>(body.getParentOp()))
    return;
  for (Operation &op : body)
    if (isView(op))
      views.insert(&op);
}

bool ArgumentViews::isView(Operation &op) const {
  if (!partStart(op))
    return false;
  Value operand = withoutReshapes(op.getOperand(0));
  return (isa<BlockArgument>(operand) || views.contains(operand.getDefiningOp())) &&
         isReadByKernels(op.getResult(0));
}

} // namespace weft

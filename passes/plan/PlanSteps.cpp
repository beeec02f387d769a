// The steps of a planned function.
#include "passes/plan/PlanSteps.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "passes/plan/ValueMemory.h"

using namespace mlir;

namespace weft {

bool isKept(Value value) {
  Value storage = withoutReshapes(value);
  auto argument = dyn_cast<BlockArgument>(storage);
  if (!argument)
    return isa<ConstantOp, PrepareOp>(storage.getDefiningOp());
  auto function = dyn_cast<func::FuncOp>(argument.getOwner()->getParentOp());
  unsigned number = argument.getArgNumber();
  return function && function.getArgAttr(number, "weft.hidden") &&
         !function.getArgAttr(number, "weft.donated");
}

FailureOr<SmallVector<PlanStep>> stepsOf(func::FuncOp function) {
  SymbolTable symbols(function->getParentOfType<ModuleOp>());
  Block &body = function.getBody().front();
  SmallVector<PlanStep> steps;
  // Of arguments, and of each other.
  llvm::DenseSet<Value> parts;
  auto isPart = [&](Operation &op) {
    Value whole = partStart(op) ? withoutReshapes(op.getOperand(0)) : Value();
    return whole && (isa<BlockArgument>(whole) || parts.contains(whole));
  };
  for (Operation &op : body.without_terminator()) {
    if (auto launch = dyn_cast<LaunchOp>(op)) {
      if (!launch->hasAttr("offsets"))
        return launch.emitOpError() << "has no place for its results; run weft-plan-memory first";
      steps.push_back(LaunchStep{launch, symbols.lookup<KernelOp>(launch.getKernel())});
    } else if (auto prepare = dyn_cast<PrepareOp>(op)) {
      steps.push_back(PrepareStep{prepare});
    } else if (isPart(op)) {
      parts.insert(op.getResult(0));
    } else if (!isa<ConstantOp, ReshapeOp, ub::PoisonOp>(op)) {
      return op.emitOpError() << "is not in a kernel; run weft-fuse first";
    }
  }
  llvm::DenseSet<Value> written;
  for (auto [number, value] : llvm::enumerate(body.getTerminator()->getOperands())) {
    Value storage = withoutReshapes(value);
    if (parts.contains(storage))
      return storage.getDefiningOp()->emitOpError()
             << "is returned, so that a kernel has to copy it; run weft-fuse first";
    if (!storage.getDefiningOp<LaunchOp>() || !written.insert(storage).second)
      steps.push_back(CopyStep{storage, static_cast<unsigned>(number)});
  }
  return steps;
}

} // namespace weft

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

bool isWritten(Value storage) {
  Operation *definition = storage.getDefiningOp();
  return definition && definition->hasTrait<trait::PlannedStep>();
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
    if (op.hasTrait<trait::PlannedStep>() && !op.hasAttr("offsets"))
      return op.emitOpError() << "has no place for its results; run weft-plan-memory first";
    if (auto launch = dyn_cast<LaunchOp>(op)) {
      steps.push_back(LaunchStep{launch, symbols.lookup<KernelOp>(launch.getKernel())});
    } else if (auto prepare = dyn_cast<PrepareOp>(op)) {
      steps.push_back(PrepareStep{prepare});
    } else if (auto loop = dyn_cast<LoopOp>(op)) {
      steps.push_back(LoopStep{loop});
    } else if (auto branch = dyn_cast<BranchOp>(op)) {
      steps.push_back(BranchStep{branch});
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
    if (!isWritten(storage) || !written.insert(storage).second)
      steps.push_back(CopyStep{storage, static_cast<unsigned>(number)});
  }
  return steps;
}

} // namespace weft

// Replaces composites by their definitions.
#include "passes/simplify/Decompose.h"
#include "passes/Passes.h"
#include "passes/templates/Template.h"

using namespace mlir;

namespace weft {
#define GEN_PASS_DEF_DECOMPOSE
#include "passes/Passes.h.inc"

/// Walks the definitions too: they may contain composites.
static LogicalResult decomposeIn(Block &block, llvm::function_ref<bool(Operation *)> keeps) {
  for (Operation *op = block.empty() ? nullptr : &block.front(); op;) {
    if (!hasDefinition(op) || keeps(op)) {
      op = op->getNextNode();
      continue;
    }
    Operation *previous = op->getPrevNode();
    OpBuilder builder(op);
    SmallVector<Value> definition = buildDefinition(op, builder);
    if (definition.empty())
      return failure();
    op->replaceAllUsesWith(definition);
    op->erase();
    op = previous ? previous->getNextNode() : &block.front();
  }
  return success();
}

LogicalResult decompose(ModuleOp module, llvm::function_ref<bool(Operation *)> keeps) {
  WalkResult walk = module->walk([keeps](Block *block) {
    return failed(decomposeIn(*block, keeps)) ? WalkResult::interrupt() : WalkResult::advance();
  });
  return failure(walk.wasInterrupted());
}

namespace {

struct Decompose : impl::DecomposeBase<Decompose> {
  using DecomposeBase::DecomposeBase;

  void runOnOperation() override {
    auto keeps = [this](Operation *op) {
      return keepsKernels && isa<DecompositionOpInterface>(op) && templateClaiming(op);
    };
    if (failed(decompose(getOperation(), keeps)))
      signalPassFailure();
  }
};

} // namespace
} // namespace weft

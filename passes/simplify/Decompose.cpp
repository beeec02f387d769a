// Replaces composites by their definitions.
#include "passes/Passes.h"
#include "passes/templates/Template.h"

using namespace mlir;

namespace weft {
#define GEN_PASS_DEF_DECOMPOSE
#include "passes/Passes.h.inc"

namespace {

/// Walks the definitions too: they may contain composites.
LogicalResult decomposeIn(Block &block, bool keepsKernels) {
  for (Operation *op = block.empty() ? nullptr : &block.front(); op;) {
    bool isKept = keepsKernels && isa<DecompositionOpInterface>(op) && templateClaiming(op);
    if (isKept || !hasDefinition(op)) {
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

struct Decompose : impl::DecomposeBase<Decompose> {
  using DecomposeBase::DecomposeBase;

  void runOnOperation() override {
    WalkResult walk = getOperation()->walk([this](Block *block) {
      return failed(decomposeIn(*block, keepsKernels)) ? WalkResult::interrupt()
                                                       : WalkResult::advance();
    });
    if (walk.wasInterrupted())
      signalPassFailure();
  }
};

} // namespace
} // namespace weft

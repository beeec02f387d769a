// Puts the bodies of functions that were kept whole for differentiation in their places.
//
//   %0 = weft.checkpoint with(%x) { ^bb0(%y): %1 = weft.exp %y  weft.yield %1 }
//
// becomes
//
//   %0 = weft.exp %x
#include "passes/Passes.h"

using namespace mlir;

namespace weft {

#define GEN_PASS_DEF_INLINEFUNCTIONS
#include "passes/Passes.h.inc"

namespace {

/// Moves the ops of a body before its op.
void inlineBody(Operation *op, Region &body) {
  Block &block = body.front();
  Operation *yield = block.getTerminator();
  for (auto [argument, operand] : llvm::zip_equal(block.getArguments(), op->getOperands()))
    argument.replaceAllUsesWith(operand);
  op->replaceAllUsesWith(yield->getOperands());
  yield->erase();
  op->getBlock()->getOperations().splice(op->getIterator(), block.getOperations());
  op->erase();
}

struct InlineFunctions : impl::InlineFunctionsBase<InlineFunctions> {
  using InlineFunctionsBase::InlineFunctionsBase;

  void runOnOperation() override {
    // Inner ones first: what is in a rule is inlined there, and goes with the op.
    SmallVector<Operation *> ops;
    getOperation().walk<WalkOrder::PostOrder>([&](Operation *op) {
      if (isa<CheckpointOp, CustomDerivativeOp>(op))
        ops.push_back(op);
    });
    for (Operation *op : ops)
      inlineBody(op, op->getRegion(0));
  }
};

} // namespace
} // namespace weft

// Removes barriers once nothing is merged any more.
//
//   %1 = weft.barrier %0
//   %2 = weft.exp %1             ->   %2 = weft.exp %0
#include "passes/Passes.h"

using namespace mlir;

namespace weft {

#define GEN_PASS_DEF_REMOVEBARRIERS
#include "passes/Passes.h.inc"

namespace {

struct RemoveBarriers : impl::RemoveBarriersBase<RemoveBarriers> {
  using RemoveBarriersBase::RemoveBarriersBase;

  void runOnOperation() override {
    getOperation().walk([](BarrierOp op) {
      op.replaceAllUsesWith(op.getX());
      op.erase();
    });
  }
};

} // namespace
} // namespace weft

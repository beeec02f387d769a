// Removes stop_gradient once all gradients are there: it would copy its operand.
//
//   %1 = weft.stop_gradient %0
//   %2 = weft.exp %1             ->   %2 = weft.exp %0
#include "passes/Passes.h"

using namespace mlir;

namespace weft {

#define GEN_PASS_DEF_REMOVESTOPGRADIENTS
#include "passes/Passes.h.inc"

namespace {

struct RemoveStopGradients : impl::RemoveStopGradientsBase<RemoveStopGradients> {
  using RemoveStopGradientsBase::RemoveStopGradientsBase;

  void runOnOperation() override {
    getOperation().walk([](StopGradientOp op) {
      op.replaceAllUsesWith(op.getX());
      op.erase();
    });
  }
};

} // namespace
} // namespace weft

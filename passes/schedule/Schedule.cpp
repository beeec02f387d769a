// Chooses for each kernel how it runs.
//
//   weft.kernel @k(...) -> ... {                 weft.kernel @k(...) -> ... attributes
//     %0 = weft.matmul ...                 ->        {schedule = #weft.contraction<lanes = 16,
//                                                     rows = 14, columns = 2, ...>} {
//
// The templates choose (passes/templates/Template.h), by what the target is and by the sizes of the
// first launch.
#include "passes/Passes.h"
#include "passes/templates/Template.h"

using namespace mlir;

namespace weft {

#define GEN_PASS_DEF_SCHEDULE
#include "passes/Passes.h.inc"

namespace {

struct Schedule : impl::ScheduleBase<Schedule> {
  using ScheduleBase::ScheduleBase;

  void runOnOperation() override {
    const auto &codegen = CodeGenerationInterface::of(&getContext());
    llvm::DenseMap<StringRef, LaunchOp> launches;
    getOperation().walk([&](LaunchOp launch) { launches.try_emplace(launch.getKernel(), launch); });
    for (KernelOp kernel : getOperation().getOps<KernelOp>()) {
      if (kernel.getScheduleAttr())
        continue;
      auto schedule = codegen.chooseSchedule(target, kernel, launches.lookup(kernel.getSymName()));
      if (failed(schedule))
        return signalPassFailure();
      kernel.setScheduleAttr(*schedule);
    }
  }
};

} // namespace
} // namespace weft

// Chooses for each kernel how it runs.
//
//   weft.kernel @k(...) -> ... {                 weft.kernel @k(...) -> ... attributes
//     %0 = weft.matmul ...                 ->        {schedule = #weft.schedule<kind = contraction,
//                                                     lanes = 16, rows = 14, columns = 2, ...>} {
//
// A schedule holds no sizes but those that pay: the rows of a convolution's tile divide its width.
// Symbolic sizes count as large, and none becomes part of a schedule.
#include "dialects/Weft/IR/TurnedDimension.h"
#include "passes/Passes.h"
#include "passes/schedule/ContractionSchedule.h"
#include "passes/schedule/GpuSchedule.h"

using namespace mlir;

namespace weft {

#define GEN_PASS_DEF_SCHEDULE
#include "passes/Passes.h.inc"

namespace {

/// Elements in a vector, on all targets: the order of a sum depends on it.
constexpr int64_t lanes = 16;

/// Rows of a tile that is turned: what is read along them is some lines of the cache.
constexpr int64_t turnedRows = 64;

struct Schedule : impl::ScheduleBase<Schedule> {
  using ScheduleBase::ScheduleBase;

  void runOnOperation() override {
    llvm::DenseMap<StringRef, LaunchOp> launches;
    getOperation().walk([&](LaunchOp launch) { launches.try_emplace(launch.getKernel(), launch); });
    for (KernelOp kernel : getOperation().getOps<KernelOp>())
      if (!kernel.getScheduleAttr())
        kernel.setScheduleAttr(chooseFor(kernel, launches.lookup(kernel.getSymName())));
  }

private:
  ScheduleAttr chooseFor(KernelOp kernel, LaunchOp launch) {
    return gpu ? chooseGpuSchedule(kernel, launch, warpgroups) : choose(kernel, launch);
  }

  ScheduleAttr choose(KernelOp kernel, LaunchOp launch) {
    for (Operation &op : kernel.getBody().front()) {
      if (auto contraction = dyn_cast<ContractionOpInterface>(op))
        return chooseContractionSchedule(contraction, launch, lanes, {registers, registerBytes});
      if (auto reduction = dyn_cast<ReductionOpInterface>(op)) {
        int64_t rank = cast<RankedTensorType>(op.getOperand(0).getType()).getRank();
        ArrayRef<int64_t> axes = reduction.getReducedAxes();
        bool rows = axes.empty() || axes.back() == rank - 1; // without axes: refused by templates
        return make(rows ? Template::row_reduction : Template::column_reduction);
      }
      if (isa<ScatterOpInterface>(op))
        return make(Template::scatter);
    }
    return make(Template::elementwise, turnedDimension(kernel) ? turnedRows : 0);
  }

  ScheduleAttr make(Template kind, int64_t rows = 0) {
    int64_t grain = kind == Template::elementwise ? 64 * lanes : 1;
    return ScheduleAttr::get(&getContext(), kind, lanes, rows, 0, 0, false, false, 0, 1, false, 0,
                             grain);
  }
};

} // namespace
} // namespace weft

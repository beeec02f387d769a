// Kernels that make updates at indices, one after the other.
#include "codegen/Loops/KernelEmitter.h"
#include "codegen/NVPTX/GpuEmitter.h"
#include "codegen/Templates/KernelTemplate.h"
#include "codegen/Templates/SharedChoices.h"

using namespace mlir;

namespace weft {
namespace {

class Scatter : public KernelTemplate {
public:
  StringRef name() const override { return "scatter"; }
  StringRef reason() const override {
    return "updates are made in order, in a kernel of their own";
  }

  bool claims(Operation *op) const override { return isa<ScatterOpInterface>(op); }
  bool readsMemory() const override { return true; }

  ScheduleAttrInterface choose(KernelOp kernel, LaunchOp, const CpuTarget &) const override {
    return ScatterScheduleAttr::get(kernel.getContext(), cpuLanes);
  }
  ScheduleAttrInterface choose(KernelOp kernel, LaunchOp, const GpuTarget &) const override {
    return ScatterScheduleAttr::get(kernel.getContext(), std::min<int64_t>(gpuLanesOf(kernel), 4));
  }

  LogicalResult verify(KernelOp kernel, const CpuTarget &target) const override {
    return verifyFor(kernel, target, "a processor");
  }
  LogicalResult verify(KernelOp kernel, const GpuTarget &target) const override {
    return verifyFor(kernel, target, "a GPU");
  }

  void emit(KernelEmitter &emitter) const override {
    emitter.setLaneCount(emitter.schedule<ScatterScheduleAttr>().getLanes());
    emitScatter(emitter);
  }
  void emit(GpuEmitter &emitter) const override {
    emitGpuScatter(emitter, emitter.schedule<ScatterScheduleAttr>().getLanes());
  }

private:
  template <typename Target>
  LogicalResult verifyFor(KernelOp kernel, const Target &target, StringRef kind) const {
    auto schedule = dyn_cast<ScatterScheduleAttr>(kernel.getScheduleAttr());
    if (!schedule)
      return refuseSchedule(kernel, kind);
    return success(succeeded(verifySingle(kernel)) &&
                   succeeded(verifyLanes(kernel, schedule.getLanes(), target)));
  }
};

} // namespace

const KernelTemplate &scatterTemplate() {
  static const Scatter instance;
  return instance;
}

} // namespace weft

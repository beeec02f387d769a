// Kernels that sum products: matmul, convolution, the gradient of a convolution's weight, with
// elementwise ops on the result.
#include "codegen/Loops/ContractionSchedule.h"
#include "codegen/Loops/KernelEmitter.h"
#include "codegen/NVPTX/GpuContractionSchedule.h"
#include "codegen/NVPTX/GpuEmitter.h"
#include "codegen/Templates/KernelTemplate.h"
#include "dialects/Weft/IR/ContractionLoops.h"
#include "dialects/Weft/IR/Frames.h"
#include "passes/templates/WorkTerm.h"

using namespace mlir;

namespace weft {
namespace {

class ContractionKernels : public KernelTemplate {
public:
  StringRef name() const override { return "contraction"; }
  StringRef reason() const override {
    return "one contraction with the elementwise ops on its result";
  }

  bool claims(Operation *op) const override { return isa<ContractionOpInterface>(op); }
  bool readsMemory(OpOperand &) const override { return true; }
  bool canLead(Operation *op, const FusionGroup &group) const override {
    return precedesElementwise(op, group) || precedesFrame(op, group);
  }

  WorkTerm operationsOf(Operation *op) const override {
    WorkTerm products{2, {}};
    for (const ContractionLoop &loop : contractionLoops(cast<ContractionOpInterface>(op)))
      llvm::append_range(products.sizes, loop.symbols);
    return products;
  }

  ScheduleAttrInterface choose(KernelOp kernel, LaunchOp launch,
                               const CpuTarget &target) const override {
    return rankContractions(kernel, launch, target).front().schedule;
  }
  SmallVector<ScheduleCandidate> candidates(KernelOp kernel, LaunchOp launch,
                                            const CpuTarget &target) const override {
    return rankContractions(kernel, launch, target);
  }
  ScheduleAttrInterface choose(KernelOp kernel, LaunchOp launch,
                               const GpuTarget &target) const override {
    return chooseGpuContraction(kernel, launch, target);
  }

  LogicalResult verify(KernelOp kernel, const CpuTarget &target) const override {
    auto schedule = dyn_cast<ContractionScheduleAttr>(kernel.getScheduleAttr());
    if (!schedule)
      return refuseSchedule(kernel, "a processor");
    return success(succeeded(verifySingle(kernel)) &&
                   succeeded(verifyLanes(kernel, schedule.getLanes(), target)) &&
                   succeeded(verifyContraction(kernel, schedule)));
  }
  LogicalResult verify(KernelOp kernel, const GpuTarget &) const override {
    if (!isa<BlockContractionScheduleAttr, WarpgroupContractionScheduleAttr>(
            kernel.getScheduleAttr()))
      return refuseSchedule(kernel, "a GPU");
    if (frameOf(kernel))
      return kernel.emitOpError()
             << "has a frame (weft.pad) around its result; on a GPU a kernel of "
                "its own fills it (weft-fuse{stores-in-frames=false})";
    return success(succeeded(verifySingle(kernel)) && succeeded(verifyGpuContraction(kernel)));
  }

  void emit(KernelEmitter &emitter) const override {
    emitter.setLaneCount(emitter.schedule<ContractionScheduleAttr>().getLanes());
    emitContraction(emitter);
  }
  void emit(GpuEmitter &emitter) const override { emitGpuContraction(emitter); }
};

} // namespace

const KernelTemplate &contractionTemplate() {
  static const ContractionKernels instance;
  return instance;
}

} // namespace weft

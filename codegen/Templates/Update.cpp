// Kernels that copy a value and change some elements of it.
#include "codegen/Loops/KernelEmitter.h"
#include "codegen/NVPTX/GpuEmitter.h"
#include "codegen/Templates/ScheduledTemplate.h"
#include "codegen/Templates/SharedChoices.h"
#include "passes/fusion/FusionGroup.h"
#include "passes/templates/WorkTerm.h"

using namespace mlir;

namespace weft {
namespace {

/// True if the kernel changes some elements of an argument, and has no other result.
bool isUpdate(KernelOp kernel) {
  auto updates = kernel.getBody().front().getOps<UpdateOpInterface>();
  ValueRange results = kernel.getYield().getValues();
  return !updates.empty() && isa<BlockArgument>((*updates.begin()).getX()) && results.size() == 1 &&
         results[0].getDefiningOp<UpdateOpInterface>();
}

class Update : public ScheduledTemplate<UpdateScheduleAttr> {
public:
  StringRef name() const override { return "update"; }
  StringRef reason() const override { return "some elements of a tensor are changed in memory"; }

  bool claims(Operation *op) const override { return isa<UpdateOpInterface>(op); }
  /// What is put in the place of other elements may be computed there.
  bool readsMemory(OpOperand &operand) const override {
    auto op = cast<UpdateOpInterface>(operand.getOwner());
    return &op.getUpdatesMutable() != &operand;
  }

  void lead(Operation *op, FusionGroup &group) const override {
    group.kind = this;
    Value updates = cast<UpdateOpInterface>(op).getUpdates();
    ArrayRef<int64_t> shape = cast<RankedTensorType>(updates.getType()).getShape();
    group.domain.assign(shape.begin(), shape.end());
    group.axes.clear();
  }

  bool canYield(ArrayRef<int64_t>, const FusionGroup &) const override { return false; }

  WorkTerm operationsOf(Operation *op) const override {
    return elementsOf(cast<UpdateOpInterface>(op).getUpdates());
  }

  ScheduleAttrInterface choose(KernelOp kernel, LaunchOp, const CpuTarget &target) const override {
    return UpdateScheduleAttr::get(kernel.getContext(), independentLanes(target));
  }
  ScheduleAttrInterface choose(KernelOp kernel, LaunchOp, const GpuTarget &) const override {
    return UpdateScheduleAttr::get(kernel.getContext(), std::min<int64_t>(gpuLanesOf(kernel), 4));
  }

  void emit(KernelEmitter &emitter) const override {
    emitter.setLaneCount(emitter.schedule<UpdateScheduleAttr>().getLanes());
    emitUpdate(emitter);
  }
  void emit(GpuEmitter &emitter) const override {
    emitGpuUpdate(emitter, emitter.schedule<UpdateScheduleAttr>().getLanes());
  }

private:
  LogicalResult verifySchedule(KernelOp kernel, UpdateScheduleAttr) const override {
    if (!isUpdate(kernel))
      return kernel.emitOpError() << "is no update: it changes some elements of an argument, which "
                                     "are read from memory, and has no other result";
    return verifySingle(kernel);
  }
};

} // namespace

const KernelTemplate &updateTemplate() {
  static const Update instance;
  return instance;
}

} // namespace weft

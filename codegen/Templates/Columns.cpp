// Kernels with a reduction along outer dimensions, and what surrounds it.
#include "codegen/Loops/KernelEmitter.h"
#include "codegen/NVPTX/GpuEmitter.h"
#include "codegen/Templates/ScheduledTemplate.h"
#include "codegen/Templates/SharedChoices.h"
#include "passes/fusion/FusionGroup.h"
#include "passes/templates/WorkTerm.h"

using namespace mlir;

namespace weft {

const KernelTemplate &rowsTemplate();

namespace {

class Columns : public ScheduledTemplate<ColumnsScheduleAttr> {
public:
  StringRef name() const override { return "columns"; }
  StringRef reason() const override {
    return "a reduction along outer dimensions ends where its result is read again";
  }

  bool claims(Operation *op) const override {
    return isa<ReductionOpInterface>(op) && !rowsTemplate().claims(op);
  }

  /// Its readers must work on the reduced elements, one by one.
  bool canLead(Operation *op, const FusionGroup &group) const override {
    return precedesElementwise(op, group);
  }

  void lead(Operation *op, FusionGroup &group) const override {
    group.kind = this;
    ArrayRef<int64_t> axes = cast<ReductionOpInterface>(op).getReducedAxes();
    ArrayRef<int64_t> shape = cast<RankedTensorType>(op->getOperand(0).getType()).getShape();
    group.domain.assign(shape.begin(), shape.end());
    group.axes.assign(axes.begin(), axes.end());
  }

  bool canYield(ArrayRef<int64_t>, const FusionGroup &) const override { return false; }

  WorkTerm operationsOf(Operation *op) const override { return elementsOf(op->getOperand(0)); }

  ScheduleAttrInterface choose(KernelOp kernel, LaunchOp, const CpuTarget &target) const override {
    return ColumnsScheduleAttr::get(kernel.getContext(), independentLanes(target));
  }
  ScheduleAttrInterface choose(KernelOp kernel, LaunchOp, const GpuTarget &) const override {
    // Two accumulators of a position and a value fill the registers sooner.
    return ColumnsScheduleAttr::get(kernel.getContext(), std::min<int64_t>(gpuLanesOf(kernel), 4));
  }

  LogicalResult verifySchedule(KernelOp kernel, ColumnsScheduleAttr) const override {
    if (failed(verifySingle(kernel)))
      return failure();
    auto op = *kernel.getBody().front().getOps<ReductionOpInterface>().begin();
    ArrayRef<int64_t> axes = op.getReducedAxes();
    if (!axes.empty() && axes.back() - axes.front() + 1 == static_cast<int64_t>(axes.size()))
      return success();
    return op.emitOpError() << "reduces no neighbouring dimensions; run weft-prepare first";
  }

  void emit(KernelEmitter &emitter) const override {
    emitter.setLaneCount(emitter.schedule<ColumnsScheduleAttr>().getLanes());
    emitColumnReduction(emitter);
  }
  void emit(GpuEmitter &emitter) const override {
    emitGpuColumnReduction(emitter, emitter.schedule<ColumnsScheduleAttr>().getLanes());
  }
};

} // namespace

const KernelTemplate &columnsTemplate() {
  static const Columns instance;
  return instance;
}

} // namespace weft

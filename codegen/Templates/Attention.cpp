// Kernels of `weft.scaled_dot_product_attention`, with elementwise ops on the result, and a mask
// that is repeated. Devices run its definition.
#include "codegen/Loops/Attention.h"
#include "codegen/NVPTX/GpuEmitter.h"
#include "codegen/Templates/KernelTemplate.h"
#include "passes/fusion/FusionGroup.h"
#include "passes/templates/WorkTerm.h"

using namespace mlir;

namespace weft {
namespace {

class Attention : public KernelTemplate {
public:
  StringRef name() const override { return "attention"; }
  StringRef reason() const override {
    return "attention, block of keys by block of keys, with the elementwise ops on its result";
  }

  bool claims(Operation *op) const override { return isa<ScaledDotProductAttentionOp>(op); }
  /// All but the mask.
  bool readsMemory(OpOperand &operand) const override { return operand.getOperandNumber() != 3; }
  bool canLead(Operation *op, const FusionGroup &group) const override {
    return precedesElementwise(op, group);
  }

  /// Two products, of the depth of a head, as if its values were as wide.
  WorkTerm operationsOf(Operation *op) const override {
    WorkTerm products{4, {}};
    llvm::append_range(products.sizes, symbolsOf(op->getOperand(0).getType()));
    ArrayRef<int64_t> keys = symbolsOf(op->getOperand(1).getType());
    products.sizes.push_back(keys[keys.size() - 2]);
    return products;
  }

  ScheduleAttrInterface choose(KernelOp kernel, LaunchOp launch,
                               const CpuTarget &target) const override {
    return chooseAttentionSchedule(kernel, launch, target, cpuLanes);
  }
  ScheduleAttrInterface choose(KernelOp kernel, LaunchOp, const GpuTarget &) const override {
    kernel.emitOpError() << "is of attention, which runs on a GPU by its definition; run "
                            "weft-decompose first";
    return {};
  }

  LogicalResult verify(KernelOp kernel, const CpuTarget &target) const override {
    auto schedule = dyn_cast<AttentionScheduleAttr>(kernel.getScheduleAttr());
    if (!schedule)
      return refuseSchedule(kernel, "a processor");
    return success(succeeded(verifySingle(kernel)) &&
                   succeeded(verifyLanes(kernel, schedule.getLanes(), target)) &&
                   succeeded(verifyAttentionSchedule(kernel, schedule)));
  }
  LogicalResult verify(KernelOp kernel, const GpuTarget &) const override {
    return refuseSchedule(kernel, "a GPU");
  }

  void emit(KernelEmitter &emitter) const override { emitAttention(emitter); }
  void emit(GpuEmitter &) const override { llvm_unreachable("no schedule for a GPU is verified"); }
};

} // namespace

const KernelTemplate &attentionTemplate() {
  static const Attention instance;
  return instance;
}

} // namespace weft

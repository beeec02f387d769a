// What the templates share.
#include "codegen/Templates/KernelTemplate.h"
#include "codegen/CPU/CpuTarget.h"

using namespace mlir;

namespace weft {

/// Beyond these no processor is faster, and the code, in which they are unrolled, grows without
/// bound.
static constexpr int64_t mostCpuLanes = 64;
/// A GPU's thread has at most 16 bytes of each buffer.
static constexpr int64_t mostGpuLanes = 8;

LogicalResult KernelTemplate::refuseSchedule(KernelOp kernel, StringRef kind) const {
  return kernel.emitOpError() << "has the schedule " << kernel.getScheduleAttr()
                              << ", which is none of the template " << name() << " on " << kind
                              << "; without a schedule, weft-schedule chooses one";
}

int64_t KernelTemplate::independentLanes(const CpuTarget &target) {
  return target.hasVectors() ? cpuLanes : 1;
}

LogicalResult KernelTemplate::verifyLanes(KernelOp kernel, int64_t lanes, const CpuTarget &) {
  if (lanes >= 1 && lanes <= mostCpuLanes && llvm::isPowerOf2_64(lanes))
    return success();
  return kernel.emitOpError() << "has a schedule of " << lanes
                              << " lanes; they must be a power of 2, at most " << mostCpuLanes;
}

LogicalResult KernelTemplate::verifyLanes(KernelOp kernel, int64_t lanes, const GpuTarget &) {
  if (lanes >= 1 && lanes <= mostGpuLanes && llvm::isPowerOf2_64(lanes))
    return success();
  return kernel.emitOpError() << "has a schedule of " << lanes
                              << " lanes; for a GPU they must be a power of 2, at most "
                              << mostGpuLanes;
}

LogicalResult KernelTemplate::verifySingle(KernelOp kernel) const {
  Operation *leading = nullptr;
  for (Operation &op : kernel.getBody().front().without_terminator()) {
    if (!claims(&op))
      continue;
    if (leading)
      return op.emitOpError() << "is the second of its kind in the kernel: the template " << name()
                              << " computes one";
    leading = &op;
  }
  return success();
}

const KernelTemplate *kernelTemplateOf(KernelOp kernel) {
  const Template *kind = templateOf(kernel);
  for (const KernelTemplate *known : kernelTemplates())
    if (known == kind)
      return known;
  return nullptr;
}

} // namespace weft

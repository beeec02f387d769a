// Replaces scheduled kernels by functions of loops for a GPU.
//
//   weft.kernel @k(%x: tensor<?xf32, ...>) -> ... attributes {schedule = ...} {
//     %0 = weft.exp %x : ...
//     weft.yield %0 : ...
//   }
// becomes
//   func.func @k_0(%x: !llvm.ptr, %result: !llvm.ptr, %size: i64, %tasks: i64)
//       attributes {weft.threads = 256, weft.shared_bytes = 0} { ... }
//   func.func @k_setup(%sizes: !llvm.ptr, %result: !llvm.ptr) ...
#include "codegen/Loops/ReplaceKernels.h"
#include "codegen/NVPTX/GpuEmitter.h"
#include "codegen/Passes.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "passes/schedule/GpuSchedule.h"

using namespace mlir;

namespace weft {

#define GEN_PASS_DEF_EMITGPULOOPS
#include "codegen/Passes.h.inc"

/// A schedule whose steps are those of warpgroups.
static LogicalResult checkWarpgroups(KernelOp kernel, ContractionOpInterface op) {
  ScheduleAttr schedule = kernel.getScheduleAttr();
  if (schedule.getRows() != warpgroupTileRows ||
      (schedule.getColumns() != 128 && schedule.getColumns() != 256))
    return kernel.emitOpError() << "has a schedule for warpgroups, of depth " << warpgroupTileDepth
                                << ", with a tile of " << schedule.getRows() << " rows and "
                                << schedule.getColumns()
                                << " columns; theirs are 128 by 128 or 128 by 256";
  if (!suitsWarpgroups(op))
    return op->emitOpError() << "can't be computed by warpgroups, whose operands are float16 or "
                                "bfloat16 matrices in memory, read along their rows or columns; "
                                "without a schedule, weft-schedule chooses one";
  return success();
}

static LogicalResult checkContraction(KernelOp kernel) {
  ScheduleAttr schedule = kernel.getScheduleAttr();
  int64_t tile = schedule.getRows(), depth = schedule.getDepth();
  auto op = *kernel.getBody().front().getOps<ContractionOpInterface>().begin();
  if (depth == warpgroupTileDepth)
    return checkWarpgroups(kernel, op);
  Type element = getElementTypeOrSelf(op->getOperand(0));
  int64_t wanted = element.isF16() || element.isBF16() ? 32 : 16;
  if ((tile != 64 && tile != 128) || schedule.getColumns() != tile || depth != wanted)
    return kernel.emitOpError() << "has a schedule with a tile of " << tile << " rows, "
                                << schedule.getColumns() << " columns and depth " << depth
                                << "; a GPU's are 64 by 64 or 128 by 128, of depth " << wanted
                                << " for " << element;
  for (auto [number, operand] : llvm::enumerate(op->getOperands()))
    if (!isa<BlockArgument>(operand))
      return op->emitOpError() << "reads operand " << number
                               << " from within its kernel, but a GPU's template reads operands "
                                  "from memory; compute it in a kernel of its own";
  return success();
}

/// A schedule for a processor has vectors of 16; here a thread has at most 16 bytes of each buffer.
static LogicalResult checkGpuSchedule(KernelOp kernel) {
  constexpr int64_t mostInTile = 256;
  if (failed(checkSchedule(kernel, mostInTile)))
    return failure();
  ScheduleAttr schedule = kernel.getScheduleAttr();
  if (schedule.getLanes() > 8)
    return kernel.emitOpError() << "has a schedule of " << schedule.getLanes()
                                << " lanes, which is for a processor: a GPU's thread has at most "
                                   "8; weft-schedule{gpu} chooses one";
  if (schedule.getKind() == Template::elementwise && schedule.getGrain() % schedule.getLanes() != 0)
    return kernel.emitOpError() << "has a schedule of grain " << schedule.getGrain()
                                << ", which is no multiple of its " << schedule.getLanes()
                                << " lanes";
  if (schedule.getKind() == Template::contraction)
    return checkContraction(kernel);
  return success();
}

LogicalResult emitGpuKernel(KernelOp kernel, ModuleOp module) {
  if (failed(checkGpuSchedule(kernel)))
    return failure();
  GpuEmitter emitter(kernel, OpBuilder::atBlockEnd(module.getBody()));
  ScheduleAttr schedule = emitter.getSchedule();
  switch (schedule.getKind()) {
  case Template::elementwise:
    schedule.getRows() == 0 ? emitGpuElementwise(emitter) : emitGpuTransposition(emitter);
    break;
  case Template::row_reduction:
    emitGpuRowReduction(emitter);
    break;
  case Template::column_reduction:
    emitGpuColumnReduction(emitter);
    break;
  case Template::contraction:
    emitGpuContraction(emitter);
    break;
  case Template::update:
    emitGpuUpdate(emitter);
    break;
  }
  return emitter.finish();
}

namespace {

struct EmitGpuLoops : impl::EmitGpuLoopsBase<EmitGpuLoops> {
  using EmitGpuLoopsBase::EmitGpuLoopsBase;

  void runOnOperation() override {
    if (failed(replaceKernels(getOperation(), emitGpuKernel)))
      signalPassFailure();
  }
};

} // namespace
} // namespace weft

// Replaces scheduled kernels by functions of loops over vectors.
//
//   weft.kernel @k(%x: tensor<?xf32, ...>) -> ... attributes {schedule = ...} {
//     %0 = weft.exp %x : ...
//     weft.yield %0 : ...
//   }
// becomes
//   func.func @k_0(%buffers: !llvm.ptr, %sizes: !llvm.ptr, %begin: i64, %end: i64) { scf.for ... }
//   func.func @k_setup(%sizes: !llvm.ptr, %result: !llvm.ptr) ...
//
// Functions on tensors launch kernels and are the plan, which was read before: they are removed.
#include "codegen/Loops/KernelEmitter.h"
#include "codegen/Loops/ReplaceKernels.h"
#include "codegen/Passes.h"

using namespace mlir;

namespace weft {

#define GEN_PASS_DEF_EMITLOOPS
#include "codegen/Passes.h.inc"

/// True if the kernel changes some elements of an argument, and has no other result.
static bool isUpdate(KernelOp kernel) {
  auto updates = kernel.getBody().front().getOps<UpdateOpInterface>();
  ValueRange results = kernel.getYield().getValues();
  return llvm::hasSingleElement(updates) && isa<BlockArgument>((*updates.begin()).getX()) &&
         results.size() == 1 && results[0].getDefiningOp<UpdateOpInterface>();
}

/// True if the template has what it is built around in `kernel`, and nothing that it can't do.
static bool fits(Template kind, KernelOp kernel) {
  bool hasRows = false, hasColumns = false, hasContraction = false, hasUpdate = false;
  for (Operation &op : kernel.getBody().front().without_terminator()) {
    if (auto reduction = dyn_cast<ReductionOpInterface>(op)) {
      ArrayRef<int64_t> axes = reduction.getReducedAxes();
      if (axes.empty())
        return false;
      int64_t last = symbolsOf(op.getOperand(0).getType()).size() - 1;
      (axes.back() == last ? hasRows : hasColumns) = true;
    } else if (isa<ContractionOpInterface>(op)) {
      hasContraction = true;
    } else if (!isa<ElementwiseOpInterface, IndexedOpInterface>(op)) {
      hasUpdate = true;
    }
  }
  return hasRows == (kind == Template::row_reduction) &&
         hasColumns == (kind == Template::column_reduction) &&
         hasContraction == (kind == Template::contraction) &&
         hasUpdate == (kind == Template::update) && (!hasUpdate || isUpdate(kernel));
}

/// Beyond these no processor is faster, and the code, in which they are unrolled, grows without
/// bound.
constexpr int64_t mostLanes = 64;

LogicalResult checkSchedule(KernelOp kernel, int64_t mostInTile) {
  ScheduleAttr schedule = kernel.getScheduleAttr();
  if (!schedule)
    return kernel.emitOpError() << "has no schedule; run weft-schedule first";
  if (!fits(schedule.getKind(), kernel))
    return kernel.emitOpError()
           << "does not fit the template " << stringifyTemplate(schedule.getKind())
           << " of its schedule; without a schedule, weft-schedule chooses one";
  if (schedule.getLanes() < 1 || schedule.getLanes() > mostLanes ||
      !llvm::isPowerOf2_64(schedule.getLanes()))
    return kernel.emitOpError() << "has a schedule of " << schedule.getLanes()
                                << " lanes; they must be a power of 2, at most " << mostLanes;
  if (schedule.getGrain() < 1)
    return kernel.emitOpError() << "has a schedule of grain " << schedule.getGrain()
                                << "; it must be at least 1";
  bool needsTile = schedule.getKind() == Template::contraction;
  if (needsTile && (schedule.getRows() < 1 || schedule.getColumns() < 1 || schedule.getDepth() < 0))
    return kernel.emitOpError() << "has a schedule with a tile of " << schedule.getRows()
                                << " rows, " << schedule.getColumns() << " columns and depth "
                                << schedule.getDepth()
                                << "; rows and columns must be at least 1, the depth at least 0";
  if (needsTile && (schedule.getRows() > mostInTile || schedule.getColumns() > mostInTile))
    return kernel.emitOpError() << "has a schedule with a tile of " << schedule.getRows()
                                << " rows and " << schedule.getColumns()
                                << " columns, which are unrolled; there must be at most "
                                << mostInTile << " of each";
  return success();
}

LogicalResult emitKernel(KernelOp kernel, ModuleOp module) {
  if (failed(checkSchedule(kernel)))
    return failure();
  KernelEmitter emitter(kernel, OpBuilder::atBlockEnd(module.getBody()));
  switch (emitter.getSchedule().getKind()) {
  case Template::elementwise:
    emitElementwise(emitter);
    break;
  case Template::row_reduction:
    emitRowReduction(emitter);
    break;
  case Template::column_reduction:
    emitColumnReduction(emitter);
    break;
  case Template::contraction:
    emitContraction(emitter);
    break;
  case Template::update:
    emitUpdate(emitter);
    break;
  }
  return emitter.finish();
}

bool isOnTensors(func::FuncOp function) {
  auto isTensor = llvm::IsaPred<TensorType>;
  return !function.getOps<LaunchOp>().empty() ||
         llvm::any_of(function.getArgumentTypes(), isTensor) ||
         llvm::any_of(function.getResultTypes(), isTensor);
}

namespace {

struct EmitLoops : impl::EmitLoopsBase<EmitLoops> {
  using EmitLoopsBase::EmitLoopsBase;

  void runOnOperation() override {
    if (failed(replaceKernels(getOperation(), emitKernel)))
      signalPassFailure();
  }
};

} // namespace
} // namespace weft

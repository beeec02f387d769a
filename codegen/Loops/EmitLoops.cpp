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
#include "codegen/Passes.h"

using namespace mlir;

namespace weft {

#define GEN_PASS_DEF_EMITLOOPS
#include "codegen/Passes.h.inc"

LogicalResult emitKernel(KernelOp kernel, ModuleOp module) {
  if (!kernel.getScheduleAttr())
    return kernel.emitOpError() << "has no schedule; run weft-schedule first";
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
  case Template::scatter:
    emitScatter(emitter);
    break;
  }
  emitter.finish();
  return success();
}

namespace {

bool isOnTensors(func::FuncOp function) {
  auto isTensor = llvm::IsaPred<TensorType>;
  return !function.getOps<LaunchOp>().empty() ||
         llvm::any_of(function.getArgumentTypes(), isTensor) ||
         llvm::any_of(function.getResultTypes(), isTensor);
}

struct EmitLoops : impl::EmitLoopsBase<EmitLoops> {
  using EmitLoopsBase::EmitLoopsBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    for (auto function : llvm::make_early_inc_range(module.getOps<func::FuncOp>()))
      if (isOnTensors(function))
        function.erase();
    for (KernelOp kernel : llvm::to_vector(module.getOps<KernelOp>())) {
      if (failed(emitKernel(kernel, module)))
        return signalPassFailure();
      kernel.erase();
    }
  }
};

} // namespace
} // namespace weft

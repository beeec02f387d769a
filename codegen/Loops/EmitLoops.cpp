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
#include "codegen/Target.h"
#include "codegen/Templates/KernelTemplate.h"

using namespace mlir;

namespace weft {

#define GEN_PASS_DEF_EMITLOOPS
#include "codegen/Passes.h.inc"

bool isOnTensors(func::FuncOp function) {
  auto isTensor = llvm::IsaPred<TensorType>;
  return !function.getOps<LaunchOp>().empty() ||
         llvm::any_of(function.getArgumentTypes(), isTensor) ||
         llvm::any_of(function.getResultTypes(), isTensor);
}

LogicalResult emitKernel(KernelOp kernel, const Target &target, ModuleOp module) {
  if (!kernel.getScheduleAttr())
    return kernel.emitOpError() << "has no schedule; run weft-schedule first";
  const KernelTemplate *kind = kernelTemplateOf(kernel);
  if (!kind)
    return kernel.emitOpError() << "has ops of two kinds of kernels, or of none";
  return target.emit(*kind, kernel, module);
}

namespace {

struct EmitLoops : impl::EmitLoopsBase<EmitLoops> {
  using EmitLoopsBase::EmitLoopsBase;

  void runOnOperation() override {
    if (failed(emit()))
      signalPassFailure();
  }

private:
  LogicalResult emit() {
    ModuleOp module = getOperation();
    const Target *found = Target::byName(target);
    if (!found)
      return module.emitOpError() << "can't be compiled for the target " << target
                                  << ", which there is not; there are " << Target::names();
    for (auto function : llvm::make_early_inc_range(module.getOps<func::FuncOp>()))
      if (isOnTensors(function))
        function.erase();
    for (KernelOp kernel : llvm::to_vector(module.getOps<KernelOp>())) {
      if (failed(emitKernel(kernel, *found, module)))
        return failure();
      kernel.erase();
    }
    return success();
  }
};

} // namespace
} // namespace weft

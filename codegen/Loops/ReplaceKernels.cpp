#include "codegen/Loops/ReplaceKernels.h"
#include "codegen/Loops/KernelEmitter.h"

using namespace mlir;

namespace weft {

LogicalResult replaceKernels(ModuleOp module,
                             function_ref<LogicalResult(KernelOp, ModuleOp)> emit) {
  for (auto function : llvm::make_early_inc_range(module.getOps<func::FuncOp>()))
    if (isOnTensors(function))
      function.erase();
  for (KernelOp kernel : llvm::to_vector(module.getOps<KernelOp>())) {
    if (failed(emit(kernel, module)))
      return failure();
    kernel.erase();
  }
  return success();
}

} // namespace weft

// What the passes that emit loops have in common.
#pragma once

#include "dialects/Weft/IR/Weft.h"
#include "mlir/IR/BuiltinOps.h"

namespace weft {

/// Replaces each kernel of `module` by what `emit` makes of it there, and removes the functions on
/// tensors: the plan, which has no loops. Fails as soon as `emit` does.
llvm::LogicalResult
replaceKernels(mlir::ModuleOp module,
               llvm::function_ref<llvm::LogicalResult(KernelOp, mlir::ModuleOp)> emit);

} // namespace weft

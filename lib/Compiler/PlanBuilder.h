// From a planned function and the code of its kernels to a plan.
#pragma once

#include "dialects/Weft/IR/Weft.h"
#include "lib/Compiler/Compiler.h"
#include "lib/Compiler/KernelCode.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringMap.h"

namespace weft {

using KernelCodeByName = llvm::StringMap<std::shared_ptr<const KernelCode>>;

/// Builds the plan of `function`, whose launches have offsets in the arena (weft-plan-memory). The
/// code is for `device`, or for this processor if it is null. With `prepares`, stages of kernels
/// that read hidden inputs alone become prepare steps.
Executable buildPlan(mlir::func::FuncOp function, const KernelCodeByName &code,
                     Device *device = nullptr, bool prepares = false);

} // namespace weft

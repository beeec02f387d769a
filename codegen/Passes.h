// The passes of code generation, one file each. `weft-expand-math` is declared in
// Loops/ExpandMath.h.
#pragma once

#include "codegen/Loops/ExpandMath.h"
#include "dialects/Weft/IR/Weft.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Pass/Pass.h"

namespace weft {

class Target;

/// Emits the functions of one scheduled kernel at the end of `module`.
llvm::LogicalResult emitKernel(KernelOp kernel, const Target &target, mlir::ModuleOp module);

/// Lowers all functions of `module`, those for a GPU among them, to the LLVM and NVVM dialects.
llvm::LogicalResult lowerToNVVM(mlir::ModuleOp module);

/// Lowers all functions of `module` to the LLVM dialect.
llvm::LogicalResult lowerToLLVM(mlir::ModuleOp module);

#define GEN_PASS_DECL
#include "codegen/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "codegen/Passes.h.inc"

} // namespace weft

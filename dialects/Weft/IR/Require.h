// What a program refuses as it runs: the class of RequireOps.td, and what functions say of it.
// Included by those who know of it alone.
#pragma once

#include "dialects/Weft/IR/Weft.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

#define GET_OP_CLASSES
#include "dialects/Weft/IR/RequireOps.h.inc"

namespace weft {

/// A size, symbolic or known, that may not be negative, and the error if it is; without a size it
/// is an error in any case.
struct Requirement {
  std::optional<int64_t> size;
  llvm::StringRef error;
};

/// What has to hold where the function is run, in the order of its ops (`weft.required`). Whoever
/// runs it asks: a function of a branch is not run in each call.
llvm::SmallVector<Requirement> requirementsOf(mlir::func::FuncOp function);

/// Makes attributes of the function of what its own ops require.
void collectRequirements(mlir::func::FuncOp function);

} // namespace weft

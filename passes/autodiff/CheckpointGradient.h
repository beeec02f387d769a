// Gradients of checkpoints: what is kept of them, and what is computed again.
#pragma once

#include "dialects/Weft/IR/Weft.h"
#include "passes/autodiff/Pullback.h"

namespace weft {

/// The gradient of a checkpoint (see buildControlFlowGradient). One that keeps values is built anew
/// behind the op, with more results, and used in its place; `replaced` gets the results of both.
llvm::LogicalResult buildCheckpointGradient(mlir::OpBuilder &builder, CheckpointOp op,
                                            llvm::ArrayRef<mlir::Value> cotangents,
                                            llvm::ArrayRef<bool> wanted,
                                            llvm::MutableArrayRef<mlir::Value> gradients,
                                            llvm::DenseMap<mlir::Value, mlir::Value> &replaced,
                                            BuildGradients buildGradients);

} // namespace weft

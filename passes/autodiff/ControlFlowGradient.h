// Gradients of control flow: the backward pass of a loop is a loop, that of a branch a branch.
#pragma once

#include "dialects/Weft/IR/Weft.h"

namespace weft {

/// Builds gradients of values of one block (buildGradients).
using BuildGradients = llvm::function_ref<llvm::FailureOr<llvm::SmallVector<mlir::Value>>(
    mlir::OpBuilder &builder, llvm::ArrayRef<mlir::Value> outputs,
    llvm::ArrayRef<mlir::Value> cotangents, llvm::ArrayRef<mlir::Value> inputs)>;

/// Builds the gradients of an op with regions for the operands that are `wanted`, where `builder`
/// is; as GradientOpInterface::buildGradient. Null cotangents are zero, and so are null gradients.
/// Fails after an error was emitted.
///
/// A loop that keeps values for its backward pass is built anew behind the op, with more results,
/// and used in its place; `replaced` gets the results of both.
llvm::LogicalResult buildControlFlowGradient(mlir::OpBuilder &builder, mlir::Operation *op,
                                             llvm::ArrayRef<mlir::Value> cotangents,
                                             llvm::ArrayRef<bool> wanted,
                                             llvm::MutableArrayRef<mlir::Value> gradients,
                                             llvm::DenseMap<mlir::Value, mlir::Value> &replaced,
                                             BuildGradients buildGradients);

} // namespace weft

// Gradients of control flow: the backward pass of a loop is a loop, that of a branch a branch.
#pragma once

#include "dialects/Weft/IR/ElementTypes.h"
#include "dialects/Weft/IR/Weft.h"
#include "passes/autodiff/Pullback.h"

namespace weft {

/// Builds the gradients of an op with regions for the operands that are `wanted`, where `builder`
/// is; as GradientOpInterface::buildGradient. Null cotangents are zero, and so are null gradients.
/// Fails after an error was emitted.
///
/// A loop that keeps values for its backward pass is built anew behind the op, with more results,
/// and used in its place; `replaced` gets the results of both. A custom_derivative of two passes
/// gets the mark `pulledBackName`.
llvm::LogicalResult buildControlFlowGradient(mlir::OpBuilder &builder, mlir::Operation *op,
                                             llvm::ArrayRef<mlir::Value> cotangents,
                                             llvm::ArrayRef<bool> wanted,
                                             llvm::MutableArrayRef<mlir::Value> gradients,
                                             llvm::DenseMap<mlir::Value, mlir::Value> &replaced,
                                             BuildGradients buildGradients);

/// What the rule along tangents takes: inputs, tangents of the floating ones, what is captured.
llvm::SmallVector<mlir::Value> takenAlong(CustomDerivativeOp op,
                                          llvm::ArrayRef<mlir::Value> tangents);

/// Fails, with an error, if the op has no rule, or none for what is captured and has a derivative;
/// `active` has a flag for each operand.
llvm::LogicalResult requireRule(CustomDerivativeOp op, llvm::ArrayRef<bool> active);

} // namespace weft

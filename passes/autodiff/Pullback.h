// The gradients of one op as a linear function of cotangents, and transposes of such functions.
#pragma once

#include "mlir/IR/Builders.h"
#include "llvm/ADT/SmallVector.h"

namespace weft {

/// Builds gradients of values of one block (buildGradients).
using BuildGradients = llvm::function_ref<llvm::FailureOr<llvm::SmallVector<mlir::Value>>(
    mlir::OpBuilder &builder, llvm::ArrayRef<mlir::Value> outputs,
    llvm::ArrayRef<mlir::Value> cotangents, llvm::ArrayRef<mlir::Value> inputs)>;

/// The gradients of one op that has a GradientOpInterface, where `builder` is: null where they are
/// zero or not `wanted`. A null cotangent means that the result does not matter.
llvm::SmallVector<mlir::Value> buildPullback(mlir::OpBuilder &builder, mlir::Operation *op,
                                             llvm::ArrayRef<mlir::Value> cotangents,
                                             llvm::ArrayRef<bool> wanted);

/// Builds a function that is linear in its inputs; null results are zero.
using LinearFunction = llvm::function_ref<llvm::SmallVector<mlir::Value>(
    mlir::OpBuilder &builder, llvm::ArrayRef<mlir::Value> inputs)>;

/// The transpose of a linear function of inputs of these types, applied to `cotangents` of its
/// results (null counts as zero), where `builder` is; null where it is zero. `op` is named in
/// errors.
llvm::FailureOr<llvm::SmallVector<mlir::Value>>
buildTransposed(mlir::OpBuilder &builder, mlir::Operation *op, mlir::TypeRange types,
                LinearFunction build, llvm::ArrayRef<mlir::Value> cotangents,
                BuildGradients buildGradients);

/// Fails, with an error, if the shape of an operand or result is not known.
llvm::LogicalResult requireStaticShapes(mlir::Operation *op);

} // namespace weft

// Reverse-mode differentiation of tensor values.
#pragma once

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SmallVector.h"

namespace weft {

/// The gradients of `outputs`, weighted with `cotangents` (of the same types; null counts as zero),
/// for `inputs`: any values that the outputs may depend on. Null where the gradient is zero. Fails
/// after an error was emitted at the op that can't be differentiated.
///
/// The gradients are built by the ops' GradientOpInterface at the end of the block that contains
/// the outputs, before its terminator if it has one; `builder` is left there. Composites without a
/// rule are differentiated by their definitions, which are built before them. No op is changed or
/// erased; but loops of which more values are needed get another one beside them, whose results
/// are used in place of theirs, and named by `replaced`.
llvm::FailureOr<llvm::SmallVector<mlir::Value>>
buildGradients(mlir::OpBuilder &builder, llvm::ArrayRef<mlir::Value> outputs,
               llvm::ArrayRef<mlir::Value> cotangents, llvm::ArrayRef<mlir::Value> inputs,
               llvm::DenseMap<mlir::Value, mlir::Value> *replaced = nullptr);

/// The arguments of a function of one block that its attribute `requestName` lists by their
/// numbers: floating tensors of static shape. Fails after an error.
llvm::FailureOr<llvm::SmallVector<mlir::Value>> requestedArguments(mlir::func::FuncOp function,
                                                                   llvm::StringRef requestName);

} // namespace weft

// Derivatives as functions of their own: along tangents, and the transposes of linear ones.
#pragma once

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/ADT/SmallVector.h"

namespace weft {

/// A linear function: `main` of a module takes what is kept, then what it is linear in.
struct LinearFunction {
  mlir::OwningOpRef<mlir::ModuleOp> module;
  llvm::SmallVector<mlir::Value> kept;
};

/// The function from tangents of `inputs` to those of `outputs` of one block. What does not depend
/// on tangents is computed in the block, so that the function keeps it; loops are built anew, and
/// `replaced` names the results of both (buildTangents). Fails after an error was emitted, and the
/// block is as it was.
llvm::FailureOr<LinearFunction> buildLinearized(mlir::OpBuilder &builder,
                                                llvm::ArrayRef<mlir::Value> outputs,
                                                llvm::ArrayRef<mlir::Value> inputs,
                                                llvm::DenseMap<mlir::Value, mlir::Value> &replaced);

/// The function from cotangents of `outputs`, which are linear in `inputs`, to those of the inputs.
/// Fails, with an error at the op, if they are not.
llvm::FailureOr<LinearFunction>
buildTransposedFunction(mlir::OpBuilder &builder, llvm::ArrayRef<mlir::Value> outputs,
                        llvm::ArrayRef<mlir::Value> inputs,
                        llvm::DenseMap<mlir::Value, mlir::Value> &replaced);

} // namespace weft

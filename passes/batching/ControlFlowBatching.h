// Control flow of one example, for many.
#pragma once

#include "dialects/Weft/IR/Weft.h"

namespace weft {

/// Batches the values of one block (buildBatched).
using BuildBatched = llvm::function_ref<llvm::FailureOr<llvm::SmallVector<mlir::Value>>(
    mlir::OpBuilder &builder, llvm::ArrayRef<mlir::Value> outputs,
    llvm::ArrayRef<mlir::Value> examples, llvm::ArrayRef<mlir::Value> batches, int64_t count)>;

/// Batches a loop, or a branch whose index is the same for all examples, where `builder` is.
/// `batches` are those of the operands, null for what is the same for all; the result are those of
/// the results. Fails after an error was emitted.
llvm::FailureOr<llvm::SmallVector<mlir::Value>>
buildBatchedControlFlow(mlir::OpBuilder &builder, mlir::Operation *op,
                        llvm::ArrayRef<mlir::Value> batches, int64_t count,
                        BuildBatched buildBatched);

/// The results of a branch by ops without regions: all branches, and a choice between their
/// results. For an index that differs between the examples.
llvm::SmallVector<mlir::Value> buildChoice(mlir::OpBuilder &builder, CaseOp op);

} // namespace weft

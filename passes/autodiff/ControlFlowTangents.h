// Tangents of control flow: regions that carry them along.
#pragma once

#include "dialects/Weft/IR/Weft.h"
#include "passes/ControlFlow.h"

namespace weft {

/// Builds tangents of values of one block (buildTangents).
using BuildTangents = llvm::function_ref<llvm::FailureOr<llvm::SmallVector<mlir::Value>>(
    mlir::OpBuilder &builder, llvm::ArrayRef<mlir::Value> outputs,
    llvm::ArrayRef<mlir::Value> inputs, llvm::ArrayRef<mlir::Value> tangents,
    llvm::DenseMap<mlir::Value, mlir::Value> &replaced)>;

/// The results of an op with regions, and their tangents.
struct ResultsWithTangents {
  /// Empty if the op's own results go on.
  llvm::SmallVector<mlir::Value> results;
  /// Null where the tangent is zero.
  llvm::SmallVector<mlir::Value> tangents;
};

/// Builds an op like `op` that computes tangents too, where `builder` is. `tangents` has one for
/// each operand, null where it is zero. Fails after an error was emitted.
llvm::FailureOr<ResultsWithTangents> buildControlFlowTangents(mlir::OpBuilder &builder,
                                                              mlir::Operation *op,
                                                              llvm::ArrayRef<mlir::Value> tangents,
                                                              BuildTangents buildTangents);

} // namespace weft

// Forward-mode differentiation of tensor values.
#pragma once

#include "mlir/IR/Builders.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SmallVector.h"

namespace weft {

/// The tangents of `outputs` where those of `inputs`, any values that the outputs may depend on,
/// are `tangents` (of the same types; null counts as zero). Null where the tangent is zero. Fails
/// after an error was emitted at the op that can't be differentiated.
///
/// Tangents are built behind the ops that they belong to, and loops are built anew, carrying
/// tangents, and used in place of those that they are of; `replaced` names the results of both. If
/// a tangent is computed behind the first op that depends on an input, all are built at the end of
/// the block that contains the outputs, before its terminator if it has one, and no op is replaced;
/// loops are then computed twice.
llvm::FailureOr<llvm::SmallVector<mlir::Value>>
buildTangents(mlir::OpBuilder &builder, llvm::ArrayRef<mlir::Value> outputs,
              llvm::ArrayRef<mlir::Value> inputs, llvm::ArrayRef<mlir::Value> tangents,
              llvm::DenseMap<mlir::Value, mlir::Value> &replaced);

} // namespace weft

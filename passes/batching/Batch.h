// Batching: from the computation of one example to that of many at once.
#pragma once

#include "mlir/IR/Builders.h"
#include "llvm/ADT/SmallVector.h"

namespace weft {

/// A value that stands for one example of `batch`, which has them along its first dimension.
mlir::Value buildExample(mlir::OpBuilder &builder, mlir::Location location, mlir::Value batch);

/// The `outputs` of one example for all of `count` examples: values with a first dimension of that
/// size. `examples` stand for one example each, `batches` (with that first dimension) for all of
/// them. Null for an output that no example has part in: it is the same for all. Fails after an
/// error was emitted at the op that can't be batched.
///
/// The ops are built at the end of the block that contains the outputs, before its terminator if it
/// has one; `builder` is left there. Composites without a rule are batched by their definitions,
/// which are built before them. No op is changed or erased.
llvm::FailureOr<llvm::SmallVector<mlir::Value>> buildBatched(mlir::OpBuilder &builder,
                                                             llvm::ArrayRef<mlir::Value> outputs,
                                                             llvm::ArrayRef<mlir::Value> examples,
                                                             llvm::ArrayRef<mlir::Value> batches,
                                                             int64_t count);

} // namespace weft

// Composites, replaced by their definitions.
#pragma once

#include "mlir/IR/BuiltinOps.h"

namespace weft {

/// Replaces all composites of a module, and ops on complex tensors, by their definitions, but not
/// those that `keeps` holds for. Fails after an error, which was emitted.
llvm::LogicalResult decompose(mlir::ModuleOp module,
                              llvm::function_ref<bool(mlir::Operation *)> keeps);

} // namespace weft

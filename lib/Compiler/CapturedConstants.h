// Constants that loops and branches read, in the functions that they run.
#pragma once

#include "mlir/IR/BuiltinOps.h"

namespace weft {

/// Lets functions of loops and branches have constants of their own instead of arguments, so that
/// what kernels copy of them is copied when an object is compiled (packConstants). Other captured
/// values are not kept from call to call, and lose `weft.hidden`.
void sinkConstants(mlir::ModuleOp module);

} // namespace weft

// Prepared values of a program without hidden inputs are constants.
#pragma once

#include "lib/Compiler/ComputedConstants.h"
#include "mlir/IR/BuiltinOps.h"

namespace weft {

/// Computes what @main of `module`, to which `weft-prepare` was applied, prepares from constants
/// alone, on this processor, and makes `constants` of it. A value that depends on one named weight
/// keeps its name. Throws weft::Error.
void evaluatePrepared(mlir::ModuleOp module, ComputedConstants &constants);

} // namespace weft

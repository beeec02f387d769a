// Large constants of a model in a file of their own.
#pragma once

#include "mlir/IR/BuiltinOps.h"
#include <string>

namespace weft {

/// Writes the constants of the planned @main that are named (`weft.name`) or of at least 1 KiB to
/// `path`, a safetensors file. Marks them, and notes on the module what the object has to know of
/// the file, as weft-emit-entry expects it. Writes a file without tensors if none is large.
/// Throws weft::Error (IO).
void moveWeightsToFile(mlir::ModuleOp module, llvm::StringRef path);

} // namespace weft

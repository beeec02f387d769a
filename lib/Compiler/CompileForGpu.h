// From a program to the code of its kernels for a GPU.
#pragma once

#include "lib/Compiler/CompileObject.h"

namespace weft {

/// Writes PTX or machine code of all kernels of @main. Throws weft::Error if the options do not fit
/// each other, naming what does, and as `compileObject` does.
void compileForGpu(mlir::ModuleOp module, const ObjectOptions &options, const EmitKindInfo &kind);

} // namespace weft

// Stages of kernels that read constants alone run while an object is compiled.
#pragma once

#include "codegen/CPU/CpuTarget.h"
#include "lib/Compiler/ComputedConstants.h"
#include "mlir/IR/BuiltinOps.h"

namespace weft {

/// Fills, here, the temporaries of kernels that depend on constants alone, as the panels of a
/// weight, in the order that code for `target` reads them in, and makes `constants` of them. A
/// constant that nothing else reads is dropped. `module` is planned. Throws weft::Error.
void packConstants(mlir::ModuleOp module, const CpuTarget &target, ComputedConstants &constants);

} // namespace weft

// The table of templates, for the passes.
#pragma once

#include "mlir/IR/DialectRegistry.h"

namespace weft {

/// Lets passes ask the templates and targets (CodeGenerationInterface).
void registerCodeGeneration(mlir::DialectRegistry &registry);

} // namespace weft

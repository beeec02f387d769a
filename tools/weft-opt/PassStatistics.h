// What each pass did to a module, in numbers.
#pragma once

#include "mlir/Pass/PassInstrumentation.h"

#include <memory>

namespace weft {

/// Counts operations, kernels, launches and bytes of arenas before and after each pass, and prints
/// the table when the pass manager is done. MLIR's own --mlir-pass-statistics is compiled out of
/// release builds of MLIR.
std::unique_ptr<mlir::PassInstrumentation> createPassStatistics();

} // namespace weft

// The passes of the weft level, one file each.
#pragma once

#include "dialects/Weft/IR/Weft.h"
#include "mlir/Pass/Pass.h"

namespace weft {

#define GEN_PASS_DECL
#include "passes/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "passes/Passes.h.inc"

} // namespace weft

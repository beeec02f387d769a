// The passes that are about what several processes compute together.
#pragma once

#include "mlir/Pass/Pass.h"

namespace weft {

class WeftDialect;

#define GEN_PASS_DECL
#include "passes/CollectivePasses.h.inc"

#define GEN_PASS_REGISTRATION
#include "passes/CollectivePasses.h.inc"

} // namespace weft

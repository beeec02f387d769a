// The ops on weights that are kept as whole numbers of few bits.
#pragma once

#include "dialects/Weft/IR/Weft.h"

namespace weft {

/// What a number of so many bits stands for 0 where no zero is given.
constexpr int64_t usualZero(int64_t bits) { return bits == 4 ? 8 : 0; }

} // namespace weft

#define GET_OP_CLASSES
#include "dialects/Weft/IR/QuantizedOps.h.inc"

// What each collective knows of the others of its program.
#pragma once

#include "llvm/ADT/StringRef.h"

namespace weft {

/// On a collective: how many its group runs in the program, and a hash of them.
inline constexpr llvm::StringLiteral collectiveProgramName = "weft.collectives";

} // namespace weft

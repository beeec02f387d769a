// The functions that rewritten code calls.
#pragma once

#include "llvm/ADT/StringRef.h"
#include <utility>
#include <vector>

namespace weft::emulator {

/// Names, as in EmulatorRewrite.h, and addresses.
std::vector<std::pair<llvm::StringRef, void *>> callbacks();

} // namespace weft::emulator

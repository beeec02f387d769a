// The inputs that mutations start from.
#pragma once

#include "llvm/ADT/ArrayRef.h"

#include <string>
#include <vector>

namespace weft::fuzz {

/// The modules in the .mlir files below `folders`, in the order of their names: each part between
/// lines "// -----" is one, without the comments. Those longer than `longest` bytes are left out.
std::vector<std::string> collectModules(llvm::ArrayRef<std::string> folders, size_t longest);

/// The contents of the files below `folders` whose names end with `suffix`.
std::vector<std::string> collectFiles(llvm::ArrayRef<std::string> folders, llvm::StringRef suffix);

} // namespace weft::fuzz

// Object code as static and shared libraries.
#pragma once

#include "codegen/CPU/CpuTarget.h"
#include "llvm/ADT/StringRef.h"
#include <string>

namespace weft {

/// An archive with one object.
std::string staticLibrary(llvm::StringRef object, llvm::StringRef name);

struct SharedLibraryOptions {
  /// For the library's own name, "libNAME.so".
  std::string name;
  /// Stays in the process once it is loaded: threads run its code.
  bool isPermanent = false;
};
/// A shared library, linked by ld.lld. Throws weft::Error (Unsupported) if there is no linker.
std::string sharedLibrary(llvm::StringRef object, const CpuTarget &target,
                          const SharedLibraryOptions &options);

} // namespace weft

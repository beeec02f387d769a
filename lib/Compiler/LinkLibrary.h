// Object code as static and shared libraries, and as modules of WebAssembly.
#pragma once

#include "codegen/CPU/CpuTarget.h"
#include "llvm/ADT/ArrayRef.h"
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

/// A module of WebAssembly that shows `entries`, its memory and where free memory begins, linked by
/// wasm-ld. Throws weft::Error (Unsupported) if there is no linker.
std::string webAssemblyModule(llvm::StringRef object, llvm::ArrayRef<std::string> entries);

} // namespace weft

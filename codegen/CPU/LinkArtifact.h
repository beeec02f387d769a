// Completes the module of an object: what is written in C, what is described, what is seen.
#pragma once

#include "codegen/CPU/ObjectCode.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/MemoryBufferRef.h"
#include <string>

namespace weft {

/// What an object holds besides its generated code.
struct ArtifactParts {
  /// Bitcode for the target's kind of processor.
  std::vector<llvm::MemoryBufferRef> bitcode;
  /// The functions that the object shows; everything else becomes internal.
  std::vector<std::string> entries;
  /// The contents of a section of its own, and the section's name.
  std::string metadata, metadataSection;
};

/// Links the parts into `module` and drops what nothing uses. Returns what went wrong, or an empty
/// text.
std::string linkArtifact(LlvmModule &module, const CpuTarget &target, const ArtifactParts &parts);

} // namespace weft

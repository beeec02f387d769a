// The GPU that code is generated for.
#pragma once

#include "llvm/ADT/StringRef.h"
#include <memory>
#include <optional>
#include <string>

namespace llvm {
class TargetMachine;
}

namespace weft {

/// What code generation knows of a GPU.
struct GpuTarget {
  /// The architecture as LLVM and ptxas name it: "sm_80", "sm_90a".
  std::string chip;
  /// LLVM's feature string: the version of the PTX language.
  std::string features;

  /// A target by name: "cuda:sm_80" or "cuda:sm_90a"; nullopt if it is unknown.
  static std::optional<GpuTarget> byName(llvm::StringRef name);
  /// True if `name` is meant as a GPU's: it begins with "cuda".
  static bool isGpuName(llvm::StringRef name);
  /// The names, for messages: "cuda:sm_80, cuda:sm_90a".
  static std::string names();

  /// The name again.
  std::string name() const { return "cuda:" + chip; }
  /// True if it has TMA and wgmma, matrix products by four warps together.
  bool hasWarpgroups() const { return chip == "sm_90a"; }
  /// A code generator; each thread needs its own.
  std::unique_ptr<llvm::TargetMachine> createMachine() const;
};

} // namespace weft

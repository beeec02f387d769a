// The processor that code is generated for.
#pragma once

#include "llvm/ADT/StringRef.h"
#include <memory>
#include <string>

namespace llvm {
class TargetMachine;
}

namespace weft {

/// What code generation knows of a processor.
struct CpuTarget {
  std::string triple;
  /// The processor's name for LLVM; code is chosen by features, not by name.
  std::string processor;
  /// LLVM's feature string: "+avx2,+fma,...".
  std::string features;
  int64_t vectorRegisters = 16;
  int64_t registerBytes = 32;

  /// The machine this runs on.
  static const CpuTarget &host();
  /// A target by name: "native", "x86-64-v3" (AVX2) or "x86-64-v4" (AVX-512); nullopt if it is
  /// unknown.
  static std::optional<CpuTarget> byName(llvm::StringRef name);

  /// Text that tells targets apart that need different code.
  std::string key() const { return triple + "/" + processor + "/" + features; }
  /// A code generator; each thread needs its own.
  std::unique_ptr<llvm::TargetMachine> createMachine() const;
};

} // namespace weft

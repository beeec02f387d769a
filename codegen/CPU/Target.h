// The processor that code is generated for.
#pragma once

#include "llvm/ADT/StringRef.h"
#include <memory>
#include <optional>
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
  /// A target by name: "native", or one of `listing()`; nullopt if it is unknown.
  static std::optional<CpuTarget> byName(llvm::StringRef name);
  /// The names of all targets, for messages: "native, x86-64-v3, ...".
  static std::string names();
  /// A line for each target: its name, and what it is.
  static std::string listing();

  /// Text that tells targets apart that need different code.
  std::string key() const { return triple + "/" + processor + "/" + features; }
  /// False if code for the target is for another kind of processor than this process runs on.
  bool isHostArchitecture() const;
  /// A code generator; each thread needs its own.
  std::unique_ptr<llvm::TargetMachine> createMachine() const;
};

} // namespace weft

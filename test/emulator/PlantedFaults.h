// Kernels with one fault each, and how the emulator must report it.
#pragma once

#include "KernelCases.h"

namespace weft::emulator {

/// A fault in a kernel's code, or in its launch.
struct PlantedFault {
  /// Unique, as a test's name: "MissingBarrierBeforeReading".
  const char *name;
  const char *kernel;
  /// Null if the fault is in the launch.
  void (*plant)(llvm::Module &module);
  /// The reports that are right, as Outcome::kind gives them.
  std::vector<std::string> kinds;
  LaunchChanges changes = {};
};

const std::vector<PlantedFault> &plantedFaults();

/// For messages of tests.
inline void PrintTo(const PlantedFault &fault, std::ostream *stream) { *stream << fault.name; }

} // namespace weft::emulator

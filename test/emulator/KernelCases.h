// The test kernels, each with data, a launch, and the result that it must have.
#pragma once

#include "codegen/Emulator/Emulator.h"

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

namespace weft::emulator {

/// The LLVM IR of a test kernel, in a context of its own.
struct KernelModule {
  std::unique_ptr<llvm::LLVMContext> context;
  std::unique_ptr<llvm::Module> module;
};

/// Reads "<name>.ll", which the build has compiled from Kernels/<name>.cpp.
KernelModule readKernel(const std::string &name);

/// A report as text; nothing if there is none.
inline std::string textOf(const std::optional<Fault> &fault) { return fault ? fault->text() : ""; }

/// How a run ended: well, with a fault, or with wrong numbers.
struct Outcome {
  std::optional<Fault> fault;
  std::string mismatch;

  /// "correct", the fault's kind, or "wrong-result".
  std::string kind() const;
  std::string text() const;
};

/// Changes to a launch, for faults that are in the host's part.
struct LaunchChanges {
  /// Added to the dynamic shared memory.
  int32_t sharedBytes = 0;
  /// Added to the rows that the tensor maps say.
  int64_t tensorRows = 0;
  uint64_t mostSteps = uint64_t{1} << 32;
};

/// A kernel and how to run it.
struct KernelCase {
  const char *name;
  Outcome (*run)(Emulator &emulator, uint64_t seed, const LaunchChanges &changes);
};

/// For messages of tests.
inline void PrintTo(const KernelCase &kernel, std::ostream *stream) { *stream << kernel.name; }

/// All kernels, by name.
const std::vector<KernelCase> &kernelCases();

/// Loads a kernel, changed by `mutate` if it is given, and runs it once for each seed until a run
/// is not correct.
Outcome runKernel(const std::string &name, const std::vector<uint64_t> &seeds,
                  const std::function<void(llvm::Module &)> &mutate = nullptr,
                  const LaunchChanges &changes = {});

} // namespace weft::emulator

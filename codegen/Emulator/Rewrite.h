// Rewrites a module for NVPTX so that it runs on the host under the emulator.
#pragma once

#include "codegen/Emulator/Program.h"

#include "llvm/IR/PassManager.h"

namespace weft::emulator {

/// What the rewritten code calls. `site` is an operation's number in the program.
namespace callback {
constexpr const char *read = "weft_emulator_read";          // void (ptr, i32 site)
constexpr const char *write = "weft_emulator_write";        // void (ptr, i32 site)
constexpr const char *range = "weft_emulator_range";        // void (ptr, i64, i32 site, i1 writes)
constexpr const char *perform = "weft_emulator_perform";    // void (i32 site, ptr, ptr)
constexpr const char *registers = "weft_emulator_register"; // i32 (i32)
constexpr const char *shared = "weft_emulator_shared";      // ptr ()
constexpr const char *step = "weft_emulator_step";          // void ()
} // namespace callback

/// The suffix of the function that runs one thread of an entry: void (ptr to pointers to values).
constexpr const char *runnerSuffix = ".run";

/// Replaces what only a GPU has by calls, and puts a check before each access to memory. What is
/// not known, or reads accumulators that are still being computed, is left as `fault`.
class RewriteForEmulation : public llvm::PassInfoMixin<RewriteForEmulation> {
public:
  RewriteForEmulation(Program &program, std::optional<Fault> &fault)
      : program(program), fault(fault) {}

  llvm::PreservedAnalyses run(llvm::Module &module, llvm::ModuleAnalysisManager &);

private:
  Program &program;
  std::optional<Fault> &fault;
};

} // namespace weft::emulator

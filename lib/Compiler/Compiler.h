// From a module of weft ops to an executable plan.
#pragma once

#include "lib/Runtime/Plan.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"

#include <memory>
#include <string>
#include <vector>

namespace weft {

class Target;

struct CompileOptions {
  /// What `lower` compiles for: empty for this processor, or a GPU ("cuda:sm_90a").
  std::string target = {};
  /// Where `compile` makes the program run; null for this processor.
  Device *device = nullptr;
  /// Whether `compile` and `lower` split off what depends on arguments with `weft.hidden`, which
  /// keep their storages from call to call, and on constants alone. It is computed when storages
  /// are first seen.
  bool prepare = false;
};

/// What one launch of a kernel does, for `explain()` and the profiler.
struct KernelReport {
  std::shared_ptr<const EventSource> source = {};
  /// How many launches of the plan it is: its stages.
  int64_t stages = 0;
  /// Why it is a kernel of its own.
  std::string reason;
};

/// A schedule that was tried, with the nanoseconds of a launch.
struct MeasuredSchedule {
  std::string schedule;
  double estimated = 0, measured = 0;
  /// The one that is chosen where nothing is measured.
  bool isChosen = false;
};

/// A kernel whose schedule was chosen by measuring.
struct TunedKernel {
  /// The kernel, the sizes of the launch, which inputs are kept, and the threads, as text.
  std::string description;
  /// The fastest first.
  std::vector<MeasuredSchedule> schedules;
};

/// A plan, and what it needs to stay alive.
struct Executable {
  Plan plan;
  /// One for each launch of a kernel, in the order of the plan; there each of its stages is a
  /// launch.
  std::vector<KernelReport> kernels;
  /// The kernels of the prepare steps, which run when storages are first seen.
  std::vector<KernelReport> prepared;
  /// The code of the kernels.
  std::vector<std::shared_ptr<const void>> code;
};

/// Counters since the process started.
struct Statistics {
  int64_t compiles = 0; ///< modules compiled
  int64_t launches = 0; ///< kernels launched by them
  int64_t kernelsCompiled = 0;
  int64_t memoryHits = 0;    ///< kernels found in this process
  int64_t diskHits = 0;      ///< kernels loaded from the disk cache
  int64_t diskFailures = 0;  ///< entries that could not be read or written
  int64_t kernelsTuned = 0;  ///< kernels whose schedules were measured
  double passSeconds = 0;    ///< from the trace to scheduled kernels
  double emitSeconds = 0;    ///< from kernels to LLVM IR
  double codegenSeconds = 0; ///< from LLVM IR to object code
  double loadSeconds = 0;    ///< linking and planning
  double tuneSeconds = 0;    ///< measuring schedules, what they take to compile included

  /// Adds what was counted between two moments.
  void addDifference(const Statistics &before, const Statistics &after) {
    compiles += after.compiles - before.compiles;
    launches += after.launches - before.launches;
    kernelsCompiled += after.kernelsCompiled - before.kernelsCompiled;
    memoryHits += after.memoryHits - before.memoryHits;
    diskHits += after.diskHits - before.diskHits;
    diskFailures += after.diskFailures - before.diskFailures;
    kernelsTuned += after.kernelsTuned - before.kernelsTuned;
    passSeconds += after.passSeconds - before.passSeconds;
    emitSeconds += after.emitSeconds - before.emitSeconds;
    codegenSeconds += after.codegenSeconds - before.codegenSeconds;
    loadSeconds += after.loadSeconds - before.loadSeconds;
    tuneSeconds += after.tuneSeconds - before.tuneSeconds;
  }
  void add(const Statistics &more) { addDifference({}, more); }
};

/// The one compiler of the process. All methods may be called from several threads at once, on
/// modules of their own; the long ones give the interpreter's lock up, and throw Interrupted if the
/// user ends them.
class Compiler {
public:
  static Compiler &instance();
  ~Compiler();

  /// Names the folder of kernels that were built with the package. Before the first `instance()`.
  static void setPackagedKernels(std::string folder);

  /// All dialects that tracing and compiling need are loaded. Several threads may build IR in it;
  /// it has no threads of its own.
  mlir::MLIRContext &context();

  /// Compiles the function @main of `module`: tensors of static shape in and out. The argument
  /// attribute `weft.donated` allows an output to be written over the argument. Changes the module,
  /// which may belong to another context that has the dialects.
  /// Throws weft::Error with the user's line.
  std::shared_ptr<const Executable> compile(mlir::ModuleOp module,
                                            const CompileOptions &options = {});

  /// The text of the module at a level: "weft" (simplified), "kernels" (fused, scheduled, planned),
  /// "loops", "llvm" (optimised) or "asm"; "ptx" instead for a GPU. Changes the module. Throws
  /// weft::Error.
  std::string lower(mlir::ModuleOp module, llvm::StringRef level,
                    const CompileOptions &options = {});

  /// Gives the kernels of a fused module the schedules that run fastest here
  /// (lib/Compiler/Tuner.h), if WEFT_TUNE asks for it and the module is for the processor that this
  /// compiler runs code on. Throws weft::Error.
  void tune(mlir::ModuleOp module, const Target &target);
  /// The last kernels whose schedules were measured, or found on disk.
  std::vector<TunedKernel> tunedKernels() const;

  /// A text that was stored in the kernels' folder under a name that no kernel has, by this or
  /// another process with the same compiler and processor. What is damaged is not there.
  std::optional<std::string> findNote(const std::string &name);
  void storeNote(const std::string &name, const std::string &text);

  Statistics statistics() const;
  /// Counters of what the calling thread compiled.
  static Statistics threadStatistics();

  /// Drops the kernels that no executable uses, and returns the bytes of their code.
  uint64_t trim();

private:
  Compiler();
  struct Implementation;
  std::unique_ptr<Implementation> implementation;
};

} // namespace weft

// Schedules that are measured instead of estimated.
#pragma once

#include "codegen/CPU/CpuTarget.h"
#include "codegen/Templates/KernelTemplate.h"
#include "lib/Compiler/Compiler.h"
#include "lib/Compiler/KernelCache.h"
#include "lib/Support/LeastRecentlyUsed.h"
#include <functional>
#include <memory>
#include <mutex>

namespace weft {

/// Gives kernels of a fused module the schedules that run fastest here: of the best few candidates
/// of each (KernelTemplate::candidates) every one is compiled and run on arguments of the launch's
/// sizes, in turn and with cold caches. What was measured is kept on disk beside the kernels, for
/// the same kernel, sizes and number of threads. The values are the same with every schedule.
class Tuner {
public:
  /// From a fused module, whose kernels may have schedules, to what runs it; `prepares` as for
  /// buildPlan.
  using Finish = std::function<Executable(mlir::ModuleOp, bool prepares)>;

  /// The number of candidates that WEFT_TUNE asks to measure: 0 by default, a few for 1, else as
  /// many as it says. Throws weft::Error.
  static int64_t candidatesFromEnvironment();

  Tuner(const CpuTarget &target, KernelCache &cache, int64_t mostCandidates, Finish finish);

  /// Sets the schedules of the kernels that @main launches with known sizes. `prepares` says
  /// whether copies of what is the same in most calls are kept. Throws weft::Error or Interrupted.
  void tune(mlir::ModuleOp module, bool prepares, Statistics &spent);

  /// What was measured or found on disk by this process, of the last kernels.
  std::vector<TunedKernel> tuned() const;

private:
  using Found = std::shared_ptr<const TunedKernel>;
  Found known(KernelOp kernel, const KernelTemplate &kind, const std::string &key,
              const std::string &description);
  std::vector<MeasuredSchedule> measure(KernelOp kernel, LaunchOp launch, bool prepares,
                                        llvm::ArrayRef<ScheduleCandidate> candidates);
  ScheduleAttrInterface fastest(KernelOp kernel, LaunchOp launch, bool prepares,
                                const KernelTemplate &kind, Statistics &spent);

  const CpuTarget &target;
  KernelCache &cache;
  int64_t mostCandidates;
  Finish finish;
  /// Guards what is below.
  mutable std::mutex mutex;
  static constexpr size_t mostKernels = 4096;
  LeastRecentlyUsed<std::string, Found> found{mostKernels};
};

} // namespace weft

// The kinds of kernels, as code generation sees them.
#pragma once

#include "passes/templates/Template.h"

namespace weft {

class CpuTarget;
class GpuTarget;
class KernelEmitter;
class GpuEmitter;

/// A schedule, and how long a launch is likely to take with it: an estimate for comparing.
struct ScheduleCandidate {
  ScheduleAttrInterface schedule;
  double nanoseconds;
};

/// A kind of kernel: what passes ask of it, and how it is scheduled and emitted for each kind of
/// target. One file of this folder for each; `kernelTemplates()` lists them.
///
/// `choose` may look at a launch, whose sizes are in it, or have none. A schedule changes the speed
/// alone: the order of sums is the template's, whatever is chosen. It is an attribute of the
/// template's own, which can be edited in the IR; `verify` says with a diagnostic what is wrong
/// with one.
class KernelTemplate : public Template {
public:
  virtual ScheduleAttrInterface choose(KernelOp kernel, LaunchOp launch,
                                       const CpuTarget &target) const = 0;
  virtual ScheduleAttrInterface choose(KernelOp kernel, LaunchOp launch,
                                       const GpuTarget &target) const = 0;
  /// The schedules among which `choose` takes the first, by their estimates: what measuring may
  /// decide otherwise (lib/Compiler/Tuner.h). One, where a kind of kernel runs in one way.
  virtual llvm::SmallVector<ScheduleCandidate> candidates(KernelOp kernel, LaunchOp launch,
                                                          const CpuTarget &target) const {
    return {{choose(kernel, launch, target), 0}};
  }
  virtual llvm::LogicalResult verify(KernelOp kernel, const CpuTarget &target) const = 0;
  virtual llvm::LogicalResult verify(KernelOp kernel, const GpuTarget &target) const = 0;
  /// Emit all stages of a kernel whose schedule is verified.
  virtual void emit(KernelEmitter &emitter) const = 0;
  virtual void emit(GpuEmitter &emitter) const = 0;

protected:
  /// Elements in a vector of a processor, on all: the order of a sum depends on it.
  static constexpr int64_t cpuLanes = 16;
  /// Elements that are computed at a time where each has an order of its own: code for many is long
  /// where each needs instructions of its own.
  static int64_t independentLanes(const CpuTarget &target);

  /// An error that says of the kernel's schedule that it is not one of this template for `kind` of
  /// target: "a processor".
  llvm::LogicalResult refuseSchedule(KernelOp kernel, llvm::StringRef kind) const;
  /// Checks that `lanes` of a schedule are a power of 2, and not more than any target is better
  /// with.
  static llvm::LogicalResult verifyLanes(KernelOp kernel, int64_t lanes, const CpuTarget &);
  static llvm::LogicalResult verifyLanes(KernelOp kernel, int64_t lanes, const GpuTarget &);
  /// Checks that one op of the kernel alone is claimed.
  llvm::LogicalResult verifySingle(KernelOp kernel) const;
};

/// All kinds of kernels, elementwise ones first.
llvm::ArrayRef<const KernelTemplate *> kernelTemplates();

/// The template of a kernel, as code generation sees it. Null if it has none.
const KernelTemplate *kernelTemplateOf(KernelOp kernel);

} // namespace weft

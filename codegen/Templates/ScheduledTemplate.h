// Templates whose kernels have one kind of schedule, the same for processors and GPUs.
#pragma once

#include "codegen/Templates/KernelTemplate.h"

namespace weft {

template <typename Schedule> class ScheduledTemplate : public KernelTemplate {
public:
  llvm::LogicalResult verify(KernelOp kernel, const CpuTarget &target) const override {
    return verifyOn(kernel, target, "a processor");
  }
  llvm::LogicalResult verify(KernelOp kernel, const GpuTarget &target) const override {
    return verifyOn(kernel, target, "a GPU");
  }

protected:
  /// Says with a diagnostic what is wrong with the kernel, or with its schedule but for the lanes.
  virtual llvm::LogicalResult verifySchedule(KernelOp kernel, Schedule) const {
    return verifySingle(kernel);
  }

private:
  template <typename Target>
  llvm::LogicalResult verifyOn(KernelOp kernel, const Target &target, llvm::StringRef kind) const {
    auto schedule = llvm::dyn_cast<Schedule>(kernel.getScheduleAttr());
    if (!schedule)
      return refuseSchedule(kernel, kind);
    if (failed(verifySchedule(kernel, schedule)))
      return llvm::failure();
    if constexpr (requires { schedule.getLanes(); })
      return verifyLanes(kernel, schedule.getLanes(), target);
    return llvm::success();
  }
};

} // namespace weft

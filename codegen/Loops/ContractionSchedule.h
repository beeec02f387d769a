// How a contraction runs on a processor.
#pragma once

#include "codegen/Templates/KernelTemplate.h"

namespace weft {

/// The schedules of a kernel with one contraction, whose call `launch` may be null, by their cost.
llvm::SmallVector<ScheduleCandidate> rankContractions(KernelOp kernel, LaunchOp launch,
                                                      const CpuTarget &target);

/// Checks a schedule that may have been written by hand, with a diagnostic.
llvm::LogicalResult verifyContraction(KernelOp kernel, ContractionScheduleAttr schedule);

} // namespace weft

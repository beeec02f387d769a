// How a contraction runs on a processor.
#pragma once

#include "dialects/Weft/IR/Weft.h"

namespace weft {

class CpuTarget;

/// The schedule of a kernel with one contraction, whose call `launch` may be null.
ScheduleAttrInterface chooseContraction(KernelOp kernel, LaunchOp launch, const CpuTarget &target);

/// Checks a schedule that may have been written by hand, with a diagnostic.
llvm::LogicalResult verifyContraction(KernelOp kernel, ContractionScheduleAttr schedule);

} // namespace weft

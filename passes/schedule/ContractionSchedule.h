// How a contraction runs on a processor.
#pragma once

#include "dialects/Weft/IR/Weft.h"

namespace weft {

/// What the choice depends on, of the processor.
struct VectorRegisters {
  int64_t count, bytes;
};

/// The schedule for the kernel of `op`, whose call is `launch` (null: not known), with vectors of
/// `lanes` elements.
ScheduleAttr chooseContractionSchedule(ContractionOpInterface op, LaunchOp launch, int64_t lanes,
                                       VectorRegisters registers);

} // namespace weft

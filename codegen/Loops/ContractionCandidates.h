// The schedules that a contraction may well run with on a processor.
#pragma once

#include "codegen/Loops/ContractionProblem.h"

namespace weft {

class CpuTarget;

/// At least one, in the order in which they are preferred where their costs are equal.
llvm::SmallVector<ContractionScheduleAttr> contractionCandidates(const ContractionProblem &problem,
                                                                 const CpuTarget &target);

} // namespace weft

// How long a contraction is likely to take with a schedule.
#pragma once

#include "codegen/Loops/ContractionProblem.h"

namespace weft {

class CpuTarget;

/// An estimate in nanoseconds, on all cores of the target: good for comparing schedules of one
/// contraction, not for more. The terms are those of an analytical model of blocked products (Low
/// et al., "Analytical modeling is enough for high-performance BLIS", 2016): what ports and latency
/// allow in registers, and bytes over the bandwidth of the cache that holds them.
double nanosecondsOf(const ContractionProblem &problem, ContractionScheduleAttr schedule,
                     const CpuTarget &target);

/// How many rows of a tile of `registers` columns take as long as starting it.
double rowsToStart(const ContractionProblem &problem, int64_t registers, const CpuTarget &target);

} // namespace weft

// How a contraction runs on a GPU.
#pragma once

#include "dialects/Weft/IR/Weft.h"

namespace weft {

class GpuTarget;

/// The schedule of a kernel with one contraction, whose call `launch` may be null: by warpgroups
/// with TMA and wgmma where the target has them and they suit, else by blocks of threads.
ScheduleAttrInterface chooseGpuContraction(KernelOp kernel, LaunchOp launch,
                                           const GpuTarget &target);

/// Checks a schedule of one of the two kinds, which may have been written by hand, with a
/// diagnostic.
llvm::LogicalResult verifyGpuContraction(KernelOp kernel);

/// Tiles of contractions by warpgroups: two of 64 rows each, and so much of the depth at once.
inline constexpr int64_t warpgroupTileRows = 128, warpgroupTileDepth = 64;

} // namespace weft

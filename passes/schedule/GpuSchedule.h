// How a kernel runs on a GPU.
#pragma once

#include "dialects/Weft/IR/Weft.h"

namespace weft {

/// The schedule of `kernel` on a GPU, whose call `launch` may be null. The choices change the speed
/// alone: the order of a sum is the template's, whatever is chosen here.
///
/// - elementwise: `lanes`, `grain` elements for a block; `rows` = `columns` = 32: tiles of so many
///   elements go through shared memory, as an operand is read transposed.
/// - row_reduction: `columns` vectors of the row are kept in each thread's registers; 0: none.
/// - column_reduction, update: `lanes`.
/// - contraction: a block computes `rows` by `columns` elements and walks the depth in steps of
///   `depth`. Steps of 64 are those of warpgroups: TMA and wgmma, if the GPU has `warpgroups`.
ScheduleAttr chooseGpuSchedule(KernelOp kernel, LaunchOp launch, bool warpgroups);

/// Tiles of contractions by warpgroups: two of 64 rows each.
inline constexpr int64_t warpgroupTileRows = 128, warpgroupTileDepth = 64;
/// True if warpgroups can compute a contraction: a product of matrices of float16 or bfloat16, or
/// of batches of them, that both lie in memory along the depth or along their rows or columns.
bool suitsWarpgroups(ContractionOpInterface op);

/// Values of an elementwise kernel that have the shape of its results and are read along another
/// dimension of memory than the one they are written along.
struct Transposition {
  /// The dimension of the results along which their operand lies in memory.
  unsigned dimension;
  llvm::SmallVector<mlir::Value> values;
};
/// Empty where there is none.
std::optional<Transposition> findTransposition(KernelOp kernel);

} // namespace weft

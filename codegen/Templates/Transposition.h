// Which dimensions of memory a kernel's values are read along.
#pragma once

#include "dialects/Weft/IR/Weft.h"
#include <optional>

namespace weft {

/// True if neighbours along the last dimension of the results are neighbours in each input, or the
/// same element of it.
bool readsNeighbours(KernelOp kernel);

/// Values of an elementwise kernel that have the shape of its results and are read along another
/// dimension of memory than the one they are written along.
struct Transposition {
  /// The dimension of the results along which their operand lies in memory.
  unsigned dimension;
  llvm::SmallVector<mlir::Value> values;
};
/// Empty where there is none.
std::optional<Transposition> findTransposition(KernelOp kernel);

/// A GPU turns tiles of so many rows and columns in shared memory.
inline constexpr int64_t transpositionTile = 32;

} // namespace weft

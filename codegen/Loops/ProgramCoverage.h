// Whether the programs of a grid (weft.program) store to every element of a result by the one
// weft.program_store of it, each to its own.
#pragma once

#include "codegen/Loops/ProgramBlocks.h"

namespace weft {

/// A loop of a program that counts from 0 on as long as the count is below a bound.
struct ProgramCounter {
  /// Of type i64: the count in the body, what it starts from, and the bound.
  mlir::Value count, first, bound;
  /// The number of the program that the loop goes on with.
  mlir::Value next;
};

/// How far the places of a store go along each of its indices: from 0 up to `factor` times as many
/// as the grid has along an axis, or a size of a tensor.
struct ProgramCoverage {
  struct Extent {
    int64_t factor = 1;
    std::optional<int64_t> axis, symbol;
  };
  llvm::SmallVector<Extent> extents;

  /// True, where the sizes are known, if there are no more elements.
  mlir::Value isWhole(KernelEmitter &emitter, ProgramOp program, mlir::Type result) const;
};

/// What the programs store by `op` at `places` of the grid, if no element is stored twice.
/// `counters` are those of the loops around the op, of which there have to be as many.
std::optional<ProgramCoverage> coverageOf(KernelEmitter &emitter, ProgramBlocks &blocks,
                                          ProgramStoreOp op, mlir::ValueRange places,
                                          llvm::ArrayRef<ProgramCounter> counters);

} // namespace weft

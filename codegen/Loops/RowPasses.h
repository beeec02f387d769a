// What the passes over a row compute, in a kernel that reduces along the innermost dimensions.
#pragma once

#include "codegen/Loops/Reduction.h"

namespace weft {

class CpuTarget;

/// One walk over the row.
struct RowPass {
  /// What it computes: reductions whose operands are known; none in a last pass, which computes the
  /// results that are as long as the row.
  llvm::SmallVector<ReductionOpInterface> reductions;
  /// Values along the row that it computes for later passes too, and those kept by earlier ones.
  llvm::SmallVector<mlir::Value> keeps, reads;
  /// About how many instructions on vectors it makes.
  int64_t instructions = 0;

  /// How many values the accumulators of its reductions have.
  unsigned accumulators() const;
};

/// The passes over a row.
struct RowPasses {
  llvm::SmallVector<RowPass> passes;
  /// How many passes at the start are so short that they wait for their sums: several rows at a
  /// time pay. None that keeps values, as these are of one row.
  unsigned shortPasses = 0;

  /// `keepsValues`: those that are dear are computed in one pass alone.
  RowPasses(KernelOp kernel, bool keepsValues);

  /// The values that are kept.
  llvm::SmallVector<mlir::Value> kept() const;
};

/// The sizes of a kernel that reduces rows: those around the row, and of the row.
struct RowSymbols {
  llvm::SmallVector<int64_t> outer, row;

  explicit RowSymbols(KernelOp kernel);
  /// True if a tensor has one element for each row.
  bool isOfRow(mlir::Value value) const {
    return symbolsOf(value.getType()) == llvm::ArrayRef<int64_t>(outer);
  }
};

/// How such a kernel runs on a processor. `launch` may be null.
RowsScheduleAttr chooseRowSchedule(KernelOp kernel, LaunchOp launch, const CpuTarget &target,
                                   int64_t lanes);

} // namespace weft

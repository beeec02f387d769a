// Copies of a contraction's operands in the order in which they are read.
#pragma once

#include "codegen/Loops/ContractionNest.h"
#include "codegen/Loops/MicroKernel.h"

namespace weft {

/// A block of the left operand: some rows by some depths of the outermost depth loop, row by row,
/// or depth by depth where the rows are neighbours in memory.
struct PackedRows {
  mlir::Value pointer;
  int64_t mostRows, mostDepth, lanes;
  bool areNeighbours;

  int64_t stride() const;
  int64_t elements() const { return stride() * (areNeighbours ? mostDepth : mostRows); }
};

/// Copies operands of the kernel's contraction.
class ContractionPacking : protected ContractionNest {
protected:
  ContractionPacking(KernelEmitter &emitter, int64_t tileColumns, ContractionScheduleAttr schedule);

  /// Copies rows [low, high) of `batch` at depths [depthLow, depthHigh). Rows beyond the last
  /// repeat it; a last step that is not whole ends with zeros.
  void packRows(const PackedRows &packed, mlir::Value batchNumber, mlir::Value low,
                mlir::Value high, mlir::Value depthLow, mlir::Value depthHigh);
  /// Copies the columns of a tile from `first` on, at depths [low, high) in row-major order of all
  /// depth loops, to `target`: [steps][columns][depths of a step]. The batch loops are set, and
  /// `low` begins a step; a last one that is not whole ends with zeros.
  void packColumns(mlir::Value target, mlir::Value first, mlir::Value low, mlir::Value high);
  /// The same at depths [low, high) of the outermost depth loop, and all of the others. `base` is
  /// where the batch starts in the right operand, in elements.
  void packColumnBlock(mlir::Value target, mlir::Value base, mlir::Value first, mlir::Value low,
                       mlir::Value high);
  /// The product of the sizes of the depth loops but the outermost.
  mlir::Value innerDepth();

  int64_t lanes, tileColumns;
  ContractionFormat format;

private:
  bool depthIsRunOfMemory() const;
  void packLevel(mlir::Value target, mlir::Value base, mlir::Value first, mlir::Value low,
                 mlir::Value high, llvm::SmallVector<mlir::Value> &outer);
  void copyLine(mlir::Value target, mlir::Value line, mlir::Value start, mlir::Value first);
  void packLine(mlir::Value target, mlir::Value line, mlir::Value first);
  mlir::Value toPacked(mlir::Value value);
  /// The element of the right operand where the loops are.
  mlir::Value rightElement();
  void storePart(mlir::Value value, mlir::Value target, mlir::Value line, mlir::Value part);
  void packSteps(mlir::Value target, mlir::Value first, mlir::Value low, mlir::Value high);
  mlir::Value interleave(llvm::ArrayRef<mlir::Value> vectors);
  mlir::Value packSquares(mlir::Value target, mlir::Value first, mlir::Value low, mlir::Value high);
  void packSquare(mlir::Value target, mlir::Value line, mlir::Value position, mlir::Value first,
                  mlir::Value part);
  mlir::Value lineAddress(mlir::Value target, mlir::Value line, mlir::Value part);
};

} // namespace weft

// How a sort is divided: rows, blocks of a row that are sorted, runs that are merged.
#pragma once

#include "codegen/Loops/KernelEmitter.h"

namespace weft {

/// The op that a kernel of the sort template computes.
SortOpInterface sortOf(KernelOp kernel);

/// A stretch [low, high) of a row.
struct Stretch {
  mlir::Value low, high;
};

/// Sizes of a sort. A row is the elements along the axis, and what is added to make their number a
/// multiple of `multiple`. It is cut into at most 2^`merges` blocks, each a number of chunks.
class SortBlocks {
public:
  SortBlocks(KernelEmitter &emitter, int64_t multiple);

  /// The elements along the axis, and with what is added.
  mlir::Value elements() const { return emitter.size(op.getX(), op.getAxis()); }
  mlir::Value length() const;
  mlir::Value rows() const;
  mlir::Value chunks() const;
  /// The elements of a block: chunks, as many as it takes for 2^`merges` blocks.
  mlir::Value blockLength() const;
  mlir::Value blocks() const;
  /// The length of the runs that merge number `merge` begins with.
  mlir::Value runLength(int64_t merge) const;
  /// A chunk of a row for each unit, or none where there is nothing left to merge.
  mlir::Value mergeUnits(int64_t merge) const;
  mlir::Value chunkUnits() const;
  mlir::Value blockUnits() const;

  /// The stretch that block, or chunk, `unit` of all rows is, and its row.
  std::pair<mlir::Value, Stretch> blockOf(mlir::Value unit) const;
  std::pair<mlir::Value, Stretch> chunkOf(mlir::Value unit) const;

  /// Which of two buffers a merge reads: they alternate.
  static unsigned sourceOf(int64_t merge) { return merge % 2; }
  /// True if the last merge that had work left the elements in the second buffer.
  mlir::Value endsInSecond() const;

  /// The indices of an element of a row.
  llvm::SmallVector<ElementIndex> indicesAt(mlir::Value row, ElementIndex position) const;

  int64_t merges() const { return mergeCount; }
  SortOpInterface getOp() const { return op; }

private:
  KernelEmitter &emitter;
  mutable SortOpInterface op;
  int64_t multiple, chunk, mergeCount;
  llvm::SmallVector<int64_t> outerSymbols, innerSymbols;
};

} // namespace weft

// A contraction of a launch, as far as schedules depend on it.
#pragma once

#include "dialects/Weft/IR/ContractionLoops.h"
#include <optional>

namespace weft {

/// The sizes of a launch and where its operands lie. What often changes from call to call (the rows
/// of matrices, and columns and depth of operands that do) is rounded, so that calls that differ
/// little have one kernel.
class ContractionProblem {
public:
  /// `launch` may be null: nothing is known then.
  ContractionProblem(ContractionOpInterface op, LaunchOp launch);

  /// The size of a loop, and of several together, as the launch has it.
  std::optional<int64_t> sizeOf(const ContractionLoop &loop) const;
  std::optional<int64_t> sizeOf(llvm::ArrayRef<ContractionLoop> loops) const;
  /// A distance in memory in elements; 0 if it is not known.
  int64_t valueOf(const SymbolicStride &stride) const;

  const ContractionLoop &column() const { return columns.front(); }
  /// The row loops around the innermost, of one image of a batch of them.
  llvm::ArrayRef<ContractionLoop> outerRows() const {
    return llvm::ArrayRef(rows).drop_back().drop_front(rows.size() > 2 ? 1 : 0);
  }
  /// One row loop and one of the depth: a product of matrices.
  bool isMatrix() const { return rows.size() == 1 && depth.size() == 1; }
  /// How many times the kernel moves as many elements as the contraction's result has: its results,
  /// and the inputs that lie like that.
  int64_t resultStreams() const;
  /// Vectors can lie along the batch: groups of one channel.
  bool isVectorLeft() const;
  /// The columns of the right operand are neighbours in memory.
  bool columnsAreRun() const { return column().strides[Contraction::Rhs].isOne(); }
  /// The innermost batch loop is one of the op's own, not several merged: along such a vector, each
  /// would go on at its own time in what is read behind the contraction.
  bool batchIsOneLoop() const { return !batch.empty() && batch.back().members.size() == 1; }
  /// An operand is in memory, not computed in the kernel.
  bool isInMemory(Contraction::Operand operand) const;

  ContractionOpInterface op;
  LaunchOp launch;
  std::vector<ContractionLoop> batch, rows, columns, depth;
  /// The bytes of an element of the sums, and of the operands as they are stored.
  int64_t elementBytes, storedBytes[2];
  /// The right operand is the same tensor in most calls, so that it is copied once.
  bool isRightKept;

  /// The bytes that are read between two uses of the right operand: in a loop, what an iteration
  /// reads that stays the same, the weights of a recurrent cell; else nothing is known of that, and
  /// it counts as all of memory.
  double bytesBetweenUses() const;

  /// Estimates for comparing schedules; a size that is not known counts as large.
  struct Estimates {
    double batch, images, outerRows, rows, columns, outerDepth, innerDepth;
    /// Of the innermost depth loop alone.
    double innermostDepth;
    double depth() const { return outerDepth * innerDepth; }
  };
  Estimates estimates() const;
};

} // namespace weft

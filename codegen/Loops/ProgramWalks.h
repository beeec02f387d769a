// Loops over the elements of a program's blocks (weft.program), in which several of its ops are
// computed.
#pragma once

#include "codegen/Loops/ProgramBlocks.h"

namespace weft {

/// Computes blocks into memory, and reductions. They are put off until something needs them, as
/// long as one loop over the elements computes all of them: none reads another's total or elements
/// at other places, and one at most loads what may not be there, so that what is reported first
/// does not depend on what shares a loop.
class ProgramWalks {
public:
  ProgramWalks(KernelEmitter &emitter, ProgramBlocks &blocks) : emitter(emitter), blocks(blocks) {}

  /// Computes an op's result into memory.
  void fill(mlir::Value block);
  void reduce(ReductionOpInterface op);
  /// Computes a number that is no block's element later on.
  void compute(mlir::Value number);
  /// Tells of an op whose elements are computed where they are needed.
  void pass(mlir::Operation *op);
  /// Emits what was put off.
  void finish();

private:
  using Indices = llvm::SmallVector<ElementIndex>;
  /// What is computed of an element on the way to it.
  struct Reads {
    /// Whether elements of tensors are loaded.
    bool accesses = false;
    /// The last loop that has to be over, and the last one whose blocks are read at the same place.
    int64_t after = -1, beside = -1;
  };
  struct Walk {
    llvm::ArrayRef<int64_t> shape;
    llvm::SmallVector<mlir::Value> fills, pointers;
    llvm::SmallVector<ReductionOpInterface> reductions;
    bool accesses = false;
  };

  Reads readsOf(mlir::Operation *op) const;
  void join(const Reads &own, llvm::ArrayRef<int64_t> shape);
  void emitRows(Walk &walk);
  llvm::SmallVector<mlir::Value> emitRow(const Walk &walk, Indices &indices);
  bool combinesSquares(const Walk &walk) const;
  void emitSquares(const Walk &walk, Indices &indices, llvm::ArrayRef<mlir::Value> results);
  void writeTotals(const Walk &walk, mlir::ValueRange totals, llvm::ArrayRef<mlir::Value> results,
                   llvm::ArrayRef<ElementIndex> indices);
  void reduceApart(ReductionOpInterface op);
  llvm::SmallVector<mlir::Value> accumulateAlong(ReductionOpInterface op,
                                                 llvm::ArrayRef<int64_t> axes, Indices &indices,
                                                 llvm::SmallVector<mlir::Value> totals);
  llvm::SmallVector<mlir::Value> withElement(ReductionOpInterface op, const Indices &indices,
                                             mlir::ValueRange totals);
  void writeTotal(ReductionOpInterface op, mlir::Value total, mlir::Value pointer,
                  llvm::ArrayRef<ElementIndex> indices);

  KernelEmitter &emitter;
  ProgramBlocks &blocks;
  Walk pending;
  /// The number of the loop that is pending, or comes next.
  int64_t current = 0;
  llvm::DenseMap<mlir::Value, Reads> reads;
};

} // namespace weft

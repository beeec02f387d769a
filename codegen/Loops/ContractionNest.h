// The loops of a contraction inside the kernel being emitted.
#pragma once

#include "codegen/Loops/KernelEmitter.h"
#include "dialects/Weft/IR/ContractionLoops.h"

namespace weft {

/// The nest of loops of a kernel's one contraction: their sizes, and where a point of them is in
/// the operands and in the result.
class ContractionNest {
protected:
  explicit ContractionNest(KernelEmitter &emitter);

  mlir::Value sizeOf(const ContractionLoop &loop);
  mlir::Value sizeOf(llvm::ArrayRef<ContractionLoop> loops);
  mlir::Value strideOf(const ContractionLoop &loop, Contraction::Operand operand);

  /// Sets the positions of the loops, for `indicesIn`: of one, whose neighbours are `step` apart
  /// from lane to lane, or of several, by a number in row-major order.
  void setLoop(const ContractionLoop &loop, mlir::Value position, int64_t step);
  void setLoops(llvm::ArrayRef<ContractionLoop> loops, mlir::Value linear);
  /// The position in each loop of a number in row-major order.
  llvm::SmallVector<mlir::Value> split(llvm::ArrayRef<ContractionLoop> loops, mlir::Value linear);
  llvm::ArrayRef<ContractionLoop> outerRows() const { return llvm::ArrayRef(rows).drop_back(); }
  llvm::ArrayRef<ContractionLoop> outerBatch() const { return llvm::ArrayRef(batch).drop_back(); }
  llvm::SmallVector<ElementIndex> indicesIn(Contraction::Operand operand);
  /// How far `at`, a position in each of `loops`, is from their start, in elements.
  mlir::Value offsetIn(Contraction::Operand operand, llvm::ArrayRef<ContractionLoop> loops,
                       llvm::ArrayRef<mlir::Value> at);
  /// True if columns are no neighbours in the result: channels first.
  bool areColumnsApart() const { return !columns.front().strides[Contraction::Result].isOne(); }
  /// True if what follows the contraction is so short that it may stand in the code for each vector
  /// of a tile, which is stored as a whole.
  bool hasShortEpilogue() const;
  mlir::Value negated(mlir::Value condition);

  KernelEmitter &emitter;
  ContractionOpInterface op;
  Contraction contraction;
  std::vector<ContractionLoop> batch, rows, columns, depth;

private:
  std::map<unsigned, ElementIndex> positions;
};

} // namespace weft

// Emits passes over rows, or over blocks of them.
#pragma once

#include "codegen/Loops/RowPasses.h"

namespace weft {

/// Where a row, or a part of it, is, and the results of reductions that belong to it.
struct RowChain {
  /// The indices around the row.
  llvm::SmallVector<ElementIndex> outer;
  /// The element that counts as the first.
  mlir::Value start;
  llvm::SmallVector<std::pair<ReductionOpInterface, mlir::Value>> results;
};

class RowWalk {
public:
  /// The order of a sum over n elements depends on n alone: blocks of so many elements, in each
  /// block lanes (element i goes to lane i mod 16) joined by a tree (8, 4, 2, 1), then the blocks
  /// in order.
  static constexpr int64_t blockElements = 2048;

  /// Takes the kernel's schedule.
  explicit RowWalk(KernelEmitter &emitter);

  const RowPasses &plan() const { return passes; }
  mlir::Value rows() { return emitter.product(symbols.outer); }
  mlir::Value length() { return emitter.product(symbols.row); }
  mlir::Value blocks() { return emitter.ceilDivideIndex(length(), blockElements); }
  /// Row number `row`, from its start.
  RowChain chainOf(mlir::Value row);

  /// The accumulators (scalars) of the elements [low, high) of each chain, at most a block.
  llvm::SmallVector<llvm::SmallVector<mlir::Value>> reduceBlock(const RowPass &pass,
                                                                llvm::ArrayRef<RowChain> chains,
                                                                mlir::Value low, mlir::Value high);
  /// Reduces whole rows: all blocks in order. Adds what comes out to the chains.
  void reduceRows(const RowPass &pass, llvm::MutableArrayRef<RowChain> chains);
  /// Adds the results that the accumulators are to the chain.
  void addResults(const RowPass &pass, RowChain &chain, mlir::ValueRange accumulators);

  /// Stores the results that are one element for each row.
  void storeRowResults(const RowChain &chain);
  /// Stores those that are as long as the row: all of them, or, of a row of one dimension, those
  /// from `low` to `high`.
  void storeElements(const RowChain &chain);
  void storeElements(const RowChain &chain, mlir::Value low, mlir::Value high);

  KernelEmitter &emitter;
  RowSymbols symbols;

private:
  void use(const RowChain &chain);
  /// Emits `body`, which reads elements at `position` of the row, with the values that the pass
  /// keeps or reads.
  void withKept(const RowPass &pass, llvm::ArrayRef<ElementIndex> indices, mlir::Value position,
                llvm::function_ref<void()> body);
  /// Computes what the pass reads again for the block [low, high) if the row is longer than what
  /// is kept.
  void refill(const RowPass &pass, const RowChain &chain, mlir::Value low, mlir::Value high);
  void keep(mlir::Value value, llvm::ArrayRef<ElementIndex> indices, mlir::Value position);
  mlir::Value keptAddress(mlir::Value value, mlir::Value position);
  llvm::SmallVector<ElementIndex> indicesAt(const RowChain &chain, mlir::Value position);
  mlir::Value blockStop(mlir::Value low);

  RowPasses passes;
  int64_t keptElements;
  /// Of kept values, in the one stage that has them.
  llvm::DenseMap<mlir::Value, mlir::Value> buffers;
};

} // namespace weft

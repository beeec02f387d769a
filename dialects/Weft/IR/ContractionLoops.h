// The loops of a contraction inside a kernel, with neighbouring loops merged where memory allows.
#pragma once

#include "dialects/Weft/IR/Weft.h"

namespace weft {

/// A distance in memory, in elements: `factor` times the product of symbolic sizes. A factor of 0
/// means that the loop does not move in the tensor.
struct SymbolicStride {
  int64_t factor = 0;
  llvm::SmallVector<int64_t> symbols; // ascending

  bool isOne() const { return factor == 1 && symbols.empty(); }
  bool operator==(const SymbolicStride &other) const = default;
};

/// One loop of the nest that is emitted: one or more loops of the op, merged.
struct ContractionLoop {
  Contraction::Kind kind;
  /// Numbers in `Contraction::loops`, outermost first.
  llvm::SmallVector<unsigned> members;
  /// The size of each member.
  llvm::SmallVector<int64_t> symbols;
  /// The innermost member's distance in left operand, right operand and result.
  SymbolicStride strides[3];
};

/// The loops of `op`, whose tensors have symbolic sizes and are dense: batch, row, column and depth
/// loops in this order, each outermost first. Neighbours of one kind are merged where walking the
/// outer one continues where the inner one ends, in all three tensors.
std::vector<ContractionLoop> contractionLoops(ContractionOpInterface op);

/// The loops of one kind.
std::vector<ContractionLoop> loopsOfKind(llvm::ArrayRef<ContractionLoop> loops,
                                         Contraction::Kind kind);

} // namespace weft

// The loops of a contraction inside a kernel, with neighbouring loops merged where memory allows.
#pragma once

#include "dialects/Weft/IR/Weft.h"
#include <optional>

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

/// Lines of zeros that the left operand begins and ends with along one of its dimensions, where its
/// index is `row * stride + step * dilation`.
struct ZeroBorder {
  /// A row and a depth loop: numbers in `Contraction::loops`.
  unsigned row, step;
  int64_t stride, dilation;
  /// The size of the dimension, and how many of its first and last lines are zeros.
  int64_t symbol, low, high;
};

/// What `weft.border` says of the operand: a dimension, and how many of its first and last lines
/// are zeros. Nothing if it isn't there or the dimension has no window.
std::optional<ZeroBorder> zeroBorderOf(ContractionOpInterface op);

/// The loops of one kind.
std::vector<ContractionLoop> loopsOfKind(llvm::ArrayRef<ContractionLoop> loops,
                                         Contraction::Kind kind);

} // namespace weft

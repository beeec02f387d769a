// The loops and accesses of an op that sums products.
#pragma once

#include "llvm/ADT/SmallVector.h"
#include <cstdint>

namespace weft {

/// A contraction: result[...] = sum over the depth loops of lhs[...] * rhs[...].
struct Contraction {
  enum Kind { Batch, Row, Column, Depth };
  enum Operand { Lhs, Rhs, Result };

  /// A loop; its size is that of a dimension of an operand or of the result.
  struct Loop {
    Kind kind;
    Operand sizeOperand;
    unsigned sizeDimension;
  };
  /// `loop`, times `factor`, is part of an index.
  struct Term {
    unsigned loop;
    int64_t factor = 1;
  };
  /// For each dimension of a tensor the terms whose sum is the index.
  using Access = llvm::SmallVector<llvm::SmallVector<Term, 2>, 5>;

  /// Batch loops, then row, column and depth loops, each outermost first.
  llvm::SmallVector<Loop> loops;
  /// Indexed by Operand. Columns are read by the right operand and the result only, rows by the
  /// left operand and the result only.
  Access accesses[3];
};

} // namespace weft

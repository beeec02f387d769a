// A term of how much work a launch of a kernel is.
#pragma once

#include "dialects/Weft/IR/Weft.h"

namespace weft {

/// A factor times sizes of a kernel, which are given by their numbers.
struct WorkTerm {
  int64_t factor = 1;
  llvm::SmallVector<int64_t, 4> sizes;
};

/// The number of elements of a tensor of a kernel, times `factor`.
WorkTerm elementsOf(mlir::Value value, int64_t factor = 1);

} // namespace weft

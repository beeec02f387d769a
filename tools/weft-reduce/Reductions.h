// The ways in which weft-reduce makes a module smaller.
#pragma once

#include "mlir/IR/BuiltinOps.h"

namespace weft {

/// Places [begin, end) of all that a reduction finds.
struct Places {
  size_t begin = 0;
  size_t end = 0;
  bool contains(size_t place) const { return begin <= place && place < end; }
};

/// Changes the chosen ones of the places that it finds in `module`, and returns how many it finds.
/// The result need not verify. Each change leaves fewer places for all reductions together, so that
/// doing them until none is left comes to an end.
using Reduction = size_t (*)(mlir::ModuleOp module, Places chosen);

/// All of them, those that take away most first.
llvm::ArrayRef<Reduction> reductions();

} // namespace weft

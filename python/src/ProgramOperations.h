// A program's operations as Python's values, for what writes programs in other formats.
#pragma once

#include "mlir/IR/BuiltinOps.h"

#include <pybind11/pybind11.h>

namespace weft {

/// The operations of @main in their order: (name, operands, results, attributes). Values have
/// numbers, the arguments first; a result is its number and, of a tensor, (dtype, shape), whose
/// sizes are ints and SymbolicSizes.
pybind11::list operationsOf(mlir::ModuleOp module);

} // namespace weft

// A program's operations as Python's values, for what writes programs in other formats.
#pragma once

#include "mlir/IR/BuiltinOps.h"

#include <pybind11/pybind11.h>

namespace weft {

/// The operations of @main in their order: (name, operands, results, attributes). Values have
/// numbers, the arguments first; a result is its number and, of a tensor, (dtype, shape), whose
/// sizes are ints and SymbolicSizes.
pybind11::list operationsOf(mlir::ModuleOp module);

/// How many products the contractions of @main add up (matmul, convolution, attention by its
/// definition), those of derivatives included: the sizes of their loops, multiplied. A scan counts
/// as often as it runs; a while loop, whose trips nobody knows, and each branch count once. Changes
/// the module, whose sizes are known. Throws weft::Error.
double multiplyAddsOf(mlir::ModuleOp module);

} // namespace weft

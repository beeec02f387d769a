// A program's operations as Python's values, for what writes programs in other formats.
#pragma once

#include "mlir/IR/BuiltinOps.h"

#include <pybind11/pybind11.h>

namespace weft {

/// Whether a format has an operation of this name, "weft.add", for tensors that are not complex.
using HasOperation = llvm::function_ref<bool(llvm::StringRef)>;

/// Takes what a format lacks apart, as far as there are definitions; functions that were kept whole
/// are in their places, and complex tensors are pairs of parts. Sizes are handles. Throws after
/// errors.
void takeApart(mlir::ModuleOp module, HasOperation has);

/// The operations of @main in their order: (name, operands, results, attributes, regions, line).
/// Values have numbers, the arguments first; a result is its number and, of a tensor, (dtype,
/// shape), whose sizes are ints and SymbolicSizes. A region is its arguments, as results are, and
/// its operations; the line is "file:line", empty where none is known.
pybind11::list operationsOf(mlir::ModuleOp module);

/// How many products the contractions of @main add up (matmul, convolution, attention by its
/// definition), those of derivatives included: the sizes of their loops, multiplied. A scan counts
/// as often as it runs; a while loop, whose trips nobody knows, and each branch count once. Changes
/// the module, whose sizes are known. Throws weft::Error.
double multiplyAddsOf(mlir::ModuleOp module);

} // namespace weft

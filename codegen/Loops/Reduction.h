// What the templates of reductions share.
#pragma once

#include "codegen/Loops/KernelEmitter.h"

namespace weft {

/// The reductions of a kernel, in the order of the program.
llvm::SmallVector<ReductionOpInterface> reductionsOf(KernelOp kernel);

/// The type that the elements of the reduced operand are computed in.
mlir::Type elementType(KernelEmitter &emitter, ReductionOpInterface op);

/// The accumulator combined with one more element (or vector of elements); where the current mask
/// is off it stays as it is.
llvm::SmallVector<mlir::Value> accumulate(KernelEmitter &emitter, ReductionOpInterface op,
                                          mlir::ValueRange accumulator, mlir::Value element,
                                          mlir::Value position);

/// The value of the reduction, rounded to its dtype.
mlir::Value resultOf(KernelEmitter &emitter, ReductionOpInterface op, mlir::ValueRange accumulator);

} // namespace weft

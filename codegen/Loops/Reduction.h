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

/// How many values an accumulator of `op` has.
unsigned accumulatorWidth(ReductionOpInterface op);

/// How many of `reductions` from number `first` on do not read each other's results, so that one
/// pass over the elements computes them.
size_t independentFrom(llvm::ArrayRef<ReductionOpInterface> reductions, size_t first);

/// The accumulators of all reductions of `pass`, one after the other, to start from: scalars, or
/// vectors of the emitter's lanes.
llvm::SmallVector<mlir::Value> identitiesOf(KernelEmitter &emitter,
                                            llvm::ArrayRef<ReductionOpInterface> pass, bool vector);
/// Combines the accumulators of all reductions of `pass`.
llvm::SmallVector<mlir::Value> combineEach(KernelEmitter &emitter,
                                           llvm::ArrayRef<ReductionOpInterface> pass,
                                           mlir::ValueRange left, mlir::ValueRange right);
/// Combines the lanes of vectors: a tree of halves. Gives scalars.
llvm::SmallVector<mlir::Value> combineLanes(KernelEmitter &emitter,
                                            llvm::ArrayRef<ReductionOpInterface> pass,
                                            llvm::SmallVector<mlir::Value> lanes);
/// Makes the results of `pass` known to the emitter.
void overrideResults(KernelEmitter &emitter, llvm::ArrayRef<ReductionOpInterface> pass,
                     mlir::ValueRange totals);

/// The indices of `position` in the row at `outer`, a row being the dimensions of `rowSymbols`.
llvm::SmallVector<ElementIndex> rowIndices(KernelEmitter &emitter,
                                           llvm::ArrayRef<ElementIndex> outer,
                                           llvm::ArrayRef<int64_t> rowSymbols,
                                           const ElementIndex &position);

/// The value of the reduction, rounded to its dtype.
mlir::Value resultOf(KernelEmitter &emitter, ReductionOpInterface op, mlir::ValueRange accumulator);

} // namespace weft

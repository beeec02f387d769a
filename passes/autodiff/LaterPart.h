// Parts of a block, and of the ops with regions in it, that depend on some values.
#pragma once

#include "dialects/Weft/IR/Weft.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/SetVector.h"

namespace weft {

/// All values of the block that depend on `values`, themselves included; of an op with regions
/// those results alone that do.
llvm::DenseSet<mlir::Value> laterValues(mlir::Block &block, llvm::ArrayRef<mlir::Value> values);

/// Which results of an op with regions depend on the operands that are marked in `operands`, where
/// the carried values that come to depend on them are marked too.
llvm::SmallVector<bool> laterResults(mlir::Operation *op, llvm::SmallVectorImpl<bool> &operands);

/// What of the body of a loop the ops that depend on `later` and the values `read` take of the
/// rest: what is the same in all iterations, costs nothing, or comes behind a barrier, is computed
/// again from what it is made of. Slices and what is captured are there anyway.
llvm::SetVector<mlir::Value> keptOfBody(mlir::Block &body, const llvm::DenseSet<mlir::Value> &later,
                                        llvm::ArrayRef<mlir::Value> read, size_t carries,
                                        size_t slices);

/// Splits each op with regions of the block of which only a part depends on `later`, values of the
/// block, into one that does not and one that does, which reads of the first what it needs: of
/// loops with a known number of iterations, what each has computed; other loops, branches and
/// checkpoints are computed again. Afterwards an op depends on them as a whole or not at all; adds
/// the values that do.
void splitBlock(mlir::Block &block, llvm::DenseSet<mlir::Value> &later);

} // namespace weft

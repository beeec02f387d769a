// What passes ask of the ops that have regions.
#pragma once

#include "dialects/Weft/IR/Weft.h"
#include "llvm/ADT/DenseSet.h"

namespace weft {

/// True for branches and loops whose bodies are regions.
inline bool isControlFlow(mlir::Operation *op) { return mlir::isa<CaseOp, WhileOp, ScanOp>(op); }

/// All values of the block that depend on `values`, themselves included.
inline llvm::DenseSet<mlir::Value> dependentsOf(mlir::Block &block,
                                                llvm::ArrayRef<mlir::Value> values) {
  llvm::DenseSet<mlir::Value> found(values.begin(), values.end());
  mlir::Operation *first = nullptr;
  for (mlir::Value value : values)
    if (mlir::Operation *op = value.getDefiningOp(); op && (!first || op->isBeforeInBlock(first)))
      first = op;
  if (!first && !block.empty())
    first = &block.front();
  for (mlir::Operation *op = first; op; op = op->getNextNode())
    if (llvm::any_of(op->getOperands(), [&](mlir::Value value) { return found.contains(value); }))
      found.insert(op->result_begin(), op->result_end());
  return found;
}

} // namespace weft

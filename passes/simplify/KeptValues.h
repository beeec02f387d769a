// Which of the values that are known early are worth keeping.
#pragma once

#include "dialects/Weft/IR/Weft.h"
#include "llvm/ADT/SetVector.h"

namespace weft {

/// The values of a block that depend on some arguments and on constants alone, and which of them
/// pay to be kept in memory for what runs again and again with the same ones.
class KeptValues {
public:
  KeptValues(mlir::Block &body, llvm::function_ref<bool(mlir::BlockArgument)> isKnown);

  bool contains(mlir::Value value) const { return facts.contains(value); }
  bool contains(mlir::Operation *op) const {
    return op->getNumResults() > 0 && contains(op->getResult(0));
  }

  /// The ops whose values are worth it, from the last one up.
  llvm::SmallSetVector<mlir::Operation *, 8> findKept();

private:
  struct Fact {
    /// What is read to compute the value, if no more than what pays is kept.
    int64_t sourceBytes = 0;
    /// How many instructions an element takes then.
    int64_t instructions = 0;
  };

  bool canKeep(mlir::Operation *op) const;
  void addOp(mlir::Operation *op);
  bool isWorthwhile(mlir::Operation *op, llvm::ArrayRef<mlir::Operation *> readers) const;
  void addReaders(mlir::Operation *op, llvm::SmallSetVector<mlir::Operation *, 4> &readers) const;

  mlir::Block &body;
  llvm::DenseMap<mlir::Value, Fact> facts;
  /// Known ops that are computed again each time.
  llvm::DenseSet<mlir::Operation *> inCalls;
};

} // namespace weft

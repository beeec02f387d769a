// Parts of arguments that no kernel has to copy.
#pragma once

#include "dialects/Weft/IR/Weft.h"

namespace weft {

/// The ops of a function's body that stay out of kernels, as slices: their elements are a run of
/// the memory of an argument, or of another such op, and only kernels read them. A launch reads
/// them where they are: PlanBuilder and EntryEmitter add `partStart` to the argument's address.
///
/// What a function returns, or prepares once for many calls, has memory of its own.
class ArgumentViews {
public:
  ArgumentViews() = default;
  explicit ArgumentViews(mlir::Block &body);

  bool contains(mlir::Operation *op) const { return views.contains(op); }

private:
  bool isView(mlir::Operation &op) const;

  llvm::DenseSet<mlir::Operation *> views;
};

} // namespace weft

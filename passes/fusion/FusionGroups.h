// Which ops become one kernel.
#pragma once

#include "dialects/Weft/IR/Weft.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/MapVector.h"

namespace weft {

/// Ops that become one kernel.
struct FusionGroup {
  enum Kind {
    Map,             ///< each element on its own
    RowReduction,    ///< reductions along the innermost axes, and what surrounds them
    ColumnReduction, ///< one reduction along outer axes, and what surrounds it
    Contraction,     ///< one contraction, and elementwise ops on its result
    Own,             ///< one op that has a template of its own
  };
  Kind kind = Map;
  /// Groups are started last to first.
  size_t number = 0;
  /// The shape that is walked; for reductions that of the reduced operand.
  llvm::SmallVector<int64_t> domain;
  /// The axes of the domain that are reduced.
  llvm::SmallVector<int64_t> axes;
  /// In reverse order of the program.
  llvm::SmallSetVector<mlir::Operation *, 8> ops;
};

/// Divides the ops of `block` into groups.
///
/// The ops are visited last to first. An op joins the group of its users if it can be computed
/// there at the same elements; if others use it too, it becomes one more result of the kernel. What
/// is cheap (constants, broadcasts, counters) is computed again in each kernel that reads it.
class FusionGroups {
public:
  explicit FusionGroups(mlir::Block &block);

  /// The groups, in an order in which they can run.
  llvm::SmallVector<FusionGroup *> inOrder() const;
  /// Ops that every kernel reading them computes for itself.
  bool isRematerialized(mlir::Operation *op) const { return rematerialized.contains(op); }

private:
  void visit(mlir::Operation *op);
  /// The group that `op` can join although it may have users elsewhere; null: it starts its own.
  FusionGroup *findHost(mlir::Operation *op);
  /// True if the kernel can have the op's value as one of its results.
  static bool canBeResult(mlir::Operation *op, const FusionGroup &group);
  bool canJoin(mlir::Operation *op, FusionGroup &group);
  bool reductionCanJoin(mlir::Operation *op, FusionGroup &group);
  bool contractionCanJoin(mlir::Operation *op, FusionGroup &group);
  void add(mlir::Operation *op, FusionGroup &group);
  FusionGroup &start(mlir::Operation *op);
  /// True if a result of `from` reaches `to` on a path outside of both.
  bool reaches(mlir::Operation *from, FusionGroup &to);
  /// True if each use of `op` in `group` reads the element that the group is computing; `byRows`:
  /// or, of a value of one element for each row, the row's.
  bool isReadInPlace(mlir::Operation *op, FusionGroup &group, bool byRows = false);

  std::vector<std::unique_ptr<FusionGroup>> groups;
  llvm::DenseMap<mlir::Operation *, FusionGroup *> groupOf;
  llvm::DenseSet<mlir::Operation *> rematerialized;
};

} // namespace weft

// Which ops become one kernel.
#pragma once

#include "dialects/Weft/IR/Weft.h"
#include "passes/fusion/ArgumentViews.h"
#include "passes/fusion/FusionGroup.h"

namespace weft {

/// What bounds a kernel, so that the time and memory of compiling a program grow with its length.
/// Costs are in vector instructions (`getInstructionCount` of the ops).
struct FusionLimits {
  /// Ops of a kernel; more are cut into several kernels.
  static constexpr size_t ops = 64;
  /// Values that a kernel reads or writes.
  static constexpr size_t buffers = 32;
  /// At how many places of the result one op may be computed for one element.
  static constexpr size_t places = 8;
  /// Instructions in the body of the loop.
  static constexpr int64_t instructions = 512;
  /// Instructions that are executed again at other places: about what it costs to store a vector
  /// and load it again from beyond the caches. From so many on a kernel ends.
  static constexpr int64_t repeated = 128;
};

/// Divides the ops of `block` into groups.
///
/// The ops are visited last to first. An op joins the group of its users if it can be computed
/// there at the same elements; if others use it too, it becomes one more result of the kernel. What
/// is cheap (constants, broadcasts, counters) is computed again in each kernel that reads it. A
/// group ends at FusionLimits.
///
/// What reads a value before an op that updates it stays before it, so that the update may write
/// over the value.
class FusionGroups {
public:
  struct Abilities {
    /// Launches read ArgumentViews where they are.
    bool readsParts;
    /// FusionGroup::storesInFrames.
    bool storesInFrames;
  };
  FusionGroups(mlir::Block &block, Abilities abilities);

  /// The kernels, in an order in which they can run.
  llvm::SmallVector<FusionGroup *> inOrder() const;
  /// Ops that every kernel reading them computes for itself.
  bool isRematerialized(mlir::Operation *op) const { return rematerialized.contains(op); }

private:
  void visit(mlir::Operation *op);
  /// True if a kernel computes the op.
  bool isComputed(mlir::Operation *op) const;
  /// About how many instructions it takes to have an element of the value: to compute it from what
  /// is in memory, or to load it if it is, or if several ops read it, which is where kernels end.
  int64_t costOfElement(mlir::Value value) const;
  /// The group that `op` can join although it may have users elsewhere; null: it starts its own.
  FusionGroup *findHost(mlir::Operation *op);
  bool canJoin(mlir::Operation *op, FusionGroup &group);
  /// True if the group stays within FusionLimits with `op`.
  bool fits(mlir::Operation *op, FusionGroup &group);
  /// What the op would be in the group.
  FusionGroup::Member additionOf(mlir::Operation *op, FusionGroup &group);
  void add(mlir::Operation *op, FusionGroup &group);
  FusionGroup &start();
  /// Puts `group`, with `op` in it, before what writes over the values that `op` reads, and, if
  /// others read `op` too, before all these; false if one of them has to come before it.
  bool orderBefore(mlir::Operation *op, FusionGroup &group, bool isShared);
  /// Calls `visit` for the groups of other ops that read the value of `op` in a kernel that comes
  /// later, or that write over a value that it reads, until it returns false.
  void forEachFollower(mlir::Operation *op, llvm::function_ref<bool(FusionGroup *)> visit) const;
  /// The same for those that write over a value.
  void forEachWriter(mlir::Operation *op, llvm::function_ref<bool(FusionGroup *)> visit) const;
  /// The value whose elements are those of `value`, or repeated in it.
  mlir::Value viewedBy(mlir::Value value) const;

  Abilities abilities;
  ArgumentViews views;
  std::vector<std::unique_ptr<FusionGroup>> groups;
  GroupOrder order;
  llvm::DenseMap<mlir::Operation *, FusionGroup *> groupOf;
  llvm::DenseSet<mlir::Operation *> rematerialized;
  /// The last op that updates a value, of those that have one.
  llvm::DenseMap<mlir::Value, mlir::Operation *> lastUpdate;
  /// What it takes to compute an element of each op's value; FusionLimits::repeated if it is more.
  llvm::DenseMap<mlir::Operation *, int64_t> costs;
};

} // namespace weft

// Ops that become one kernel.
#pragma once

#include "dialects/Weft/IR/Weft.h"
#include "passes/fusion/GroupOrder.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SetVector.h"

namespace weft {

class Template;

/// True if computing the op again costs no more than reading its result: it has no operands, or
/// only says where an element comes from.
bool isFree(mlir::Operation *op);

/// About how many instructions the op adds to the body of a loop at each of its places.
int64_t instructionCount(mlir::Operation *op);

/// True if each element that the user computes or stores needs the same element of the operand.
bool isReadWhereWalked(mlir::OpOperand &use);

/// True if the op only repeats its operand along inner dimensions, so that one value serves a whole
/// run.
bool repeatsInnermost(mlir::Operation *op);

/// Ops that become one kernel, or an op that is in none, as a reshape.
struct FusionGroup : GroupOrder::Node {
  /// Where an op is computed in the kernel: 0 is the element that is walked; passes over the row
  /// for reductions, and whatever elements data movement reads, have numbers of their own.
  using Place = unsigned;
  struct Member {
    /// An element is computed once at each.
    llvm::SmallVector<Place, 2> places;
    /// How many passes over the row come from here on, this one included.
    unsigned passes = 0;
    bool isResult = false;
  };

  /// The kind of kernel that it becomes; null: it is in none.
  const Template *kind = nullptr;
  /// Groups are started last to first.
  size_t number = 0;
  /// The shape that is walked; for reductions that of the reduced operand, for an update that of
  /// the updates.
  llvm::SmallVector<int64_t> domain;
  /// The axes of the domain that are reduced.
  llvm::SmallVector<int64_t> axes;
  /// In reverse order of the program.
  llvm::SmallSetVector<mlir::Operation *, 8> ops;

  llvm::SmallDenseMap<mlir::Operation *, Member, 4> members;
  /// The place where an op of the group reads an operand, given its own; for reductions, given null
  /// and the number of passes.
  llvm::SmallDenseMap<std::pair<mlir::OpOperand *, Place>, Place, 4> movedPlaces;
  Place placeCount = 1;
  /// Values that the ops read and no op of the group computes.
  llvm::SmallDenseSet<mlir::Value, 8> inputs;
  size_t results = 0;
  int64_t instructions = 0, repeated = 0;
  /// Ops that every kernel reading them computes for itself.
  const llvm::DenseSet<mlir::Operation *> *rematerialized = nullptr;

  /// True if kernels may store what they compute in a frame around it, where they have one result.
  bool storesInFrames = false;

  /// True if each use of `op` in the group reads the element that the group is computing; `byRows`:
  /// or, of a value of one element for each row, the row's. What `around` reads counts as such.
  bool readsInPlace(mlir::Operation *op, bool byRows,
                    llvm::ArrayRef<mlir::Operation *> around = {}) const;
  /// The ops of the group that put what the others compute into a frame, which is the only result
  /// (`framingOps`); empty if there are none.
  llvm::SmallVector<mlir::Operation *, 2> findFrame() const;
};

} // namespace weft

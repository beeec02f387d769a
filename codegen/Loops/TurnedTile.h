// Reading operands that lie across the direction in which a kernel writes.
#pragma once

#include "codegen/Loops/KernelEmitter.h"

namespace weft {

/// The transpose of n vectors of n elements, in registers.
llvm::SmallVector<mlir::Value> transposeSquare(KernelEmitter &emitter,
                                               llvm::SmallVector<mlir::Value> square);

/// A tile of a kernel's results, rows of one vector: what lies in memory along the rows' dimension
/// is loaded along it, turned in registers, and kept on the stack until the rows are computed.
class TurnedTile {
public:
  /// The tile's rows are positions of dimension `rowDimension` of the results, at most `mostRows`.
  TurnedTile(KernelEmitter &emitter, unsigned rowDimension, int64_t mostRows);

  /// Emits the rows [low, high) of the vector at `positions`, one position for each dimension of
  /// the results; `row(position)` emits one of them and is called once. That of the rows is set by
  /// this function, and the last one is the vector's first lane.
  void emit(llvm::SmallVector<mlir::Value> positions, mlir::Value low, mlir::Value high,
            llvm::function_ref<void(mlir::Value)> row);

private:
  /// The index in a dimension of an operand: that of dimension `dimension` of the results, less
  /// `before`, which a frame around the operand takes (null: nothing).
  struct Walk {
    unsigned dimension;
    mlir::OpFoldResult before;

    bool operator==(const Walk &other) const = default;
  };
  /// An operand that is read across; an index without a walk is 0.
  struct Access {
    mlir::BlockArgument operand;
    llvm::SmallVector<std::optional<Walk>> walks;
    mlir::Value turned; // on the stack: [rows][lanes]

    mlir::Type stored() const;
  };

  mlir::Value read(mlir::BlockArgument operand, llvm::ArrayRef<ElementIndex> indices);
  std::optional<Access> match(mlir::BlockArgument operand, llvm::ArrayRef<ElementIndex> indices);
  mlir::Value remember(Access access);
  std::optional<Walk> walkOf(mlir::Value index) const;
  void turn(const Access &access);
  void turnRows(const Access &access, mlir::Value first, mlir::Value end);
  mlir::Value isInside(const Access &access);
  mlir::Value indexOf(const Walk &walk, mlir::Value position);
  mlir::Value addressOf(const Access &access, mlir::Value row, mlir::Value column);
  mlir::Value placeOf(const Access &access, mlir::Value row, mlir::Value part);

  KernelEmitter &emitter;
  unsigned rowDimension;
  int64_t mostRows, lanes;
  mlir::Type result;
  std::vector<Access> known;
  /// What the tile that is being emitted reads, as numbers of `known`.
  llvm::SmallVector<unsigned> used;
  llvm::SmallVector<mlir::Value> positions;
  mlir::Value low, high;
};

} // namespace weft

// Which blocks of a program (weft.program) are in memory.
#pragma once

#include "codegen/Loops/ProgramBlocks.h"

namespace weft {

/// True if the elements of the op's results can be computed where they are needed.
bool isComputedInPlace(mlir::Operation *op);

inline bool isBlock(mlir::Value value) { return !ProgramBlocks::isNumber(value); }

/// What of a block of ops is computed into memory.
struct ProgramMemory {
  /// Blocks that several loops read, or one at other places, if it takes time to compute them; and
  /// those of `ends`.
  llvm::DenseSet<mlir::Value> kept;
  /// What is computed of a product's elements alone while they are in registers, and the product.
  llvm::DenseMap<mlir::Value, mlir::Operation *> ends;
  /// The products that `ends` has, which are not computed before.
  llvm::DenseSet<mlir::Operation *> products;

  static ProgramMemory of(mlir::Block &block);
};

/// What a body's block can be written over, element by element: an argument that nothing else
/// reads.
bool canOverwrite(mlir::Value value, mlir::BlockArgument argument, const ProgramMemory &memory);

} // namespace weft

// Products of two blocks of a program (weft.program).
#pragma once

#include "codegen/Loops/ProgramBlocks.h"

namespace weft {

/// Emits products of matrices in memory: tiles in registers, over all of the depth.
class ProgramProducts {
public:
  ProgramProducts(KernelEmitter &emitter, ProgramBlocks &blocks)
      : emitter(emitter), blocks(blocks), schedule(emitter.schedule<ProgramScheduleAttr>()) {}

  /// Computes `end`, which is the product or what is computed of its elements alone, into memory at
  /// `pointer`.
  void emit(ContractionOpInterface op, mlir::Value end, mlir::Value pointer);

protected:
  /// Matrices in memory: where, and how far rows are apart.
  struct Matrix {
    mlir::Value pointer;
    mlir::Type dtype;
    int64_t distance;
    bool isTurned;
  };
  struct Product {
    Matrix left, right;
    int64_t rows, columns, depth;
    mlir::Value value, end, pointer;
  };

  Product productOf(ContractionOpInterface op, mlir::Value end, mlir::Value pointer);
  Matrix matrixOf(mlir::Value value, bool isTurned);
  Matrix turned(const Matrix &from, int64_t depth, int64_t columns);
  mlir::Value address(const Matrix &matrix, mlir::Value row, mlir::Value column);
  void emitRows(const Product &product, mlir::Value column, int64_t vectors);
  void emitTile(const Product &product, mlir::Value row, mlir::Value column, int64_t rows,
                int64_t vectors);
  llvm::SmallVector<mlir::Value> step(const Product &product, mlir::Value row, mlir::Value column,
                                      mlir::Value k, mlir::ValueRange sums, int64_t vectors);
  mlir::Type computeTypeOf(mlir::Type dtype);
  mlir::Value loaded(const Matrix &matrix, mlir::Value row, mlir::Value column, int64_t count);
  mlir::Value converted(mlir::Value value, mlir::Type dtype, mlir::Type wanted);
  mlir::Value multiplyAdd(mlir::Value left, mlir::Value right, mlir::Value sum);

  KernelEmitter &emitter;
  ProgramBlocks &blocks;
  ProgramScheduleAttr schedule;
};

/// The bytes of a copy of the right operand with its columns side by side; 0 if it is read as it
/// is.
double bytesOfTurned(ContractionOpInterface op, int64_t lanes);

} // namespace weft

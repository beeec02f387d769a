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
  /// How many rows, and vectors of columns, are written at a time. They are summed part by part,
  /// where these are too many sums for the registers.
  struct Tile {
    int64_t rows, vectors, parts;
  };

  Product productOf(ContractionOpInterface op, mlir::Value end, mlir::Value pointer);
  Matrix matrixOf(mlir::Value value, bool isTurned);
  Matrix turned(const Matrix &from, int64_t depth, int64_t columns);
  Matrix widened(const Matrix &from, int64_t rows, int64_t columns);
  Tile tileOf(const Product &product);
  mlir::Value address(const Matrix &matrix, mlir::Value row, mlir::Value column);
  void emitRows(const Product &product, mlir::Value column, int64_t vectors);
  void emitTile(const Product &product, mlir::Value row, mlir::Value column, int64_t rows,
                int64_t vectors);
  llvm::SmallVector<mlir::Value> sumsOf(const Product &product, mlir::Value row, mlir::Value column,
                                        int64_t rows, int64_t vectors, int64_t lanes);
  mlir::Value joined(mlir::Value left, mlir::Value right);
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

/// The bytes of copies of the operands: of the right one with its columns side by side, and of
/// those of half precision as float32. 0 if both are read as they are.
double bytesOfCopies(ContractionOpInterface op, int64_t lanes);

} // namespace weft

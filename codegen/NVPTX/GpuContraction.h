// The GPU templates of kernels that contract; see GpuContraction.cpp.
#pragma once

#include "codegen/Loops/ContractionNest.h"
#include "codegen/NVPTX/GpuEmitter.h"

namespace weft {

/// What all templates of contractions share: a task is a tile of the result of one batch. Rows,
/// columns and depth are counted over all their loops, so a convolution is a matrix product whose
/// left operand is read at linear positions.
class GpuContraction : protected ContractionNest,
                       public std::enable_shared_from_this<GpuContraction> {
public:
  /// The tile of a task, and the steps of the depth between two barriers.
  struct TileShape {
    int64_t rows, columns, depth;
  };

  GpuContraction(GpuEmitter &emitter, TileShape tile);
  virtual ~GpuContraction() = default;

  /// Adds the template's stage to the kernel.
  virtual void addStage() = 0;

protected:
  struct Task {
    mlir::Value batch, firstRow, firstColumn;
  };
  /// Sums that were stored, and the threads that compute results from them.
  struct Sums {
    int64_t rows, columns;
    /// The first one's row and column in the result, and its row among the sums that were stored.
    mlir::Value firstRow, firstColumn, storedRow;
    mlir::Value thread;
    int64_t threads;
  };

  virtual mlir::Value tasks();
  Task placeOf(mlir::Value task);
  /// Computes what follows the contraction and stores it, as far as the result reaches.
  void emitResults(mlir::Value atBatch, const Sums &sums);

  /// The loops that an operand does not share with the other: its rows or its columns.
  llvm::ArrayRef<ContractionLoop> outerLoops(Contraction::Operand operand) const;
  mlir::Value firstOf(const Task &task, Contraction::Operand operand) const;
  /// How far a position in `loops`, counted in row-major order, is from their start, in elements.
  mlir::Value offsetOf(Contraction::Operand operand, llvm::ArrayRef<ContractionLoop> loops,
                       mlir::Value linear);
  mlir::Value operandAddress(Contraction::Operand operand, mlir::Value offset);
  mlir::Type operandType(Contraction::Operand operand);
  /// Whether neighbours along the depth are neighbours in memory.
  bool liesAlongDepth(Contraction::Operand operand) const;
  /// Keeps a sum of a stored row and column, a scalar or neighbours along the columns, in shared
  /// memory. Rows have `sumColumns`, and begin `sumPlace` bytes from its start.
  void storeSum(mlir::Value sum, mlir::Value row, mlir::Value column);
  /// The bytes of so many rows of sums.
  int64_t sumBytes(int64_t rows) const { return rows * pitch() * accumulatorBytes(); }

  GpuEmitter &gpu;
  TileShape tile;
  int64_t sumColumns, sumPlace = 0;
  mlir::Type accumulatorType;

private:
  mlir::Value blocksOf(llvm::ArrayRef<ContractionLoop> loops, int64_t size);
  void emitResult(mlir::Value atBatch, const Sums &sums, mlir::Value place);
  int64_t accumulatorBytes() const;
  int64_t pitch() const;
  mlir::Value sumAddress(mlir::Value row, mlir::Value column);
};

/// A template whose threads all compute a task together: the operands come into shared memory, then
/// the sums take their place there.
class GpuBlockContraction : public GpuContraction {
public:
  using GpuContraction::GpuContraction;
  void addStage() override;

protected:
  virtual int64_t threads() const = 0;
  /// The bytes of shared memory that operands take.
  virtual int64_t operandBytes() const = 0;
  /// Computes the tile and hands the sums to `storeSum`. All threads wait for each other at the
  /// end.
  virtual void emitTile(const Task &task) = 0;

  /// Where the batch of the task begins in the left and the right operand, in elements.
  mlir::Value base[2];

private:
  void emitTask(mlir::Value task);
};

using TileShape = GpuContraction::TileShape;
std::shared_ptr<GpuContraction> makeRegisterTiles(GpuEmitter &emitter, TileShape tile);
std::shared_ptr<GpuContraction> makeTensorCores(GpuEmitter &emitter, TileShape tile);
std::shared_ptr<GpuContraction> makeWarpgroups(GpuEmitter &emitter, TileShape tile);

} // namespace weft

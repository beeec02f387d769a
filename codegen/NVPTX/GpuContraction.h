// The GPU templates of kernels that contract; see GpuContraction.cpp.
#pragma once

#include "codegen/Loops/ContractionNest.h"
#include "codegen/NVPTX/GpuEmitter.h"

namespace weft {

/// What both templates of contractions share: a task is a square tile of the result of one batch.
/// Rows, columns and depth are counted over all their loops, so a convolution is a matrix product
/// whose left operand is read at linear positions.
class GpuContraction : protected ContractionNest {
public:
  explicit GpuContraction(GpuEmitter &emitter);
  virtual ~GpuContraction() = default;

  /// The template for the kernel: by tensor cores, or by each thread's own arithmetic.
  static std::shared_ptr<GpuContraction> create(GpuEmitter &emitter);

  GpuEmitter::StageShape shape() const;
  mlir::Value tasks();
  void emitTask(mlir::Value task);

protected:
  struct Task {
    mlir::Value batch, firstRow, firstColumn;
    /// Where the batch begins in the left and the right operand, in elements.
    mlir::Value base[2];
  };

  virtual int64_t threads() const = 0;
  /// The bytes of shared memory that operands take.
  virtual int64_t operandBytes() const = 0;
  /// Computes the tile and hands the sums to `storeSum`. All threads wait for each other at the
  /// end.
  virtual void emitTile(const Task &task) = 0;

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
  /// Keeps sums of the tile, a scalar or neighbours along the columns, in shared memory.
  void storeSum(mlir::Value sum, mlir::Value row, mlir::Value column);

  GpuEmitter &gpu;
  /// Rows and columns of a tile; steps of the depth between two barriers.
  int64_t tile, tileDepth;
  mlir::Type accumulatorType;

private:
  mlir::Value blocksOf(llvm::ArrayRef<ContractionLoop> loops);
  void emitResults(const Task &task);
  void emitResult(const Task &task, mlir::Value place);
  int64_t accumulatorBytes() const;
  int64_t pitch() const;
  mlir::Value sumAddress(mlir::Value row, mlir::Value column);
};

std::shared_ptr<GpuContraction> makeRegisterTiles(GpuEmitter &emitter);
std::shared_ptr<GpuContraction> makeTensorCores(GpuEmitter &emitter);

} // namespace weft

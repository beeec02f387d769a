// What a contraction keeps in registers.
#pragma once

#include "codegen/Loops/KernelEmitter.h"

namespace weft {

/// How an operand is read along the innermost depth loop: where depth 0 of the first row is, and
/// the distances in elements.
struct OperandReader {
  mlir::Value pointer;
  llvm::SmallVector<mlir::Value> rowOffsets; // of the left operand
  mlir::Value depthStride;
  mlir::Type dtype;
  /// How far behind what is read of the right operand memory is asked for; 0: it is not.
  int64_t prefetchBytes = 0;
};

/// A register tile of rows x vectors, and the step that adds the products of one depth to it.
///
/// start: zeros, or what an earlier block of the depth left in memory.
/// run:   for each depth in order, every element gets one fused multiply-add.
/// drain: to memory, [rows][vectors][lanes].
class MicroKernel {
public:
  enum class Kind {
    /// The vectors are columns of the right operand; each row broadcasts an element of the left.
    Broadcast,
    /// The one vector lies along the batch: each row loads a vector of the left operand, and all
    /// multiply it by the same vector of the right one.
    VectorLeft
  };

  MicroKernel(KernelEmitter &emitter, mlir::Operation *op, Kind kind, int64_t rows,
              int64_t vectors);

  llvm::SmallVector<mlir::Value> start(mlir::Value tile = {}, mlir::Value isLater = {});
  llvm::SmallVector<mlir::Value> run(const OperandReader &left, const OperandReader &right,
                                     mlir::Value low, mlir::Value high,
                                     mlir::ValueRange accumulators);
  void drain(mlir::ValueRange accumulators, mlir::Value tile);

private:
  mlir::Value load(const OperandReader &reader, mlir::Value start, mlir::Value place,
                   int64_t count);
  void prefetch(const OperandReader &reader, mlir::Value start);
  mlir::Value multiplyAdd(mlir::Value x, mlir::Value y, mlir::Value sum);

  KernelEmitter &emitter;
  mlir::Operation *op;
  Kind kind;
  int64_t rows, vectors, lanes;
  mlir::Type accumulator;
};

} // namespace weft

// What a contraction keeps in registers.
#pragma once

#include "codegen/Loops/KernelEmitter.h"

namespace weft {

/// How an operand is read along the innermost depth loop: where depth 0 of the first row is, and
/// the distances in elements, those of the depth from step to step.
struct OperandReader {
  mlir::Value pointer;
  llvm::SmallVector<mlir::Value> rowOffsets; // of the left operand
  mlir::Value depthStride;
  mlir::Type dtype;
  /// Where the vectors of the right operand are; empty: one behind the other.
  llvm::SmallVector<mlir::Value> columnOffsets = {};
  /// How far behind what is read of the right operand memory is asked for; 0: it is not.
  int64_t prefetchBytes = 0;
  /// The distance of the rows of the left operand, whose depths are neighbours in memory, if memory
  /// is asked for of one of them in each step; else null.
  mlir::Value rowDistance = {};
};

/// What a contraction computes with: the type of its sums, that of elements of packed operands, and
/// how many neighbouring depths of these are one step.
struct ContractionFormat {
  mlir::Type sum, packed;
  /// The element type of the packed right operand: `packed`, or a narrower one that is widened
  /// where it is read.
  mlir::Type right;
  int64_t steps = 1;

  static ContractionFormat of(KernelEmitter &emitter, mlir::Operation *contraction,
                              ContractionScheduleAttr schedule);
  /// How many steps there are in so many depths; the last may be padded with zeros.
  mlir::Value stepsIn(KernelEmitter &emitter, mlir::Value depths) const;
  /// An element of an operand, computed as its dtype is, as a number to compute with: an integer
  /// beside floats becomes one. And back, to one of `right`.
  mlir::Value toSum(KernelEmitter &emitter, mlir::Value element, mlir::Type dtype) const;
  mlir::Value toRight(KernelEmitter &emitter, mlir::Value number) const;
};

/// True if products of the contraction's operands can be added two by two in 32 bits, and be cut to
/// the result's bits: integers of at most 16 bits. Whatever wraps around does so modulo a power of
/// two, so that the bits are those of any other order.
bool fitsDotProducts(mlir::Operation *contraction);

/// True if the right operand has elements of 8 or 16 bits that are computed with as floats of 32: a
/// copy of it can hold them as they are.
bool hasNarrowRight(mlir::Operation *contraction);

/// A register tile of rows x vectors, and the step that adds products to it.
///
/// start: zeros, or what an earlier block of the depth left in memory.
/// run:   for each step in order, every element gets one fused multiply-add, or a dot product.
/// drain: to memory, [rows][vectors][lanes].
class MicroKernel {
public:
  enum class Kind {
    /// The vectors are columns of the right operand; each row broadcasts an element of the left.
    Broadcast,
    /// The same with vectors of pairs of depths: each row broadcasts a pair, and its dot products
    /// with the pairs of the columns are added (pmaddwd and vpdpwssd of x86, which LLVM forms).
    Dot,
    /// The one vector lies along the batch: each row loads a vector of the left operand, and all
    /// multiply it by the same vector of the right one.
    VectorLeft
  };

  MicroKernel(KernelEmitter &emitter, mlir::Operation *op, Kind kind, ContractionFormat format,
              int64_t rows, int64_t vectors);

  llvm::SmallVector<mlir::Value> start(mlir::Value tile = {}, mlir::Value isLater = {});
  llvm::SmallVector<mlir::Value> run(const OperandReader &left, const OperandReader &right,
                                     mlir::Value low, mlir::Value high,
                                     mlir::ValueRange accumulators);
  void drain(mlir::ValueRange accumulators, mlir::Value tile);

  /// `count` neighbouring elements at start + place, as numbers to compute with; 0: a scalar.
  mlir::Value load(const OperandReader &reader, mlir::Value start, mlir::Value place,
                   int64_t count);
  /// sum + x * y
  mlir::Value add(mlir::Value x, mlir::Value y, mlir::Value sum);

private:
  void prefetch(const OperandReader &reader, mlir::Value start);
  void prefetchRow(const OperandReader &left, mlir::Value depth);
  OperandReader lineOf(const OperandReader &left, mlir::Value place);
  mlir::Value broadcastPair(const OperandReader &reader, mlir::Value start, mlir::Value place);
  mlir::Value addPairs(mlir::Value x, mlir::Value y, mlir::Value sum);

  KernelEmitter &emitter;
  mlir::Operation *op;
  Kind kind;
  ContractionFormat format;
  int64_t rows, vectors, lanes;
  mlir::Type accumulator;
};

} // namespace weft

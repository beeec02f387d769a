// What the emulator does for the instructions that the host does not have. Each function is a
// `Handler`; what it takes from `Operation::parameters` is said here.
#pragma once

#include "codegen/Emulator/Program.h"

namespace weft::emulator {

// Barriers of a block.

/// Bits of the parameter of `syncBlock`.
enum BarrierBits : int64_t {
  BarrierAligned = 1,
  /// The number of threads is an argument.
  BarrierCounted = 2,
  /// Arrives and does not wait.
  BarrierArrives = 4,
};
enum class BarrierReduction : int64_t { None, And, Or, Count };
/// parameters: BarrierBits, BarrierReduction.
void syncBlock(Thread &, const Operation &, const uint64_t *, uint64_t *);

// Operations of a warp.

void syncWarp(Thread &, const Operation &, const uint64_t *, uint64_t *);
enum class ShuffleMode : int64_t { Index, Up, Down, Butterfly };
/// parameters: ShuffleMode. The second result is whether the lane read is in range.
void shuffle(Thread &, const Operation &, const uint64_t *, uint64_t *);
enum class VoteMode : int64_t { All, Any, Uniform, Ballot };
/// parameters: VoteMode.
void vote(Thread &, const Operation &, const uint64_t *, uint64_t *);
/// parameters: 1 if all must be equal.
void matchLanes(Thread &, const Operation &, const uint64_t *, uint64_t *);
enum class WarpReduction : int64_t {
  Add,
  Minimum,
  Maximum,
  UnsignedMinimum,
  UnsignedMaximum,
  And,
  Or,
  Xor
};
/// parameters: WarpReduction.
void reduceWarp(Thread &, const Operation &, const uint64_t *, uint64_t *);
void electLane(Thread &, const Operation &, const uint64_t *, uint64_t *);
/// An operation that all threads of a warp must do together, and that changes nothing here.
void convergeWarp(Thread &, const Operation &, const uint64_t *, uint64_t *);

// Matrices.

/// parameters: number of matrices, 1 if transposed.
void loadMatrices(Thread &, const Operation &, const uint64_t *, uint64_t *);
void storeMatrices(Thread &, const Operation &, const uint64_t *, uint64_t *);
enum class MatrixType : int64_t { Float16, BFloat16, TensorFloat32 };
/// parameters: MatrixType, K. D[16x8] = A[16xK] B[Kx8] + C.
void multiplyMatrices(Thread &, const Operation &, const uint64_t *, uint64_t *);

// Matrices of a warpgroup.

void fenceWarpgroup(Thread &, const Operation &, const uint64_t *, uint64_t *);
void commitWarpgroup(Thread &, const Operation &, const uint64_t *, uint64_t *);
/// parameters: most groups that may be left, accumulators handed through.
void waitWarpgroup(Thread &, const Operation &, const uint64_t *, uint64_t *);
/// parameters: MatrixType, N, 1 if A is in registers, the first arguments of A and of B; then for
/// each of: scale of D, of A, of B, transposition of A, of B: 0 and its value, or 1 and its
/// argument.
void multiplyWarpgroup(Thread &, const Operation &, const uint64_t *, uint64_t *);

// Copies.

/// parameters: bytes; 1 if an argument says how many of them are not zeros.
void copyAsynchronously(Thread &, const Operation &, const uint64_t *, uint64_t *);
void commitCopies(Thread &, const Operation &, const uint64_t *, uint64_t *);
/// parameters: none if the most groups left are an argument, else that number.
void waitForCopies(Thread &, const Operation &, const uint64_t *, uint64_t *);
/// parameters: dimensions, the argument that asks for several blocks or -1. Arguments: target,
/// mbarrier, tensor map, coordinates.
void loadTensor(Thread &, const Operation &, const uint64_t *, uint64_t *);
/// parameters: dimensions. Arguments: source, tensor map, coordinates.
void storeTensor(Thread &, const Operation &, const uint64_t *, uint64_t *);
/// parameters: the argument that asks for several blocks or -1. Arguments: target, mbarrier,
/// source, bytes.
void loadBulk(Thread &, const Operation &, const uint64_t *, uint64_t *);
/// Arguments: target, source, bytes.
void storeBulk(Thread &, const Operation &, const uint64_t *, uint64_t *);
void commitBulkCopies(Thread &, const Operation &, const uint64_t *, uint64_t *);
void waitForBulkCopies(Thread &, const Operation &, const uint64_t *, uint64_t *);
void fenceProxies(Thread &, const Operation &, const uint64_t *, uint64_t *);

// Mbarriers.

void initializeMbarrier(Thread &, const Operation &, const uint64_t *, uint64_t *);
void invalidateMbarrier(Thread &, const Operation &, const uint64_t *, uint64_t *);
enum class ArriveForm : int64_t { Plain, Counted, ExpectBytes, OnlyExpectBytes };
/// parameters: ArriveForm.
void arriveAtMbarrier(Thread &, const Operation &, const uint64_t *, uint64_t *);
enum class WaitForm : int64_t { Test, Try, Loop };
/// parameters: WaitForm, 1 if by parity.
void waitAtMbarrier(Thread &, const Operation &, const uint64_t *, uint64_t *);

// Others.

void doNothing(Thread &, const Operation &, const uint64_t *, uint64_t *);
void yieldThread(Thread &, const Operation &, const uint64_t *, uint64_t *);
enum class Approximation : int64_t {
  Exp2,
  Log2,
  Reciprocal,
  ReciprocalRoot,
  Root,
  Sine,
  Cosine,
  Tanh,
  Quotient
};
/// parameters: Approximation, 1 if subnormals are flushed. On f32. The result is the correctly
/// rounded one, which a device's need not be.
void approximate(Thread &, const Operation &, const uint64_t *, uint64_t *);
/// parameters: MatrixType of the results, 1 if of two values, 1 if toward zero.
void convertFloats(Thread &, const Operation &, const uint64_t *, uint64_t *);

} // namespace weft::emulator

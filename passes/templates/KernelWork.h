// How much work a launch of a kernel is, as a function of its sizes.
#pragma once

#include "passes/templates/WorkTerm.h"

namespace weft {

/// Sums of terms.
struct KernelWork {
  llvm::SmallVector<WorkTerm> bytes;      ///< of inputs and outputs that are read and written
  llvm::SmallVector<WorkTerm> operations; ///< floating-point, a fused multiply-add counting as two
};

/// The work of all stages but a copy of an argument.
KernelWork workOf(KernelOp kernel);

/// The work of the first stage of a kernel that changes some elements of a copy of an argument:
/// none where both are in the same memory. Empty for other kernels.
KernelWork copyWorkOf(KernelOp kernel);

/// What one thread of a current processor does in a nanosecond, within a factor of a few.
inline constexpr int64_t bytesPerNanosecond = 15, operationsPerNanosecond = 25;
/// How much work makes another thread pay.
inline constexpr int64_t nanosecondsPerThread = 8000;
/// How much work a thread takes at a time: much more than taking it costs.
inline constexpr int64_t nanosecondsPerChunk = 4000;
/// The most threads that a launch asks for.
inline constexpr int64_t mostThreads = 1024;

} // namespace weft

// What a launch costs, estimated from its kernel and sizes; a symbol counts as a large number.
#pragma once

#include "dialects/Weft/IR/Weft.h"

namespace weft {

struct LaunchCost {
  int64_t bytes = 0;      ///< of inputs and outputs that are read and written
  int64_t operations = 0; ///< floating-point, a fused multiply-add counting as two

  /// Nanoseconds on one thread of a current processor, within a factor of a few.
  double nanoseconds() const;
  /// How many threads pay: each should have at least some ten microseconds of work.
  int32_t threads() const;
  /// How many of `tasks` tasks a thread should take at a time: some microseconds of work.
  int64_t chunk(int64_t tasks) const;
};

/// Of all stages but a copy of an argument, and of such a copy (KernelWork.h).
LaunchCost costOf(LaunchOp launch, KernelOp kernel);
LaunchCost copyCostOf(LaunchOp launch, KernelOp kernel);

} // namespace weft

// Gradients of what eager ops recorded.
#pragma once

#include "lib/Trace/BackwardPass.h"

namespace weft {

struct GradientRequest {
  /// The leaves and results of recorded ops to find gradients for; none: all leaves.
  llvm::SmallVector<Origin> wanted;
  /// Keeps what was recorded for the results that are passed.
  bool retain = false;
  /// Records how the gradients are computed, so that they have gradients in turn.
  bool record = false;
};

/// The gradients of the seeds' values, times their cotangents, in parts: one target may come
/// several times, and its gradient is the sum. The recorded ops are rebuilt as one function (one
/// for each stretch between copies to other devices), differentiated and compiled once for each
/// structure. Gives up what was recorded for the results that it passes unless the request retains
/// it. Throws weft::Error if that was given up before, or an op has no derivative.
std::vector<FoundGradient> differentiate(llvm::ArrayRef<GradientSeed> seeds,
                                         const GradientRequest &request);

/// The sum of two gradients of one type on one device; recorded on demand.
TapeInput sumOfGradients(const TapeInput &left, const TapeInput &right, bool record);

} // namespace weft

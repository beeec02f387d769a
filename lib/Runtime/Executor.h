// Runs plans.
#pragma once

#include "lib/Runtime/Plan.h"

#include <cstdint>
#include <span>
#include <vector>

namespace weft {

/// Nanoseconds that each launch of a plan took, by its position among them.
using LaunchTimings = std::vector<int64_t>;

/// Runs `plan` on `inputs` and puts its outputs into `outputs`, whose former contents are dropped.
/// The two spans have the plan's numbers of elements and do not overlap. `timings`, when given, is
/// filled with a time for each launch.
///
/// The caller has checked that the inputs have the plan's dtypes and shapes, and holds them
/// meanwhile. Where the plan takes donated inputs, it donates one by having its only reference;
/// foreign memory is never written, and no output shares it. Throws weft::Error when memory runs
/// out, or a worker thread cannot start, and Interrupted between two steps if the user ends them;
/// donated inputs are then as before. May be called from several threads at once.
void execute(const Plan &plan, std::span<Storage *const> inputs, std::span<StorageRef> outputs,
             LaunchTimings *timings = nullptr);

/// The same for inputs that the caller has references to.
void execute(const Plan &plan, std::span<const StorageRef> inputs, std::span<StorageRef> outputs,
             LaunchTimings *timings = nullptr);

/// The same again with the outputs as a new vector.
std::vector<StorageRef> execute(const Plan &plan, std::span<const StorageRef> inputs,
                                LaunchTimings *timings = nullptr);

} // namespace weft

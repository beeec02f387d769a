// What an executor must know of a kernel compiled for a GPU.
#pragma once

#include "lib/Support/FaultSite.h"
#include "lib/Support/TensorMapShape.h"

#include <cstdint>
#include <string>
#include <vector>

namespace weft {

/// One stage: an entry of the PTX module.
///
/// Its parameters are a pointer for each buffer (inputs, outputs, temporaries), then an i64 for
/// each size and launch parameter, then the number of tasks as i64, then 128 bytes for each tensor
/// map. Block b does the tasks b, b + number of blocks, ..., so any number of blocks computes the
/// same.
struct GpuStage {
  std::string entry;
  /// Threads of a block, exactly.
  int64_t threads = 0;
  /// Bytes of dynamic shared memory of a block; above 48 KiB the executor has to ask for them.
  int64_t sharedBytes = 0;
  /// The tensor maps, which whoever launches makes. A stage that has any keeps a multiprocessor
  /// busy with one block, which goes from task to task. It has no tasks for sizes that tensor maps
  /// can't describe, and is not run on addresses that are no multiples of 16: the stage after it
  /// does the same without them, and is run only then.
  std::vector<TensorMapShape> tensorMaps = {};
  /// What the stage notes in the last buffer, which whoever launches reads behind it.
  std::vector<FaultSite> faultSites = {};
};

/// A kernel: its stages run one after the other, each after all blocks of the one before.
struct GpuKernel {
  std::string name;
  std::vector<GpuStage> stages;
  int64_t temporaries = 0;
  /// The host function (sizes, result), as on a processor: stores the tasks of each stage, then the
  /// bytes of each temporary.
  std::string setup;
};

} // namespace weft

// The code of one kernel, as bytes.
#pragma once

#include "codegen/NVPTX/GpuKernel.h"
#include "llvm/ADT/SmallVector.h"

namespace weft {

/// An object file with one kernel, and what its symbols do not tell.
struct KernelObject {
  std::string name;
  int64_t stages = 0;
  int64_t temporaries = 0;
  llvm::SmallVector<char, 0> code;
  /// Of a kernel for a device, whose object file has no more than the setup: what the device loads,
  /// and the shape of each stage's blocks.
  std::string image = {};
  std::vector<GpuStage> deviceStages = {};

  bool isForDevice() const { return !deviceStages.empty(); }
};

} // namespace weft

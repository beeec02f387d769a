// What tests see of the driver library for machines without a device.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>

/// Counters and knobs of the library.
struct FakeCudaState {
  size_t launches = 0, graphs = 0, updates = 0, tensorMaps = 0;
  /// Of the largest launch.
  size_t mostBlocks = 0;
  /// Larger requests are refused.
  size_t memoryBytes = size_t(1) << 30;
};

/// CUDA_KERNEL_NODE_PARAMS of version 2.
struct FakeNodeParameters {
  void *function;
  unsigned gridX, gridY, gridZ, blockX, blockY, blockZ, sharedBytes;
  void **arguments, **extra;
  void *kernel, *context;
};

using FakeCudaStateFunction = FakeCudaState *();
using FakeCudaAllocationsFunction = size_t();

// Facts about the machine that schedules and the runtime's defaults depend on.
#pragma once

#include "lib/Support/CacheSizes.h"

#include <cstdint>

namespace weft {

struct HostInfo {
  CacheSizes caches;
  /// Cores that this process may use: the affinity mask and the control groups' quota, at least 1.
  int cores = 1;
  /// Memory that this process may use: the physical memory, or the control groups' limit.
  uint64_t memoryBytes = 0;
};

/// The facts, read once per process.
const HostInfo &hostInfo();

} // namespace weft

#include "lib/Runtime/HostInfo.h"

#include "lib/Runtime/Cgroup.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

namespace weft {
namespace {

/// Processors in this process's affinity mask, whatever their number on the machine.
int affinityCores() {
  int capacity = std::max<int>(CPU_SETSIZE, static_cast<int>(sysconf(_SC_NPROCESSORS_CONF)));
  // The kernel refuses masks smaller than its own, which may be larger than the processor count.
  for (; capacity <= 1 << 20; capacity *= 2) {
    std::unique_ptr<cpu_set_t, void (*)(cpu_set_t *)> mask(CPU_ALLOC(capacity),
                                                           [](cpu_set_t *set) { CPU_FREE(set); });
    size_t maskBytes = CPU_ALLOC_SIZE(capacity);
    if (mask && sched_getaffinity(0, maskBytes, mask.get()) == 0)
      return std::max(1, CPU_COUNT_S(maskBytes, mask.get()));
  }
  return std::max(1, static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN)));
}

int64_t systemValue(int name) { return std::max<int64_t>(0, sysconf(name)); }

HostInfo readHostInfo() {
  CgroupLimits limits = readCgroupLimits();
  HostInfo info;
  info.caches = readCacheSizes();
  info.cores = affinityCores();
  if (limits.cores)
    info.cores = std::min(info.cores, *limits.cores);
  info.memoryBytes = static_cast<uint64_t>(systemValue(_SC_PHYS_PAGES)) *
                     static_cast<uint64_t>(systemValue(_SC_PAGESIZE));
  if (limits.memoryBytes)
    info.memoryBytes = std::min(info.memoryBytes, *limits.memoryBytes);
  return info;
}

} // namespace

const HostInfo &hostInfo() {
  static const HostInfo info = readHostInfo();
  return info;
}

} // namespace weft

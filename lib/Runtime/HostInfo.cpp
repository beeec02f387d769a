#include "lib/Runtime/HostInfo.h"

#include "lib/Runtime/Cgroup.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <string>

namespace weft {
namespace {

/// Sysfs writes cache sizes as "512K".
int64_t parseCacheSize(const std::string &text) {
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc())
    return 0;
  char suffix = end == text.data() + text.size() ? '\n' : *end;
  return value << (suffix == 'K' ? 10 : suffix == 'M' ? 20 : 0);
}

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

CacheSizes readCacheSizes(const FileReader &reader) {
  CacheSizes sizes;
  for (int index = 0;; ++index) {
    std::string directory = "/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(index);
    auto level = reader(directory + "/level");
    if (!level)
      break;
    if (reader(directory + "/type").value_or("").starts_with("Instruction"))
      continue;
    int64_t bytes = parseCacheSize(reader(directory + "/size").value_or(""));
    if (level->starts_with("1"))
      sizes.level1Data = bytes;
    else if (level->starts_with("2"))
      sizes.level2 = bytes;
    else if (level->starts_with("3"))
      sizes.level3 = bytes;
  }
  if (sizes.level1Data == 0) {
    sizes.level1Data = systemValue(_SC_LEVEL1_DCACHE_SIZE);
    sizes.level2 = systemValue(_SC_LEVEL2_CACHE_SIZE);
    sizes.level3 = systemValue(_SC_LEVEL3_CACHE_SIZE);
  }
  if (sizes.level1Data == 0)
    sizes.level1Data = int64_t(32) << 10;
  if (sizes.level2 == 0)
    sizes.level2 = int64_t(512) << 10;
  return sizes;
}

const HostInfo &hostInfo() {
  static const HostInfo info = readHostInfo();
  return info;
}

} // namespace weft

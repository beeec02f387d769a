#include "lib/Support/CacheSizes.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
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

int64_t systemValue(int name) { return std::max<int64_t>(0, sysconf(name)); }

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

} // namespace weft

#include "lib/Runtime/RuntimeOptions.h"

#include <algorithm>

namespace weft {

RuntimeOptions RuntimeOptions::fromEnvironment(const Environment &environment) {
  RuntimeOptions options;
  if (auto count = integerOption(environment, "WEFT_NUM_THREADS", 1, maximumThreadCount))
    options.threadCount = static_cast<int>(*count);
  options.allocatorCacheBytes = byteSizeOption(environment, "WEFT_ALLOCATOR_CACHE_BYTES");
  options.preparedBytes = byteSizeOption(environment, "WEFT_PREPARED_BYTES");
  return options;
}

int RuntimeOptions::resolveThreadCount(int cores) const {
  return std::clamp(std::min(cores, threadCount.value_or(cores)), 1, maximumThreadCount);
}

uint64_t RuntimeOptions::resolveAllocatorCacheBytes(uint64_t memoryBytes) const {
  constexpr uint64_t gibibyte = uint64_t(1) << 30;
  return allocatorCacheBytes.value_or(std::min(gibibyte, memoryBytes / 4));
}

uint64_t RuntimeOptions::resolvePreparedBytes(uint64_t memoryBytes) const {
  return preparedBytes.value_or(memoryBytes / 2);
}

} // namespace weft

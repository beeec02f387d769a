#include "lib/Trace/ExecutableCache.h"

#include <set>

namespace weft {

static std::set<ExecutableCache *> &allCaches() {
  static auto &caches = *new std::set<ExecutableCache *>();
  return caches;
}

ExecutableCache::ExecutableCache(size_t capacity) : entries(capacity, mostWords) {
  allCaches().insert(this);
}

ExecutableCache::~ExecutableCache() { allCaches().erase(this); }

void ExecutableCache::clearAll() {
  for (ExecutableCache *cache : allCaches())
    cache->entries.takeIf([](const auto &) { return true; });
}

} // namespace weft

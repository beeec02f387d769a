#include "lib/Trace/ExecutableCache.h"

#include <set>

namespace weft {

static std::set<CompiledCache *> &allCaches() {
  static auto &caches = *new std::set<CompiledCache *>();
  return caches;
}

CompiledCache::CompiledCache() { allCaches().insert(this); }
CompiledCache::~CompiledCache() { allCaches().erase(this); }

void CompiledCache::clearAll() {
  for (CompiledCache *cache : allCaches())
    cache->clear();
}

} // namespace weft

// Executables by what they were made of.
#pragma once

#include "lib/Compiler/Compiler.h"
#include "lib/Trace/OpCall.h"

#include <memory>
#include <unordered_map>

namespace weft {

/// Finds executables by key. Holds a bounded number; when it is full, all are dropped (the kernels
/// themselves stay in the compiler's cache, so that only the plan is made again).
class ExecutableCache {
public:
  explicit ExecutableCache(size_t capacity) : capacity(capacity) {}

  /// Null if there is none.
  std::shared_ptr<const Executable> find(const Key &key) const {
    auto found = entries.find(key);
    return found == entries.end() ? nullptr : found->second;
  }

  std::shared_ptr<const Executable> insert(Key key, std::shared_ptr<const Executable> executable) {
    if (entries.size() >= capacity)
      entries.clear();
    return entries[std::move(key)] = std::move(executable);
  }

private:
  struct Hash {
    size_t operator()(const Key &key) const { return hashKey(key); }
  };

  size_t capacity;
  std::unordered_map<Key, std::shared_ptr<const Executable>, Hash> entries;
};

} // namespace weft

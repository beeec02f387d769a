// Executables by what they were made of.
#pragma once

#include "lib/Compiler/Compiler.h"
#include "lib/Trace/OpCall.h"

#include <memory>
#include <unordered_map>

namespace weft {

/// Finds executables by key. Holds a bounded number, with keys of a bounded number of words (as
/// long as the programs); when it is full, all are dropped (the kernels themselves stay in the
/// compiler's cache, so that only the plan is made again).
class ExecutableCache {
public:
  explicit ExecutableCache(size_t capacity) : capacity(capacity) {}

  /// Null if there is none.
  std::shared_ptr<const Executable> find(const Key &key) const {
    auto found = entries.find(key);
    return found == entries.end() ? nullptr : found->second;
  }

  std::shared_ptr<const Executable> insert(Key key, std::shared_ptr<const Executable> executable) {
    if (entries.size() >= capacity || words + key.size() > mostWords) {
      entries.clear();
      words = 0;
    }
    words += key.size();
    return entries[std::move(key)] = std::move(executable);
  }

private:
  struct Hash {
    size_t operator()(const Key &key) const { return hashKey(key); }
  };

  /// 16 MiB; the executables take a few times as much.
  static constexpr size_t mostWords = size_t(1) << 21;

  size_t capacity, words = 0;
  std::unordered_map<Key, std::shared_ptr<const Executable>, Hash> entries;
};

} // namespace weft

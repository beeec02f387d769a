// What was compiled, by what it was made of.
#pragma once

#include "lib/Compiler/Compiler.h"
#include "lib/Support/LeastRecentlyUsed.h"
#include "lib/Trace/OpCall.h"

#include <memory>
#include <utility>

namespace weft {

/// All caches that there are.
class CompiledCache {
public:
  CompiledCache();
  virtual ~CompiledCache();
  CompiledCache(const CompiledCache &) = delete;
  CompiledCache &operator=(const CompiledCache &) = delete;

  /// Empties all of them. Under the interpreter's lock, as all uses are.
  static void clearAll();

private:
  virtual void clear() = 0;
};

/// Finds what was compiled by key: a bounded number, with keys of a bounded number of words (as
/// long as the programs). The kernels of one that was dropped stay in the compiler's own cache, so
/// that only the plan is made again.
template <typename Compiled> class CacheOf : public CompiledCache {
public:
  explicit CacheOf(size_t capacity) : entries(capacity, mostWords) {}

  /// Null if there is none.
  std::shared_ptr<const Compiled> find(const Key &key) { return entries.find(key); }

  std::shared_ptr<const Compiled> insert(Key key, std::shared_ptr<const Compiled> compiled) {
    size_t words = key.size();
    return entries.insert(std::move(key), std::move(compiled), words);
  }

private:
  struct Hash {
    size_t operator()(const Key &key) const { return hashKey(key); }
  };

  void clear() override {
    entries.takeIf([](const auto &) { return true; });
  }

  /// 16 MiB; what was compiled takes a few times as much.
  static constexpr size_t mostWords = size_t(1) << 21;

  LeastRecentlyUsed<Key, std::shared_ptr<const Compiled>, Hash> entries;
};

using ExecutableCache = CacheOf<Executable>;

} // namespace weft

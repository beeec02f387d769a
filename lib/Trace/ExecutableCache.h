// Executables by what they were made of.
#pragma once

#include "lib/Compiler/Compiler.h"
#include "lib/Support/LeastRecentlyUsed.h"
#include "lib/Trace/OpCall.h"

#include <memory>
#include <utility>

namespace weft {

/// Finds executables by key: a bounded number, with keys of a bounded number of words (as long as
/// the programs). The kernels of one that was dropped stay in the compiler's own cache, so that
/// only the plan is made again.
class ExecutableCache {
public:
  explicit ExecutableCache(size_t capacity);
  ~ExecutableCache();
  ExecutableCache(const ExecutableCache &) = delete;
  ExecutableCache &operator=(const ExecutableCache &) = delete;

  /// Empties all that there are. Under the interpreter's lock, as all uses are.
  static void clearAll();

  /// Null if there is none.
  std::shared_ptr<const Executable> find(const Key &key) { return entries.find(key); }

  std::shared_ptr<const Executable> insert(Key key, std::shared_ptr<const Executable> executable) {
    size_t words = key.size();
    return entries.insert(std::move(key), std::move(executable), words);
  }

private:
  struct Hash {
    size_t operator()(const Key &key) const { return hashKey(key); }
  };

  /// 16 MiB; the executables take a few times as much.
  static constexpr size_t mostWords = size_t(1) << 21;

  LeastRecentlyUsed<Key, std::shared_ptr<const Executable>, Hash> entries;
};

} // namespace weft

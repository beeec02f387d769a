// The options of the runtime.
#pragma once

#include "lib/Support/Options.h"

#include <cstdint>
#include <optional>

namespace weft {

/// The most threads a pool can have.
inline constexpr int maximumThreadCount = 1024;

/// What the user may set of the runtime; unset members take the host's default.
struct RuntimeOptions {
  /// WEFT_NUM_THREADS: an upper bound on the threads of the pool, the caller's included.
  std::optional<int> threadCount;
  /// WEFT_ALLOCATOR_CACHE_BYTES: freed memory kept for reuse; 0 keeps none.
  std::optional<uint64_t> allocatorCacheBytes;
  /// WEFT_PREPARED_BYTES: the most bytes of prepared values; 0 prepares nothing.
  std::optional<uint64_t> preparedBytes;

  /// Reads the variables above. Throws weft::Error, naming the variable, on malformed text.
  static RuntimeOptions fromEnvironment(const Environment &environment = processEnvironment);

  /// The pool's size on a host with `cores` usable cores.
  int resolveThreadCount(int cores) const;

  /// The allocator's cache bound on a host with `memoryBytes` usable memory: 1 GiB by default, or a
  /// quarter of the memory where that is less.
  uint64_t resolveAllocatorCacheBytes(uint64_t memoryBytes) const;

  /// The bound of prepared values there: half of the memory by default.
  uint64_t resolvePreparedBytes(uint64_t memoryBytes) const;
};

} // namespace weft

// Where the memory of tensors and of executions comes from.
#pragma once

#include "lib/Runtime/SizeClass.h"
#include "lib/Runtime/Storage.h"
#include "lib/Runtime/TensorSignature.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

namespace weft {

/// Sizes in bytes, each block counted with its capacity (its size rounded up to its class).
struct AllocatorStatistics {
  uint64_t bytesInUse = 0;
  uint64_t peakBytesInUse = 0;
  uint64_t bytesCached = 0;
  /// Blocks that had to be asked of the operating system since the process began.
  uint64_t systemAllocations = 0;
};

/// Hands out blocks aligned to 64 bytes (to a page and advised to huge pages from 1 MiB on), with
/// undefined contents, and keeps freed ones for reuse.
///
/// Small blocks pass through a cache of each thread without a lock. All others are kept in one
/// cache bounded by cacheLimit(): when it overflows, the blocks unused for longest are given back.
/// A thread's own cache holds at most 512 KiB, or the limit if smaller. All methods may be called
/// from any thread, and after fork().
class Allocator {
public:
  /// The process's allocator, which lives forever. The first call throws weft::Error when the
  /// environment variable WEFT_ALLOCATOR_CACHE_BYTES is malformed.
  static Allocator &process();

  Allocator(const Allocator &) = delete;
  Allocator &operator=(const Allocator &) = delete;

  /// A block of `bytes` bytes; 0 is valid. Throws weft::Error (Memory) when there is none.
  StorageRef allocate(uint64_t bytes);

  /// A block for a tensor. Throws weft::Error, naming dtype and shape, when the size overflows or
  /// the memory is not there.
  StorageRef allocate(const TensorSignature &signature);

  AllocatorStatistics statistics() const;

  /// The same figure as there, without a lock.
  uint64_t bytesInUse() const { return inUse.load(std::memory_order_relaxed); }

  /// Starts a new measurement of the peak, from the bytes in use now.
  void resetPeak();

  uint64_t cacheLimit() const { return limit.load(std::memory_order_relaxed); }

  /// Changes the bound of the cache and gives back what exceeds it.
  void setCacheLimit(uint64_t bytes);

  /// Gives all cached blocks back, but for those in the caches of other threads. Returns their
  /// bytes.
  uint64_t trim();

private:
  friend class Storage;
  struct FreeBlock;
  struct ThreadCache;
  struct ThreadCacheOwner;

  /// The blocks of one class in the shared cache, from the one freed last to the oldest.
  struct FreeList {
    FreeBlock *newest = nullptr;
    FreeBlock *oldest = nullptr;
  };

  explicit Allocator(uint64_t cacheLimit);

  void afterFork();
  Storage *tryAllocate(uint64_t bytes);
  void recycle(Storage &storage);

  static ThreadCache *threadCache();
  static ThreadCache *attachThread();
  void detachThread(ThreadCache *cache);
  void flush(ThreadCache &cache);

  FreeBlock *takeShared(uint32_t sizeClass);
  void keepShared(FreeBlock *block);
  FreeBlock *evict(uint64_t target);
  FreeBlock *unlink(FreeList &list, FreeBlock *block);

  FreeBlock *requestFromSystem(SizeClass sizeClass);
  static uint64_t returnToSystem(FreeBlock *chain);
  void countInUse(uint64_t capacity);

  std::atomic<uint64_t> limit;
  std::atomic<uint64_t> threadLimit;
  std::atomic<uint64_t> inUse = 0;
  std::atomic<uint64_t> peak = 0;
  std::atomic<uint64_t> systemAllocations = 0;

  /// Guards everything below.
  mutable std::mutex mutex;
  std::array<FreeList, SizeClass::count()> freeLists{};
  uint64_t sharedBytes = 0;
  uint64_t nextStamp = 0;
  std::vector<ThreadCache *> threadCaches;
};

} // namespace weft

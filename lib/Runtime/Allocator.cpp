#include "lib/Runtime/Allocator.h"

#include "lib/Runtime/HostInfo.h"
#include "lib/Runtime/RuntimeOptions.h"
#include "lib/Support/Error.h"

#include <pthread.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <new>
#include <utility>

namespace weft {
namespace {

constexpr uint64_t blockAlignment = 64;
constexpr uint64_t pageBytes = 4096;
constexpr uint64_t hugePageBytes = uint64_t(2) << 20;
/// From this capacity on, blocks are mapped by themselves.
constexpr uint64_t mappedFrom = uint64_t(1) << 20;
/// Up to this capacity, freed blocks go to the cache of the thread.
constexpr uint64_t threadCachedUpTo = uint64_t(32) << 10;
constexpr uint64_t threadCacheBytes = uint64_t(512) << 10;
constexpr uint32_t threadClassCount = SizeClass::of(threadCachedUpTo).index + 1;

/// A block's header (the Storage, or the FreeBlock while cached) lies right behind its capacity, so
/// that the data keeps the alignment of the block.
constexpr uint64_t headerBytes = 64;

uint64_t mappedBytes(uint64_t capacity) { return capacity + pageBytes; }

/// Maps pages aligned so that huge pages can back all of a block; null when there is no memory.
void *mapBlock(uint64_t capacity) {
  uint64_t bytes = mappedBytes(capacity);
  uint64_t slack = capacity >= hugePageBytes ? hugePageBytes : 0;
  void *mapping =
      mmap(nullptr, bytes + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED)
    return nullptr;
  auto *begin = static_cast<std::byte *>(mapping);
  if (slack) {
    uint64_t before = -reinterpret_cast<uintptr_t>(mapping) & (hugePageBytes - 1);
    if (before)
      munmap(begin, before);
    if (slack > before)
      munmap(begin + before + bytes, slack - before);
    begin += before;
  }
  // Advice only: a kernel without huge pages refuses it, and nothing is lost.
  madvise(begin, capacity, MADV_HUGEPAGE);
  return begin;
}

} // namespace

/// A block that waits to be used again; it stands where the block's Storage stood.
struct Allocator::FreeBlock {
  void *data;
  SizeClass sizeClass;
  FreeBlock *older = nullptr;
  FreeBlock *newer = nullptr;
  /// Grows with every block freed to the shared cache: its age.
  uint64_t stamp = 0;
};

/// The blocks that one thread keeps for itself. Only that thread changes it.
struct Allocator::ThreadCache {
  std::array<FreeBlock *, threadClassCount> newest{};
  /// Atomic because statistics() reads it from other threads.
  std::atomic<uint64_t> bytes = 0;

  FreeBlock *pop(uint32_t sizeClass) {
    FreeBlock *block = newest[sizeClass];
    if (block) {
      newest[sizeClass] = block->older;
      setBytes(heldBytes() - block->sizeClass.capacity);
    }
    return block;
  }
  void push(FreeBlock *block) {
    block->older = newest[block->sizeClass.index];
    newest[block->sizeClass.index] = block;
    setBytes(heldBytes() + block->sizeClass.capacity);
  }
  uint64_t heldBytes() const { return bytes.load(std::memory_order_relaxed); }
  void setBytes(uint64_t value) { bytes.store(value, std::memory_order_relaxed); }
};

/// Attached while the thread lives; null before, and again after thread-local destructors have run,
/// when storages may still be dropped.
static constinit thread_local void *currentCache = nullptr;
static constinit thread_local bool threadEnding = false;

/// Returns a thread's blocks when the thread ends.
struct Allocator::ThreadCacheOwner {
  ThreadCache cache;
  ~ThreadCacheOwner() {
    currentCache = nullptr;
    threadEnding = true;
    Allocator::process().detachThread(&cache);
  }
};

Allocator::Allocator(uint64_t cacheLimit)
    : limit(cacheLimit), threadLimit(std::min(cacheLimit, threadCacheBytes)) {
  static_assert(sizeof(Storage) <= headerBytes && sizeof(FreeBlock) <= headerBytes);
}

Allocator &Allocator::process() {
  // Never destroyed: storages may be dropped by other static destructors.
  static Allocator *const allocator = [] {
    auto options = RuntimeOptions::fromEnvironment();
    auto *created = new Allocator(options.resolveAllocatorCacheBytes(hostInfo().memoryBytes));
    // The child of a fork must not find the lock held by a thread that it does not have.
    pthread_atfork([] { process().mutex.lock(); }, [] { process().mutex.unlock(); },
                   [] { process().afterFork(); });
    return created;
  }();
  return *allocator;
}

/// In the child: the caches of the parent's other threads are gone with their stacks.
void Allocator::afterFork() {
  std::erase_if(threadCaches, [](ThreadCache *cache) { return cache != currentCache; });
  mutex.unlock();
}

StorageRef Allocator::allocate(uint64_t bytes) {
  if (Storage *storage = tryAllocate(bytes))
    return StorageRef::adopt(storage);
  throw Error(Error::Kind::Memory,
              "cannot allocate " + std::to_string(bytes) + " bytes: not enough memory");
}

StorageRef Allocator::allocate(const TensorSignature &signature) {
  uint64_t bytes = signature.bytes();
  if (Storage *storage = tryAllocate(bytes))
    return StorageRef::adopt(storage);
  throw Error(Error::Kind::Memory, "cannot allocate a tensor " + signature.toString() + " of " +
                                       std::to_string(bytes) + " bytes: not enough memory");
}

/// Null when the operating system has no memory left.
Storage *Allocator::tryAllocate(uint64_t bytes) {
  if (bytes > SizeClass::maximumBytes)
    return nullptr;
  SizeClass sizeClass = SizeClass::of(bytes);
  FreeBlock *block = nullptr;
  if (sizeClass.index < threadClassCount)
    if (ThreadCache *cache = threadCache())
      block = cache->pop(sizeClass.index);
  if (!block)
    block = takeShared(sizeClass.index);
  if (!block)
    block = requestFromSystem(sizeClass);
  if (!block) {
    trim();
    block = requestFromSystem(sizeClass);
  }
  if (!block)
    return nullptr;
  countInUse(sizeClass.capacity);
  return new (block) Storage(block->data, bytes);
}

void Allocator::recycle(Storage &storage) {
  void *data = storage.data();
  SizeClass sizeClass = SizeClass::of(storage.bytes());
  storage.~Storage();
  auto *block = new (&storage) FreeBlock{data, sizeClass};
  inUse.fetch_sub(sizeClass.capacity, std::memory_order_relaxed);
  if (sizeClass.index < threadClassCount) {
    ThreadCache *cache = threadCache();
    if (cache &&
        cache->heldBytes() + sizeClass.capacity <= threadLimit.load(std::memory_order_relaxed)) {
      cache->push(block);
      return;
    }
  }
  keepShared(block);
}

void Allocator::countInUse(uint64_t capacity) {
  uint64_t now = inUse.fetch_add(capacity, std::memory_order_relaxed) + capacity;
  uint64_t highest = peak.load(std::memory_order_relaxed);
  while (now > highest && !peak.compare_exchange_weak(highest, now, std::memory_order_relaxed)) {
  }
}

Allocator::ThreadCache *Allocator::threadCache() {
  if (currentCache)
    return static_cast<ThreadCache *>(currentCache);
  return attachThread();
}

Allocator::ThreadCache *Allocator::attachThread() {
  if (threadEnding)
    return nullptr;
  thread_local ThreadCacheOwner owner;
  Allocator &allocator = process();
  std::lock_guard lock(allocator.mutex);
  allocator.threadCaches.push_back(&owner.cache);
  currentCache = &owner.cache;
  return &owner.cache;
}

void Allocator::detachThread(ThreadCache *cache) {
  flush(*cache);
  std::lock_guard lock(mutex);
  std::erase(threadCaches, cache);
}

/// Moves all blocks of a thread to the shared cache. Called on that thread.
void Allocator::flush(ThreadCache &cache) {
  for (uint32_t index = 0; index < threadClassCount; ++index)
    while (FreeBlock *block = cache.pop(index))
      keepShared(block);
}

Allocator::FreeBlock *Allocator::unlink(FreeList &list, FreeBlock *block) {
  (block->newer ? block->newer->older : list.newest) = block->older;
  (block->older ? block->older->newer : list.oldest) = block->newer;
  block->newer = block->older = nullptr;
  sharedBytes -= block->sizeClass.capacity;
  return block;
}

Allocator::FreeBlock *Allocator::takeShared(uint32_t sizeClass) {
  std::lock_guard lock(mutex);
  FreeList &list = freeLists[sizeClass];
  return list.newest ? unlink(list, list.newest) : nullptr;
}

void Allocator::keepShared(FreeBlock *block) {
  FreeBlock *evicted;
  {
    std::lock_guard lock(mutex);
    FreeList &list = freeLists[block->sizeClass.index];
    block->stamp = ++nextStamp;
    block->newer = nullptr;
    block->older = list.newest;
    (list.newest ? list.newest->newer : list.oldest) = block;
    list.newest = block;
    sharedBytes += block->sizeClass.capacity;
    // A block that does not fit at all must not drive all the others out.
    evicted = block->sizeClass.capacity > cacheLimit() ? unlink(list, block) : evict(cacheLimit());
  }
  returnToSystem(evicted);
}

/// Takes the oldest blocks out until at most `target` bytes are left; gives them as a chain through
/// `older`. A scan of the classes is nothing beside giving memory back to the operating system.
Allocator::FreeBlock *Allocator::evict(uint64_t target) {
  FreeBlock *chain = nullptr;
  while (sharedBytes > target) {
    FreeList *stalest = nullptr;
    for (FreeList &list : freeLists)
      if (list.oldest && (!stalest || list.oldest->stamp < stalest->oldest->stamp))
        stalest = &list;
    FreeBlock *block = unlink(*stalest, stalest->oldest);
    block->older = chain;
    chain = block;
  }
  return chain;
}

Allocator::FreeBlock *Allocator::requestFromSystem(SizeClass sizeClass) {
  uint64_t capacity = sizeClass.capacity;
  void *data = capacity >= mappedFrom ? mapBlock(capacity)
                                      : std::aligned_alloc(blockAlignment, capacity + headerBytes);
  if (!data)
    return nullptr;
  systemAllocations.fetch_add(1, std::memory_order_relaxed);
  return new (static_cast<std::byte *>(data) + capacity) FreeBlock{data, sizeClass};
}

/// Returns the bytes of the chain.
uint64_t Allocator::returnToSystem(FreeBlock *chain) {
  uint64_t bytes = 0;
  while (chain) {
    FreeBlock *block = std::exchange(chain, chain->older);
    uint64_t capacity = block->sizeClass.capacity;
    bytes += capacity;
    if (capacity >= mappedFrom)
      munmap(block->data, mappedBytes(capacity));
    else
      std::free(block->data);
  }
  return bytes;
}

AllocatorStatistics Allocator::statistics() const {
  AllocatorStatistics result;
  result.bytesInUse = inUse.load(std::memory_order_relaxed);
  result.peakBytesInUse = peak.load(std::memory_order_relaxed);
  result.systemAllocations = systemAllocations.load(std::memory_order_relaxed);
  std::lock_guard lock(mutex);
  result.bytesCached = sharedBytes;
  for (const ThreadCache *cache : threadCaches)
    result.bytesCached += cache->heldBytes();
  return result;
}

void Allocator::resetPeak() {
  peak.store(inUse.load(std::memory_order_relaxed), std::memory_order_relaxed);
}

void Allocator::setCacheLimit(uint64_t bytes) {
  limit.store(bytes, std::memory_order_relaxed);
  threadLimit.store(std::min(bytes, threadCacheBytes), std::memory_order_relaxed);
  if (ThreadCache *cache = threadCache(); cache && cache->heldBytes() > bytes)
    flush(*cache);
  FreeBlock *evicted;
  {
    std::lock_guard lock(mutex);
    evicted = evict(bytes);
  }
  returnToSystem(evicted);
}

uint64_t Allocator::trim() {
  if (ThreadCache *cache = threadCache())
    flush(*cache);
  FreeBlock *evicted;
  {
    std::lock_guard lock(mutex);
    evicted = evict(0);
  }
  return returnToSystem(evicted);
}

} // namespace weft

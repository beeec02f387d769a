// The memory of tensors: a reference-counted block of bytes.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace weft {

class Device;
class StorageRef;

/// A block of bytes shared by handles. It is immutable by convention once its first writer is done;
/// only the holder of the one reference to a block of our own may write it again.
class Storage {
public:
  /// Called once when the last reference to foreign memory goes, on the thread that drops it.
  using Deleter = void (*)(void *context);

  /// Wraps `bytes` bytes of foreign memory (NumPy, DLPack) without copying. `deleter` may be null
  /// when the memory outlives every reference.
  static StorageRef wrap(void *data, uint64_t bytes, Deleter deleter, void *context);

  /// The same for memory that nobody writes, as of a file with weights.
  static StorageRef wrapConstant(void *data, uint64_t bytes, Deleter deleter, void *context);

  /// The same for foreign memory of `device`.
  static StorageRef wrapOnDevice(void *data, uint64_t bytes, Device &device, Deleter deleter,
                                 void *context);

  /// A block in the memory of `device`, which takes it back when the last reference goes.
  static StorageRef onDevice(void *data, uint64_t bytes, Device &device);

  Storage(const Storage &) = delete;
  Storage &operator=(const Storage &) = delete;

  /// The first byte, which only the device can reach if there is one. Blocks of our own are aligned
  /// to 64 bytes at least, and are never null even when empty; foreign ones are aligned to their
  /// element at least.
  void *data() const { return dataPointer; }

  uint64_t bytes() const { return byteCount; }

  /// True for wrapped memory. It is never written: its owner can see it.
  bool isForeign() const { return foreign; }

  /// Where the memory is; null for the host's.
  Device *device() const { return owner; }

  /// Says that somebody outside may write the memory from now on: nothing is prepared of it.
  void setWritableOutside();

  /// True if values that depend on the contents may be kept with it, as nothing writes it without
  /// `beginOverwrite`.
  bool canPrepare() const { return !writableOutside.load(); }

  /// A number that no other storage ever has, made at the first call: what prepared values know the
  /// storage by. It is another one after `beginOverwrite`.
  uint64_t preparedSerial();

  /// True if the number is still that one, and the storage's contents are still its own.
  bool isPreparedAs(uint64_t number) const { return serial.load() == number && canPrepare(); }

  /// Before the holder of the only reference writes it again: drops what was prepared of it.
  void beginOverwrite() { dropPrepared(); }

  /// True when the caller's reference is the only one.
  bool uniquelyOwned() const { return references.load(std::memory_order_acquire) == 1; }

  /// Manual counting, for owners that speak C (a DLPack capsule). Prefer StorageRef.
  void retain() { references.fetch_add(1, std::memory_order_relaxed); }
  void release() {
    // A sole owner needs no atomic read-modify-write: nobody else can reach the count.
    if (uniquelyOwned() || references.fetch_sub(1, std::memory_order_acq_rel) == 1)
      destroy();
  }

private:
  friend class Allocator;

  Storage(void *data, uint64_t bytes) : dataPointer(data), byteCount(bytes) {}
  Storage(void *data, uint64_t bytes, Deleter deleter, void *context)
      : dataPointer(data),
        byteCount(bytes),
        deleter(deleter),
        context(context),
        foreign(true),
        writableOutside(true) {}

  void destroy();
  void dropPrepared();

  std::atomic<uint64_t> references = 1;
  void *dataPointer;
  uint64_t byteCount;
  Deleter deleter = nullptr;
  void *context = nullptr;
  Device *owner = nullptr;
  /// 0 as long as nothing is prepared of it.
  std::atomic<uint64_t> serial = 0;
  bool foreign = false;
  std::atomic<bool> writableOutside = false;
};

/// A counted reference to a Storage, or null.
class StorageRef {
public:
  StorageRef() = default;
  StorageRef(const StorageRef &other) : storage(other.storage) {
    if (storage)
      storage->retain();
  }
  StorageRef(StorageRef &&other) noexcept : storage(std::exchange(other.storage, nullptr)) {}
  ~StorageRef() {
    if (storage)
      storage->release();
  }

  StorageRef &operator=(StorageRef other) noexcept {
    std::swap(storage, other.storage);
    return *this;
  }

  /// Takes over a reference that the caller already counts.
  static StorageRef adopt(Storage *storage) {
    StorageRef reference;
    reference.storage = storage;
    return reference;
  }

  /// Another reference to what the caller holds.
  static StorageRef to(Storage &storage) {
    storage.retain();
    return adopt(&storage);
  }

  /// Gives the reference away: the caller now has to release() it.
  Storage *detach() { return std::exchange(storage, nullptr); }

  Storage *get() const { return storage; }
  Storage *operator->() const { return storage; }
  Storage &operator*() const { return *storage; }
  explicit operator bool() const { return storage != nullptr; }
  bool operator==(const StorageRef &) const = default;

private:
  Storage *storage = nullptr;
};

/// A new block of our own, where `storage` is, with its bytes. Throws weft::Error.
StorageRef copyOf(const Storage &storage);

/// `storage` itself, or a copy if it is foreign: what outlives a call and must not change.
StorageRef ownedCopy(const StorageRef &storage);

} // namespace weft

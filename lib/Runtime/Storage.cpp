#include "lib/Runtime/Storage.h"

#include "lib/Runtime/Allocator.h"
#include "lib/Runtime/Device.h"

#include <cstring>

namespace weft {

StorageRef Storage::wrap(void *data, uint64_t bytes, Deleter deleter, void *context) {
  return StorageRef::adopt(new Storage(data, bytes, deleter, context));
}

StorageRef Storage::wrapOnDevice(void *data, uint64_t bytes, Device &device, Deleter deleter,
                                 void *context) {
  auto *storage = new Storage(data, bytes, deleter, context);
  storage->owner = &device;
  return StorageRef::adopt(storage);
}

StorageRef Storage::onDevice(void *data, uint64_t bytes, Device &device) {
  auto *storage = new Storage(data, bytes);
  storage->owner = &device;
  return StorageRef::adopt(storage);
}

void Storage::destroy() {
  if (!foreign && !owner) {
    Allocator::process().recycle(*this);
    return;
  }
  if (!foreign)
    owner->release(dataPointer, byteCount);
  else if (deleter)
    deleter(context);
  delete this;
}

StorageRef copyOf(const Storage &storage) {
  uint64_t bytes = storage.bytes();
  StorageRef onHost = Allocator::process().allocate(bytes);
  Device *device = storage.device();
  if (!device) {
    if (bytes > 0)
      std::memcpy(onHost->data(), storage.data(), bytes);
    return onHost;
  }
  StorageRef copy = device->allocate(bytes);
  device->read(onHost->data(), storage, bytes);
  device->write(*copy, onHost->data(), bytes);
  return copy;
}

StorageRef ownedCopy(const StorageRef &storage) {
  return storage->isForeign() ? copyOf(*storage) : storage;
}

} // namespace weft

#include "lib/Runtime/Storage.h"

#include "lib/Runtime/Allocator.h"
#include "lib/Runtime/Device.h"
#include "lib/Runtime/PreparedValues.h"

#include <cstring>

namespace weft {

StorageRef Storage::wrap(void *data, uint64_t bytes, Deleter deleter, void *context) {
  return StorageRef::adopt(new Storage(data, bytes, deleter, context));
}

StorageRef Storage::wrapConstant(void *data, uint64_t bytes, Deleter deleter, void *context) {
  StorageRef wrapped = wrap(data, bytes, deleter, context);
  wrapped->writableOutside = false;
  return wrapped;
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

uint64_t Storage::preparedSerial() {
  uint64_t found = serial.load();
  if (found != 0)
    return found;
  uint64_t fresh = PreparedValues::newNumber();
  return serial.compare_exchange_strong(found, fresh) ? fresh : found;
}

void Storage::setWritableOutside() {
  writableOutside.store(true);
  dropPrepared();
}

void Storage::dropPrepared() {
  if (serial.load() == 0)
    return;
  if (uint64_t number = serial.exchange(0))
    PreparedValues::process().drop(number);
}

void Storage::destroy() {
  dropPrepared();
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

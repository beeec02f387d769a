#include "lib/Runtime/Storage.h"

#include "lib/Runtime/Allocator.h"
#include "lib/Runtime/Device.h"

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

} // namespace weft

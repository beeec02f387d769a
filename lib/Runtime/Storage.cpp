#include "lib/Runtime/Storage.h"

#include "lib/Runtime/Allocator.h"
#include "lib/Runtime/Device.h"

namespace weft {

StorageRef Storage::wrap(void *data, uint64_t bytes, Deleter deleter, void *context) {
  return StorageRef::adopt(new Storage(data, bytes, deleter, context));
}

StorageRef Storage::onDevice(void *data, uint64_t bytes, Device &device) {
  auto *storage = new Storage(data, bytes);
  storage->owner = &device;
  return StorageRef::adopt(storage);
}

void Storage::destroy() {
  if (owner) {
    owner->release(dataPointer, byteCount);
    delete this;
    return;
  }
  if (!foreign) {
    Allocator::process().recycle(*this);
    return;
  }
  if (deleter)
    deleter(context);
  delete this;
}

} // namespace weft

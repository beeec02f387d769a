#include "lib/Runtime/Storage.h"

#include "lib/Runtime/Allocator.h"

namespace weft {

StorageRef Storage::wrap(void *data, uint64_t bytes, Deleter deleter, void *context) {
  return StorageRef::adopt(new Storage(data, bytes, deleter, context));
}

void Storage::destroy() {
  if (!foreign) {
    Allocator::process().recycle(*this);
    return;
  }
  if (deleter)
    deleter(context);
  delete this;
}

} // namespace weft

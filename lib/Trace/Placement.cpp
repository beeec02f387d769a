// Copies between the host and devices.
#include "lib/Trace/Placement.h"

#include "lib/Runtime/Allocator.h"

#include <cstring>
#include <map>
#include <tuple>

using namespace weft;

DeviceCopies weft::deviceCopies;

const std::string &weft::deviceName(const Device *device) {
  static const std::string &host = *new std::string("cpu");
  return device ? device->name() : host;
}

static StorageRef readFrom(Device &device, const Storage &storage) {
  StorageRef copy = Allocator::process().allocate(storage.bytes());
  device.read(copy->data(), storage, storage.bytes());
  return copy;
}

static StorageRef writeTo(Device &device, const Storage &storage) {
  StorageRef copy = device.allocate(storage.bytes());
  device.write(*copy, storage.data(), storage.bytes());
  return copy;
}

StorageRef weft::copyTo(Device *device, const StorageRef &storage) {
  Device *source = storage->device();
  if (source == device)
    return storage;
  ++deviceCopies.count;
  deviceCopies.bytes += storage->bytes();
  StorageRef onHost = source ? readFrom(*source, *storage) : storage;
  return device ? writeTo(*device, *onHost) : onHost;
}

Array weft::scalarOn(Device *device, Array scalar) {
  if (!device)
    return scalar;
  using Name = std::tuple<Device *, DType, uint64_t>;
  static auto &known = *new std::map<Name, StorageRef>();
  constexpr size_t mostKnown = 4096;
  uint64_t bits = 0;
  std::memcpy(&bits, scalar.storage->data(), dtypeSize(scalar.dtype));
  if (known.size() >= mostKnown)
    known.clear();
  StorageRef &storage = known[{device, scalar.dtype, bits}];
  if (!storage)
    storage = copyTo(device, scalar.storage);
  scalar.storage = storage;
  return scalar;
}

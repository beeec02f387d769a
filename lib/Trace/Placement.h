// Where arrays are, and how they get somewhere else.
#pragma once

#include "lib/Runtime/Device.h"
#include "lib/Trace/Array.h"

#include <string>

namespace weft {

/// "cpu" for null, else the device's name.
const std::string &deviceName(const Device *device);

/// Copies between the host and devices since the process started.
struct DeviceCopies {
  uint64_t count = 0;
  uint64_t bytes = 0;
};
extern DeviceCopies deviceCopies;

/// The same bytes in the memory of `device` (null: the host's); the same block if they are there
/// already. Each copy is counted. Throws weft::Error.
StorageRef copyTo(Device *device, const StorageRef &storage);

/// The array in memory of its own, if it is in that of others: what outlives a call does not change
/// when they write.
inline Array owned(Array array) {
  array.storage = ownedCopy(array.storage);
  return array;
}

inline Array copyTo(Device *device, Array array) {
  array.storage = copyTo(device, array.storage);
  return array;
}

/// A scalar of the host in the memory of `device`; one that was there lately is not copied again.
Array scalarOn(Device *device, Array scalar);

} // namespace weft

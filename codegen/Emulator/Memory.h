// Memory of the emulated device.
#pragma once

#include "codegen/Emulator/Shadow.h"

#include <cstddef>
#include <memory>
#include <string>

namespace weft::emulator {

/// A buffer with a wide gap around it, so that an address beyond it is never in another one.
/// Its bytes are poison until something is written.
class DeviceBuffer {
public:
  /// `misalignment`: how far from a multiple of 256 bytes the buffer begins.
  explicit DeviceBuffer(uint64_t bytes, uint64_t misalignment = 0);
  DeviceBuffer(const DeviceBuffer &) = delete;
  DeviceBuffer &operator=(const DeviceBuffer &) = delete;
  ~DeviceBuffer();

  char *data() const { return begin; }
  uint64_t size() const { return bytes; }
  /// Copies to the device: all that is copied is initialised.
  void write(const void *source, uint64_t count, uint64_t offset = 0);
  /// Copies from the device.
  void read(void *target, uint64_t count, uint64_t offset = 0) const;
  /// As if nothing had been written.
  void poison();
  Shadow &shadow() { return accesses; }

private:
  char *region = nullptr;
  char *begin = nullptr;
  uint64_t bytes = 0;
  uint64_t mapped = 0;
  Shadow accesses;
};

/// The bytes that memory has before anything is written: a NaN in every format.
constexpr int poisonByte = 0xFF;

} // namespace weft::emulator

// Memory of the emulated device.
#include "codegen/Emulator/Memory.h"
#include "lib/Support/Error.h"

#include <cstring>
#include <sys/mman.h>

namespace weft::emulator {

/// No kernel is wrong by more than this without being wrong by less somewhere.
static constexpr uint64_t gap = uint64_t{16} << 20;

DeviceBuffer::DeviceBuffer(uint64_t bytes, uint64_t misalignment)
    : bytes(bytes), mapped(bytes + misalignment + 2 * gap), accesses(bytes) {
  void *address = mmap(nullptr, mapped, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED)
    throw Error(Error::Kind::Memory,
                "no memory for a device buffer of " + std::to_string(bytes) + " bytes");
  region = static_cast<char *>(address);
  begin = region + gap + misalignment;
  memset(begin, poisonByte, bytes);
}

DeviceBuffer::~DeviceBuffer() { munmap(region, mapped); }

void DeviceBuffer::write(const void *source, uint64_t count, uint64_t offset) {
  memcpy(begin + offset, source, count);
  accesses.setInitialized(offset, count);
}

void DeviceBuffer::read(void *target, uint64_t count, uint64_t offset) const {
  memcpy(target, begin + offset, count);
}

void DeviceBuffer::poison() {
  memset(begin, poisonByte, bytes);
  accesses.forgetInitialization();
}

} // namespace weft::emulator

#include "lib/Runtime/Device.h"

#include "lib/Runtime/Collectives.h"
#include "lib/Runtime/KernelFailure.h"
#include "lib/Runtime/Plan.h"

#include <algorithm>

namespace weft {

void Device::communicate(const Collective &collective, const CollectivePointers &pointers) {
  std::vector<char> read(std::max<uint64_t>(1, collective.readBytes));
  std::vector<char> result(std::max<uint64_t>(1, pointers.result ? collective.resultBytes : 0));
  int32_t token = 0, next = 0;
  // What has no bytes may have no place.
  if (collective.readBytes > 0)
    readAt(read.data(), pointers.read, collective.readBytes);
  readAt(&token, pointers.token, sizeof token);
  findCollective(collective.function)(read.data(), pointers.result ? result.data() : nullptr,
                                      &token, pointers.next ? &next : nullptr,
                                      collective.numbers.data());
  KernelFailure::throwIfKept();
  if (pointers.result && collective.resultBytes > 0)
    writeAt(pointers.result, result.data(), collective.resultBytes);
  if (pointers.next)
    writeAt(pointers.next, &next, sizeof next);
}

} // namespace weft

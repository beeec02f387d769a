// The data caches of this machine.
#pragma once

#include "lib/Support/Files.h"

#include <cstdint>

namespace weft {

/// Sizes of the data caches in bytes. A level that the machine does not have is 0; level 1 and 2
/// fall back to 32 KiB and 512 KiB where the machine does not tell.
struct CacheSizes {
  int64_t level1Data = 0;
  int64_t level2 = 0;
  /// The whole of one level 3 cache, which several cores share.
  int64_t level3 = 0;
};

/// Reads the caches of the first processor from sysfs, else from the C library.
CacheSizes readCacheSizes(const FileReader &reader = readFile);

} // namespace weft

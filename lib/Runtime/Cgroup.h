// The limits that Linux control groups (versions 1 and 2) put on this process.
#pragma once

#include "lib/Support/Files.h"

#include <cstdint>
#include <optional>

namespace weft {

/// Limits of the group and of all groups around it; a member is unset when nothing limits it.
struct CgroupLimits {
  /// Processor time per wall time, rounded up to whole cores.
  std::optional<int> cores;
  std::optional<uint64_t> memoryBytes;
};

/// Reads the limits of this process from /proc/self/cgroup and the files below /sys/fs/cgroup.
/// Files that are missing or malformed limit nothing.
CgroupLimits readCgroupLimits(const FileReader &reader = readFile);

} // namespace weft

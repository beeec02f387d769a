// Numbers of ops that a kernel gets from its launch.
#pragma once

#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <limits>

namespace weft {

/// A number of an op: number `position` of attribute `name`, an array of i64.
struct LaunchNumber {
  llvm::StringRef name;
  unsigned position;
};

/// More parameters than any launch has.
inline constexpr int64_t mostParameters = int64_t(1) << 16;

/// In a kernel, what stands for the number that parameter `parameter` of the launch is. As text it
/// is `?0`, `?1`, ...
constexpr int64_t fromLaunch(int64_t parameter) {
  return std::numeric_limits<int64_t>::min() + parameter;
}

constexpr bool isFromLaunch(int64_t number) { return number < fromLaunch(mostParameters); }

/// The parameter that such a number stands for.
constexpr int64_t parameterOf(int64_t number) {
  return number - std::numeric_limits<int64_t>::min();
}

} // namespace weft

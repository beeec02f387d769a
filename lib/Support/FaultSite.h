// Where a kernel for a device may find that an index does not exist.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace weft {

/// A stage with such places notes in its last buffer what it finds, two words for each, all zero
/// before. Of an index: the largest, its sign bit turned, and the size and 1. Of two programs that
/// store to one element: the complement of the smaller number times 2^32 and the larger one.
struct FaultSite {
  /// The program's name and, on a line of its own, where and what it does.
  std::string text;
  /// Of the index; -1 where programs store to one element.
  int64_t dimension = 0;

  bool operator==(const FaultSite &) const = default;
};

} // namespace weft

// What one collective is called with, and what it computes of the members' parts.
#pragma once

#include "lib/Support/DType.h"

#include <cstdint>
#include <string>

namespace weft {

/// The numbers that a kernel calls with: dtype, group, members, how many collectives the group has
/// in the program and their hash, how many options there are, these, the operand's rank, its sizes.
struct CollectiveCall {
  const char *name;
  DType dtype;
  int64_t group, members;
  int64_t programCount, programHash;
  const int64_t *options;
  int64_t optionCount;
  const int64_t *sizes;
  int64_t rank;

  CollectiveCall(const char *name, const int64_t *numbers);

  int64_t elements(int64_t from = 0) const;
  int64_t elementBytes() const { return int64_t(dtypeSize(dtype)); }
  int64_t bytes() const { return elements() * elementBytes(); }

  /// How many bytes the operand has as one part for each member, which are alike.
  int64_t partsBytes() const;

  /// "all_reduce of float32[4, 8]"
  std::string text() const;
};

enum class Reduction : uint8_t { Sum, Largest, Smallest };

/// Reduces the members' parts of `count` elements each, which lie one behind the other, in the
/// order of the members.
void reduceParts(DType dtype, const void *parts, void *result, int64_t members, int64_t count,
                 Reduction reduction);

} // namespace weft

// How the allocator rounds sizes, so that freed blocks can be reused for nearly equal sizes.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

namespace weft {

/// Sizes are rounded up to eight steps per power of two, never finer than 64 bytes, so that a block
/// wastes less than an eighth of itself (above 512 bytes).
struct SizeClass {
  static constexpr int smallestShift = 6;
  /// Larger requests fail: they exceed the address space of every machine Weft runs on.
  static constexpr uint64_t maximumBytes = uint64_t(1) << 47;

  /// Dense number of the class, from 0.
  uint32_t index;
  /// Usable bytes of every block of the class: a multiple of 64.
  uint64_t capacity;

  /// The class of a request of `bytes`, which is at most maximumBytes.
  static constexpr SizeClass of(uint64_t bytes) {
    uint64_t last = std::max<uint64_t>(bytes, 1) - 1;
    int shift = std::max(smallestShift, static_cast<int>(std::bit_width(last)) - 4);
    uint64_t step = last >> shift;
    return {static_cast<uint32_t>((shift - smallestShift) * 8 + step), (step + 1) << shift};
  }

  static constexpr uint32_t count() { return of(maximumBytes).index + 1; }
};

} // namespace weft

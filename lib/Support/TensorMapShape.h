// How a kernel's asynchronous copies walk a buffer, before the sizes of a launch are known.
#pragma once

#include "lib/Support/DType.h"

#include <cstdint>
#include <span>
#include <vector>

namespace weft {

/// `factor` times the sizes of a launch that have these numbers.
struct SizeProduct {
  int64_t factor = 1;
  std::vector<int64_t> sizes = {};

  /// The value in a launch.
  uint64_t in(std::span<const int64_t> launchSizes) const;
  bool operator==(const SizeProduct &) const = default;
};

/// What becomes a tensor map (128 bytes that the hardware reads) at a launch: the tensor, and the
/// tile of it that one copy moves. What of a tile is beyond the tensor is filled with zeros.
struct TensorMapShape {
  static constexpr uint32_t mostDimensions = 5;
  /// What the hardware asks of the address, and of all strides but the innermost.
  static constexpr uint64_t alignment = 16;

  struct Dimension {
    SizeProduct size;
    /// Bytes between neighbours; of the innermost dimension those of an element.
    SizeProduct stride;
    /// Elements of the tile.
    uint32_t box = 1;

    bool operator==(const Dimension &) const = default;
  };

  /// The number among the kernel's buffers.
  uint32_t buffer = 0;
  DType element = DType::Float32;
  /// In shared memory the pieces of 16 bytes are permuted within so many bytes: 0, 32, 64 or 128.
  uint32_t swizzleBytes = 0;
  /// The innermost first.
  std::vector<Dimension> dimensions = {};

  bool operator==(const TensorMapShape &) const = default;
};

/// The shapes as numbers, for files; and back, false if the numbers are damaged.
std::vector<int64_t> packTensorMaps(std::span<const TensorMapShape> shapes);
bool unpackTensorMaps(std::span<const int64_t> words, std::vector<TensorMapShape> &shapes);

} // namespace weft

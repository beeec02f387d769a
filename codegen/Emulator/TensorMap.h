// Tensor maps: how a bulk copy walks a tensor in global memory.
#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace weft::emulator {

/// How the 16-byte pieces of a tile are permuted in shared memory: by the address bits above them.
enum class Swizzle : uint8_t { None, Bytes32, Bytes64, Bytes128 };

/// The address at which the byte of the unpermuted address lies.
inline uint64_t swizzled(uint64_t address, Swizzle swizzle) {
  constexpr std::array<uint64_t, 4> masks = {0, 1, 3, 7};
  return address ^ (((address >> 7) & masks[static_cast<size_t>(swizzle)]) << 4);
}

/// What cuTensorMapEncodeTiled packs into 128 opaque bytes. Dimension 0 is the innermost.
struct TensorMap {
  static constexpr uint32_t maximumRank = 5;

  void *address = nullptr;
  uint32_t rank = 0;
  uint32_t elementBytes = 0;
  std::array<uint64_t, maximumRank> sizes = {};
  /// Bytes between neighbours in each dimension; that of dimension 0 is the element's size.
  std::array<uint64_t, maximumRank> strides = {};
  /// Elements of the tile in each dimension.
  std::array<uint32_t, maximumRank> box = {};
  Swizzle swizzle = Swizzle::None;

  /// Why the driver would refuse it; empty if it would not.
  std::string problem() const;
  /// Bytes of a tile.
  uint64_t boxBytes() const;
};

} // namespace weft::emulator

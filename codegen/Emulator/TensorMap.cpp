// Tensor maps: how a bulk copy walks a tensor in global memory.
#include "codegen/Emulator/TensorMap.h"

namespace weft::emulator {

static uint64_t swizzleSpan(Swizzle swizzle) {
  constexpr std::array<uint64_t, 4> spans = {~uint64_t{0}, 32, 64, 128};
  return spans[static_cast<size_t>(swizzle)];
}

uint64_t TensorMap::boxBytes() const {
  uint64_t bytes = elementBytes;
  for (uint32_t dimension = 0; dimension < rank; ++dimension)
    bytes *= box[dimension];
  return bytes;
}

std::string TensorMap::problem() const {
  auto dimensionText = [](uint32_t dimension) {
    return " of dimension " + std::to_string(dimension);
  };
  if (rank < 1 || rank > maximumRank)
    return "the rank is " + std::to_string(rank) + ", not 1 to 5";
  if (reinterpret_cast<uintptr_t>(address) % 16 != 0)
    return "the address is not a multiple of 16";
  for (uint32_t dimension = 0; dimension < rank; ++dimension) {
    if (sizes[dimension] == 0 || sizes[dimension] > (uint64_t{1} << 32))
      return "the size" + dimensionText(dimension) + " is not 1 to 2^32";
    if (box[dimension] == 0 || box[dimension] > 256)
      return "the box" + dimensionText(dimension) + " is " + std::to_string(box[dimension]) +
             ", not 1 to 256";
    if (dimension > 0 && (strides[dimension] % 16 != 0 || strides[dimension] >> 40 != 0))
      return "the stride" + dimensionText(dimension) + " is " + std::to_string(strides[dimension]) +
             " bytes, not a multiple of 16 below 2^40";
  }
  const uint64_t inner = uint64_t{box[0]} * elementBytes;
  if (inner % 16 != 0)
    return "a row of the box has " + std::to_string(inner) + " bytes, not a multiple of 16";
  if (inner > swizzleSpan(swizzle))
    return "a row of the box has " + std::to_string(inner) + " bytes, more than the swizzle's " +
           std::to_string(swizzleSpan(swizzle));
  return "";
}

} // namespace weft::emulator

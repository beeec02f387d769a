// Number formats of matrix operations.
#pragma once

#include "codegen/Emulator/Operations.h"

#include <bit>

namespace weft::emulator {

/// The value of 16 bits.
float decodeHalf(uint16_t bits, MatrixType type);
/// The nearest number, or the next toward zero, in 16 bits.
uint16_t encodeHalf(float value, MatrixType type, bool towardZero = false);

/// The 10-bit mantissa that the tensor core sees of an f32.
inline float decodeTensorFloat(uint32_t bits) {
  return std::bit_cast<float>(bits & ~uint32_t{0x1FFF});
}

} // namespace weft::emulator

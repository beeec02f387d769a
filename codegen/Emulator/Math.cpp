// Arithmetic that the host has no instruction for.
#include "codegen/Emulator/Matrices.h"
#include "codegen/Emulator/Operations.h"

#include <cmath>

namespace weft::emulator {

static float flushed(float value) {
  return std::fpclassify(value) == FP_SUBNORMAL ? std::copysign(0.0f, value) : value;
}

static double evaluate(Approximation function, double x, double y) {
  switch (function) {
  case Approximation::Exp2:
    return std::exp2(x);
  case Approximation::Log2:
    return std::log2(x);
  case Approximation::Reciprocal:
    return 1 / x;
  case Approximation::ReciprocalRoot:
    return 1 / std::sqrt(x);
  case Approximation::Root:
    return std::sqrt(x);
  case Approximation::Sine:
    return std::sin(x);
  case Approximation::Cosine:
    return std::cos(x);
  case Approximation::Tanh:
    return std::tanh(x);
  case Approximation::Quotient:
    return x / y;
  }
  return 0;
}

void approximate(Thread &, const Operation &operation, const uint64_t *arguments,
                 uint64_t *results) {
  const auto function = static_cast<Approximation>(operation.parameters[0]);
  const bool flushes = operation.parameters[1] != 0;
  auto x = std::bit_cast<float>(static_cast<uint32_t>(arguments[0]));
  float y = 1;
  if (function == Approximation::Quotient)
    y = std::bit_cast<float>(static_cast<uint32_t>(arguments[1]));
  if (flushes) {
    x = flushed(x);
    y = flushed(y);
  }
  auto result = static_cast<float>(evaluate(function, x, y));
  results[0] = std::bit_cast<uint32_t>(flushes ? flushed(result) : result);
}

void convertFloats(Thread &, const Operation &operation, const uint64_t *arguments,
                   uint64_t *results) {
  const auto type = static_cast<MatrixType>(operation.parameters[0]);
  const bool towardZero = operation.parameters[2] != 0;
  auto convert = [&](uint64_t slot) {
    return encodeHalf(std::bit_cast<float>(static_cast<uint32_t>(slot)), type, towardZero);
  };
  // Of two values the first goes to the upper half.
  if (operation.parameters[1] != 0)
    results[0] = uint32_t{convert(arguments[0])} << 16 | convert(arguments[1]);
  else
    results[0] = convert(arguments[0]);
}

} // namespace weft::emulator

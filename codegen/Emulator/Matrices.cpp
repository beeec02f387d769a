// ldmatrix, stmatrix and mma.sync.
#include "codegen/Emulator/Matrices.h"
#include "codegen/Emulator/Block.h"

#include <bit>
#include <cmath>
#include <cstring>

namespace weft::emulator {

float decodeHalf(uint16_t bits, MatrixType type) {
  if (type == MatrixType::BFloat16)
    return std::bit_cast<float>(uint32_t{bits} << 16);
  return static_cast<float>(std::bit_cast<_Float16>(bits));
}

static uint16_t encodeBFloat16(float value, bool towardZero) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value))
    return 0x7FFF;
  if (towardZero)
    return static_cast<uint16_t>(bits >> 16);
  return static_cast<uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

uint16_t encodeHalf(float value, MatrixType type, bool towardZero) {
  if (type == MatrixType::BFloat16)
    return encodeBFloat16(value, towardZero);
  auto bits = std::bit_cast<uint16_t>(static_cast<_Float16>(value));
  const float rounded = decodeHalf(bits, type);
  if (towardZero && std::fabs(rounded) > std::fabs(value))
    --bits;
  return bits;
}

// Matrices of 8x8 numbers of 16 bits. Lane l of matrix i's eight gives the address of row l.

using Matrix = std::array<std::array<uint16_t, 8>, 8>;

static Thread &rowOwner(Warp &warp, int64_t matrix, int row) {
  return warp.lane(static_cast<uint32_t>(matrix * 8 + row));
}

/// Where lane l's two numbers of a matrix are: in row l/4, or transposed in column l/4.
static uint16_t &element(Matrix &matrix, uint32_t lane, uint32_t half, bool transposed) {
  const uint32_t major = lane / 4, minor = 2 * (lane % 4) + half;
  return transposed ? matrix[minor][major] : matrix[major][minor];
}

static void completeLoad(Warp &warp, const Gathering &gathering) {
  const Operation &operation = *gathering.operation;
  const bool transposed = operation.parameters[1] != 0;
  for (int64_t number = 0; number < operation.parameters[0]; ++number) {
    Matrix matrix;
    for (int row = 0; row < 8; ++row) {
      Thread &owner = rowOwner(warp, number, row);
      const char *address = warp.block.sharedAddress(gathering.arguments[owner.lane()][0]);
      warp.block.access(owner, address, 16, {.operation = operation});
      memcpy(matrix[row].data(), address, 16);
    }
    for (uint32_t lane = 0; lane < 32; ++lane)
      gathering.results[lane][number] = element(matrix, lane, 0, transposed) |
                                        uint32_t{element(matrix, lane, 1, transposed)} << 16;
  }
}

static void completeStore(Warp &warp, const Gathering &gathering) {
  const Operation &operation = *gathering.operation;
  const bool transposed = operation.parameters[1] != 0;
  for (int64_t number = 0; number < operation.parameters[0]; ++number) {
    Matrix matrix;
    for (uint32_t lane = 0; lane < 32; ++lane) {
      const uint64_t pair = gathering.arguments[lane][1 + number];
      element(matrix, lane, 0, transposed) = static_cast<uint16_t>(pair);
      element(matrix, lane, 1, transposed) = static_cast<uint16_t>(pair >> 16);
    }
    for (int row = 0; row < 8; ++row) {
      Thread &owner = rowOwner(warp, number, row);
      char *address = warp.block.sharedAddress(gathering.arguments[owner.lane()][0]);
      warp.block.access(owner, address, 16, {.operation = operation, .write = true});
      memcpy(address, matrix[row].data(), 16);
    }
  }
}

/// Matrix operations are for whole warps.
static void gatherWarp(Thread &thread, const Operation &operation, const uint64_t *arguments,
                       uint64_t *results, WarpHandler handler) {
  thread.warp().gather(thread, operation, ~uint32_t{0}, arguments, results, handler);
}

void loadMatrices(Thread &thread, const Operation &operation, const uint64_t *arguments,
                  uint64_t *results) {
  thread.block.maybeYield(thread);
  gatherWarp(thread, operation, arguments, results, completeLoad);
}

void storeMatrices(Thread &thread, const Operation &operation, const uint64_t *arguments,
                   uint64_t *results) {
  thread.block.maybeYield(thread);
  gatherWarp(thread, operation, arguments, results, completeStore);
}

// D[16x8] = A[16xK] B[Kx8] + C. Lane l holds rows l/4 and l/4 + 8 of A, C and D, and column l/4 of
// B; which K depends on l%4.

struct Operands {
  float a[16][16];
  float b[16][8];
};

static void unpackPair(uint64_t bits, MatrixType type, float &low, float &high) {
  low = decodeHalf(static_cast<uint16_t>(bits), type);
  high = decodeHalf(static_cast<uint16_t>(bits >> 16), type);
}

static void unpackHalves(Operands &operands, const Gathering &gathering, MatrixType type,
                         int64_t depth) {
  const auto halves = static_cast<uint32_t>(depth / 8);
  for (uint32_t lane = 0; lane < 32; ++lane) {
    const uint64_t *arguments = gathering.arguments[lane];
    const uint32_t row = lane / 4, first = 2 * (lane % 4);
    for (uint32_t half = 0; half < halves; ++half) {
      const uint32_t k = first + 8 * half;
      for (uint32_t upper = 0; upper < 2; ++upper)
        unpackPair(arguments[2 * half + upper], type, operands.a[row + 8 * upper][k],
                   operands.a[row + 8 * upper][k + 1]);
      unpackPair(arguments[2 * halves + half], type, operands.b[k][row], operands.b[k + 1][row]);
    }
  }
}

/// K = 8: one number in a register.
static void unpackTensorFloats(Operands &operands, const Gathering &gathering) {
  for (uint32_t lane = 0; lane < 32; ++lane) {
    const uint64_t *arguments = gathering.arguments[lane];
    const uint32_t row = lane / 4, column = lane % 4;
    for (uint32_t half = 0; half < 2; ++half) {
      for (uint32_t upper = 0; upper < 2; ++upper)
        operands.a[row + 8 * upper][column + 4 * half] =
            decodeTensorFloat(static_cast<uint32_t>(arguments[2 * half + upper]));
      operands.b[column + 4 * half][row] =
          decodeTensorFloat(static_cast<uint32_t>(arguments[4 + half]));
    }
  }
}

/// The products are exact and their sum is rounded once: no tensor core is more accurate.
static float innerProduct(const Operands &operands, uint32_t row, uint32_t column, int64_t depth,
                          float start) {
  double sum = start;
  for (int64_t k = 0; k < depth; ++k)
    sum += static_cast<double>(operands.a[row][k]) * operands.b[k][column];
  return static_cast<float>(sum);
}

static void completeMultiply(Warp &, const Gathering &gathering) {
  const auto type = static_cast<MatrixType>(gathering.operation->parameters[0]);
  const int64_t depth = gathering.operation->parameters[1];
  Operands operands;
  if (type == MatrixType::TensorFloat32)
    unpackTensorFloats(operands, gathering);
  else
    unpackHalves(operands, gathering, type, depth);
  const int64_t inputs = type == MatrixType::TensorFloat32 ? 6 : 3 * depth / 8;
  for (uint32_t lane = 0; lane < 32; ++lane)
    for (uint32_t number = 0; number < 4; ++number) {
      const uint32_t row = lane / 4 + 8 * (number / 2), column = 2 * (lane % 4) + number % 2;
      const auto start =
          std::bit_cast<float>(static_cast<uint32_t>(gathering.arguments[lane][inputs + number]));
      gathering.results[lane][number] =
          std::bit_cast<uint32_t>(innerProduct(operands, row, column, depth, start));
    }
}

void multiplyMatrices(Thread &thread, const Operation &operation, const uint64_t *arguments,
                      uint64_t *results) {
  gatherWarp(thread, operation, arguments, results, completeMultiply);
}

} // namespace weft::emulator

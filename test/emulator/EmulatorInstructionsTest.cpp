// What single instructions compute, against their definition in the PTX manual.
#include "KernelCases.h"

#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include <cmath>
#include <gtest/gtest.h>

using namespace weft::emulator;

namespace {

/// The kernels of instructions.cpp, run under several schedules.
class Instructions : public testing::Test {
protected:
  static void SetUpTestSuite() {
    KernelModule kernels = readKernel("instructions");
    emulator = std::make_unique<Emulator>(std::move(kernels.context), std::move(kernels.module));
  }
  static void TearDownTestSuite() { emulator.reset(); }

  static KernelArgument output(DeviceBuffer &buffer) { return BufferArgument{.buffer = &buffer}; }

  /// Runs a kernel of `threads` threads with one output of `count` words.
  static std::vector<int32_t> run(const char *name, uint32_t threads, size_t count, uint64_t seed) {
    DeviceBuffer result(count * 4);
    const std::optional<Fault> fault = emulator->launch({.kernel = name,
                                                         .arguments = {output(result), uint64_t{1}},
                                                         .threads = {threads, 1, 1},
                                                         .seed = seed});
    EXPECT_EQ(textOf(fault), "");
    std::vector<int32_t> words(count);
    result.read(words.data(), count * 4);
    return words;
  }

  static std::unique_ptr<Emulator> emulator;
};

std::unique_ptr<Emulator> Instructions::emulator;

TEST_F(Instructions, ShufflesReadTheLaneThatTheyName) {
  for (uint64_t seed : {0, 1, 2}) {
    const std::vector<int32_t> y = run("shuffles", 32, 7 * 32, seed);
    for (int lane = 0; lane < 32; ++lane) {
      EXPECT_EQ(y[lane], 5);
      EXPECT_EQ(y[32 + lane], lane < 3 ? lane : lane - 3);
      EXPECT_EQ(y[64 + lane], lane + 3 < 32 ? lane + 3 : lane);
      EXPECT_EQ(y[96 + lane], lane ^ 9);
      EXPECT_EQ(y[128 + lane], lane % 8 + 3 < 8 ? lane + 3 : lane);
      EXPECT_EQ(y[160 + lane], lane / 8 * 8 + 2);
      EXPECT_EQ(y[192 + lane], lane % 2 == 1 ? 7 : -1);
    }
  }
}

TEST_F(Instructions, VotesCountAllLanes) {
  const std::vector<int32_t> y = run("votes", 64, 4 * 64, 3);
  for (int thread = 0; thread < 64; ++thread) {
    const int lane = thread % 32;
    const int first = lane / 10 * 10, last = std::min(first + 10, 32);
    const auto equal =
        static_cast<int32_t>(((uint64_t{1} << last) - 1) & ~((uint64_t{1} << first) - 1));
    EXPECT_EQ(y[thread], 1);
    EXPECT_EQ(y[64 + thread], equal);
    EXPECT_EQ(y[128 + thread], 7 - 31);
    EXPECT_EQ(y[192 + thread], 22);
  }
}

TEST_F(Instructions, ArrivingDoesNotWait) {
  for (uint64_t seed : {0, 1, 2, 3}) {
    const std::vector<int32_t> y = run("producer_consumer", 64, 32, seed);
    for (int lane = 0; lane < 32; ++lane)
      EXPECT_EQ(y[lane], (31 - lane) * (31 - lane));
  }
}

TEST_F(Instructions, MatricesAreStoredByRowsAndByColumns) {
  DeviceBuffer plain(256), transposed(256), loaded(256);
  const std::optional<Fault> fault = emulator->launch(
      {.kernel = "matrices_of_registers",
       .arguments = {output(plain), output(transposed), output(loaded), uint64_t{1}},
       .threads = {32, 1, 1},
       .seed = 5});
  ASSERT_EQ(textOf(fault), "");
  std::array<std::array<std::array<uint16_t, 8>, 8>, 2> rows, columns;
  std::array<uint32_t, 64> words;
  plain.read(rows.data(), 256);
  transposed.read(columns.data(), 256);
  loaded.read(words.data(), 256);
  for (int row = 0; row < 8; ++row)
    for (int column = 0; column < 8; ++column) {
      // Lane 4 * row + column / 2 holds this element.
      const int element = row * 8 + column;
      EXPECT_EQ(rows[0][row][column], element);
      EXPECT_EQ(rows[1][row][column], element + 100);
      EXPECT_EQ(columns[0][column][row], element);
      EXPECT_EQ(columns[1][column][row], element + 100);
    }
  for (int lane = 0; lane < 32; ++lane) {
    EXPECT_EQ(words[lane], uint32_t(lane * 2 | (lane * 2 + 1) << 16));
    const int row = lane % 4 * 2, column = lane / 4;
    EXPECT_EQ(words[32 + lane], uint32_t(row * 8 + column | ((row + 1) * 8 + column) << 16));
  }
}

TEST_F(Instructions, BulkCopiesMoveBytes) {
  std::vector<float> x(256), y(256);
  for (int index = 0; index < 256; ++index)
    x[index] = static_cast<float>(index);
  for (uint64_t seed : {0, 1, 2, 3}) {
    DeviceBuffer deviceX(1024), deviceY(1024);
    deviceX.write(x.data(), 1024);
    const std::optional<Fault> fault =
        emulator->launch({.kernel = "bulk_copies",
                          .arguments = {BufferArgument{.buffer = &deviceX, .readOnly = true},
                                        output(deviceY), uint64_t{1}},
                          .threads = {32, 1, 1},
                          .seed = seed});
    ASSERT_EQ(textOf(fault), "");
    deviceY.read(y.data(), 1024);
    for (int index = 0; index < 256; ++index)
      EXPECT_EQ(y[index], 2 * x[index]);
  }
}

TEST_F(Instructions, ApproximationsAreRounded) {
  std::vector<float> x(32), y(64);
  for (int index = 0; index < 32; ++index)
    x[index] = 0.37f * static_cast<float>(index) - 5;
  x[7] = 1e-40f;
  DeviceBuffer deviceX(128), deviceY(256);
  deviceX.write(x.data(), 128);
  const std::optional<Fault> fault =
      emulator->launch({.kernel = "approximations",
                        .arguments = {BufferArgument{.buffer = &deviceX, .readOnly = true},
                                      output(deviceY), uint64_t{1}},
                        .threads = {32, 1, 1}});
  ASSERT_EQ(textOf(fault), "");
  deviceY.read(y.data(), 256);
  for (int index = 0; index < 32; ++index) {
    EXPECT_EQ(y[index], static_cast<float>(std::exp2(static_cast<double>(x[index]))));
    // Subnormals are flushed: their reciprocal is infinite.
    EXPECT_EQ(y[32 + index], index == 7 ? INFINITY : 1 / x[index]);
  }
}

TEST_F(Instructions, BlocksAndThreadsHaveCoordinates) {
  DeviceBuffer result(6 * 12 * 4);
  const std::optional<Fault> fault = emulator->launch({.kernel = "coordinates",
                                                       .arguments = {output(result), uint64_t{1}},
                                                       .grid = {3, 2, 1},
                                                       .threads = {4, 3, 1},
                                                       .seed = 9});
  ASSERT_EQ(textOf(fault), "");
  std::vector<uint32_t> y(72);
  result.read(y.data(), 288);
  for (uint32_t index = 0; index < 72; ++index)
    EXPECT_EQ(y[index], index % 12);
}

} // namespace

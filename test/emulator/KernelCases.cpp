// The test kernels, each with data, a launch, and the result that it must have.
#include "KernelCases.h"

#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/IRReader/IRReader.h"
#include "llvm/Support/SourceMgr.h"
#include <cmath>
#include <cstring>

namespace weft::emulator {

KernelModule readKernel(const std::string &name) {
  KernelModule kernel;
  kernel.context = std::make_unique<llvm::LLVMContext>();
  llvm::SMDiagnostic problem;
  kernel.module = llvm::parseIRFile(std::string(WEFT_TEST_KERNELS) + "/" + name + ".ll", problem,
                                    *kernel.context);
  if (!kernel.module)
    throw Error(Error::Kind::IO, "cannot read kernel " + name + ": " + problem.getMessage().str());
  return kernel;
}

std::string Outcome::kind() const {
  if (fault)
    return weft::emulator::name(fault->kind);
  return mismatch.empty() ? "correct" : "wrong-result";
}

std::string Outcome::text() const { return fault ? fault->text() : mismatch; }

// Data.

static std::vector<float> someNumbers(size_t count, uint32_t seed) {
  std::vector<float> numbers(count);
  uint32_t state = seed * 2654435761u + 1;
  for (float &number : numbers) {
    state = state * 1664525u + 1013904223u;
    // Multiples of 1/8 in [-2, 2): exact in bfloat16, and so are short sums of products in f32.
    number = static_cast<float>(static_cast<int32_t>(state >> 27) - 16) / 8;
  }
  return numbers;
}

static std::vector<uint16_t> asBFloat16(const std::vector<float> &numbers) {
  std::vector<uint16_t> bits(numbers.size());
  for (size_t index = 0; index < numbers.size(); ++index) {
    uint32_t word;
    memcpy(&word, &numbers[index], 4);
    bits[index] = static_cast<uint16_t>((word + 0x7FFF + (word >> 16 & 1)) >> 16);
  }
  return bits;
}

static std::vector<float> fromBFloat16(const std::vector<uint16_t> &bits) {
  std::vector<float> numbers(bits.size());
  for (size_t index = 0; index < bits.size(); ++index) {
    const uint32_t word = uint32_t{bits[index]} << 16;
    memcpy(&numbers[index], &word, 4);
  }
  return numbers;
}

template <typename T> static void upload(DeviceBuffer &buffer, const std::vector<T> &values) {
  buffer.write(values.data(), values.size() * sizeof(T));
}

template <typename T> static std::vector<T> download(const DeviceBuffer &buffer) {
  std::vector<T> values(buffer.size() / sizeof(T));
  buffer.read(values.data(), buffer.size());
  return values;
}

static std::string compare(const std::vector<float> &actual, const std::vector<float> &expected,
                           float tolerance = 0) {
  for (size_t index = 0; index < expected.size(); ++index)
    if (!(std::fabs(actual[index] - expected[index]) <=
          tolerance * std::max(1.0f, std::fabs(expected[index]))))
      return "element " + std::to_string(index) + " is " + std::to_string(actual[index]) +
             ", not " + std::to_string(expected[index]);
  return "";
}

static KernelArgument input(DeviceBuffer &buffer, const char *name) {
  return BufferArgument{.buffer = &buffer, .readOnly = true, .name = name};
}

static KernelArgument output(DeviceBuffer &buffer, const char *name) {
  return BufferArgument{.buffer = &buffer, .readOnly = false, .name = name};
}

// Kernels.

static Outcome runElementwise(Emulator &emulator, uint64_t seed, const LaunchChanges &) {
  constexpr uint64_t size = 1990;
  const std::vector<float> x = someNumbers(size, 1);
  DeviceBuffer deviceX(size * 4), deviceY(size * 4);
  upload(deviceX, x);
  Outcome outcome;
  outcome.fault =
      emulator.launch({.kernel = "elementwise",
                       .arguments = {input(deviceX, "x"), output(deviceY, "y"), size, uint64_t{4}},
                       .grid = {3, 1, 1},
                       .threads = {128, 1, 1},
                       .seed = seed});
  std::vector<float> expected(size);
  for (size_t index = 0; index < size; ++index)
    expected[index] = x[index] * 2 + 1;
  outcome.mismatch = compare(download<float>(deviceY), expected);
  return outcome;
}

static Outcome runRowSum(Emulator &emulator, uint64_t seed, const LaunchChanges &) {
  constexpr uint64_t rows = 5, columns = 1000;
  const std::vector<float> x = someNumbers(rows * columns, 2);
  DeviceBuffer deviceX(rows * columns * 4), sums(rows * 4), means(rows * 4);
  upload(deviceX, x);
  Outcome outcome;
  outcome.fault = emulator.launch({.kernel = "row_sum",
                                   .arguments = {input(deviceX, "x"), output(sums, "sums"),
                                                 output(means, "means"), columns, rows},
                                   .grid = {2, 1, 1},
                                   .threads = {256, 1, 1},
                                   .seed = seed});
  std::vector<float> expectedSums(rows), expectedMeans(rows);
  for (size_t row = 0; row < rows; ++row) {
    for (size_t column = 0; column < columns; ++column)
      expectedSums[row] += x[row * columns + column];
    expectedMeans[row] = expectedSums[row] / columns;
  }
  outcome.mismatch = compare(download<float>(sums), expectedSums);
  if (outcome.mismatch.empty())
    outcome.mismatch = compare(download<float>(means), expectedMeans);
  return outcome;
}

static Outcome runTranspose(Emulator &emulator, uint64_t seed, const LaunchChanges &) {
  constexpr uint64_t rows = 50, columns = 70;
  const std::vector<float> x = someNumbers(rows * columns, 3);
  DeviceBuffer deviceX(rows * columns * 4), deviceY(rows * columns * 4);
  upload(deviceX, x);
  Outcome outcome;
  outcome.fault = emulator.launch(
      {.kernel = "transpose",
       .arguments = {input(deviceX, "x"), output(deviceY, "y"), rows, columns, uint64_t{3}},
       .grid = {2, 1, 1},
       .threads = {256, 1, 1},
       .seed = seed});
  std::vector<float> expected(rows * columns);
  for (size_t row = 0; row < rows; ++row)
    for (size_t column = 0; column < columns; ++column)
      expected[column * rows + row] = x[row * columns + column];
  outcome.mismatch = compare(download<float>(deviceY), expected);
  return outcome;
}

static Outcome runCompact(Emulator &emulator, uint64_t seed, const LaunchChanges &) {
  constexpr uint64_t size = 640;
  const std::vector<float> x = someNumbers(size, 4);
  DeviceBuffer deviceX(size * 4), deviceY(size * 4), count(4);
  upload(deviceX, x);
  upload(count, std::vector<uint32_t>{0});
  Outcome outcome;
  outcome.fault = emulator.launch({.kernel = "compact",
                                   .arguments = {input(deviceX, "x"), output(deviceY, "y"),
                                                 output(count, "count"), uint64_t{5}},
                                   .grid = {2, 1, 1},
                                   .threads = {128, 1, 1},
                                   .seed = seed});
  std::vector<float> expected(size);
  uint32_t positive = 0;
  for (size_t group = 0; group < size; group += 32) {
    size_t place = group;
    for (size_t index = group; index < group + 32; ++index)
      if (x[index] > 0) {
        expected[place++] = x[index];
        ++positive;
      }
  }
  outcome.mismatch = compare(download<float>(deviceY), expected);
  if (download<uint32_t>(count)[0] != positive)
    outcome.mismatch = "the count is wrong";
  return outcome;
}

// Matrices.

/// C = A B, or with the rows of B as columns, in order of K.
static std::vector<float> product(const std::vector<float> &a, const std::vector<float> &b,
                                  size_t m, size_t n, size_t k, bool transposed = false) {
  std::vector<float> c(m * n);
  for (size_t row = 0; row < m; ++row)
    for (size_t column = 0; column < n; ++column) {
      float sum = 0;
      for (size_t depth = 0; depth < k; ++depth)
        sum = std::fma(a[row * k + depth],
                       transposed ? b[column * k + depth] : b[depth * n + column], sum);
      c[row * n + column] = sum;
    }
  return c;
}

static Outcome runMatmulF32(Emulator &emulator, uint64_t seed, const LaunchChanges &changes) {
  constexpr uint64_t m = 96, n = 64, k = 128;
  std::vector<float> a = someNumbers(m * k, 5), b = someNumbers(k * n, 6);
  // Products that are not exact: the order and the rounding of the sum are seen.
  for (float &value : a)
    value *= 1.1f;
  DeviceBuffer deviceA(m * k * 4), deviceB(k * n * 4), deviceC(m * n * 4);
  upload(deviceA, a);
  upload(deviceB, b);
  Outcome outcome;
  outcome.fault = emulator.launch({.kernel = "matmul_f32",
                                   .arguments = {input(deviceA, "a"), input(deviceB, "b"),
                                                 output(deviceC, "c"), m, n, k, m * n / 1024},
                                   .grid = {4, 1, 1},
                                   .threads = {256, 1, 1},
                                   .seed = seed,
                                   .mostSteps = changes.mostSteps});
  outcome.mismatch = compare(download<float>(deviceC), product(a, b, m, n, k));
  return outcome;
}

static Outcome runMatmulMma(Emulator &emulator, uint64_t seed, const LaunchChanges &changes) {
  constexpr uint64_t m = 128, n = 128, k = 160, stageBytes = 64 * 80 + 32 * 144;
  const std::vector<float> a = someNumbers(m * k, 7), b = someNumbers(k * n, 8);
  DeviceBuffer deviceA(m * k * 2), deviceB(k * n * 2), deviceC(m * n * 4);
  upload(deviceA, asBFloat16(a));
  upload(deviceB, asBFloat16(b));
  Outcome outcome;
  outcome.fault = emulator.launch(
      {.kernel = "matmul_mma",
       .arguments = {input(deviceA, "a"), input(deviceB, "b"), output(deviceC, "c"), m, n, k,
                     m * n / 4096},
       .grid = {3, 1, 1},
       .threads = {128, 1, 1},
       .dynamicSharedBytes = static_cast<uint32_t>(3 * stageBytes + changes.sharedBytes),
       .seed = seed});
  outcome.mismatch = compare(download<float>(deviceC), product(a, b, m, n, k));
  return outcome;
}

static TensorMap matrixMap(const DeviceBuffer &buffer, uint64_t rows, uint64_t columns,
                           uint32_t boxRows, Swizzle swizzle) {
  TensorMap map;
  map.address = buffer.data();
  map.rank = 2;
  map.elementBytes = 2;
  map.sizes = {columns, rows};
  map.strides = {2, columns * 2};
  map.box = {64, boxRows};
  map.swizzle = swizzle;
  return map;
}

static Outcome runMatmulWgmma(Emulator &emulator, uint64_t seed, const LaunchChanges &changes) {
  // The last tile is not full: what is outside of A is zero, what is outside of C is left alone.
  constexpr uint64_t m = 200, n = 128, k = 320;
  constexpr uint32_t sharedBytes = 3 * (128 + 64) * 128 + 2 * 64 * 128 + 6 * 8;
  const std::vector<float> a = someNumbers(m * k, 9), b = someNumbers(n * k, 10);
  DeviceBuffer deviceA(m * k * 2), deviceB(n * k * 2), deviceC(m * n * 2);
  upload(deviceA, asBFloat16(a));
  upload(deviceB, asBFloat16(b));
  Outcome outcome;
  LaunchRequest request = {.kernel = "matmul_wgmma",
                           .arguments = {},
                           .grid = {2, 1, 1},
                           .threads = {384, 1, 1},
                           .dynamicSharedBytes = sharedBytes + changes.sharedBytes,
                           .seed = seed,
                           .mostSteps = changes.mostSteps};
  request.arguments = {matrixMap(deviceA, m + changes.tensorRows, k, 128, Swizzle::Bytes128),
                       matrixMap(deviceB, n, k, 64, Swizzle::Bytes128),
                       matrixMap(deviceC, m, n, 64, Swizzle::None),
                       n,
                       k,
                       uint64_t{4}};
  for (auto [buffer, name] : {std::pair(&deviceA, "a"), std::pair(&deviceB, "b")})
    request.buffers.push_back({.buffer = buffer, .readOnly = true, .name = name});
  request.buffers.push_back({.buffer = &deviceC, .readOnly = false, .name = "c"});
  outcome.fault = emulator.launch(request);
  const std::vector<float> expected =
      fromBFloat16(asBFloat16(product(a, b, m, n, k, /*transposed=*/true)));
  outcome.mismatch = compare(fromBFloat16(download<uint16_t>(deviceC)), expected, 0.004f);
  return outcome;
}

const std::vector<KernelCase> &kernelCases() {
  static const std::vector<KernelCase> cases = {
      {"elementwise", runElementwise}, {"row_sum", runRowSum},       {"transpose", runTranspose},
      {"compact", runCompact},         {"matmul_f32", runMatmulF32}, {"matmul_mma", runMatmulMma},
      {"matmul_wgmma", runMatmulWgmma}};
  return cases;
}

Outcome runKernel(const std::string &name, const std::vector<uint64_t> &seeds,
                  const std::function<void(llvm::Module &)> &mutate, const LaunchChanges &changes) {
  KernelModule kernel = readKernel(name);
  if (mutate)
    mutate(*kernel.module);
  Outcome outcome;
  try {
    Emulator emulator(std::move(kernel.context), std::move(kernel.module));
    for (const KernelCase &candidate : kernelCases())
      for (size_t index = 0; candidate.name == name && index < seeds.size(); ++index) {
        outcome = candidate.run(emulator, seeds[index], changes);
        if (outcome.kind() != "correct")
          return outcome;
      }
  } catch (const EmulationError &error) {
    outcome.fault = error.fault();
  }
  return outcome;
}

} // namespace weft::emulator

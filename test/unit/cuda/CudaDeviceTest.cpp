// The CUDA executor on a driver library that stands in for NVIDIA's.
#include "lib/Runtime/Cuda/CudaDevice.h"

#include "lib/Runtime/Executor.h"
#include "test/unit/cuda/FakeCudaDriver.h"
#include "test/unit/runtime/ExpectError.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <bit>
#include <cstdlib>
#include <numeric>
#include <thread>

using namespace weft;
using namespace weft::cuda;
using weft::testing::expectError;

namespace {

using Kind = BufferReference::Kind;

template <typename FunctionType> FunctionType *fakeFunction(const char *name) {
  void *library = dlopen(FAKE_CUDA_LIBRARY, RTLD_NOW | RTLD_LOCAL);
  return reinterpret_cast<FunctionType *>(dlsym(library, name));
}

class CudaDeviceTest : public ::testing::Test {
protected:
  CudaDeviceTest() {
    setenv("WEFT_LIBCUDA", FAKE_CUDA_LIBRARY, 1);
    *state = {};
  }

  CudaDevice &device() { return CudaDevice::instance(0); }

  StorageRef onDevice(const std::vector<float> &values) {
    uint64_t bytes = values.size() * sizeof(float);
    StorageRef storage = device().allocate(bytes);
    device().write(*storage, values.data(), bytes);
    return storage;
  }

  std::vector<float> valuesOf(const StorageRef &storage) {
    std::vector<float> values(storage->bytes() / sizeof(float));
    device().read(values.data(), *storage, storage->bytes());
    return values;
  }

  /// out = 2 * (a + b), with the sum in the arena.
  Plan twoLaunches(DeviceModule &module, int64_t count) {
    Plan plan;
    plan.device = &device();
    TensorSignature signature{DType::Float32, {count}};
    plan.inputs = {signature, signature};
    plan.outputs = {signature};
    plan.outputSources = {{}};
    plan.arenaBytes = static_cast<uint64_t>(count) * sizeof(float) + 1;
    Launch add, twice;
    add.deviceFunction = &module.function("add", 128, 1024);
    add.buffers = {{Kind::Input, 0, 0}, {Kind::Input, 1, 0}, {Kind::Arena, 0, 0}};
    add.sizes = {count};
    add.tasks = (count + 3) / 4;
    twice.deviceFunction = &module.function("double", 32, 0);
    twice.buffers = {{Kind::Arena, 0, 0}, {Kind::Output, 0, 0}};
    twice.tasks = count;
    plan.steps = {add, twice};
    return plan;
  }

  /// A stage that reads a matrix of bfloat16 by a tensor map, and the one that does without.
  Plan mappedLaunches(DeviceModule &module, BufferReference matrix, int64_t rows, int64_t columns,
                      int64_t tasks) {
    TensorMapShape map;
    map.element = DType::BFloat16;
    map.swizzleBytes = 128;
    map.dimensions = {{{1, {1}}, {2, {}}, 64}, {{1, {0}}, {2, {1}}, 128}};
    Plan plan;
    plan.device = &device();
    plan.inputs = {{DType::BFloat16, {rows, columns}}};
    plan.outputs = {{DType::Float32, {4}}};
    plan.outputSources = {{}};
    plan.arenaBytes = 1024;
    Launch mapped, plain;
    mapped.deviceFunction = &module.function("describe", 384, 200000, {map});
    mapped.buffers = {matrix, {Kind::Output, 0, 0}};
    mapped.sizes = {rows, columns};
    mapped.tasks = tasks;
    plain = mapped;
    plain.deviceFunction = &module.function("plain", 256, 0);
    plain.tasks = 10;
    plain.isAlternative = true;
    plan.steps = {mapped, plain};
    return plan;
  }

  FakeCudaState *state = fakeFunction<FakeCudaStateFunction>("fakeCudaState")();
  size_t allocations() {
    return fakeFunction<FakeCudaAllocationsFunction>("fakeCudaAllocations")();
  }
};

TEST_F(CudaDeviceTest, MemoryMovesThereAndBackAndIsGivenBack) {
  size_t before = allocations();
  {
    StorageRef storage = onDevice({1, 2, 3});
    EXPECT_EQ(storage->device(), &device());
    EXPECT_EQ(valuesOf(storage), (std::vector<float>{1, 2, 3}));
    StorageRef empty = device().allocate(0);
    device().write(*empty, nullptr, 0);
    EXPECT_EQ(allocations(), before + 2);
  }
  EXPECT_EQ(allocations(), before);
}

TEST_F(CudaDeviceTest, MemoryMayBeDroppedByAThreadThatNeverUsedTheDevice) {
  size_t before = allocations();
  StorageRef storage = onDevice({1});
  std::thread([moved = std::move(storage)]() mutable { moved = {}; }).join();
  EXPECT_EQ(allocations(), before);
}

TEST_F(CudaDeviceTest, ForeignMemoryGoesBackToItsOwner) {
  size_t before = allocations();
  StorageRef block = onDevice({1, 2});
  int released = 0;
  {
    StorageRef foreign = Storage::wrapOnDevice(
        block->data(), block->bytes(), device(), [](void *count) { ++*static_cast<int *>(count); },
        &released);
    EXPECT_TRUE(foreign->isForeign());
    EXPECT_EQ(foreign->device(), &device());
    EXPECT_EQ(valuesOf(foreign), (std::vector<float>{1, 2}));
    device().synchronizeWithOthers();
  }
  EXPECT_EQ(released, 1);
  EXPECT_EQ(allocations(), before + 1);
}

TEST_F(CudaDeviceTest, APlanIsAGraphThatIsUpdatedForOtherAddresses) {
  auto module = device().load("kernels");
  Plan plan = twoLaunches(*module, 6);
  StorageRef a = onDevice({1, 2, 3, 4, 5, 6}), b = onDevice({10, 20, 30, 40, 50, 60});
  for (int round = 0; round < 3; ++round) {
    std::vector<StorageRef> inputs = {a, b};
    auto outputs = execute(plan, inputs);
    EXPECT_EQ(valuesOf(outputs[0]), (std::vector<float>{22, 44, 66, 88, 110, 132}));
    EXPECT_EQ(outputs[0]->device(), &device());
  }
  EXPECT_EQ(state->graphs, 1u);
  EXPECT_EQ(state->launches, 6u);
  StorageRef c = onDevice({0, 0, 0, 0, 0, 1});
  std::vector<StorageRef> inputs = {c, b};
  EXPECT_EQ(valuesOf(execute(plan, inputs)[0]), (std::vector<float>{20, 40, 60, 80, 100, 122}));
  EXPECT_EQ(state->graphs, 1u);
  EXPECT_GE(state->updates, 1u);
}

TEST_F(CudaDeviceTest, APlanAtTheAddressOfAnotherRunsWithItsOwnSizes) {
  auto module = device().load("kernels");
  Plan plan = twoLaunches(*module, 2);
  std::vector<StorageRef> two = {onDevice({1, 2}), onDevice({3, 4})};
  EXPECT_EQ(valuesOf(execute(plan, two)[0]), (std::vector<float>{8, 12}));
  plan = twoLaunches(*module, 5);
  std::vector<StorageRef> five = {onDevice({1, 2, 3, 4, 5}), onDevice({1, 1, 1, 1, 1})};
  EXPECT_EQ(valuesOf(execute(plan, five)[0]), (std::vector<float>{4, 6, 8, 10, 12}));
}

TEST_F(CudaDeviceTest, LaunchesOfNoTasksAreLeftOut) {
  auto module = device().load("kernels");
  Plan plan = twoLaunches(*module, 0);
  std::vector<StorageRef> none = {device().allocate(0), device().allocate(0)};
  EXPECT_EQ(execute(plan, none)[0]->bytes(), 0u);
  EXPECT_EQ(state->launches, 0u);
}

TEST_F(CudaDeviceTest, ASingleLaunchNeedsNoGraph) {
  auto module = device().load("kernels");
  Plan plan = twoLaunches(*module, 4);
  plan.steps.erase(plan.steps.begin());
  std::get<Launch>(plan.steps[0]).buffers[0] = {Kind::Input, 0, 0};
  std::vector<StorageRef> inputs = {onDevice({1, 2, 3, 4}), onDevice({0, 0, 0, 0})};
  LaunchTimings timings;
  auto outputs = execute(plan, inputs, &timings);
  EXPECT_EQ(valuesOf(outputs[0]), (std::vector<float>{2, 4, 6, 8}));
  EXPECT_EQ(timings.size(), 1u);
  EXPECT_EQ(state->graphs, 0u);
}

TEST_F(CudaDeviceTest, TensorMapsFollowTheOtherArguments) {
  auto module = device().load("kernels");
  Plan plan = mappedLaunches(*module, {Kind::Input, 0, 0}, 5, 16, /*tasks=*/10);
  std::vector<StorageRef> inputs = {onDevice(std::vector<float>(40))};
  std::vector<StorageRef> first = execute(plan, inputs);
  EXPECT_EQ(valuesOf(first[0]), (std::vector<float>{1, 5, 16, 32}));
  EXPECT_EQ(state->tensorMaps, 1u);
  // The output is at another address.
  EXPECT_EQ(valuesOf(execute(plan, inputs)[0]), (std::vector<float>{1, 5, 16, 32}));
  EXPECT_EQ(state->tensorMaps, 2u);
  // Blocks that go from task to task are as many as multiprocessors.
  EXPECT_EQ(state->mostBlocks, 3u);
}

TEST_F(CudaDeviceTest, WhatTensorMapsCannotDescribeIsComputedWithoutThem) {
  auto module = device().load("kernels");
  std::vector<StorageRef> inputs = {onDevice(std::vector<float>(40))};
  Plan odd = mappedLaunches(*module, {Kind::Input, 0, 0}, 5, 15, /*tasks=*/0);
  EXPECT_EQ(valuesOf(execute(odd, inputs)[0])[0], -1);
  Plan misaligned = mappedLaunches(*module, {Kind::Arena, 0, 8}, 5, 16, /*tasks=*/10);
  EXPECT_EQ(valuesOf(execute(misaligned, inputs)[0])[0], -1);
  EXPECT_EQ(state->tensorMaps, 0u);
  EXPECT_EQ(state->launches, 2u);
}

TEST_F(CudaDeviceTest, WhatALaunchNotesIsReadBehindIt) {
  auto module = device().load("kernels");
  Plan plan = twoLaunches(*module, 4);
  std::get<Launch>(plan.steps[1]).deviceFunction =
      &module->function("double", 32, 0, {}, {{"taken\nk.py:2:3: load of x", 1}});
  // Twice these bits are those of index 10, its sign turned, and of 9 elements and 1.
  auto bits = [](uint32_t number) { return std::bit_cast<float>(number); };
  const std::vector<float> noted = {bits(5), -0.0f, bits(5), 0}, signs = {0, -0.0f, 0, 0};
  std::vector<StorageRef> inputs = {onDevice(noted), onDevice(signs)};
  for (int round = 0; round < 2; ++round)
    expectError(
        Error::Kind::Index,
        "k.py:2:3: load of x in kernel taken: index 10 of dimension 1, which has 9 elements",
        [&] { execute(plan, inputs); });
  EXPECT_EQ(state->graphs, 0u);
  std::vector<StorageRef> nothing = {onDevice({0, 0, 0, 0}), onDevice({0, 0, 0, 0})};
  EXPECT_EQ(valuesOf(execute(plan, nothing)[0]), (std::vector<float>{0, 0, 0, 0}));
}

TEST_F(CudaDeviceTest, ADonatedInputIsWrittenInPlace) {
  auto module = device().load("kernels");
  Plan plan = twoLaunches(*module, 2);
  plan.steps.erase(plan.steps.begin());
  std::get<Launch>(plan.steps[0]).buffers[0] = {Kind::Input, 0, 0};
  plan.outputSources = {{OutputSource::Kind::DonatedInput, 0}};
  std::vector<StorageRef> inputs = {onDevice({1, 2}), onDevice({0, 0})};
  void *place = inputs[0]->data();
  EXPECT_EQ(execute(plan, inputs)[0]->data(), place);
}

TEST_F(CudaDeviceTest, ErrorsNameTheDeviceAndWhatWasBeingDone) {
  expectError(Error::Kind::Memory, "cuda:0: allocating 2147483648 bytes: out of memory",
              [&] { device().allocate(uint64_t(1) << 31); });
  expectError(Error::Kind::Unsupported, "cuda:0: loading kernels",
              [&] { device().load("nonsense"); });
  auto module = device().load("kernels");
  expectError(Error::Kind::Unsupported, "looking for the kernel missing",
              [&] { module->function("missing", 1, 0); });
  expectError(Error::Kind::Unsupported, "a block has 232448",
              [&] { module->function("add", 128, 300000); });
  expectError(Error::Kind::Unsupported, "there is no device cuda:7: the driver has 2",
              [] { CudaDevice::instance(7); });
  expectError(Error::Kind::Unsupported, "cuda:1 has compute capability 7.0",
              [] { CudaDevice::instance(1); });
}

// googletest runs suites of this name first, before the driver is open.
TEST(CudaDriverDeathTest, WithoutADriverTheErrorSaysWhatIsMissing) {
  setenv("WEFT_LIBCUDA", "/nowhere/libcuda.so.1", 1);
  EXPECT_EXIT(
      {
        try {
          Driver::instance();
        } catch (const Error &error) {
          fprintf(stderr, "%s\n", error.what());
          std::_Exit(3);
        }
        std::_Exit(0);
      },
      ::testing::ExitedWithCode(3), "there is no CUDA device: /nowhere/libcuda.so.1: cannot open");
}

TEST(CudaDriverDeathTest, ADriverThatDoesNotStartSaysWhy) {
  setenv("WEFT_LIBCUDA", FAKE_CUDA_LIBRARY, 1);
  setenv("FAKE_CUDA_NO_DEVICE", "1", 1);
  EXPECT_EXIT(
      {
        try {
          Driver::instance();
        } catch (const Error &error) {
          fprintf(stderr, "%s\n", error.what());
          std::_Exit(3);
        }
        std::_Exit(0);
      },
      ::testing::ExitedWithCode(3), "no CUDA-capable device is detected");
  unsetenv("FAKE_CUDA_NO_DEVICE");
}

} // namespace

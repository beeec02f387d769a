#include "lib/Runtime/Executor.h"
#include "lib/Runtime/Allocator.h"
#include "lib/Runtime/ThreadPool.h"
#include "lib/Support/Interpreter.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <numeric>
#include <thread>

using namespace weft;

namespace {

using Kind = BufferReference::Kind;

std::shared_ptr<const EventSource> named(const char *name) {
  return std::make_shared<const EventSource>(EventSource{.name = name});
}

extern "C" {

/// out[i] = a[i] + b[i], one element a task.
static void addStage(void *const *buffers, const int64_t *, int64_t begin, int64_t end) {
  auto *a = static_cast<const float *>(buffers[0]), *b = static_cast<const float *>(buffers[1]);
  auto *out = static_cast<float *>(buffers[2]);
  for (int64_t i = begin; i < end; ++i)
    out[i] = a[i] + b[i];
}

/// out[i] = 2 * a[i], one element a task.
static void doubleStage(void *const *buffers, const int64_t *, int64_t begin, int64_t end) {
  auto *a = static_cast<const float *>(buffers[0]);
  auto *out = static_cast<float *>(buffers[1]);
  for (int64_t i = begin; i < end; ++i)
    out[i] = 2 * a[i];
}

/// out[row] = sum of a[row, :], sizes = {columns}, one row a task.
static void rowSumStage(void *const *buffers, const int64_t *sizes, int64_t begin, int64_t end) {
  auto *a = static_cast<const float *>(buffers[0]);
  auto *out = static_cast<float *>(buffers[1]);
  for (int64_t row = begin; row < end; ++row)
    out[row] = std::accumulate(a + row * sizes[0], a + (row + 1) * sizes[0], 0.0f);
}

/// out[0] = sum of the first element of all the other buffers, sizes = {number of them}.
static void manyBuffersStage(void *const *buffers, const int64_t *sizes, int64_t, int64_t) {
  auto *out = static_cast<float *>(buffers[sizes[0]]);
  *out = 0;
  for (int64_t index = 0; index < sizes[0]; ++index)
    *out += *static_cast<const float *>(buffers[index]);
}

} // extern "C"

StorageRef storageOf(const std::vector<float> &values) {
  StorageRef storage = Allocator::process().allocate(values.size() * sizeof(float));
  std::copy(values.begin(), values.end(), static_cast<float *>(storage->data()));
  return storage;
}

std::vector<float> valuesOf(const StorageRef &storage) {
  auto *data = static_cast<const float *>(storage->data());
  return {data, data + storage->bytes() / sizeof(float)};
}

TensorSignature floats(std::vector<int64_t> shape) { return {DType::Float32, std::move(shape)}; }

/// out = 2 * input, with the output from `source`.
Plan doublingPlan(int64_t elements, OutputSource source) {
  Plan plan;
  plan.inputs = plan.outputs = {floats({elements})};
  plan.outputSources = {source};
  plan.steps.push_back(Launch{
      doubleStage, {{Kind::Input, 0, 0}, {Kind::Output, 0, 0}}, {}, elements, 4, named("double")});
  return plan;
}

class ExecutorTest : public ::testing::TestWithParam<int> {
protected:
  void SetUp() override { ThreadPool::process().setThreadCount(GetParam()); }
  void TearDown() override { ThreadPool::process().setThreadCount(count); }

  int count = ThreadPool::process().threadCount();
};

INSTANTIATE_TEST_SUITE_P(Threads, ExecutorTest, ::testing::Values(1, 2, 4));

TEST_P(ExecutorTest, LaunchesSeeTheArenaOfTheOnesBefore) {
  // out[row] = sum over columns of (2 * (a + b)), with both steps at their own arena offset.
  constexpr int64_t rows = 100, columns = 30, elements = rows * columns;
  constexpr uint64_t second = 12032;
  Plan plan;
  plan.inputs = {floats({rows, columns}), floats({rows, columns})};
  plan.outputs = {floats({rows})};
  plan.outputSources = {{OutputSource::Kind::Fresh, 0}};
  plan.arenaBytes = second + elements * sizeof(float);
  plan.steps = {Launch{addStage,
                       {{Kind::Input, 0, 0}, {Kind::Input, 1, 0}, {Kind::Arena, 0, 0}},
                       {},
                       elements,
                       4,
                       named("add")},
                Launch{doubleStage,
                       {{Kind::Arena, 0, 0}, {Kind::Arena, 0, second}},
                       {},
                       elements,
                       4,
                       named("double")},
                Launch{rowSumStage,
                       {{Kind::Arena, 0, second}, {Kind::Output, 0, 0}},
                       {columns},
                       rows,
                       4,
                       named("sum")}};
  std::vector<float> a(elements), b(elements, 1), expected(rows);
  std::iota(a.begin(), a.end(), 0.0f);
  for (int64_t i = 0; i < elements; ++i)
    expected[i / columns] += 2 * (a[i] + 1);
  std::vector<StorageRef> inputs = {storageOf(a), storageOf(b)};
  for (int round = 0; round < 50; ++round)
    ASSERT_EQ(valuesOf(execute(plan, inputs).at(0)), expected);
}

TEST_P(ExecutorTest, ADonatedInputIsWrittenInPlace) {
  Plan plan = doublingPlan(3, {OutputSource::Kind::DonatedInput, 0});
  std::vector<StorageRef> inputs = {storageOf({1, 2, 3})};
  std::vector<StorageRef> outputs = execute(plan, inputs);
  EXPECT_EQ(outputs[0], inputs[0]);
  EXPECT_EQ(valuesOf(outputs[0]), (std::vector<float>{2, 4, 6}));
}

TEST_P(ExecutorTest, ACopyToTheSameMemoryIsNotRun) {
  Plan plan = doublingPlan(3, {OutputSource::Kind::DonatedInput, 0});
  Launch &launch = std::get<Launch>(plan.steps[0]);
  launch.copied = 0;
  launch.inputs = 1;
  std::vector<StorageRef> inputs = {storageOf({1, 2, 3})};
  EXPECT_EQ(valuesOf(execute(plan, inputs).at(0)), (std::vector<float>{1, 2, 3}));
  StorageRef kept = inputs[0];
  EXPECT_EQ(valuesOf(execute(plan, inputs).at(0)), (std::vector<float>{2, 4, 6}));
}

TEST_P(ExecutorTest, AnInputThatSomeoneElseHoldsIsNotWritten) {
  Plan plan = doublingPlan(3, {OutputSource::Kind::DonatedInput, 0});
  std::vector<StorageRef> inputs = {storageOf({1, 2, 3})};
  StorageRef kept = inputs[0];
  std::vector<StorageRef> outputs = execute(plan, inputs);
  EXPECT_NE(outputs[0], kept);
  EXPECT_EQ(valuesOf(kept), (std::vector<float>{1, 2, 3}));
  EXPECT_EQ(valuesOf(outputs[0]), (std::vector<float>{2, 4, 6}));
}

TEST_P(ExecutorTest, ForeignMemoryIsNotWritten) {
  Plan plan = doublingPlan(2, {OutputSource::Kind::DonatedInput, 0});
  float foreign[2] = {1, 2};
  std::vector<StorageRef> inputs = {Storage::wrap(foreign, sizeof foreign, nullptr, nullptr)};
  std::vector<StorageRef> outputs = execute(plan, inputs);
  EXPECT_EQ(foreign[0], 1);
  EXPECT_EQ(valuesOf(outputs[0]), (std::vector<float>{2, 4}));
}

TEST_P(ExecutorTest, ADonatedInputThatIsAlsoPassedThroughKeepsItsValue) {
  Plan plan = doublingPlan(2, {OutputSource::Kind::DonatedInput, 0});
  plan.outputs.push_back(floats({2}));
  plan.outputSources.push_back({OutputSource::Kind::Input, 0});
  std::vector<StorageRef> inputs = {storageOf({1, 2})};
  std::vector<StorageRef> outputs = execute(plan, inputs);
  EXPECT_EQ(outputs[1], inputs[0]);
  EXPECT_EQ(valuesOf(outputs[1]), (std::vector<float>{1, 2}));
  EXPECT_EQ(valuesOf(outputs[0]), (std::vector<float>{2, 4}));
}

TEST_P(ExecutorTest, OneStorageInTwoPlacesIsNotDonated) {
  Plan plan = doublingPlan(2, {OutputSource::Kind::DonatedInput, 0});
  plan.inputs.push_back(floats({2}));
  StorageRef shared = storageOf({1, 2});
  std::vector<StorageRef> inputs = {shared, shared};
  shared = StorageRef();
  execute(plan, inputs);
  EXPECT_EQ(valuesOf(inputs[1]), (std::vector<float>{1, 2}));
}

TEST_P(ExecutorTest, InputsAndConstantsPassThrough) {
  Plan plan;
  plan.inputs = {floats({1}), floats({2})};
  plan.outputs = {floats({2}), floats({3})};
  plan.outputSources = {{OutputSource::Kind::Input, 1}, {}};
  plan.constants = {storageOf({7, 8, 9})};
  plan.steps = {Copy{{Kind::Constant, 0, 0}, {Kind::Output, 1, 0}, 12}};
  std::vector<StorageRef> inputs = {storageOf({1}), storageOf({2, 3})};
  std::vector<StorageRef> outputs = execute(plan, inputs);
  EXPECT_EQ(outputs[0], inputs[1]);
  EXPECT_NE(outputs[1], plan.constants[0]);
  EXPECT_EQ(valuesOf(outputs[1]), (std::vector<float>{7, 8, 9}));
}

TEST_P(ExecutorTest, OutputsDoNotShareForeignMemory) {
  Plan plan;
  plan.inputs = {floats({2})};
  plan.outputs = {floats({2}), floats({2})};
  plan.outputSources = {{OutputSource::Kind::Input, 0}, {OutputSource::Kind::Input, 0}};
  float foreign[2] = {1, 2};
  std::vector<StorageRef> inputs = {Storage::wrap(foreign, sizeof foreign, nullptr, nullptr)};
  std::vector<StorageRef> outputs = execute(plan, inputs);
  foreign[0] = 9;
  for (const StorageRef &output : outputs)
    EXPECT_EQ(valuesOf(output), (std::vector<float>{1, 2}));
}

/// What the test's interpreter answers.
std::atomic<bool> interrupted = false;

extern "C" {
/// As doubleStage; then an interruption is due, and asked for.
static void interruptingStage(void *const *buffers, const int64_t *sizes, int64_t begin,
                              int64_t end) {
  doubleStage(buffers, sizes, begin, end);
  interrupted = true;
  std::this_thread::sleep_for(std::chrono::milliseconds(80));
}
} // extern "C"

/// Two launches, the first of which interrupts, on inputs that the first may write over. True if
/// the second did not run. On a thread of its own, which has asked for no interruption yet.
bool stopsAfterFirst(OutputSource source, std::vector<StorageRef> inputs) {
  Plan plan;
  plan.inputs = {floats({2})};
  plan.outputs = {floats({2}), floats({2})};
  plan.outputSources = {source, {OutputSource::Kind::Fresh, 0}};
  plan.steps = {
      Launch{interruptingStage,
             {{Kind::Input, 0, 0}, {Kind::Output, 0, 0}},
             {},
             2,
             1,
             named("first"),
             1},
      Launch{
          doubleStage, {{Kind::Output, 0, 0}, {Kind::Output, 1, 0}}, {}, 2, 1, named("second"), 1}};
  bool stopped = false;
  std::thread([&] {
    setInterpreter({.interrupts = [] { return interrupted.load(); }});
    interrupted = false;
    try {
      EXPECT_EQ(valuesOf(execute(plan, inputs).at(1)), (std::vector<float>{4, 8}));
    } catch (const Interrupted &) {
      stopped = true;
    }
    setInterpreter({});
  }).join();
  return stopped;
}

TEST_P(ExecutorTest, IsInterruptedBetweenLaunches) {
  EXPECT_TRUE(stopsAfterFirst({OutputSource::Kind::Fresh, 0}, {storageOf({1, 2})}));
  StorageRef kept = storageOf({1, 2});
  EXPECT_TRUE(stopsAfterFirst({OutputSource::Kind::DonatedInput, 0}, {kept}));
  EXPECT_EQ(valuesOf(kept), (std::vector<float>{1, 2}));
}

TEST_P(ExecutorTest, IsNotInterruptedOnceAnInputIsWrittenOver) {
  std::vector<StorageRef> inputs;
  inputs.push_back(storageOf({1, 2}));
  EXPECT_FALSE(stopsAfterFirst({OutputSource::Kind::DonatedInput, 0}, std::move(inputs)));
}

TEST_P(ExecutorTest, ConstantsAreReadByLaunches) {
  Plan plan;
  plan.outputs = {floats({2})};
  plan.outputSources = {{OutputSource::Kind::Fresh, 0}};
  plan.constants = {storageOf({1, 2})};
  plan.steps = {Launch{
      doubleStage, {{Kind::Constant, 0, 0}, {Kind::Output, 0, 0}}, {}, 2, 1, named("double")}};
  EXPECT_EQ(valuesOf(execute(plan, {}).at(0)), (std::vector<float>{2, 4}));
}

TEST_P(ExecutorTest, EmptyTensorsRunNoTasks) {
  Plan plan = doublingPlan(0, {OutputSource::Kind::Fresh, 0});
  std::get<Launch>(plan.steps[0]).function = [](void *const *, const int64_t *, int64_t, int64_t) {
    ADD_FAILURE() << "a launch without tasks was called";
  };
  for (int32_t maximumThreads : {1, 4}) {
    std::get<Launch>(plan.steps[0]).maximumThreads = maximumThreads;
    std::vector<StorageRef> inputs = {storageOf({})};
    EXPECT_EQ(execute(plan, inputs).at(0)->bytes(), 0u);
  }
}

TEST_P(ExecutorTest, ALaunchMayHaveManyBuffers) {
  constexpr int64_t count = 100;
  Plan plan;
  plan.outputs = {floats({1})};
  plan.outputSources = {{OutputSource::Kind::Fresh, 0}};
  Launch launch{manyBuffersStage, {}, {count}, 1, 1, named("many")};
  for (uint32_t index = 0; index < count; ++index) {
    plan.inputs.push_back(floats({1}));
    launch.buffers.push_back({Kind::Input, index, 0});
  }
  launch.buffers.push_back({Kind::Output, 0, 0});
  plan.steps = {launch};
  std::vector<StorageRef> inputs;
  for (int64_t index = 0; index < count; ++index)
    inputs.push_back(storageOf({static_cast<float>(index)}));
  EXPECT_EQ(valuesOf(execute(plan, inputs).at(0)), std::vector<float>{4950});
}

TEST_P(ExecutorTest, TimingsCoverEachLaunch) {
  Plan plan = doublingPlan(1 << 16, {OutputSource::Kind::Fresh, 0});
  plan.steps.push_back(plan.steps[0]);
  plan.steps.push_back(Copy{{Kind::Input, 0, 0}, {Kind::Output, 0, 0}, 4});
  std::vector<StorageRef> inputs = {storageOf(std::vector<float>(1 << 16, 1))};
  LaunchTimings timings = {-1, -1, -1};
  execute(plan, inputs, &timings);
  ASSERT_EQ(timings.size(), 2u);
  EXPECT_GT(timings[0], 0);
  EXPECT_GT(timings[1], 0);
}

TEST_P(ExecutorTest, OutputsGoIntoTheCallersSpan) {
  Plan plan = doublingPlan(2, {OutputSource::Kind::Fresh, 0});
  StorageRef inputs[] = {storageOf({1, 2})};
  StorageRef outputs[] = {storageOf({5, 5, 5})};
  execute(plan, inputs, std::span<StorageRef>(outputs));
  EXPECT_EQ(valuesOf(outputs[0]), (std::vector<float>{2, 4}));
}

} // namespace

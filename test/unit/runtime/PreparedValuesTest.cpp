#include "lib/Runtime/PreparedValues.h"
#include "lib/Runtime/Allocator.h"
#include "lib/Runtime/Executor.h"
#include "test/unit/runtime/InChild.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

using namespace weft;
using weft::testing::holdsInChild;

namespace {

using Kind = BufferReference::Kind;

std::atomic<int> runs = 0;

extern "C" {

/// out[i] = 2 * a[i].
static void countedDouble(void *const *buffers, const int64_t *, int64_t begin, int64_t end) {
  ++runs;
  for (int64_t i = begin; i < end; ++i)
    static_cast<float *>(buffers[1])[i] = 2 * static_cast<const float *>(buffers[0])[i];
}

/// out[i] = a[i] + b[i].
static void sum(void *const *buffers, const int64_t *, int64_t begin, int64_t end) {
  auto *a = static_cast<const float *>(buffers[0]), *b = static_cast<const float *>(buffers[1]);
  for (int64_t i = begin; i < end; ++i)
    static_cast<float *>(buffers[2])[i] = a[i] + b[i];
}

} // extern "C"

StorageRef storageOf(const std::vector<float> &values) {
  StorageRef storage = Allocator::process().allocate(values.size() * sizeof(float));
  std::ranges::copy(values, static_cast<float *>(storage->data()));
  return storage;
}

std::vector<float> valuesOf(const StorageRef &storage) {
  auto *data = static_cast<const float *>(storage->data());
  return {data, data + storage->bytes() / sizeof(float)};
}

constexpr int64_t elements = 1024;
const TensorSignature signature{DType::Float32, {elements}};

std::vector<float> filled(float value) { return std::vector<float>(elements, value); }

/// out = 2 * input.
Plan doubling() {
  Plan plan;
  plan.inputs = plan.outputs = {signature};
  plan.outputSources = {{}};
  plan.steps = {
      Launch{countedDouble, {{Kind::Input, 0, 0}, {Kind::Output, 0, 0}}, {}, elements, 1}};
  return plan;
}

/// out0 = x + 2 * w, out1 = 2 * w, where 2 * w is prepared.
Plan usingWeight() {
  Plan plan;
  plan.inputs = {signature, signature};
  plan.outputs = {signature, signature};
  plan.outputSources = {{}, {}};
  plan.preparedValues = 1;
  plan.steps = {Prepare{PreparedProgram::of(doubling()), {{Kind::Input, 1, 0}}, 0},
                Launch{sum,
                       {{Kind::Input, 0, 0}, {Kind::Prepared, 0, 0}, {Kind::Output, 0, 0}},
                       {},
                       elements,
                       1},
                Copy{{Kind::Prepared, 0, 0}, {Kind::Output, 1, 0}, elements * sizeof(float)}};
  return plan;
}

class PreparedValuesTest : public ::testing::Test {
protected:
  void SetUp() override { runs = 0; }
  void TearDown() override { values.setLimit(limit); }

  uint64_t bytes() const { return values.statistics().bytes; }
  float result(const Plan &plan, const StorageRef &w) {
    std::vector<StorageRef> inputs = {storageOf(filled(1)), w};
    std::vector<StorageRef> outputs = execute(plan, inputs);
    EXPECT_EQ(valuesOf(outputs[0])[elements - 1], valuesOf(outputs[1])[0] + 1);
    return valuesOf(outputs[0])[0];
  }

  PreparedValues &values = PreparedValues::process();
  uint64_t limit = values.limit();
};

TEST_F(PreparedValuesTest, AreComputedOnceForAStorageAndGoWithIt) {
  Plan plan = usingWeight();
  uint64_t before = bytes();
  StorageRef first = storageOf(filled(3)), second = storageOf(filled(5));
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(result(plan, first), 7);
    EXPECT_EQ(result(plan, second), 11);
  }
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(bytes(), before + 2 * elements * sizeof(float));
  first = {};
  EXPECT_EQ(bytes(), before + elements * sizeof(float));
  // The allocator gives the same block again: it is another storage.
  first = storageOf(filled(4));
  EXPECT_EQ(result(plan, first), 9);
  EXPECT_EQ(runs, 3);
  plan = Plan();
  EXPECT_EQ(bytes(), before);
}

TEST_F(PreparedValuesTest, PlansThatDoTheSameShareThem) {
  Plan first = usingWeight(), second = usingWeight();
  StorageRef w = storageOf(filled(3));
  EXPECT_EQ(result(first, w), 7);
  first = Plan();
  EXPECT_EQ(result(second, w), 7);
  EXPECT_EQ(runs, 1);
  Plan other = doubling();
  std::get<Launch>(other.steps[0]).sizes = {7};
  EXPECT_EQ(std::get<Prepare>(second.steps[0]).program, PreparedProgram::of(doubling()));
  EXPECT_NE(std::get<Prepare>(second.steps[0]).program, PreparedProgram::of(std::move(other)));
}

TEST_F(PreparedValuesTest, AStorageThatIsWrittenInPlaceIsAnother) {
  Plan plan = usingWeight(), step = doubling();
  step.outputSources = {{OutputSource::Kind::DonatedInput, 0}};
  StorageRef w = storageOf(filled(3));
  EXPECT_EQ(result(plan, w), 7);
  std::vector<StorageRef> donated;
  donated.push_back(std::move(w));
  Storage *block = donated[0].get();
  StorageRef written = execute(step, donated)[0];
  donated.clear();
  EXPECT_EQ(written.get(), block);
  EXPECT_EQ(result(plan, written), 13);
}

TEST_F(PreparedValuesTest, OfMemoryThatOthersMayWriteAreNotKept) {
  Plan plan = usingWeight();
  std::vector<float> foreign = filled(3);
  StorageRef wrapped =
      Storage::wrap(foreign.data(), foreign.size() * sizeof(float), nullptr, nullptr);
  uint64_t before = bytes();
  EXPECT_EQ(result(plan, wrapped), 7);
  std::ranges::fill(foreign, 4);
  EXPECT_EQ(result(plan, wrapped), 9);
  StorageRef exported = storageOf(filled(3));
  EXPECT_EQ(result(plan, exported), 7);
  exported->setWritableOutside();
  EXPECT_EQ(bytes(), before);
  std::fill_n(static_cast<float *>(exported->data()), elements, 5.0f);
  EXPECT_EQ(result(plan, exported), 11);
  EXPECT_EQ(bytes(), before);
}

TEST_F(PreparedValuesTest, AreBounded) {
  Plan plan = usingWeight();
  values.setLimit(0);
  uint64_t before = bytes();
  StorageRef w = storageOf(filled(3));
  EXPECT_EQ(result(plan, w), 7);
  EXPECT_EQ(result(plan, w), 7);
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(bytes(), before);
  constexpr uint64_t each = elements * sizeof(float);
  values.setLimit(4 * each);
  std::vector<StorageRef> weights;
  for (int number = 0; number < 20; ++number) {
    weights.push_back(storageOf(filled(static_cast<float>(number))));
    EXPECT_EQ(result(plan, weights.back()), 1 + 2 * static_cast<float>(number));
    EXPECT_EQ(result(plan, weights[0]), 1);
    EXPECT_LE(bytes(), 4 * each);
  }
  // What was used all the time stayed.
  EXPECT_EQ(runs, 2 + 20);
}

TEST_F(PreparedValuesTest, ThreadsAgree) {
  Plan plan = usingWeight();
  std::atomic<int> wrong = 0;
  for (int round = 0; round < 50; ++round) {
    StorageRef w = storageOf(filled(static_cast<float>(round)));
    std::vector<std::thread> threads;
    for (int number = 0; number < 4; ++number)
      threads.emplace_back([&, w] {
        std::vector<StorageRef> inputs = {storageOf(filled(1)), w};
        wrong += valuesOf(execute(plan, inputs)[0])[7] != 1 + 2 * static_cast<float>(round);
      });
    w = {};
    for (std::thread &thread : threads)
      thread.join();
  }
  EXPECT_EQ(wrong, 0);
}

TEST_F(PreparedValuesTest, AForkedChildHasThem) {
  Plan plan = usingWeight();
  StorageRef w = storageOf(filled(3));
  EXPECT_EQ(result(plan, w), 7);
  EXPECT_TRUE(holdsInChild([&] {
    std::vector<StorageRef> inputs = {storageOf(filled(1)), w};
    bool same = valuesOf(execute(plan, inputs)[0])[0] == 7 && runs == 1;
    inputs[1] = storageOf(filled(5));
    return same && valuesOf(execute(plan, inputs)[0])[0] == 11;
  }));
}

} // namespace

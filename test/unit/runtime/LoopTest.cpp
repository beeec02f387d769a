// Where loops and branches read and write.
#include "lib/Runtime/Allocator.h"
#include "lib/Runtime/Executor.h"

#include <gtest/gtest.h>

using namespace weft;

namespace {

using Kind = BufferReference::Kind;

/// The buffers of each call of `notingStage`.
std::vector<std::vector<void *>> &calls() {
  static std::vector<std::vector<void *>> list;
  return list;
}

extern "C" {

/// next[0] = carry[0] + slice[0], row[0] = carry[0]; buffers: carry, slice, next, row.
static void notingStage(void *const *buffers, const int64_t *, int64_t, int64_t) {
  calls().push_back({buffers[0], buffers[1], buffers[2], buffers[3]});
  float carry = *static_cast<const float *>(buffers[0]);
  *static_cast<float *>(buffers[3]) = carry;
  *static_cast<float *>(buffers[2]) = carry + *static_cast<const float *>(buffers[1]);
}

/// goes[0] = carry[0] < most[0].
static void lessStage(void *const *buffers, const int64_t *, int64_t, int64_t) {
  *static_cast<bool *>(buffers[2]) =
      *static_cast<const float *>(buffers[0]) < *static_cast<const float *>(buffers[1]);
}

/// next[0] = carry[0] + 1.
static void nextStage(void *const *buffers, const int64_t *, int64_t, int64_t) {
  *static_cast<float *>(buffers[1]) = *static_cast<const float *>(buffers[0]) + 1;
}

} // extern "C"

TensorSignature floats(std::vector<int64_t> shape) { return {DType::Float32, std::move(shape)}; }

StorageRef storageOf(const std::vector<float> &values) {
  StorageRef storage = Allocator::process().allocate(values.size() * sizeof(float));
  std::copy(values.begin(), values.end(), static_cast<float *>(storage->data()));
  return storage;
}

std::vector<float> valuesOf(const StorageRef &storage) {
  auto *data = static_cast<const float *>(storage->data());
  return {data, data + storage->bytes() / sizeof(float)};
}

/// The carried sums of slices of input 1, beginning with input 0; the sums before each slice.
Plan sums(Carry::Kind kind, int64_t count, bool reverse) {
  Plan body;
  body.inputs = body.outputs = {floats({}), floats({})};
  body.outputSources.resize(2);
  body.steps = {
      Launch{notingStage,
             {{Kind::Input, 0, 0}, {Kind::Input, 1, 0}, {Kind::Output, 0, 0}, {Kind::Output, 1, 0}},
             {},
             1}};
  Loop loop;
  loop.body = std::make_shared<const Plan>(body);
  loop.count = count;
  loop.reverse = reverse;
  loop.carries = {
      {kind, sizeof(float), {Kind::Input, 0, 0}, {Kind::Output, 0, 0}, {Kind::Arena, 0, 0}}};
  loop.scanned = {{{Kind::Input, 1, 0}, sizeof(float)}};
  loop.stacked = {{{Kind::Output, 1, 0}, sizeof(float)}};
  loop.addresses = {Kind::Arena, 0, 64};
  loop.arena = {Kind::Arena, 0, 1024};
  Plan plan;
  plan.inputs = plan.outputs = {floats({}), floats({count})};
  plan.outputSources.resize(2);
  plan.arenaBytes = 1088;
  plan.steps = {loop};
  return plan;
}

std::vector<StorageRef> run(const Plan &plan, const std::vector<StorageRef> &inputs) {
  calls().clear();
  return execute(plan, inputs);
}

TEST(LoopTest, AValueInPlaceIsCopiedByTheFirstIterationAlone) {
  std::vector<StorageRef> inputs = {storageOf({1}), storageOf({1, 2, 3, 4})};
  auto outputs = run(sums(Carry::Kind::InPlace, 4, false), inputs);
  EXPECT_EQ(valuesOf(outputs[0]), (std::vector<float>{11}));
  EXPECT_EQ(valuesOf(outputs[1]), (std::vector<float>{1, 2, 4, 7}));
  EXPECT_EQ(valuesOf(inputs[0]), (std::vector<float>{1}));
  void *place = outputs[0]->data();
  ASSERT_EQ(calls().size(), 4u);
  EXPECT_EQ(calls()[0][0], inputs[0]->data());
  for (size_t iteration = 0; iteration < 4; ++iteration) {
    EXPECT_EQ(calls()[iteration][2], place);
    EXPECT_EQ(calls()[iteration][1], static_cast<float *>(inputs[1]->data()) + iteration);
    EXPECT_EQ(calls()[iteration][3], static_cast<float *>(outputs[1]->data()) + iteration);
    if (iteration > 0)
      EXPECT_EQ(calls()[iteration][0], place);
  }
}

TEST(LoopTest, BuffersThatChangePlacesEndWhereTheResultIs) {
  for (int64_t count : {0, 1, 2, 3, 4}) {
    std::vector<float> slices(static_cast<size_t>(count), 2);
    std::vector<StorageRef> inputs = {storageOf({1}), storageOf(slices)};
    auto outputs = run(sums(Carry::Kind::Exchanged, count, false), inputs);
    EXPECT_EQ(valuesOf(outputs[0]), (std::vector<float>{1 + 2 * static_cast<float>(count)}));
    ASSERT_EQ(calls().size(), static_cast<size_t>(count));
    for (const std::vector<void *> &call : calls())
      EXPECT_NE(call[0], call[2]);
    if (count > 0)
      EXPECT_EQ(calls().back()[2], outputs[0]->data());
  }
}

TEST(LoopTest, BackwardsBeginsWithTheLastSlice) {
  std::vector<StorageRef> inputs = {storageOf({1}), storageOf({1, 2, 3})};
  auto outputs = run(sums(Carry::Kind::Exchanged, 3, true), inputs);
  EXPECT_EQ(valuesOf(outputs[0]), (std::vector<float>{7}));
  EXPECT_EQ(valuesOf(outputs[1]), (std::vector<float>{6, 4, 1}));
}

TEST(LoopTest, ALoopWithAConditionMayRunNotAtAll) {
  Plan condition, body;
  condition.inputs = {floats({}), floats({})};
  condition.outputs = {{DType::Bool, {}}};
  condition.outputSources.resize(1);
  condition.steps = {
      Launch{lessStage, {{Kind::Input, 0, 0}, {Kind::Input, 1, 0}, {Kind::Output, 0, 0}}, {}, 1}};
  body.inputs = {floats({}), floats({})};
  body.outputs = {floats({})};
  body.outputSources.resize(1);
  body.steps = {Launch{nextStage, {{Kind::Input, 0, 0}, {Kind::Output, 0, 0}}, {}, 1}};
  Loop loop;
  loop.condition = std::make_shared<const Plan>(condition);
  loop.body = std::make_shared<const Plan>(body);
  loop.carries = {{Carry::Kind::Exchanged,
                   sizeof(float),
                   {Kind::Input, 0, 0},
                   {Kind::Output, 0, 0},
                   {Kind::Arena, 0, 0}}};
  loop.captured = {{Kind::Input, 1, 0}};
  loop.proceeds = {Kind::Arena, 0, 8};
  loop.addresses = {Kind::Arena, 0, 64};
  loop.arena = {Kind::Arena, 0, 1024};
  Plan plan;
  plan.inputs = {floats({}), floats({})};
  plan.outputs = {floats({})};
  plan.outputSources.resize(1);
  plan.arenaBytes = 1088;
  plan.steps = {loop};
  for (float most : {0.0f, 1.0f, 2.0f, 5.0f}) {
    auto outputs = execute(plan, std::vector{storageOf({1}), storageOf({most})});
    EXPECT_EQ(valuesOf(outputs[0]), (std::vector<float>{std::max(1.0f, most)}));
  }
}

TEST(LoopTest, TheNumberOfABranchIsClamped) {
  Plan kept, next;
  kept.inputs = next.inputs = kept.outputs = next.outputs = {floats({})};
  kept.outputSources = next.outputSources = {{OutputSource::Kind::Fresh, 0}};
  kept.steps = {Copy{{Kind::Input, 0, 0}, {Kind::Output, 0, 0}, sizeof(float)}};
  next.steps = {Launch{nextStage, {{Kind::Input, 0, 0}, {Kind::Output, 0, 0}}, {}, 1}};
  Branch branch;
  branch.branches = {std::make_shared<const Plan>(kept), std::make_shared<const Plan>(next)};
  branch.index = {Kind::Input, 1, 0};
  branch.inputs = {{Kind::Input, 0, 0}};
  branch.outputs = {{Kind::Output, 0, 0}};
  branch.addresses = {Kind::Arena, 0, 0};
  branch.arena = {Kind::Arena, 0, 64};
  Plan plan;
  plan.inputs = {floats({}), {DType::Int64, {}}};
  plan.outputs = {floats({})};
  plan.outputSources.resize(1);
  plan.arenaBytes = 128;
  plan.steps = {branch};
  for (int64_t index : {-3, 0, 1, 7}) {
    StorageRef number = Allocator::process().allocate(sizeof index);
    *static_cast<int64_t *>(number->data()) = index;
    auto outputs = execute(plan, std::vector{storageOf({1}), number});
    EXPECT_EQ(valuesOf(outputs[0]), (std::vector<float>{index > 0 ? 2.0f : 1.0f}));
  }
}

} // namespace

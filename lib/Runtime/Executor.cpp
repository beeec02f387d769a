#include "lib/Runtime/Executor.h"

#include "lib/Runtime/Allocator.h"
#include "lib/Runtime/Collectives.h"
#include "lib/Runtime/PreparedValues.h"
#include "lib/Runtime/RunSteps.h"
#include "lib/Runtime/ThreadPool.h"
#include "lib/Support/Interpreter.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <chrono>
#include <cstring>

namespace weft {
namespace {

/// What prepared values are kept by: the program, and the storages that it reads.
class PreparedKey {
public:
  explicit PreparedKey(const PreparedProgram &program) { add(program.number); }

  /// False if nothing can be kept with the storage.
  bool add(Storage &storage) {
    if (!storage.canPrepare())
      return false;
    add(storage.preparedSerial());
    return true;
  }

  std::span<const uint64_t> numbers() const {
    return many.empty() ? std::span<const uint64_t>(few.data(), count) : many;
  }

private:
  void add(uint64_t number) {
    if (count < few.size()) {
      few[count++] = number;
      return;
    }
    if (many.empty())
      many.assign(few.begin(), few.end());
    many.push_back(number);
  }

  /// Nearly all programs read few inputs; finding their values allocates nothing.
  std::array<uint64_t, 8> few;
  size_t count = 0;
  std::vector<uint64_t> many;
};

/// The memory of one execution.
class Frame {
public:
  Frame(const Plan &plan, std::span<Storage *const> inputs, std::span<StorageRef> outputs)
      : plan(plan), inputs(inputs), outputs(outputs) {
    assert(inputs.size() == plan.inputs.size());
    assert(outputs.size() == plan.outputs.size());
    assert(plan.outputSources.size() == plan.outputs.size());
    shareOutputs();
    provideOutputs();
    if (plan.arenaBytes > 0)
      arena = plan.device ? plan.device->allocate(plan.arenaBytes)
                          : Allocator::process().allocate(plan.arenaBytes);
  }

  /// Runs all steps; `timer`, if there is one, is told the time of each launch.
  void runSteps(LaunchTimer *timer) {
    if (overwritesInputs)
      startThreads();
    context.timer = timer;
    SentByExecution sent;
    for (const Step &step : plan.steps) {
      // An input that is written over already could not be given back. Before the first step there
      // is nothing to leave: the caller asks between two executions.
      if (context.isInterruptible && &step != plan.steps.data())
        throwIfInterrupted();
      if (overwritesInputs && context.isInterruptible)
        context.isInterruptible = !overwrites(step);
      std::visit([this](const auto &kind) { run(kind); }, step);
    }
  }

  /// Prepares, and hands what there is between copies, loops and branches to the plan's device.
  void runOnDevice() {
    SentByExecution sent;
    for (const Step &step : plan.steps)
      if (const auto *values = std::get_if<Prepare>(&step))
        run(*values);
    weft::runOnDevice(
        plan, [this](const BufferReference &buffer) { return resolve(buffer); }, !overwritesInputs);
  }

  /// What was allocated for this execution.
  uint64_t bytesAllocated() const {
    uint64_t bytes = plan.arenaBytes;
    for (size_t index = 0; index < outputs.size(); ++index) {
      OutputSource::Kind kind = plan.outputSources[index].kind;
      bool isGiven = kind == OutputSource::Kind::DonatedInput &&
                     outputs[index].get() == inputs[plan.outputSources[index].index];
      if (kind == OutputSource::Kind::Fresh ||
          (kind == OutputSource::Kind::DonatedInput && !isGiven))
        bytes += plan.outputs[index].bytes();
    }
    return bytes;
  }

private:
  void run(const Prepare &step) {
    RecordedSpan span("step", "prepare");
    PreparedValues::Values values = valuesOf(step);
    prepared.resize(plan.preparedValues);
    for (size_t index = 0; index < values->size(); ++index)
      prepared[step.firstValue + index] = (*values)[index].get();
    heldValues.push_back(std::move(values));
  }

  /// The values of a prepare step, kept or computed.
  PreparedValues::Values valuesOf(const Prepare &step) const {
    PreparedValues &kept = PreparedValues::process();
    PreparedKey key(*step.program);
    bool canKeep = kept.limit() > 0;
    for (const BufferReference &input : step.inputs)
      canKeep = canKeep && key.add(storageOf(input));
    if (canKeep)
      if (PreparedValues::Values found = kept.find(key.numbers()))
        return found;
    std::vector<StorageRef> from;
    from.reserve(step.inputs.size());
    for (const BufferReference &input : step.inputs)
      from.push_back(StorageRef::to(storageOf(input)));
    auto values =
        std::make_shared<const std::vector<StorageRef>>(execute(step.program->plan, from));
    return canKeep ? kept.insert(key.numbers(), from, std::move(values)) : values;
  }

  template <typename Kind> void run(const Kind &step) const {
    runStep(step, [this](const BufferReference &buffer) { return resolve(buffer); }, context);
  }

  /// Outputs that launches do not write. They come first so that an input that is passed through
  /// has another reference by the time donations are looked at.
  void shareOutputs() {
    for (size_t index = 0; index < outputs.size(); ++index) {
      const OutputSource &source = plan.outputSources[index];
      // A result does not change when the owner of foreign memory writes to it.
      if (source.kind == OutputSource::Kind::Input)
        outputs[index] = ownedCopy(StorageRef::to(*inputs[source.index]));
    }
  }

  void provideOutputs() {
    for (size_t index = 0; index < outputs.size(); ++index) {
      const OutputSource &source = plan.outputSources[index];
      if (source.kind == OutputSource::Kind::DonatedInput &&
          canReuse(*inputs[source.index], plan.outputs[index].bytes())) {
        outputs[index] = StorageRef::to(*inputs[source.index]);
        outputs[index]->beginOverwrite();
        overwritesInputs = true;
      } else if (source.kind == OutputSource::Kind::DonatedInput ||
                 source.kind == OutputSource::Kind::Fresh)
        outputs[index] = plan.device ? plan.device->allocate(plan.outputs[index].bytes())
                                     : Allocator::process().allocate(plan.outputs[index]);
      else if (source.kind == OutputSource::Kind::Output)
        outputs[index] = outputs[source.index];
    }
  }

  /// True if the step writes over an input that was donated.
  bool overwrites(const Step &step) const {
    auto isDonated = [this](const BufferReference &buffer) {
      if (buffer.kind != BufferReference::Kind::Output)
        return false;
      const OutputSource &source = plan.outputSources[buffer.index];
      return source.kind == OutputSource::Kind::DonatedInput &&
             outputs[buffer.index].get() == inputs[source.index];
    };
    if (const auto *loop = std::get_if<Loop>(&step))
      return std::ranges::any_of(loop->carries, isDonated, &Carry::last);
    const auto *launch = std::get_if<Launch>(&step);
    return launch && std::any_of(launch->buffers.begin() + std::ptrdiff_t(launch->inputs),
                                 launch->buffers.end(), isDonated);
  }

  /// Starts all threads that launches want, so that none can fail when inputs are written over.
  void startThreads() const {
    int32_t widest = 1;
    for (const Launch *launch : plan.launches())
      widest = std::max(widest, launch->maximumThreads);
    if (widest > 1)
      ThreadPool::process().start(widest);
  }

  static bool canReuse(const Storage &storage, uint64_t bytes) {
    return storage.uniquelyOwned() && !storage.isForeign() && storage.bytes() == bytes;
  }

  /// The storage of a buffer that is no part of the arena.
  Storage &storageOf(const BufferReference &reference) const {
    switch (reference.kind) {
    case BufferReference::Kind::Input:
      return *inputs[reference.index];
    case BufferReference::Kind::Output:
      return *outputs[reference.index];
    case BufferReference::Kind::Constant:
      return *plan.constants[reference.index];
    case BufferReference::Kind::Prepared:
      return *prepared[reference.index];
    case BufferReference::Kind::Arena:
      break;
    }
    assert(arena);
    return *arena;
  }

  void *resolve(const BufferReference &reference) const {
    if (reference.kind != BufferReference::Kind::Arena)
      return static_cast<char *>(storageOf(reference).data()) + reference.offset;
    // A buffer of no bytes may be all that an empty arena holds.
    assert(reference.offset <= plan.arenaBytes);
    return arena ? static_cast<char *>(arena->data()) + reference.offset : nullptr;
  }

  const Plan &plan;
  std::span<Storage *const> inputs;
  std::span<StorageRef> outputs;
  StorageRef arena;
  /// What the prepare steps gave, and the storages in it.
  std::vector<PreparedValues::Values> heldValues;
  std::vector<Storage *> prepared;
  /// An output is written into a donated input.
  bool overwritesInputs = false;
  StepContext context;
};

} // namespace

/// A device is timed as a whole: the share of each launch is not known to the host.
static void runOnDevice(Frame &frame, const Plan &plan, LaunchTimings *timings) {
  auto start = std::chrono::steady_clock::now();
  frame.runOnDevice();
  if (!timings)
    return;
  plan.device->synchronize();
  auto elapsed = std::chrono::steady_clock::now() - start;
  timings->assign(plan.launches().size(), 0);
  if (!timings->empty())
    timings->front() = std::chrono::duration_cast<std::chrono::nanoseconds>(elapsed).count();
}

void execute(const Plan &plan, std::span<Storage *const> inputs, std::span<StorageRef> outputs,
             LaunchTimings *timings) {
  RecordedSpan span("plan", "plan");
  Frame frame(plan, inputs, outputs);
  if (span.isOn())
    span.bytesAllocated = frame.bytesAllocated();
  if (plan.device)
    return runOnDevice(frame, plan, timings);
  if (!timings)
    return frame.runSteps(nullptr);
  LaunchTimer timer(plan, *timings);
  frame.runSteps(&timer);
}

void execute(const Plan &plan, std::span<const StorageRef> inputs, std::span<StorageRef> outputs,
             LaunchTimings *timings) {
  // The usual call allocates nothing.
  std::array<Storage *, 16> few;
  std::vector<Storage *> many(inputs.size() <= few.size() ? 0 : inputs.size());
  std::span<Storage *> storages(many.empty() ? few.data() : many.data(), inputs.size());
  std::ranges::transform(inputs, storages.begin(), &StorageRef::get);
  execute(plan, std::span<Storage *const>(storages), outputs, timings);
}

std::vector<StorageRef> execute(const Plan &plan, std::span<const StorageRef> inputs,
                                LaunchTimings *timings) {
  std::vector<StorageRef> outputs(plan.outputs.size());
  execute(plan, inputs, outputs, timings);
  return outputs;
}

} // namespace weft

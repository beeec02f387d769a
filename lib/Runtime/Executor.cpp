#include "lib/Runtime/Executor.h"

#include "lib/Runtime/Allocator.h"
#include "lib/Runtime/PreparedValues.h"
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

  /// Runs all steps; a time for each launch is added to `timings`, if there is one.
  void run(LaunchTimings *timings) {
    if (overwritesInputs)
      startThreads();
    bool overwritten = false;
    for (const Step &step : plan.steps) {
      // An input that is written over already could not be given back. Before the first step there
      // is nothing to leave: the caller asks between two executions.
      if (!overwritten && &step != plan.steps.data())
        throwIfInterrupted();
      const auto *launch = std::get_if<Launch>(&step);
      overwritten = overwritten || (launch && overwritesInputs && overwrites(*launch));
      auto start = timings && launch ? std::chrono::steady_clock::now()
                                     : std::chrono::steady_clock::time_point();
      std::visit([this](const auto &kind) { run(kind); }, step);
      if (!timings || !launch)
        continue;
      auto elapsed = std::chrono::steady_clock::now() - start;
      timings->push_back(std::chrono::duration_cast<std::chrono::nanoseconds>(elapsed).count());
    }
  }

  /// Prepares and copies on the plan's device, and hands all launches to it between.
  void runOnDevice() {
    for (const Step &step : plan.steps)
      if (const auto *values = std::get_if<Prepare>(&step))
        run(*values);
    std::vector<const Launch *> steps = plan.launches();
    size_t count = 0;
    for (const Launch *launch : steps)
      count += launch->buffers.size();
    std::vector<void *> pointers(count);
    std::vector<DeviceLaunch> launches;
    void **next = pointers.data();
    for (const Launch *launch : steps) {
      launches.push_back({launch, {next, launch->buffers.size()}});
      for (const BufferReference &reference : launch->buffers)
        *next++ = resolve(reference);
    }
    plan.device->run(plan, launches);
    for (const Step &step : plan.steps)
      if (const auto *copy = std::get_if<Copy>(&step))
        run(*copy);
  }

private:
  void run(const Prepare &step) {
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

  void run(const Copy &copy) const {
    if (plan.device) {
      StorageRef onHost = Allocator::process().allocate(copy.bytes);
      plan.device->read(onHost->data(), storageOf(copy.from), copy.bytes);
      plan.device->write(storageOf(copy.to), onHost->data(), copy.bytes);
    } else if (copy.bytes > 0) {
      std::memcpy(resolve(copy.to), resolve(copy.from), copy.bytes);
    }
  }

  void run(const Launch &launch) const {
    // A kernel rarely has more buffers than this; the usual call allocates nothing.
    std::array<void *, 32> few;
    if (launch.buffers.size() <= few.size()) {
      run(launch, few.data());
      return;
    }
    std::vector<void *> many(launch.buffers.size());
    run(launch, many.data());
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

  /// True if the launch writes over an input that was donated.
  bool overwrites(const Launch &launch) const {
    return std::any_of(launch.buffers.begin() + static_cast<std::ptrdiff_t>(launch.inputs),
                       launch.buffers.end(), [this](const BufferReference &buffer) {
                         if (buffer.kind != BufferReference::Kind::Output)
                           return false;
                         const OutputSource &source = plan.outputSources[buffer.index];
                         return source.kind == OutputSource::Kind::DonatedInput &&
                                outputs[buffer.index].get() == inputs[source.index];
                       });
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

  void run(const Launch &launch, void **pointers) const {
    assert(launch.maximumThreads >= 1);
    for (size_t index = 0; index < launch.buffers.size(); ++index)
      pointers[index] = resolve(launch.buffers[index]);
    if (copiesToItself(launch, {pointers, launch.buffers.size()}))
      return;
    const int64_t *sizes = launch.sizes.data();
    if (launch.maximumThreads == 1 || launch.tasks <= 1) {
      if (launch.tasks > 0)
        launch.function(pointers, sizes, 0, launch.tasks);
      return;
    }
    ThreadPool::process().parallelFor(
        launch.tasks, launch.maximumThreads, launch.chunk,
        [&](int64_t begin, int64_t end) { launch.function(pointers, sizes, begin, end); });
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
  Frame frame(plan, inputs, outputs);
  if (plan.device)
    return runOnDevice(frame, plan, timings);
  if (timings)
    timings->clear();
  frame.run(timings);
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

#include "lib/Runtime/Executor.h"

#include "lib/Runtime/Allocator.h"
#include "lib/Runtime/ThreadPool.h"
#include "lib/Support/Interpreter.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <chrono>

namespace weft {
namespace {

/// The memory of one execution.
class Frame {
public:
  Frame(const Plan &plan, std::span<const StorageRef> inputs, std::span<StorageRef> outputs)
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

  /// Runs all launches; a time for each is added to `timings`, if there is one.
  void run(LaunchTimings *timings) const {
    if (overwritesInputs)
      startThreads();
    bool overwritten = false;
    for (const Launch &launch : plan.launches) {
      // An input that is written over already could not be given back.
      if (!overwritten)
        throwIfInterrupted();
      overwritten = overwritten || (overwritesInputs && overwrites(launch));
      if (!timings) {
        run(launch);
        continue;
      }
      auto start = std::chrono::steady_clock::now();
      run(launch);
      auto elapsed = std::chrono::steady_clock::now() - start;
      timings->push_back(std::chrono::duration_cast<std::chrono::nanoseconds>(elapsed).count());
    }
  }

  /// Hands all launches to the plan's device.
  void runOnDevice() const {
    size_t count = 0;
    for (const Launch &launch : plan.launches)
      count += launch.buffers.size();
    std::vector<void *> pointers(count);
    std::vector<LaunchPointers> launches;
    void **next = pointers.data();
    for (const Launch &launch : plan.launches) {
      launches.push_back({next, launch.buffers.size()});
      for (const BufferReference &reference : launch.buffers)
        *next++ = resolve(reference);
    }
    plan.device->run(plan, launches);
  }

private:
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
        outputs[index] = ownedCopy(inputs[source.index]);
      // Whoever gets the result may hand its memory out: the plan keeps its own.
      else if (source.kind == OutputSource::Kind::Constant)
        outputs[index] = copyOf(*plan.constants[source.index]);
    }
  }

  void provideOutputs() {
    for (size_t index = 0; index < outputs.size(); ++index) {
      const OutputSource &source = plan.outputSources[index];
      if (source.kind == OutputSource::Kind::DonatedInput &&
          canReuse(*inputs[source.index], plan.outputs[index].bytes())) {
        outputs[index] = inputs[source.index];
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
                                outputs[buffer.index] == inputs[source.index];
                       });
  }

  /// Starts all threads that launches want, so that none can fail when inputs are written over.
  void startThreads() const {
    int32_t widest = 1;
    for (const Launch &launch : plan.launches)
      widest = std::max(widest, launch.maximumThreads);
    if (widest > 1)
      ThreadPool::process().start(widest);
  }

  static bool canReuse(const Storage &storage, uint64_t bytes) {
    return storage.uniquelyOwned() && !storage.isForeign() && storage.bytes() == bytes;
  }

  void *resolve(const BufferReference &reference) const {
    switch (reference.kind) {
    case BufferReference::Kind::Input:
      return inputs[reference.index]->data();
    case BufferReference::Kind::Output:
      return outputs[reference.index]->data();
    case BufferReference::Kind::Constant:
      return plan.constants[reference.index]->data();
    case BufferReference::Kind::Arena:
      // A buffer of no bytes may be all that an empty arena holds.
      assert(reference.offset <= plan.arenaBytes);
      return arena ? static_cast<char *>(arena->data()) + reference.offset : nullptr;
    }
    __builtin_unreachable();
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
        launch.tasks, launch.maximumThreads,
        [&](int64_t begin, int64_t end) { launch.function(pointers, sizes, begin, end); });
  }

  const Plan &plan;
  std::span<const StorageRef> inputs;
  std::span<StorageRef> outputs;
  StorageRef arena;
  /// An output is written into a donated input.
  bool overwritesInputs = false;
};

} // namespace

/// A device is timed as a whole: the share of each launch is not known to the host.
static void runOnDevice(const Frame &frame, const Plan &plan, LaunchTimings *timings) {
  auto start = std::chrono::steady_clock::now();
  frame.runOnDevice();
  if (!timings)
    return;
  plan.device->synchronize();
  auto elapsed = std::chrono::steady_clock::now() - start;
  timings->assign(plan.launches.size(), 0);
  if (!timings->empty())
    timings->front() = std::chrono::duration_cast<std::chrono::nanoseconds>(elapsed).count();
}

void execute(const Plan &plan, std::span<const StorageRef> inputs, std::span<StorageRef> outputs,
             LaunchTimings *timings) {
  Frame frame(plan, inputs, outputs);
  if (plan.device)
    return runOnDevice(frame, plan, timings);
  if (timings)
    timings->clear();
  frame.run(timings);
}

std::vector<StorageRef> execute(const Plan &plan, std::span<const StorageRef> inputs,
                                LaunchTimings *timings) {
  std::vector<StorageRef> outputs(plan.outputs.size());
  execute(plan, inputs, outputs, timings);
  return outputs;
}

} // namespace weft

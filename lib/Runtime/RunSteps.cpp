#include "lib/Runtime/RunSteps.h"

#include "lib/Runtime/Collectives.h"
#include "lib/Runtime/KernelFailure.h"
#include "lib/Runtime/ThreadPool.h"
#include "lib/Support/Interpreter.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace weft {

//===----------------------------------------------------------------------===//
// Launches
//===----------------------------------------------------------------------===//

LaunchTimer::LaunchTimer(const Plan &plan, LaunchTimings &timings) : timings(timings) {
  for (const Launch *launch : plan.launches())
    numbers.emplace(launch, numbers.size());
  timings.assign(numbers.size(), 0);
}

void LaunchTimer::add(const Launch &launch, std::chrono::steady_clock::duration elapsed) {
  timings[numbers.at(&launch)] +=
      std::chrono::duration_cast<std::chrono::nanoseconds>(elapsed).count();
}

static void runTasks(const Launch &launch, void *const *pointers) {
  assert(launch.maximumThreads >= 1);
  if (copiesToItself(launch, {pointers, launch.buffers.size()}))
    return;
  const int64_t *sizes = launch.sizes.data();
  if (launch.maximumThreads == 1 || launch.tasks <= 1) {
    RunningKernel running(launch.source);
    if (launch.tasks > 0)
      launch.function(pointers, sizes, 0, launch.tasks);
    KernelFailure::throwIfKept();
    return;
  }
  ThreadPool::process().parallelFor(
      launch.tasks, launch.maximumThreads, launch.chunk,
      [&](int64_t begin, int64_t end) {
        launch.function(pointers, sizes, begin, end);
        KernelFailure::throwIfKept();
      },
      &launch.source);
}

void runLaunch(const Launch &launch, void *const *pointers, const StepContext &context) {
  RecordedSpan span("kernel", launch.source);
  if (!context.timer)
    return runTasks(launch, pointers);
  auto start = std::chrono::steady_clock::now();
  runTasks(launch, pointers);
  context.timer->add(launch, std::chrono::steady_clock::now() - start);
}

//===----------------------------------------------------------------------===//
// Plans for their caller's memory
//===----------------------------------------------------------------------===//

namespace {

/// Where the memory of one run of a plan is.
class Memory {
public:
  Memory(const Plan &plan, void *const *inputs, void *const *outputs, void *arena)
      : plan(plan), inputs(inputs), outputs(outputs), arena(arena) {}

  void *operator()(const BufferReference &reference) const {
    return static_cast<char *>(start(reference)) + reference.offset;
  }

private:
  void *start(const BufferReference &reference) const {
    switch (reference.kind) {
    case BufferReference::Kind::Input:
      return inputs[reference.index];
    case BufferReference::Kind::Output:
      return outputs[reference.index];
    case BufferReference::Kind::Constant:
      return plan.constants[reference.index]->data();
    case BufferReference::Kind::Prepared:
      assert(false && "only what is called keeps values");
      return nullptr;
    case BufferReference::Kind::Arena:
      break;
    }
    return arena;
  }

  const Plan &plan;
  void *const *inputs;
  void *const *outputs;
  void *arena;
};

/// One run of a plan on this processor: all its memory is given, and it allocates none.
struct HostRun {
  const Memory &memory;
  const StepContext &context;

  void operator()(const Prepare &) const { assert(false && "only what is called keeps values"); }
  void operator()(const Copy &copy) const { runStep(copy, memory, context); }
  template <typename Kind> void operator()(const Kind &step) const {
    runStep(step, memory, context);
  }
};

} // namespace

void HostMachine::run(const Plan &plan, void *const *inputs, void *const *outputs,
                      void *arena) const {
  Memory memory(plan, inputs, outputs, arena);
  for (const Step &step : plan.steps)
    std::visit(HostRun{memory, context}, step);
}

void HostMachine::copy(void *to, const void *from, uint64_t bytes) const {
  if (to != from && bytes > 0)
    std::memcpy(to, from, bytes);
}

//===----------------------------------------------------------------------===//
// Loops
//===----------------------------------------------------------------------===//

namespace {

/// Divides the addresses of a loop: what the step was given, then the inputs and outputs of its
/// plans, which change from iteration to iteration.
class LoopRun {
public:
  LoopRun(const Loop &loop, void **addresses, void *proceeds, void *arena, const Machine &machine)
      : loop(loop),
        slices(addresses + 3 * loop.carries.size()),
        captured(slices + 2 * (loop.scanned.size() + loop.stacked.size())),
        inputs(captured + loop.captured.size()),
        ofCondition(inputs + loop.carries.size() + loop.scanned.size() + loop.captured.size()),
        outputs(ofCondition + loop.carries.size() + loop.captured.size()),
        buffers(addresses),
        proceeds(proceeds),
        arena(arena),
        machine(machine) {}

  void run(bool isInterruptible) {
    begin();
    for (int64_t iteration = 0; goesOn(iteration); ++iteration) {
      if (isInterruptible && iteration > 0)
        throwIfInterrupted();
      chooseOutputs(iteration);
      takeSlices();
      machine.run(*loop.body, inputs, outputs, arena);
      giveSlices();
      std::copy_n(outputs, loop.carries.size(), inputs);
      moveSlices(loop.reverse ? -1 : 1);
    }
    end();
  }

private:
  void *first(size_t carry) const { return buffers[3 * carry]; }
  void *last(size_t carry) const { return buffers[3 * carry + 1]; }
  void *spare(size_t carry) const { return buffers[3 * carry + 2]; }
  size_t sliceCount() const { return loop.scanned.size() + loop.stacked.size(); }
  const Slices &slicesOf(size_t number) const {
    size_t scanned = loop.scanned.size();
    return number < scanned ? loop.scanned[number] : loop.stacked[number - scanned];
  }
  /// The part of this iteration, and where the plan finds it.
  void *&part(size_t number) { return slices[2 * number]; }
  void *inPlan(size_t number) const {
    void *aligned = slices[2 * number + 1];
    return aligned ? aligned : slices[2 * number];
  }

  void begin() {
    size_t carries = loop.carries.size();
    for (size_t carry = 0; carry < carries; ++carry)
      inputs[carry] = first(carry);
    std::copy_n(captured, loop.captured.size(), inputs + carries + loop.scanned.size());
    std::copy_n(captured, loop.captured.size(), ofCondition + carries);
    if (loop.reverse && loop.count > 0)
      moveSlices(loop.count - 1);
  }

  bool goesOn(int64_t iteration) {
    if (!loop.condition)
      return iteration < loop.count;
    std::copy_n(inputs, loop.carries.size(), ofCondition);
    machine.run(*loop.condition, ofCondition, &proceeds, arena);
    bool flag = false;
    machine.fetch(&flag, proceeds, sizeof flag);
    return flag;
  }

  /// Where the next carried values go. With a count, the last ones of values that are exchanged go
  /// to where they stay.
  void chooseOutputs(int64_t iteration) {
    for (size_t carry = 0; carry < loop.carries.size(); ++carry) {
      Carry::Kind kind = loop.carries[carry].kind;
      if (kind == Carry::Kind::Kept)
        outputs[carry] = inputs[carry];
      else if (kind == Carry::Kind::InPlace)
        outputs[carry] = last(carry);
      else
        outputs[carry] = (loop.count - iteration) % 2 != 0 ? last(carry) : spare(carry);
    }
  }

  void takeSlices() {
    size_t carries = loop.carries.size(), scanned = loop.scanned.size();
    for (size_t number = 0; number < sliceCount(); ++number)
      if (number < scanned) {
        inputs[carries + number] = inPlan(number);
        if (inPlan(number) != part(number))
          machine.copy(inPlan(number), part(number), loop.scanned[number].bytes);
      } else {
        outputs[carries + number - scanned] = inPlan(number);
      }
  }

  void giveSlices() {
    for (size_t number = loop.scanned.size(); number < sliceCount(); ++number)
      if (inPlan(number) != part(number))
        machine.copy(part(number), inPlan(number), slicesOf(number).bytes);
  }

  void moveSlices(int64_t iterations) {
    for (size_t number = 0; number < sliceCount(); ++number)
      part(number) = static_cast<char *>(part(number)) +
                     iterations * static_cast<int64_t>(slicesOf(number).bytes);
  }

  void end() {
    for (size_t carry = 0; carry < loop.carries.size(); ++carry)
      if (inputs[carry] != last(carry))
        machine.copy(last(carry), inputs[carry], loop.carries[carry].bytes);
  }

  const Loop &loop;
  void **slices, **captured, **inputs, **ofCondition, **outputs, **buffers;
  void *proceeds;
  void *arena;
  const Machine &machine;
};

} // namespace

size_t addressCount(const Loop &loop) {
  return 6 * loop.carries.size() + 3 * (loop.scanned.size() + loop.stacked.size()) +
         3 * loop.captured.size();
}

void runLoop(const Loop &loop, void **addresses, void *proceeds, void *arena,
             const Machine &machine, bool isInterruptible) {
  LoopRun(loop, addresses, proceeds, arena, machine).run(isInterruptible);
}

//===----------------------------------------------------------------------===//
// Branches
//===----------------------------------------------------------------------===//

size_t addressCount(const Branch &branch) { return branch.inputs.size() + branch.outputs.size(); }

void runBranch(const Branch &branch, int64_t index, void **addresses, void *arena,
               const Machine &machine) {
  auto most = static_cast<int64_t>(branch.branches.size()) - 1;
  const Plan &chosen = *branch.branches[static_cast<size_t>(std::clamp<int64_t>(index, 0, most))];
  machine.run(chosen, addresses, addresses + branch.inputs.size(), arena);
}

//===----------------------------------------------------------------------===//
// Devices
//===----------------------------------------------------------------------===//

namespace {

/// A device: the host walks the steps, and hands it the launches between two others at once.
class DeviceMachine final : public Machine {
public:
  DeviceMachine(Device &device, bool isInterruptible)
      : isInterruptible(isInterruptible), device(device) {}

  /// Loops may end between two iterations because the user asks for it.
  const bool isInterruptible;

  void run(const Plan &plan, void *const *inputs, void *const *outputs,
           void *arena) const override {
    runOnDevice(plan, Memory(plan, inputs, outputs, arena), isInterruptible);
  }
  /// There is no other way than by the host.
  void copy(void *to, const void *from, uint64_t bytes) const override {
    if (to == from || bytes == 0)
      return;
    std::vector<char> between(bytes);
    device.readAt(between.data(), from, bytes);
    device.writeAt(to, between.data(), bytes);
  }
  void fetch(void *to, const void *from, uint64_t bytes) const override {
    device.readAt(to, from, bytes);
  }

private:
  Device &device;
};

/// One run of a plan on a device.
class DeviceRun {
public:
  using Resolve = std::function<void *(const BufferReference &)>;

  DeviceRun(const Plan &plan, const Resolve &resolve, bool isInterruptible)
      : plan(plan), resolve(resolve), machine(*plan.device, isInterruptible) {}

  void run() {
    for (const Step &step : plan.steps)
      std::visit([this](const auto &kind) { add(kind); }, step);
    flush();
  }

private:
  void add(const Launch &launch) { waiting.push_back(&launch); }
  void add(const Prepare &) {}
  void add(const Copy &copy) {
    flush();
    machine.copy(resolve(copy.to), resolve(copy.from), copy.bytes);
  }
  void add(const Loop &loop) {
    flush();
    std::vector<void *> addresses(addressCount(loop));
    putAddresses(loop, addresses.data(), resolve);
    runLoop(loop, addresses.data(), resolve(loop.proceeds), resolve(loop.arena), machine,
            machine.isInterruptible);
  }
  void add(const Branch &branch) {
    flush();
    std::vector<void *> addresses(addressCount(branch));
    putAddresses(branch, addresses.data(), resolve);
    int64_t index = 0;
    machine.fetch(&index, resolve(branch.index), sizeof index);
    runBranch(branch, index, addresses.data(), resolve(branch.arena), machine);
  }

  [[noreturn]] void add(const Refusal &refusal) {
    flush();
    throw Error(Error::Kind::Value, refusal.error);
  }
  void add(const Collective &collective) {
    flush();
    RecordedSpan span("device collective", collective.source);
    RunningKernel running(collective.source);
    plan.device->communicate(collective,
                             {.read = resolve(collective.read),
                              .token = resolve(collective.token),
                              .result = collective.result ? resolve(*collective.result) : nullptr,
                              .next = collective.next ? resolve(*collective.next) : nullptr});
  }

  /// Hands over the launches that were met.
  void flush() {
    if (waiting.empty())
      return;
    size_t count = 0;
    for (const Launch *launch : waiting)
      count += launch->buffers.size();
    std::vector<void *> pointers(count);
    std::vector<DeviceLaunch> launches;
    void **next = pointers.data();
    for (const Launch *launch : waiting) {
      launches.push_back({launch, {next, launch->buffers.size()}});
      for (const BufferReference &reference : launch->buffers)
        *next++ = resolve(reference);
    }
    if (Recorder::isOn())
      runRecorded(launches);
    else
      plan.device->run(plan, launches);
    waiting.clear();
  }

  /// One kernel at a time, so that each has its time.
  void runRecorded(std::span<const DeviceLaunch> launches) {
    plan.device->synchronize();
    for (size_t first = 0, end = 0; first < launches.size(); first = end) {
      for (end = first + 1; end < launches.size() && launches[end].launch->isAlternative;)
        ++end;
      RecordedSpan span("device kernel", launches[first].launch->source);
      plan.device->run(plan, launches.subspan(first, end - first));
      plan.device->synchronize();
    }
  }

  const Plan &plan;
  const Resolve &resolve;
  DeviceMachine machine;
  std::vector<const Launch *> waiting;
};

} // namespace

void runOnDevice(const Plan &plan, const std::function<void *(const BufferReference &)> &resolve,
                 bool isInterruptible) {
  DeviceRun(plan, resolve, isInterruptible).run();
}

} // namespace weft

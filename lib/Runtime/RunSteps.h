// Running steps of plans wherever their memory is: launches on this processor, loops, branches.
#pragma once

#include "lib/Runtime/Executor.h"
#include "lib/Runtime/Plan.h"
#include "lib/Support/Error.h"

#include <array>
#include <cassert>
#include <chrono>
#include <functional>
#include <unordered_map>

namespace weft {

/// Adds up the time of each launch of a plan, those of loops and branches in it included.
class LaunchTimer {
public:
  LaunchTimer(const Plan &plan, LaunchTimings &timings);

  void add(const Launch &launch, std::chrono::steady_clock::duration elapsed);

private:
  LaunchTimings &timings;
  std::unordered_map<const Launch *, size_t> numbers;
};

/// What runs the plans of loops and branches: this processor, or a device.
class Machine {
public:
  virtual ~Machine() = default;

  /// Runs a plan for its caller's memory.
  virtual void run(const Plan &plan, void *const *inputs, void *const *outputs,
                   void *arena) const = 0;
  /// Copies within the machine's memory, and to that of the host.
  virtual void copy(void *to, const void *from, uint64_t bytes) const = 0;
  virtual void fetch(void *to, const void *from, uint64_t bytes) const = 0;
};

/// What holds for all steps of one execution on this processor.
struct StepContext {
  LaunchTimer *timer = nullptr;
  /// Loops may end between two iterations because the user asks for it.
  bool isInterruptible = true;
};

/// Runs a launch on buffers at `pointers`.
void runLaunch(const Launch &launch, void *const *pointers, const StepContext &context);

/// How many addresses a step needs for its plans (Loop::addresses, Branch::addresses).
size_t addressCount(const Loop &loop);
size_t addressCount(const Branch &branch);

/// Runs a loop or a branch whose buffers are at the first of the `addresses`.
void runLoop(const Loop &loop, void **addresses, void *proceeds, void *arena,
             const Machine &machine, bool isInterruptible);
void runBranch(const Branch &branch, int64_t index, void **addresses, void *arena,
               const Machine &machine);

/// Puts addresses where runLoop and runBranch expect them; `resolve` gives that of a buffer.
template <typename Resolve>
void putAddresses(const Loop &loop, void **addresses, const Resolve &resolve) {
  for (const Carry &carry : loop.carries) {
    *addresses++ = resolve(carry.first);
    *addresses++ = resolve(carry.last);
    *addresses++ = carry.kind == Carry::Kind::Exchanged ? resolve(carry.spare) : nullptr;
  }
  for (const std::vector<Slices> *slices : {&loop.scanned, &loop.stacked})
    for (const Slices &part : *slices) {
      *addresses++ = resolve(part.buffer);
      *addresses++ = part.aligned ? resolve(*part.aligned) : nullptr;
    }
  for (const BufferReference &buffer : loop.captured)
    *addresses++ = resolve(buffer);
}

template <typename Resolve>
void putAddresses(const Branch &branch, void **addresses, const Resolve &resolve) {
  for (const std::vector<BufferReference> *buffers : {&branch.inputs, &branch.outputs})
    for (const BufferReference &buffer : *buffers)
      *addresses++ = resolve(buffer);
}

/// This processor.
class HostMachine final : public Machine {
public:
  explicit HostMachine(const StepContext &context) : context(context) {}

  void run(const Plan &plan, void *const *inputs, void *const *outputs, void *arena) const override;
  void copy(void *to, const void *from, uint64_t bytes) const override;
  void fetch(void *to, const void *from, uint64_t bytes) const override { copy(to, from, bytes); }

private:
  const StepContext &context;
};

/// Runs a step on this processor; `resolve` gives the address of a buffer.
template <typename Resolve>
void runStep(const Launch &launch, const Resolve &resolve, const StepContext &context) {
  // A kernel rarely has more buffers than this; the usual call allocates nothing.
  std::array<void *, 32> few;
  std::vector<void *> many(launch.buffers.size() <= few.size() ? 0 : launch.buffers.size());
  void **pointers = many.empty() ? few.data() : many.data();
  for (size_t index = 0; index < launch.buffers.size(); ++index)
    pointers[index] = resolve(launch.buffers[index]);
  runLaunch(launch, pointers, context);
}

template <typename Resolve>
void runStep(const Copy &copy, const Resolve &resolve, const StepContext &context) {
  RecordedSpan span("step", "copy");
  HostMachine(context).copy(resolve(copy.to), resolve(copy.from), copy.bytes);
}

template <typename Resolve>
void runStep(const Loop &loop, const Resolve &resolve, const StepContext &context) {
  RecordedSpan span("step", "loop");
  auto **addresses = static_cast<void **>(resolve(loop.addresses));
  putAddresses(loop, addresses, resolve);
  runLoop(loop, addresses, resolve(loop.proceeds), resolve(loop.arena), HostMachine(context),
          context.isInterruptible);
}

template <typename Resolve>
void runStep(const Branch &branch, const Resolve &resolve, const StepContext &context) {
  RecordedSpan span("step", "branch");
  auto **addresses = static_cast<void **>(resolve(branch.addresses));
  putAddresses(branch, addresses, resolve);
  runBranch(branch, *static_cast<const int64_t *>(resolve(branch.index)), addresses,
            resolve(branch.arena), HostMachine(context));
}

template <typename Resolve> void runStep(const Collective &, const Resolve &, const StepContext &) {
  assert(false && "this processor has a kernel for it");
}

template <typename Resolve>
void runStep(const Refusal &refusal, const Resolve &, const StepContext &) {
  throw Error(Error::Kind::Value, refusal.error);
}

/// Runs the steps of a plan for a device, prepare steps excepted.
void runOnDevice(const Plan &plan, const std::function<void *(const BufferReference &)> &resolve,
                 bool isInterruptible);

} // namespace weft

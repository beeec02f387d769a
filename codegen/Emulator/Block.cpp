// Scheduling the threads of a block.
#include "codegen/Emulator/Block.h"

#include <map>

namespace weft::emulator {

thread_local Thread *Block::current = nullptr;

uint64_t Random::next() {
  // SplitMix64.
  state += 0x9E3779B97F4A7C15;
  uint64_t mixed = state;
  mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9;
  mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB;
  return mixed ^ (mixed >> 31);
}

// Threads.

Thread::Thread(Block &block, Warp &warp, uint32_t index)
    : block(block), index(index), ownWarp(warp) {}

Observer Thread::observer() const { return {clock, index, block.number}; }

Access Thread::access(const Operation &operation, bool atomic) const {
  return {.actor = index,
          .time = time,
          .block = block.number,
          .site = block.siteOf(operation),
          .atomic = atomic};
}

Clock Thread::release() {
  Clock released = clock;
  released.raise(index, time);
  ++time;
  return released;
}

void Thread::yield() {
  block.runnable.push_back(this);
  block.suspend(*this);
}

void Thread::wait(const WaitReason &why) {
  state = State::Waiting;
  reason = why;
  block.suspend(*this);
}

static std::array<uint32_t, 3> coordinates(uint32_t index, const std::array<uint32_t, 3> &sizes) {
  return {index % sizes[0], index / sizes[0] % sizes[1], index / sizes[0] / sizes[1]};
}

uint32_t Thread::readRegister(Register which) const {
  const LaunchState &launch = block.launch;
  const uint32_t number = lane();
  switch (which) {
  case Register::ThreadX:
  case Register::ThreadY:
  case Register::ThreadZ:
    return coordinates(index, launch.threads)[static_cast<uint32_t>(which)];
  case Register::BlockX:
  case Register::BlockY:
  case Register::BlockZ:
    return coordinates(block.number, launch.grid)[static_cast<uint32_t>(which) - 3];
  case Register::ThreadsX:
  case Register::ThreadsY:
  case Register::ThreadsZ:
    return launch.threads[static_cast<uint32_t>(which) - 6];
  case Register::BlocksX:
  case Register::BlocksY:
  case Register::BlocksZ:
    return launch.grid[static_cast<uint32_t>(which) - 9];
  case Register::Lane:
    return number;
  case Register::Warp:
    return index / 32;
  case Register::Warps:
    return static_cast<uint32_t>(block.warps.size());
  case Register::WarpSize:
    return 32;
  case Register::LanesEqual:
    return uint32_t{1} << number;
  case Register::LanesLess:
    return (uint32_t{1} << number) - 1;
  case Register::LanesLessOrEqual:
    return (uint32_t{2} << number) - 1;
  case Register::LanesGreater:
    return ~((uint32_t{2} << number) - 1);
  case Register::LanesGreaterOrEqual:
    return ~((uint32_t{1} << number) - 1);
  case Register::Zero:
    return 0;
  case Register::One:
    return 1;
  case Register::DynamicSharedBytes:
    return launch.dynamicSharedBytes;
  }
  return 0;
}

// Blocks.

SharedMemory::SharedMemory(char *window, uint32_t bytes)
    : window(window),
      bytes(bytes),
      shadow(bytes),
      states((bytes + 3) / 4, unused),
      readers((bytes + 3) / 4, 0) {}

Block::Block(LaunchState &launch, uint32_t number)
    : launch(launch),
      number(number),
      shared(launch.sharedWindow, launch.sharedBytes),
      mbarriers(*this),
      copies(*this) {
  const uint32_t count = launch.threads[0] * launch.threads[1] * launch.threads[2];
  for (const SharedVariable &variable : launch.program.sharedVariables)
    std::fill_n(shared.states.begin() + variable.offset / 4, (variable.bytes + 3) / 4,
                SharedMemory::free);
  std::fill_n(shared.states.begin() + launch.program.dynamicOffset / 4,
              (launch.dynamicSharedBytes + 3) / 4, SharedMemory::free);
  std::fill_n(shared.window, shared.bytes, static_cast<char>(poisonByte));
  for (uint32_t warp = 0; warp < (count + 31) / 32; ++warp)
    warps.emplace_back(*this, warp);
  // Clocks have a place for each actor, so the count must be known before the first thread.
  launchedThreads = count;
  const Clock nothing(actorCount());
  for (uint32_t index = 0; index < count; ++index) {
    Thread &thread = threads.emplace_back(*this, warps[index / 32], index);
    thread.warp().addLane(thread);
    thread.clock = nothing;
    thread.fenced = nothing;
    thread.stackPointer = prepareStack(launch.stacks.top(index), threadMain);
    runnable.push_back(&thread);
  }
  accessesUntilYield = launch.inOrder ? 0 : 1 + launch.random.below(200);
}

Block::~Block() {
  abandoned = true;
  for (Thread &thread : threads)
    if (thread.started && thread.state != Thread::State::Finished)
      resume(thread);
}

uint32_t Block::actorCount() const {
  return launchedThreads + Mbarriers::most + (launchedThreads + 31) / 32;
}

uint32_t Block::siteOf(const Operation &operation) const {
  return static_cast<uint32_t>(&operation - launch.program.operations.data());
}

void Block::resume(Thread &thread) {
  thread.started = true;
  current = &thread;
  weft_emulator_switch(&schedulerStackPointer, thread.stackPointer);
  current = nullptr;
}

void Block::suspend(Thread &thread) {
  weft_emulator_switch(&thread.stackPointer, schedulerStackPointer);
  if (abandoned)
    throw Abandoned{};
}

void Block::leave(Thread &thread) {
  thread.state = Thread::State::Finished;
  weft_emulator_switch(&thread.stackPointer, schedulerStackPointer);
  __builtin_unreachable();
}

void Block::threadMain() {
  Thread &thread = *current;
  thread.block.launch.entry.run(thread.block.launch.values.data());
  guard([](Thread &self) { self.block.finish(self); });
  thread.block.leave(thread);
}

void Block::wake(Thread &thread) {
  thread.state = Thread::State::Runnable;
  runnable.push_back(&thread);
}

void Block::requireEnoughThreads(uint32_t number) const {
  const NamedBarrier &barrier = barriers[number];
  if (barrier.waiting.empty())
    return;
  uint32_t coming = threadCount() - finished;
  for (const Thread *arrived : barrier.arrived)
    if (arrived->state != Thread::State::Finished)
      --coming;
  if (barrier.arrived.size() + coming < barrier.expected)
    fail(FaultKind::BarrierMismatch, *barrier.places.front(),
         "barrier " + std::to_string(number) + " waits for " + std::to_string(barrier.expected) +
             " threads, but so many have exited that only " +
             std::to_string(barrier.arrived.size() + coming) + " can come",
         barrier.waiting.front());
}

void Block::finish(Thread &thread) {
  thread.state = Thread::State::Finished;
  ++finished;
  thread.warp().exit(thread);
  for (uint32_t number = 0; number < barriers.size(); ++number)
    requireEnoughThreads(number);
}

void Block::run() {
  while (finished < threadCount())
    step();
  checkEnd();
}

void Block::step() {
  if (!launch.inOrder && copies.anyToLand() && launch.random.oneIn(16))
    copies.landOne();
  if (runnable.empty()) {
    if (!copies.landOne())
      reportDeadlock();
    return;
  }
  if (!launch.inOrder)
    std::swap(runnable.front(), runnable[launch.random.below(runnable.size())]);
  Thread &thread = *runnable.front();
  runnable.pop_front();
  resume(thread);
  if (fault)
    throw Raised{std::move(*fault)};
}

void Block::countStep() {
  if (launch.stepsLeft == 0)
    fail(FaultKind::Livelock, Operation{}, "the kernel does not come to an end", current);
  --launch.stepsLeft;
}

void Block::maybeYield(Thread &thread) {
  if (accessesUntilYield == 0 || --accessesUntilYield > 0)
    return;
  accessesUntilYield = 1 + launch.random.below(400);
  thread.yield();
}

void Block::checkEnd() {
  while (copies.landOne()) {
  }
  if (const AsynchronousCopy *copy = copies.oldest())
    fail(FaultKind::NeverWaited, *copy->operation,
         "the block ends, and nobody has waited for this copy", copy->thread);
  for (const Warp &warp : warps)
    if (!warp.matrices.open.empty() || !warp.matrices.groups.empty())
      fail(FaultKind::NeverWaited, Operation{},
           "the block ends, and warp " + std::to_string(warp.index) +
               " has not waited for its last wgmma",
           nullptr);
  for (size_t group = 0; group + 4 <= warps.size(); group += 4)
    for (size_t warp = 1; warp < 4; ++warp)
      if (warps[group + warp].matrices.done != warps[group].matrices.done)
        fail(FaultKind::WarpgroupDivergence, Operation{},
             "warps " + std::to_string(group) + " and " + std::to_string(group + warp) +
                 " of one warpgroup have not done the same number of wgmma operations",
             nullptr);
}

void Block::fail(FaultKind kind, const Operation &operation, std::string message,
                 const Thread *thread, const Operation *other) const {
  Raised raised;
  raised.fault = {.kind = kind,
                  .message = std::move(message),
                  .kernel = launch.entry.name,
                  .block = number,
                  .thread = thread ? static_cast<int64_t>(thread->index) : -1,
                  .location = operation.location,
                  .other = std::nullopt};
  if (other)
    raised.fault.other = other->location;
  throw raised;
}

// Deadlocks.

static std::string ranges(const std::vector<uint32_t> &numbers) {
  std::string text;
  for (size_t first = 0; first < numbers.size();) {
    size_t last = first;
    while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1)
      ++last;
    text += (text.empty() ? "" : ", ") + std::to_string(numbers[first]);
    if (last > first)
      text += "-" + std::to_string(numbers[last]);
    first = last + 1;
  }
  return text;
}

/// What is waited for, and the kind of fault that this is if it is the reason.
static std::pair<std::string, FaultKind> describe(const Block &block, const WaitReason &reason) {
  switch (reason.kind) {
  case WaitReason::Kind::Warp:
    return {"for the lanes of a mask at " + reason.operation->name, FaultKind::WarpDivergence};
  case WaitReason::Kind::Barrier: {
    const NamedBarrier &barrier = block.barriers[reason.object];
    return {"at barrier " + std::to_string(reason.object) + ", where " +
                std::to_string(barrier.arrived.size()) + " of " + std::to_string(barrier.expected) +
                " threads have come",
            FaultKind::Deadlock};
  }
  case WaitReason::Kind::Mbarrier:
    break;
  }
  const Mbarrier *barrier = block.mbarriers.at(static_cast<uint32_t>(reason.object));
  std::string text = "for phase " + std::to_string(barrier->phase) + " of the mbarrier in " +
                     block.describeShared(reason.object);
  if (barrier->pending == 0)
    return {text + ", which expects " + std::to_string(barrier->transactions) +
                " bytes that no copy brings",
            FaultKind::TransactionBytes};
  return {text + ", where " + std::to_string(barrier->expected - barrier->pending) + " of " +
              std::to_string(barrier->expected) + " arrivals have come",
          FaultKind::Deadlock};
}

void Block::reportDeadlock() {
  std::map<std::tuple<const Operation *, uint64_t>, std::vector<uint32_t>> groups;
  for (const Thread &thread : threads)
    if (thread.state == Thread::State::Waiting)
      groups[{thread.reason.operation, thread.reason.object}].push_back(thread.index);
  std::string message = "every thread waits:";
  FaultKind kind = FaultKind::Deadlock;
  const Thread *first = nullptr;
  for (const auto &[place, members] : groups) {
    const Thread &thread = threads[members.front()];
    auto [text, cause] = describe(*this, thread.reason);
    message += " threads " + ranges(members) + " at " + thread.reason.operation->location.text() +
               " " + text + ";";
    // Bytes that never come explain all the other waits; lanes left alone explain barriers.
    if (!first || cause == FaultKind::TransactionBytes ||
        (cause == FaultKind::WarpDivergence && kind == FaultKind::Deadlock)) {
      kind = cause;
      first = &thread;
    }
  }
  message.pop_back();
  fail(kind, *first->reason.operation, message, first);
}

} // namespace weft::emulator

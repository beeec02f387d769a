// Barriers in shared memory that count arrivals and bytes.
#include "codegen/Emulator/Mbarrier.h"
#include "codegen/Emulator/Block.h"
#include "codegen/Emulator/Operations.h"

namespace weft::emulator {

uint32_t Mbarriers::offsetOf(Thread &thread, const Operation &operation, const char *address) {
  const uint64_t offset = address - block.shared.window;
  if (!block.isShared(address) || offset + 8 > block.shared.bytes)
    block.fail(FaultKind::OutOfBounds, operation, "an mbarrier outside of shared memory", &thread);
  if (offset % 8 != 0)
    block.fail(FaultKind::Misaligned, operation,
               "an mbarrier at an address that is not a multiple of 8", &thread);
  return static_cast<uint32_t>(offset);
}

void Mbarriers::initialize(Thread &thread, const Operation &operation, const char *address,
                           uint32_t arrivals) {
  const uint32_t offset = offsetOf(thread, operation, address);
  if (barriers.count(offset) != 0)
    block.fail(FaultKind::MbarrierMisuse, operation,
               "mbarrier.init on an mbarrier that is in use, in " + block.describeShared(offset),
               &thread, barriers[offset].initialized);
  if (count == most)
    block.fail(FaultKind::Unsupported, operation,
               "more than " + std::to_string(most) + " mbarriers in a block", &thread);
  if (arrivals == 0 || arrivals >= (1 << 20))
    block.fail(FaultKind::MbarrierMisuse, operation,
               "mbarrier.init with a count of " + std::to_string(arrivals), &thread);
  block.access(thread, address, 8, {.operation = operation, .write = true});
  block.shared.states[offset / 4] = SharedMemory::mbarrier;
  block.shared.states[offset / 4 + 1] = SharedMemory::mbarrier;
  Mbarrier &barrier = barriers[offset];
  barrier.offset = offset;
  barrier.actor = block.threadCount() + count++;
  barrier.expected = barrier.pending = arrivals;
  barrier.accumulating = barrier.completed = Clock(block.actorCount());
  barrier.initialized = &operation;
}

Mbarrier &Mbarriers::find(Thread &thread, const Operation &operation, const char *address) {
  const uint32_t offset = offsetOf(thread, operation, address);
  auto found = barriers.find(offset);
  if (found == barriers.end())
    block.fail(FaultKind::MbarrierMisuse, operation,
               operation.name + " on memory that is not an mbarrier, in " +
                   block.describeShared(offset),
               &thread);
  if (std::optional<Conflict> conflict =
          block.shared.shadow.conflictOfRead(offset, 8, thread.observer()))
    block.fail(FaultKind::SharedRace, operation,
               operation.name + " and the mbarrier.init by thread " +
                   std::to_string(conflict->earlier.actor) + " are not ordered by any barrier",
               &thread, found->second.initialized);
  return found->second;
}

void Mbarriers::invalidate(Thread &thread, const Operation &operation, const char *address) {
  const Mbarrier &barrier = find(thread, operation, address);
  if (!barrier.waiters.empty() || !barrier.copies.empty())
    block.fail(FaultKind::MbarrierMisuse, operation,
               "mbarrier.inval on an mbarrier that threads or copies still use", &thread);
  block.shared.states[barrier.offset / 4] = SharedMemory::free;
  block.shared.states[barrier.offset / 4 + 1] = SharedMemory::free;
  block.shared.shadow.setInitialized(barrier.offset, 8, false);
  barriers.erase(barrier.offset);
}

const Mbarrier *Mbarriers::at(uint32_t offset) const {
  auto found = barriers.find(offset);
  return found == barriers.end() ? nullptr : &found->second;
}

uint64_t Mbarriers::arrive(Thread &thread, const Operation &operation, Mbarrier &barrier,
                           uint32_t arrivals) {
  if (arrivals > barrier.pending)
    block.fail(FaultKind::MbarrierMisuse, operation,
               "more arrivals than the " + std::to_string(barrier.expected) +
                   " that the mbarrier in " + block.describeShared(barrier.offset) + " counts",
               &thread, barrier.initialized);
  const uint64_t phase = barrier.phase;
  barrier.accumulating.join(thread.release());
  barrier.pending -= arrivals;
  completePhase(thread, operation, barrier);
  return phase;
}

void Mbarriers::complete(Thread &thread, const Operation &operation, Mbarrier &barrier,
                         uint64_t bytes) {
  barrier.transactions -= static_cast<int64_t>(bytes);
  completePhase(thread, operation, barrier);
}

void Mbarriers::completePhase(Thread &thread, const Operation &operation, Mbarrier &barrier) {
  if (barrier.pending != 0)
    return;
  if (barrier.transactions < 0)
    block.fail(FaultKind::TransactionBytes, operation,
               "copies bring " + std::to_string(-barrier.transactions) +
                   " bytes more than the mbarrier in " + block.describeShared(barrier.offset) +
                   " expects",
               &thread);
  if (barrier.transactions > 0)
    return;
  ++barrier.phase;
  barrier.pending = barrier.expected;
  const auto time = static_cast<uint32_t>(barrier.phase);
  for (uint32_t number : barrier.copies) {
    const AsynchronousCopy &copy = *block.copies.find(number);
    if (!copy.landed)
      block.fail(FaultKind::TransactionBytes, *copy.operation,
                 "the mbarrier in " + block.describeShared(barrier.offset) +
                     " completes its phase while this copy of " + std::to_string(copy.bytes()) +
                     " bytes is in flight: fewer bytes are expected than are copied",
                 copy.thread, &operation);
    block.copies.complete(number, {.actor = barrier.actor,
                                   .time = time,
                                   .block = block.number,
                                   .site = block.siteOf(*copy.operation)});
  }
  barrier.copies.clear();
  barrier.accumulating.raise(barrier.actor, time);
  barrier.completed = barrier.accumulating;
  std::vector<Thread *> waiters = std::move(barrier.waiters);
  barrier.waiters.clear();
  for (Thread *waiter : waiters)
    block.wake(*waiter);
}

void Mbarriers::waitFor(Thread &thread, const Operation &operation, Mbarrier &barrier,
                        uint64_t phase) {
  while (barrier.phase < phase) {
    barrier.waiters.push_back(&thread);
    thread.wait(
        {.kind = WaitReason::Kind::Mbarrier, .operation = &operation, .object = barrier.offset});
  }
  thread.acquire(barrier.completed);
}

// Operations.

void initializeMbarrier(Thread &thread, const Operation &operation, const uint64_t *arguments,
                        uint64_t *) {
  thread.block.mbarriers.initialize(thread, operation, thread.block.sharedAddress(arguments[0]),
                                    static_cast<uint32_t>(arguments[1]));
}

void invalidateMbarrier(Thread &thread, const Operation &operation, const uint64_t *arguments,
                        uint64_t *) {
  thread.block.mbarriers.invalidate(thread, operation, thread.block.sharedAddress(arguments[0]));
}

void arriveAtMbarrier(Thread &thread, const Operation &operation, const uint64_t *arguments,
                      uint64_t *results) {
  Block &block = thread.block;
  block.maybeYield(thread);
  Mbarrier &barrier =
      block.mbarriers.find(thread, operation, thread.block.sharedAddress(arguments[0]));
  const auto form = static_cast<ArriveForm>(operation.parameters[0]);
  uint32_t count = 1;
  if (form == ArriveForm::Counted)
    count = static_cast<uint32_t>(arguments[1]);
  if (form == ArriveForm::ExpectBytes || form == ArriveForm::OnlyExpectBytes)
    barrier.transactions += static_cast<uint32_t>(arguments[1]);
  if (form == ArriveForm::OnlyExpectBytes)
    return;
  results[0] = block.mbarriers.arrive(thread, operation, barrier, count);
}

void waitAtMbarrier(Thread &thread, const Operation &operation, const uint64_t *arguments,
                    uint64_t *results) {
  Block &block = thread.block;
  block.maybeYield(thread);
  Mbarrier &barrier =
      block.mbarriers.find(thread, operation, thread.block.sharedAddress(arguments[0]));
  const auto form = static_cast<WaitForm>(operation.parameters[0]);
  const bool byParity = operation.parameters[1] != 0;
  // By parity, the phase meant is the present one or the one before.
  uint64_t phase = arguments[1] + 1;
  if (byParity)
    phase = (barrier.phase & 1) == (arguments[1] & 1) ? barrier.phase + 1 : barrier.phase;
  const bool mayFail = form == WaitForm::Test || (form == WaitForm::Try && !block.launch.inOrder &&
                                                  block.launch.random.oneIn(4));
  if (barrier.phase < phase && mayFail) {
    thread.yield();
    results[0] = 0;
    return;
  }
  block.mbarriers.waitFor(thread, operation, barrier, phase);
  results[0] = 1;
}

} // namespace weft::emulator

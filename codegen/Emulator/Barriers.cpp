// The sixteen barriers of a block.
#include "codegen/Emulator/Block.h"
#include "codegen/Emulator/Operations.h"

#include <algorithm>

namespace weft::emulator {

/// Threads of one warp must come to an aligned barrier together, at the same place.
static void checkWarp(Thread &thread, const Operation &operation, const NamedBarrier &barrier) {
  if (const Thread *other = thread.warp().waitingFor(thread))
    thread.block.fail(FaultKind::BarrierDivergence, operation,
                      "the thread comes to a barrier while lane " + std::to_string(other->lane()) +
                          " of its warp waits for it elsewhere",
                      &thread, other->reason.operation);
  for (size_t index = 0; index < barrier.arrived.size(); ++index) {
    const Thread &other = *barrier.arrived[index];
    if (&other.warp() == &thread.warp() && barrier.places[index] != &operation)
      thread.block.fail(FaultKind::BarrierDivergence, operation,
                        "lanes " + std::to_string(thread.lane()) + " and " +
                            std::to_string(other.lane()) + " of one warp are at different barriers",
                        &thread, barrier.places[index]);
  }
}

/// The threads of a complete barrier must be whole warps.
static void checkWholeWarps(Thread &thread, const Operation &operation,
                            const NamedBarrier &barrier) {
  std::vector<uint32_t> lanes(thread.block.warps.size(), 0);
  for (const Thread *arrived : barrier.arrived)
    lanes[arrived->index / 32] |= uint32_t{1} << arrived->lane();
  for (const Warp &warp : thread.block.warps)
    if (lanes[warp.index] != 0 && lanes[warp.index] != warp.present())
      thread.block.fail(FaultKind::BarrierDivergence, operation,
                        "the barrier completes while only some threads of warp " +
                            std::to_string(warp.index) + " have come to it",
                        &thread);
}

static uint32_t expectedThreads(Thread &thread, const Operation &operation,
                                const uint64_t *arguments, size_t position) {
  Block &block = thread.block;
  if ((operation.parameters[0] & BarrierCounted) == 0)
    return block.threadCount();
  const auto count = static_cast<uint32_t>(arguments[position]);
  if (count == 0 || count % 32 != 0 || count > (block.threadCount() + 31) / 32 * 32)
    block.fail(FaultKind::BarrierMismatch, operation,
               "a barrier for " + std::to_string(count) +
                   " threads: the count must be a multiple of 32 of at most the block's " +
                   std::to_string(block.threadCount()),
               &thread);
  return count;
}

static void completeBarrier(Thread &thread, const Operation &operation, NamedBarrier &barrier) {
  Block &block = thread.block;
  if (operation.parameters[0] & BarrierAligned)
    checkWholeWarps(thread, operation, barrier);
  Clock joined(block.actorCount());
  for (const Thread *arrived : barrier.arrived)
    joined.join(arrived->clock);
  for (Thread *arrived : barrier.arrived)
    joined.raise(arrived->index, arrived->time++);
  barrier.lastTrueCount = barrier.trueCount;
  barrier.lastCount = barrier.expected;
  std::vector<Thread *> waiting = std::move(barrier.waiting);
  barrier.arrived.clear();
  barrier.places.clear();
  barrier.waiting.clear();
  barrier.trueCount = 0;
  for (Thread *waiter : waiting) {
    waiter->clock = joined;
    waiter->warp().atBarrier &= ~(uint32_t{1} << waiter->lane());
    if (waiter != &thread)
      block.wake(*waiter);
  }
}

static uint64_t reduced(const NamedBarrier &barrier, BarrierReduction reduction) {
  switch (reduction) {
  case BarrierReduction::And:
    return barrier.lastTrueCount == barrier.lastCount;
  case BarrierReduction::Or:
    return barrier.lastTrueCount != 0;
  default:
    return barrier.lastTrueCount;
  }
}

void syncBlock(Thread &thread, const Operation &operation, const uint64_t *arguments,
               uint64_t *results) {
  Block &block = thread.block;
  const auto number = static_cast<uint32_t>(arguments[0]);
  const auto reduction = static_cast<BarrierReduction>(operation.parameters[1]);
  if (number >= block.barriers.size())
    block.fail(FaultKind::BarrierMismatch, operation,
               "barrier " + std::to_string(number) + " of sixteen", &thread);
  NamedBarrier &barrier = block.barriers[number];
  const uint32_t expected = expectedThreads(thread, operation, arguments, 1);
  if (!barrier.arrived.empty() && barrier.expected != expected)
    block.fail(FaultKind::BarrierMismatch, operation,
               "barrier " + std::to_string(number) + " for " + std::to_string(expected) +
                   " threads, while others wait at it for " + std::to_string(barrier.expected),
               &thread, barrier.places.front());
  if (std::find(barrier.arrived.begin(), barrier.arrived.end(), &thread) != barrier.arrived.end())
    block.fail(FaultKind::BarrierMismatch, operation,
               "the thread arrives twice at barrier " + std::to_string(number), &thread);
  if (operation.parameters[0] & BarrierAligned)
    checkWarp(thread, operation, barrier);
  barrier.expected = expected;
  barrier.arrived.push_back(&thread);
  barrier.places.push_back(&operation);
  if (reduction != BarrierReduction::None &&
      arguments[operation.parameters[0] & BarrierCounted ? 2 : 1] != 0)
    ++barrier.trueCount;
  const bool waits = (operation.parameters[0] & BarrierArrives) == 0;
  if (waits)
    barrier.waiting.push_back(&thread);
  if (barrier.arrived.size() == expected) {
    completeBarrier(thread, operation, barrier);
  } else if (waits) {
    block.requireEnoughThreads(number);
    thread.warp().atBarrier |= uint32_t{1} << thread.lane();
    thread.wait({.kind = WaitReason::Kind::Barrier, .operation = &operation, .object = number});
  }
  if (reduction != BarrierReduction::None)
    results[0] = reduced(barrier, reduction);
}

} // namespace weft::emulator

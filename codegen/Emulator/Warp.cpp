// Operations that the threads of a warp do together.
#include "codegen/Emulator/Warp.h"
#include "codegen/Emulator/Block.h"

#include <algorithm>
#include <bit>

namespace weft::emulator {

void Warp::addLane(Thread &thread) {
  lanes[thread.lane()] = &thread;
  existing |= uint32_t{1} << thread.lane();
}

Clock Warp::joinedClock() const {
  Clock joined = lane(0).clock;
  for (uint32_t left = present(); left != 0; left &= left - 1) {
    const Thread &thread = lane(std::countr_zero(left));
    joined.join(thread.clock);
    joined.raise(thread.index, thread.time);
  }
  return joined;
}

void Warp::checkMask(Thread &thread, const Operation &operation, uint32_t mask) {
  if ((mask & (uint32_t{1} << thread.lane())) == 0)
    block.fail(FaultKind::WarpMask, operation,
               operation.name + " by lane " + std::to_string(thread.lane()) +
                   ", which is not in its mask",
               &thread);
  if (const uint32_t missing = mask & ~present())
    block.fail(FaultKind::WarpMask, operation,
               "the mask of " + operation.name + " names lane " +
                   std::to_string(std::countr_zero(missing)) + ", which the block does not have",
               &thread);
  if (const uint32_t gone = mask & exited)
    block.fail(FaultKind::WarpDivergence, operation,
               "the mask of " + operation.name + " names lane " +
                   std::to_string(std::countr_zero(gone)) + ", which has exited",
               &thread);
  if (const uint32_t elsewhere = mask & atBarrier) {
    const Thread &other = lane(std::countr_zero(elsewhere));
    block.fail(FaultKind::BarrierDivergence, operation,
               operation.name + " waits for lane " + std::to_string(other.lane()) +
                   ", which is at a barrier of the block",
               &thread, other.reason.operation);
  }
}

const Thread *Warp::waitingFor(const Thread &thread) const {
  for (const Gathering &open : gatherings)
    if (open.mask & (uint32_t{1} << thread.lane()))
      return &lane(std::countr_zero(open.arrived));
  return nullptr;
}

/// The gathering that the thread belongs to, with the thread in it.
Gathering &Warp::join(Thread &thread, const Operation &operation, uint32_t mask) {
  for (Gathering &open : gatherings) {
    if (open.operation == &operation && open.mask == mask)
      return open;
    if ((open.mask & mask) == 0)
      continue;
    const uint32_t waiting = std::countr_zero(open.arrived);
    block.fail(open.operation == &operation ? FaultKind::WarpMask : FaultKind::WarpDivergence,
               operation,
               "lane " + std::to_string(thread.lane()) + " comes to " + operation.name +
                   (open.operation == &operation ? " with another mask than lane "
                                                 : " while, in the same mask, lane ") +
                   std::to_string(waiting) +
                   (open.operation == &operation ? "" : " is at " + open.operation->name),
               &thread, open.operation);
  }
  Gathering &gathering = gatherings.emplace_back();
  gathering.operation = &operation;
  gathering.mask = mask;
  return gathering;
}

void Warp::gather(Thread &thread, const Operation &operation, uint32_t mask,
                  const uint64_t *arguments, uint64_t *results, WarpHandler handler) {
  checkMask(thread, operation, mask);
  Gathering &gathering = join(thread, operation, mask);
  gathering.arrived |= uint32_t{1} << thread.lane();
  gathering.arguments[thread.lane()] = arguments;
  gathering.results[thread.lane()] = results;
  if (gathering.arrived != mask) {
    thread.wait({.kind = WaitReason::Kind::Warp, .operation = &operation, .object = mask});
    return;
  }
  const Gathering complete = gathering;
  std::erase_if(gatherings, [&](const Gathering &open) { return open.mask == mask; });
  handler(*this, complete);
  for (uint32_t others = mask & ~(uint32_t{1} << thread.lane()); others != 0; others &= others - 1)
    block.wake(lane(std::countr_zero(others)));
}

void Warp::exit(Thread &thread) {
  const uint32_t bit = uint32_t{1} << thread.lane();
  exited |= bit;
  for (const Gathering &open : gatherings)
    if (open.mask & bit)
      block.fail(FaultKind::WarpDivergence, *open.operation,
                 "lane " + std::to_string(std::countr_zero(open.arrived)) + " waits at " +
                     open.operation->name + " for lane " + std::to_string(thread.lane()) +
                     ", which has exited",
                 &thread);
}

} // namespace weft::emulator

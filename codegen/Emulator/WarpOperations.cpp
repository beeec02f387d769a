// Shuffles, votes and what else the lanes of a warp exchange.
#include "codegen/Emulator/Block.h"
#include "codegen/Emulator/Operations.h"

#include <bit>
#include <cstring>

namespace weft::emulator {

template <typename Function> static void forEachLane(uint32_t mask, Function visit) {
  for (; mask != 0; mask &= mask - 1)
    visit(static_cast<uint32_t>(std::countr_zero(mask)));
}

/// Orders the memory accesses of the lanes.
static void joinClocks(Warp &warp, const Gathering &gathering) {
  Clock joined;
  forEachLane(gathering.mask, [&](uint32_t lane) { joined.join(warp.lane(lane).release()); });
  forEachLane(gathering.mask, [&](uint32_t lane) { warp.lane(lane).clock = joined; });
}

void syncWarp(Thread &thread, const Operation &operation, const uint64_t *arguments,
              uint64_t *results) {
  thread.warp().gather(thread, operation, static_cast<uint32_t>(arguments[0]), arguments, results,
                       joinClocks);
}

void convergeWarp(Thread &thread, const Operation &operation, const uint64_t *arguments,
                  uint64_t *results) {
  thread.warp().gather(thread, operation, thread.warp().present(), arguments, results,
                       [](Warp &, const Gathering &) {});
}

// Shuffles.

struct ShuffleSource {
  uint32_t lane;
  bool inRange;
};

static ShuffleSource shuffleSource(ShuffleMode mode, uint32_t lane, uint32_t b, uint32_t c) {
  const uint32_t bound = c & 31, segment = (c >> 8) & 31;
  const uint32_t last = (lane & segment) | (bound & ~segment);
  const uint32_t first = lane & segment;
  b &= 31;
  int64_t source = lane;
  bool inRange = true;
  switch (mode) {
  case ShuffleMode::Up:
    source = int64_t{lane} - b;
    inRange = source >= last;
    break;
  case ShuffleMode::Down:
    source = lane + b;
    inRange = source <= last;
    break;
  case ShuffleMode::Butterfly:
    source = lane ^ b;
    inRange = source <= last;
    break;
  case ShuffleMode::Index:
    source = first | (b & ~segment);
    inRange = source <= last;
    break;
  }
  return {inRange ? static_cast<uint32_t>(source) : lane, inRange};
}

static void completeShuffle(Warp &warp, const Gathering &gathering) {
  const auto mode = static_cast<ShuffleMode>(gathering.operation->parameters[0]);
  forEachLane(gathering.mask, [&](uint32_t lane) {
    const uint64_t *arguments = gathering.arguments[lane];
    const ShuffleSource source = shuffleSource(mode, lane, static_cast<uint32_t>(arguments[2]),
                                               static_cast<uint32_t>(arguments[3]));
    if ((gathering.mask & (uint32_t{1} << source.lane)) == 0)
      warp.block.fail(FaultKind::WarpMask, *gathering.operation,
                      "lane " + std::to_string(lane) + " reads lane " +
                          std::to_string(source.lane) + ", which is not in the mask",
                      &warp.lane(lane));
    gathering.results[lane][0] = gathering.arguments[source.lane][1];
    gathering.results[lane][1] = source.inRange;
  });
}

void shuffle(Thread &thread, const Operation &operation, const uint64_t *arguments,
             uint64_t *results) {
  thread.warp().gather(thread, operation, static_cast<uint32_t>(arguments[0]), arguments, results,
                       completeShuffle);
}

// Votes.

static uint64_t voteResult(VoteMode mode, uint32_t ballot, uint32_t mask) {
  switch (mode) {
  case VoteMode::All:
    return ballot == mask;
  case VoteMode::Any:
    return ballot != 0;
  case VoteMode::Uniform:
    return ballot == 0 || ballot == mask;
  case VoteMode::Ballot:
    return ballot;
  }
  return 0;
}

static void completeVote(Warp &, const Gathering &gathering) {
  uint32_t ballot = 0;
  forEachLane(gathering.mask, [&](uint32_t lane) {
    if (gathering.arguments[lane][1] & 1)
      ballot |= uint32_t{1} << lane;
  });
  const auto mode = static_cast<VoteMode>(gathering.operation->parameters[0]);
  forEachLane(gathering.mask, [&](uint32_t lane) {
    gathering.results[lane][0] = voteResult(mode, ballot, gathering.mask);
  });
}

void vote(Thread &thread, const Operation &operation, const uint64_t *arguments,
          uint64_t *results) {
  thread.warp().gather(thread, operation, static_cast<uint32_t>(arguments[0]), arguments, results,
                       completeVote);
}

static void completeMatch(Warp &, const Gathering &gathering) {
  const bool all = gathering.operation->parameters[0] != 0;
  forEachLane(gathering.mask, [&](uint32_t lane) {
    uint32_t equal = 0;
    forEachLane(gathering.mask, [&](uint32_t other) {
      if (gathering.arguments[other][1] == gathering.arguments[lane][1])
        equal |= uint32_t{1} << other;
    });
    const bool isAll = equal == gathering.mask;
    gathering.results[lane][0] = all && !isAll ? 0 : equal;
    gathering.results[lane][1] = isAll;
  });
}

void matchLanes(Thread &thread, const Operation &operation, const uint64_t *arguments,
                uint64_t *results) {
  thread.warp().gather(thread, operation, static_cast<uint32_t>(arguments[0]), arguments, results,
                       completeMatch);
}

// Reductions. The value comes first, the mask second.

static uint32_t combine(WarpReduction reduction, uint32_t x, uint32_t y) {
  switch (reduction) {
  case WarpReduction::Add:
    return x + y;
  case WarpReduction::Minimum:
    return static_cast<int32_t>(x) < static_cast<int32_t>(y) ? x : y;
  case WarpReduction::Maximum:
    return static_cast<int32_t>(x) > static_cast<int32_t>(y) ? x : y;
  case WarpReduction::UnsignedMinimum:
    return x < y ? x : y;
  case WarpReduction::UnsignedMaximum:
    return x > y ? x : y;
  case WarpReduction::And:
    return x & y;
  case WarpReduction::Or:
    return x | y;
  case WarpReduction::Xor:
    return x ^ y;
  }
  return 0;
}

static void completeReduction(Warp &, const Gathering &gathering) {
  const auto reduction = static_cast<WarpReduction>(gathering.operation->parameters[0]);
  std::optional<uint32_t> value;
  forEachLane(gathering.mask, [&](uint32_t lane) {
    const auto next = static_cast<uint32_t>(gathering.arguments[lane][0]);
    value = value ? combine(reduction, *value, next) : next;
  });
  forEachLane(gathering.mask, [&](uint32_t lane) { gathering.results[lane][0] = *value; });
}

void reduceWarp(Thread &thread, const Operation &operation, const uint64_t *arguments,
                uint64_t *results) {
  thread.warp().gather(thread, operation, static_cast<uint32_t>(arguments[1]), arguments, results,
                       completeReduction);
}

/// Which lane is elected is not specified, only that it is the same for the same mask.
static void completeElection(Warp &, const Gathering &gathering) {
  const auto elected = static_cast<uint32_t>(std::countr_zero(gathering.mask));
  forEachLane(gathering.mask, [&](uint32_t lane) {
    gathering.results[lane][0] = elected;
    gathering.results[lane][1] = lane == elected;
  });
}

void electLane(Thread &thread, const Operation &operation, const uint64_t *arguments,
               uint64_t *results) {
  thread.warp().gather(thread, operation, static_cast<uint32_t>(arguments[0]), arguments, results,
                       completeElection);
}

void doNothing(Thread &, const Operation &, const uint64_t *, uint64_t *) {}

void yieldThread(Thread &thread, const Operation &, const uint64_t *, uint64_t *) {
  thread.yield();
}

} // namespace weft::emulator

// A warp: operations that its threads do together.
#pragma once

#include "codegen/Emulator/Program.h"

#include "codegen/Emulator/Clock.h"
#include <deque>
#include <optional>

namespace weft::emulator {

class Block;
class Warp;

/// An operation of several lanes, from the first to arrive until all have.
struct Gathering {
  const Operation *operation = nullptr;
  uint32_t mask = 0;
  uint32_t arrived = 0;
  std::array<const uint64_t *, 32> arguments = {};
  std::array<uint64_t *, 32> results = {};
};

/// Does a warp's operation once all lanes have arrived; called on one of them.
using WarpHandler = void (*)(Warp &warp, const Gathering &gathering);

/// The accumulators of a chain of wgmma operations, as one warp holds them.
struct PendingAccumulators {
  uint32_t number = 0;
  /// Each register of all lanes.
  std::vector<std::array<float, 32>> registers;
  /// The chain's last operation is in the committed group `group`.
  bool committed = false;
  size_t group = 0;
};

/// A committed group of wgmma operations.
struct MatrixGroup {
  const Operation *operation = nullptr;
  /// The first of each four words of shared memory that the group reads.
  std::vector<uint32_t> reads;
};

/// What a warp's wgmma operations have under way.
struct MatrixPipeline {
  /// What the operations read that are in no group yet.
  std::vector<uint32_t> open;
  std::deque<MatrixGroup> groups;
  size_t committedGroups = 0;
  std::vector<PendingAccumulators> accumulators;
  /// There was a wgmma.fence since registers were last handed back.
  bool fenced = false;
  uint32_t nextNumber = 1;
  /// How many operations the warp has done.
  size_t done = 0;
  /// The time of the warp's actor: one for each wait.
  uint32_t time = 0;
};

class Warp {
public:
  Warp(Block &block, uint32_t index) : block(block), index(index) {}

  void addLane(Thread &thread);
  /// Lanes that exist.
  uint32_t present() const { return existing; }
  Thread &lane(uint32_t number) const { return *lanes[number]; }
  /// Waits for the lanes of `mask` and does `handler` once. All must come with the same operation
  /// and mask.
  void gather(Thread &thread, const Operation &operation, uint32_t mask, const uint64_t *arguments,
              uint64_t *results, WarpHandler handler);
  /// A lane that waits for this one in an operation of the warp; null if there is none.
  const Thread *waitingFor(const Thread &thread) const;
  /// The lane has run to its end.
  void exit(Thread &thread);
  /// What the lanes together know.
  Clock joinedClock() const;

  Block &block;
  const uint32_t index;
  MatrixPipeline matrices;
  /// Lanes that wait at a barrier of the block.
  uint32_t atBarrier = 0;

private:
  Gathering &join(Thread &thread, const Operation &operation, uint32_t mask);
  void checkMask(Thread &thread, const Operation &operation, uint32_t mask);

  std::array<Thread *, 32> lanes = {};
  uint32_t existing = 0;
  uint32_t exited = 0;
  std::vector<Gathering> gatherings;
};

} // namespace weft::emulator

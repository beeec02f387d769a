// Barriers in shared memory that count arrivals and bytes.
#pragma once

#include "codegen/Emulator/Clock.h"
#include "codegen/Emulator/Program.h"

#include <map>

namespace weft::emulator {

class Block;
class Thread;

/// An mbarrier. A phase completes when all arrivals have come and no bytes are outstanding.
struct Mbarrier {
  uint32_t offset = 0;
  /// Its actor: the writes of copies are known to who has seen the phase that they belong to.
  uint32_t actor = 0;
  uint32_t expected = 0;
  uint32_t pending = 0;
  /// Bytes expected and not yet copied.
  int64_t transactions = 0;
  /// How many phases have completed.
  uint64_t phase = 0;
  /// What is known to the arrivals so far, and what was when the last phase completed.
  Clock accumulating;
  Clock completed;
  /// Copies that report to the present phase.
  std::vector<uint32_t> copies;
  std::vector<Thread *> waiters;
  const Operation *initialized = nullptr;
};

/// The mbarriers of a block.
class Mbarriers {
public:
  static constexpr uint32_t most = 64;

  explicit Mbarriers(Block &block) : block(block) {}

  void initialize(Thread &thread, const Operation &operation, const char *address, uint32_t count);
  void invalidate(Thread &thread, const Operation &operation, const char *address);
  /// The mbarrier at an address. Reports if there is none, or if the thread does not know of it.
  Mbarrier &find(Thread &thread, const Operation &operation, const char *address);
  /// Counts `count` arrivals of the thread; returns the phase they belong to.
  uint64_t arrive(Thread &thread, const Operation &operation, Mbarrier &barrier, uint32_t count);
  /// A copy has brought `bytes`. `thread` and `operation` are those that began it.
  void complete(Thread &thread, const Operation &operation, Mbarrier &barrier, uint64_t bytes);
  /// Waits until `phase` phases have completed.
  void waitFor(Thread &thread, const Operation &operation, Mbarrier &barrier, uint64_t phase);
  /// The one at an offset; null if there is none.
  const Mbarrier *at(uint32_t offset) const;

private:
  void completePhase(Thread &thread, const Operation &operation, Mbarrier &barrier);
  uint32_t offsetOf(Thread &thread, const Operation &operation, const char *address);

  Block &block;
  std::map<uint32_t, Mbarrier> barriers;
  uint32_t count = 0;
};

} // namespace weft::emulator

// Copies that run beside the threads: cp.async, bulk copies, tensor copies.
#pragma once

#include "codegen/Emulator/Program.h"

#include <deque>
#include <map>
#include <optional>

namespace weft::emulator {

class Block;
class Thread;
struct Access;
struct Mbarrier;

/// Neighbouring bytes of a copy.
struct CopySegment {
  /// Null: zeros.
  const char *source = nullptr;
  char *target = nullptr;
  uint32_t bytes = 0;
};

/// A copy from its begin until it is known to be complete.
struct AsynchronousCopy {
  uint32_t number = 0;
  const Operation *operation = nullptr;
  Thread *thread = nullptr;
  std::vector<CopySegment> segments;
  /// The copy reads shared memory and writes global memory.
  bool store = false;
  /// Null, or the barrier that counts its bytes.
  Mbarrier *barrier = nullptr;
  bool landed = false;

  uint64_t bytes() const;
};

/// A thread's copies that complete in the order of groups.
struct CopyGroups {
  std::vector<uint32_t> open;
  std::deque<std::vector<uint32_t>> groups;

  void commit() {
    groups.push_back(std::move(open));
    open.clear();
  }
};

/// The copies of a block that are under way.
class AsynchronousCopies {
public:
  explicit AsynchronousCopies(Block &block) : block(block) {}

  /// Begins a copy: checks both ends, and poisons what a load will write. Returns its number.
  /// `asynchronous`: it is made by the asynchronous proxy.
  uint32_t begin(Thread &thread, const Operation &operation, std::vector<CopySegment> segments,
                 bool store, bool asynchronous, Mbarrier *barrier = nullptr);
  /// Lets one copy that has not landed do so; false if there is none.
  bool landOne();
  bool anyToLand() const { return !flying.empty(); }
  /// The copies of all groups but the `most` latest are complete, and known to be so by the thread.
  void waitForGroups(Thread &thread, CopyGroups &groups, uint64_t most);
  /// A copy is known to be complete by all who know `access`.
  void complete(uint32_t number, const Access &access);
  const AsynchronousCopy *find(uint32_t number) const;
  /// One that nobody has waited for; null if there is none.
  const AsynchronousCopy *oldest() const;

private:
  void land(AsynchronousCopy &copy);
  void beginLoad(Thread &thread, AsynchronousCopy &copy, bool asynchronous);
  void beginStore(Thread &thread, AsynchronousCopy &copy, bool asynchronous);

  Block &block;
  std::map<uint32_t, AsynchronousCopy> copies;
  /// Numbers of those that have not landed.
  std::vector<uint32_t> flying;
  uint32_t nextNumber = 0;
};

} // namespace weft::emulator

// Values that depend on storages alone, kept until one of these goes.
#pragma once

#include "lib/Runtime/Plan.h"

#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace weft {

struct PreparedStatistics {
  /// Values that were computed, since the process began.
  uint64_t computed = 0;
  /// Values that were found.
  uint64_t hits = 0;
  /// Bytes of the values that are kept now.
  uint64_t bytes = 0;
};

/// What prepare steps computed, by their program and the storages that it read. A storage never
/// changes as long as it is shared, so a value is right as long as the storages are there; it goes
/// with the first of them, or with the program.
///
/// Storages and programs are known by numbers that are never used again, not by addresses. The
/// bytes are bounded (WEFT_PREPARED_BYTES): beyond that, those go that were not used for longest.
/// All methods may be called from any thread, and after fork().
class PreparedValues {
public:
  using Values = std::shared_ptr<const std::vector<StorageRef>>;

  /// The process's, which live forever. The first call throws weft::Error when the environment
  /// variable is malformed.
  static PreparedValues &process();

  /// A number that no storage and no program has.
  static uint64_t newNumber();

  PreparedValues(const PreparedValues &) = delete;

  /// The values of `key`, a program's number and its storages'; null if they are not there.
  Values find(std::span<const uint64_t> key);

  /// Keeps the values, if `inputs` are still what `key` says, and returns those that are kept, or
  /// these. The caller has references to the inputs.
  Values insert(std::span<const uint64_t> key, std::span<const StorageRef> inputs, Values values);

  /// Drops all that was computed from the storage, or by the program, with this number.
  void drop(uint64_t number);

  /// Drops all of them: what is called again computes them again.
  void trim();

  PreparedStatistics statistics() const;

  uint64_t limit() const { return mostWeight.load(std::memory_order_relaxed); }
  /// Changes the bound of the bytes, and drops what exceeds it.
  void setLimit(uint64_t bytes);

private:
  struct Entry;
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::span<const uint64_t> key) const;
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(std::span<const uint64_t> left, std::span<const uint64_t> right) const;
  };
  using Table = std::unordered_map<std::vector<uint64_t>, Entry, Hash, Equal>;

  explicit PreparedValues(uint64_t limit);
  Values take(Table::iterator entry);
  std::vector<Values> takeExcess();

  mutable std::mutex mutex;
  Table table;
  /// The most recent first.
  std::list<Table::iterator> order;
  /// For each number the keys that have it.
  std::unordered_map<uint64_t, std::unordered_set<const std::vector<uint64_t> *>> users;
  PreparedStatistics counts;
  /// Of the values, and of what it takes to keep them.
  uint64_t weight = 0;
  std::atomic<uint64_t> mostWeight;
};

/// What a prepare step runs: a plan of its own, whose inputs nobody writes.
class PreparedProgram {
public:
  /// The program of `plan`: one that is there already if it does the same, so that functions that
  /// were traced for several sizes of their arguments share what they prepare. Whoever holds it
  /// keeps the code of the plan. Throws weft::Error as PreparedValues::process() does.
  static std::shared_ptr<const PreparedProgram> of(Plan plan);
  /// Registers the handlers of fork() for the lock that `of` takes. Handlers run the last one
  /// first, so those of what is waited for under this lock come before, and the ForkGate's behind.
  static void registerForForks();

  ~PreparedProgram();
  PreparedProgram(const PreparedProgram &) = delete;

  const Plan plan;
  const uint64_t number;

private:
  PreparedProgram(Plan plan, std::vector<uint64_t> key);

  const std::vector<uint64_t> key;
};

} // namespace weft

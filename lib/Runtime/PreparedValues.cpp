#include "lib/Runtime/PreparedValues.h"

#include "lib/Runtime/HostInfo.h"
#include "lib/Runtime/RuntimeOptions.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <cassert>
#include <map>

namespace weft {

/// What it takes to keep the values of one key, beside their bytes.
static constexpr uint64_t entryBytes = 512;

struct PreparedValues::Entry {
  Values values;
  uint64_t bytes = 0;
  std::list<Table::iterator>::iterator place;
};

size_t PreparedValues::Hash::operator()(std::span<const uint64_t> key) const {
  uint64_t hash = key.size();
  for (uint64_t number : key)
    hash = (hash ^ number) * 0x9e3779b97f4a7c15ull;
  return hash ^ (hash >> 32);
}

bool PreparedValues::Equal::operator()(std::span<const uint64_t> left,
                                       std::span<const uint64_t> right) const {
  return std::ranges::equal(left, right);
}

uint64_t PreparedValues::newNumber() {
  static std::atomic<uint64_t> last = 0;
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

PreparedValues::PreparedValues(uint64_t limit) : mostWeight(limit) {}

PreparedValues &PreparedValues::process() {
  // Never destroyed: storages may be dropped by static destructors.
  static PreparedValues *const values = [] {
    auto options = RuntimeOptions::fromEnvironment();
    auto *created = new PreparedValues(options.resolvePreparedBytes(hostInfo().memoryBytes));
    // The child of a fork must not find the lock held by a thread that it does not have.
    pthread_atfork([] { process().mutex.lock(); }, [] { process().mutex.unlock(); },
                   [] { process().mutex.unlock(); });
    return created;
  }();
  return *values;
}

PreparedValues::Values PreparedValues::find(std::span<const uint64_t> key) {
  std::lock_guard lock(mutex);
  auto found = table.find(key);
  if (found == table.end())
    return nullptr;
  order.splice(order.begin(), order, found->second.place);
  counts.hits += found->second.values->size();
  return found->second.values;
}

PreparedValues::Values PreparedValues::insert(std::span<const uint64_t> key,
                                              std::span<const StorageRef> inputs, Values values) {
  // They go last: what drops with them comes back here.
  std::vector<Values> dropped;
  uint64_t bytes = 0;
  for (const StorageRef &value : *values)
    bytes += value->bytes();
  std::lock_guard lock(mutex);
  counts.computed += values->size();
  for (size_t input = 0; input < inputs.size(); ++input)
    if (!inputs[input]->isPreparedAs(key[input + 1]))
      return values;
  auto [entry, isNew] = table.try_emplace({key.begin(), key.end()});
  if (!isNew)
    return entry->second.values;
  order.push_front(entry);
  entry->second = {values, bytes, order.begin()};
  for (uint64_t number : key)
    users[number].insert(&entry->first);
  counts.bytes += bytes;
  weight += bytes + entryBytes;
  dropped = takeExcess();
  return values;
}

/// Takes an entry out. Under the lock.
PreparedValues::Values PreparedValues::take(Table::iterator entry) {
  for (uint64_t number : entry->first) {
    auto found = users.find(number);
    if (found == users.end())
      continue;
    found->second.erase(&entry->first);
    if (found->second.empty())
      users.erase(found);
  }
  counts.bytes -= entry->second.bytes;
  weight -= entry->second.bytes + entryBytes;
  Values values = std::move(entry->second.values);
  order.erase(entry->second.place);
  table.erase(entry);
  return values;
}

/// Takes out what was not used for longest, until the rest fits. Under the lock.
std::vector<PreparedValues::Values> PreparedValues::takeExcess() {
  std::vector<Values> taken;
  while (weight > mostWeight && !order.empty())
    taken.push_back(take(order.back()));
  return taken;
}

void PreparedValues::drop(uint64_t number) {
  std::vector<Values> dropped;
  std::lock_guard lock(mutex);
  auto found = users.find(number);
  if (found == users.end())
    return;
  auto keys = std::move(found->second);
  users.erase(found);
  for (const std::vector<uint64_t> *key : keys)
    dropped.push_back(take(table.find(std::span<const uint64_t>(*key))));
}

void PreparedValues::trim() {
  std::vector<Values> dropped;
  std::lock_guard lock(mutex);
  while (!order.empty())
    dropped.push_back(take(order.back()));
}

PreparedStatistics PreparedValues::statistics() const {
  std::lock_guard lock(mutex);
  return counts;
}

void PreparedValues::setLimit(uint64_t bytes) {
  std::vector<Values> dropped;
  std::lock_guard lock(mutex);
  mostWeight = bytes;
  dropped = takeExcess();
}

//===----------------------------------------------------------------------===//
// Programs
//===----------------------------------------------------------------------===//

namespace {

/// All that a plan does, as numbers. Constants and nested steps are not compared: a plan with any
/// is like no other.
class PlanKey {
public:
  std::vector<uint64_t> of(const Plan &plan) {
    add(reinterpret_cast<uintptr_t>(plan.device));
    addAll(plan.inputs);
    addAll(plan.outputs);
    for (const OutputSource &source : plan.outputSources)
      add(static_cast<uint64_t>(source.kind) << 32 | source.index);
    add(plan.arenaBytes);
    if (!plan.constants.empty())
      add(PreparedValues::newNumber());
    for (const Step &step : plan.steps) {
      add(step.index());
      std::visit([this](const auto &kind) { addStep(kind); }, step);
    }
    return std::move(numbers);
  }

private:
  void add(uint64_t number) { numbers.push_back(number); }

  void addAll(const std::vector<TensorSignature> &signatures) {
    add(signatures.size());
    for (const TensorSignature &signature : signatures) {
      add(static_cast<uint64_t>(signature.dtype));
      add(signature.shape.size());
      numbers.insert(numbers.end(), signature.shape.begin(), signature.shape.end());
    }
  }

  void add(const BufferReference &buffer) {
    add(static_cast<uint64_t>(buffer.kind) << 32 | buffer.index);
    add(buffer.offset);
  }

  void addStep(const Collective &) { assert(false && "what depends on a token is not kept"); }

  void addStep(const Refusal &) { add(PreparedValues::newNumber()); }

  void addStep(const Launch &launch) {
    add(reinterpret_cast<uintptr_t>(launch.function));
    add(reinterpret_cast<uintptr_t>(launch.deviceFunction));
    add(static_cast<uint64_t>(launch.tasks));
    add(launch.inputs << 1 | launch.isAlternative);
    add(launch.buffers.size());
    for (const BufferReference &buffer : launch.buffers)
      add(buffer);
    add(launch.sizes.size());
    numbers.insert(numbers.end(), launch.sizes.begin(), launch.sizes.end());
  }

  void addStep(const Prepare &) { add(PreparedValues::newNumber()); }
  void addStep(const Loop &) { add(PreparedValues::newNumber()); }
  void addStep(const Branch &) { add(PreparedValues::newNumber()); }

  void addStep(const Copy &copy) {
    add(copy.from);
    add(copy.to);
    add(copy.bytes);
  }

  std::vector<uint64_t> numbers;
};

/// The programs that are alive, by their keys.
struct Programs {
  std::mutex mutex;
  std::map<std::vector<uint64_t>, std::weak_ptr<const PreparedProgram>> table;

  static Programs &process() {
    static Programs *const programs = [] {
      auto *created = new Programs();
      pthread_atfork([] { process().mutex.lock(); }, [] { process().mutex.unlock(); },
                     [] { process().mutex.unlock(); });
      return created;
    }();
    return *programs;
  }
};

} // namespace

void PreparedProgram::registerForForks() { Programs::process(); }

PreparedProgram::PreparedProgram(Plan plan, std::vector<uint64_t> key)
    : plan(std::move(plan)), number(PreparedValues::newNumber()), key(std::move(key)) {}

PreparedProgram::~PreparedProgram() {
  PreparedValues::process().drop(number);
  Programs &programs = Programs::process();
  std::lock_guard lock(programs.mutex);
  auto found = programs.table.find(key);
  // Another one may have come there since the last reference to this one went.
  if (found != programs.table.end() && found->second.expired())
    programs.table.erase(found);
}

std::shared_ptr<const PreparedProgram> PreparedProgram::of(Plan plan) {
  PreparedValues::process();
  std::vector<uint64_t> key = PlanKey().of(plan);
  Programs &programs = Programs::process();
  // Dropped behind the lock, which its destructor takes.
  std::shared_ptr<const PreparedProgram> made(new PreparedProgram(std::move(plan), key));
  std::lock_guard lock(programs.mutex);
  std::weak_ptr<const PreparedProgram> &entry = programs.table[std::move(key)];
  if (auto found = entry.lock())
    return found;
  entry = made;
  return made;
}

} // namespace weft

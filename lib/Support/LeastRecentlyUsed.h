// A table that forgets what was not used for longest.
#pragma once

#include <cstddef>
#include <functional>
#include <limits>
#include <list>
#include <unordered_map>
#include <utility>
#include <vector>

namespace weft {

/// At most `capacity` values by key, that weigh at most `mostWeight` together; for one more, those
/// go that were found or inserted least recently. The last one inserted stays, whatever its weight.
template <typename Key, typename Value, typename Hash = std::hash<Key>> class LeastRecentlyUsed {
public:
  /// `capacity` is 1 or more.
  explicit LeastRecentlyUsed(size_t capacity,
                             size_t mostWeight = std::numeric_limits<size_t>::max())
      : capacity(capacity), mostWeight(mostWeight) {}

  /// `Value()`, as a null pointer, if there is none.
  Value find(const Key &key) {
    auto found = entries.find(key);
    if (found == entries.end())
      return Value();
    order.splice(order.begin(), order, found->second.place);
    return found->second.value;
  }

  /// Returns the value.
  Value insert(Key key, Value value, size_t weight = 0) {
    // They go last: what their destructors run may come back here.
    std::vector<Value> dropped;
    auto [added, isNew] = entries.try_emplace(std::move(key), Entry());
    if (isNew) {
      order.push_front(&added->first);
      added->second.place = order.begin();
    } else {
      order.splice(order.begin(), order, added->second.place);
    }
    std::swap(added->second.value, value);
    totalWeight += weight - std::exchange(added->second.weight, weight);
    Value result = added->second.value;
    while (order.size() > 1 && (order.size() > capacity || totalWeight > mostWeight))
      dropped.push_back(takeOldest());
    return result;
  }

  /// Calls `visit` with each value, the last used first.
  template <typename Visit> void forEach(Visit visit) const {
    for (const Key *key : order)
      visit(entries.at(*key).value);
  }

  /// Takes out the values for which `wanted` holds.
  template <typename Predicate> std::vector<Value> takeIf(Predicate wanted) {
    std::vector<Value> taken;
    for (auto entry = entries.begin(); entry != entries.end();) {
      if (!wanted(entry->second.value)) {
        ++entry;
        continue;
      }
      taken.push_back(std::move(entry->second.value));
      totalWeight -= entry->second.weight;
      order.erase(entry->second.place);
      entry = entries.erase(entry);
    }
    return taken;
  }

  size_t size() const { return order.size(); }

private:
  struct Entry {
    Value value = Value();
    size_t weight = 0;
    typename std::list<const Key *>::iterator place = {};
  };

  Value takeOldest() {
    auto oldest = entries.find(*order.back());
    Value value = std::move(oldest->second.value);
    totalWeight -= oldest->second.weight;
    order.pop_back();
    entries.erase(oldest);
    return value;
  }

  size_t capacity, mostWeight, totalWeight = 0;
  std::unordered_map<Key, Entry, Hash> entries;
  /// The most recent first.
  std::list<const Key *> order;
};

} // namespace weft

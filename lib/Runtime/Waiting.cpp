#include "lib/Runtime/Waiting.h"

#include "lib/Runtime/CollectiveCall.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <functional>
#include <set>

namespace weft {

//===----------------------------------------------------------------------===//
// One wait
//===----------------------------------------------------------------------===//

std::string Wait::written() const {
  std::vector<int64_t> numbers = {process, beat, group, awaited};
  numbers.push_back(static_cast<int64_t>(members.size()));
  numbers.insert(numbers.end(), members.begin(), members.end());
  numbers.push_back(static_cast<int64_t>(moves.size()));
  for (auto [each, count] : moves) {
    numbers.push_back(each);
    numbers.push_back(count);
  }
  std::string result(reinterpret_cast<const char *>(numbers.data()),
                     numbers.size() * sizeof(int64_t));
  return result + words;
}

std::optional<Wait> Wait::read(std::string_view bytes) {
  bool isWhole = true;
  auto next = [&]() -> int64_t {
    int64_t number = 0;
    isWhole = isWhole && bytes.size() >= sizeof number;
    if (!isWhole)
      return 0;
    std::memcpy(&number, bytes.data(), sizeof number);
    bytes.remove_prefix(sizeof number);
    return number;
  };
  Wait wait;
  wait.process = next();
  wait.beat = next();
  wait.group = next();
  wait.awaited = next();
  for (int64_t left = next(); left > 0; --left)
    wait.members.push_back(next());
  for (int64_t left = next(); left > 0; --left) {
    int64_t group = next();
    wait.moves[group] = next();
  }
  wait.words = bytes;
  return isWhole ? std::optional(wait) : std::nullopt;
}

bool Wait::isFor(const Wait &other) const {
  if (other.process == process || (awaited >= 0 && awaited != other.process))
    return false;
  auto begun = other.moves.find(group);
  return (begun == other.moves.end() ? 0 : begun->second) < moves.at(group);
}

//===----------------------------------------------------------------------===//
// Those of all processes
//===----------------------------------------------------------------------===//

ProcessWaits &ProcessWaits::process() {
  static ProcessWaits &waits = *new ProcessWaits;
  return waits;
}

void ProcessWaits::addGroup(int64_t group, const std::vector<int64_t> &processes) {
  groups[group] = processes;
  own.moves[group] = 0;
}

void ProcessWaits::beginMove(const CollectiveCall &begun, const std::string &userLine,
                             int64_t awaited) {
  call = &begun;
  line = &userLine;
  own.group = begun.group;
  own.awaited = awaited;
  ++own.moves[begun.group];
}

Wait ProcessWaits::current() const {
  Wait wait = own;
  wait.members = groups.at(own.group);
  if (own.awaited >= 0)
    wait.awaited = wait.members.at(static_cast<size_t>(own.awaited));
  wait.words = call->text() + " of processes ";
  for (size_t i = 0; i < wait.members.size(); ++i)
    wait.words += (i ? ", " : "") + std::to_string(wait.members[i]);
  if (!line->empty())
    wait.words += ", at " + *line;
  return wait;
}

std::string ProcessWaits::tell() {
  ++own.beat;
  return current().written();
}

void ProcessWaits::hear(std::string_view told) {
  std::optional<Wait> wait = Wait::read(told);
  if (!wait)
    return;
  Known &place = known[wait->process];
  if (wait->beat > place.wait.beat)
    place = {std::move(*wait), Clock::now()};
}

namespace {

/// Looks for a circle in who waits for whom.
struct Search {
  const Wait &own;
  std::function<const Wait *(int64_t)> find;
  std::vector<const Wait *> path = {&own};
  std::set<int64_t> seen = {own.process};

  /// Goes on from the end of the path; true if it meets itself, and what is left is the circle.
  bool meets() {
    const Wait *last = path.back();
    for (int64_t process : last->members) {
      const Wait *next = process == own.process ? &own : find(process);
      if (!next || !last->isFor(*next))
        continue;
      auto before = std::ranges::find(path, process, &Wait::process);
      if (before != path.end()) {
        path.erase(path.begin(), before);
        return true;
      }
      if (!seen.insert(process).second)
        continue;
      path.push_back(next);
      if (meets())
        return true;
      path.pop_back();
    }
    return false;
  }
};

} // namespace

std::vector<Wait> ProcessWaits::circle() const {
  Wait wait = current();
  Search search{wait, [&](int64_t process) {
                  auto found = known.find(process);
                  return found == known.end() ? nullptr : &found->second.wait;
                }};
  std::vector<Wait> result;
  if (search.meets())
    for (const Wait *each : search.path)
      result.push_back(*each);
  std::ranges::sort(result, {}, &Wait::process);
  return result;
}

bool ProcessWaits::isEndless() { return !circle().empty(); }

std::string ProcessWaits::endless() {
  std::string lines;
  for (const Wait &each : circle())
    lines += "\n  process " + std::to_string(each.process) + " waits in " + each.words;
  return "these processes wait for each other, and none can go on:" + lines;
}

std::string ProcessWaits::late(double seconds) {
  Wait wait = current();
  std::array<char, 32> shown{};
  std::snprintf(shown.data(), shown.size(), "%g", seconds);
  return "another process has not come for " + std::string(shown.data()) +
         " seconds (the timeout of weft.distributed.init); it has ended, hangs, or runs another "
         "program\n  process " +
         std::to_string(wait.process) + " waits in " + wait.words + missing(wait);
}

std::string ProcessWaits::missing(const Wait &wait) const {
  // Who waits says so each second.
  constexpr auto recent = std::chrono::seconds(5);
  std::string lines;
  for (int64_t process : wait.members) {
    if (process == wait.process || (wait.awaited >= 0 && wait.awaited != process))
      continue;
    auto found = known.find(process);
    bool isThere = found != known.end();
    if (isThere && !wait.isFor(found->second.wait))
      continue; // It has taken part.
    bool waits = isThere && Clock::now() - found->second.heard < recent;
    lines += "\n  process " + std::to_string(process) +
             (waits ? " waits in " + found->second.wait.words
                    : " has not said that it waits: it computes, hangs, or has ended");
  }
  return lines;
}

} // namespace weft

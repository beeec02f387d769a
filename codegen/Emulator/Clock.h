// Vector clocks: what each thread of a block knows to have happened.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

namespace weft::emulator {

/// For each actor (thread, mbarrier, warp) the last of its times whose accesses are known to have
/// happened before. Copies share their times until one of them changes: after a barrier all
/// threads hold the same ones.
class Clock {
public:
  Clock() = default;
  explicit Clock(uint32_t actors) : times(std::make_shared<std::vector<uint32_t>>(actors, 0)) {}

  uint32_t at(uint32_t actor) const { return times ? (*times)[actor] : 0; }

  void raise(uint32_t actor, uint32_t time) {
    if (at(actor) >= time)
      return;
    own();
    (*times)[actor] = time;
  }

  void join(const Clock &other) {
    if (!other.times || other.times == times)
      return;
    if (!times) {
      times = other.times;
      return;
    }
    own();
    const std::vector<uint32_t> &theirs = *other.times;
    std::vector<uint32_t> &mine = *times;
    for (size_t actor = 0; actor < mine.size(); ++actor)
      mine[actor] = std::max(mine[actor], theirs[actor]);
  }

private:
  void own() {
    if (times.use_count() > 1)
      times = std::make_shared<std::vector<uint32_t>>(*times);
  }

  std::shared_ptr<std::vector<uint32_t>> times;
};

} // namespace weft::emulator

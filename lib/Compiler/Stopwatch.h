// Adds the seconds that a scope takes to a counter.
#pragma once

#include <chrono>

namespace weft {

class Stopwatch {
public:
  explicit Stopwatch(double &seconds) : seconds(seconds), start(std::chrono::steady_clock::now()) {}
  ~Stopwatch() {
    seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  Stopwatch(const Stopwatch &) = delete;
  Stopwatch &operator=(const Stopwatch &) = delete;

private:
  double &seconds;
  std::chrono::steady_clock::time_point start;
};

} // namespace weft

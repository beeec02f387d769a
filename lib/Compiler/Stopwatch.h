// Adds the seconds that a scope takes to a counter, and tells them who records.
#pragma once

#include "lib/Runtime/Recorder.h"

#include <chrono>

namespace weft {

class Stopwatch {
public:
  Stopwatch(double &seconds, const char *name)
      : span("compile", name), seconds(seconds), start(std::chrono::steady_clock::now()) {}
  ~Stopwatch() {
    seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  Stopwatch(const Stopwatch &) = delete;
  Stopwatch &operator=(const Stopwatch &) = delete;

private:
  RecordedSpan span;
  double &seconds;
  std::chrono::steady_clock::time_point start;
};

} // namespace weft

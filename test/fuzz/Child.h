// Runs something that may crash, hang or eat memory in a process of its own.
#pragma once

#include "llvm/ADT/STLFunctionalExtras.h"

#include <cstdint>
#include <string>

namespace weft::fuzz {

struct Limits {
  uint64_t bytes = uint64_t(2) << 30; ///< of memory, beyond what the process has
  unsigned seconds = 10;              ///< of processor time, and twice as many by the clock
};

struct Outcome {
  enum class Kind { Ended, Crashed, TimedOut } kind = Kind::Ended;
  int status = 0;       ///< the exit status, or the signal's number
  std::string messages; ///< the standard error stream, cut after 64 KiB
};

/// Calls `body` in a child process; what it returns is the exit status. Its standard output is
/// lost.
Outcome runInChild(llvm::function_ref<int()> body, const Limits &limits = {});

} // namespace weft::fuzz

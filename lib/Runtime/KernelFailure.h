// What goes wrong within a kernel, which returns nothing.
#pragma once

#include <exception>

namespace weft {

/// The first exception of the kernel that runs on this thread: functions that kernels call keep it,
/// and who runs the kernel throws it behind.
class KernelFailure {
public:
  static void keep(std::exception_ptr failure) noexcept;
  static bool isKept() { return kept; }
  static void throwIfKept() {
    if (kept) [[unlikely]]
      throwKept();
  }

private:
  [[noreturn]] static void throwKept();

  static constinit thread_local bool kept;
};

} // namespace weft

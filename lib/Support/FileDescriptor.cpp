// Writing through file descriptors.
#include "lib/Support/FileDescriptor.h"

#include <cerrno>
#include <csignal>
#include <ctime>

namespace weft {

HeldBackSizeSignal::HeldBackSizeSignal() {
  sigemptyset(&held);
  sigaddset(&held, SIGXFSZ);
  sigset_t pending;
  wasPending = sigpending(&pending) == 0 && sigismember(&pending, SIGXFSZ) == 1;
  pthread_sigmask(SIG_BLOCK, &held, &previous);
}

HeldBackSizeSignal::~HeldBackSizeSignal() {
  constexpr timespec atOnce = {};
  if (!wasPending)
    while (sigtimedwait(&held, nullptr, &atOnce) > 0) {
    }
  pthread_sigmask(SIG_SETMASK, &previous, nullptr);
}

int writeAll(int descriptor, const char *bytes, size_t count) {
  HeldBackSizeSignal heldBack;
  while (count > 0) {
    ssize_t written = ::write(descriptor, bytes, count);
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      return written < 0 ? errno : ENOSPC;
    bytes += written;
    count -= static_cast<size_t>(written);
  }
  return 0;
}

} // namespace weft

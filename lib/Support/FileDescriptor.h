// A file descriptor that is closed, and writing through one.
#pragma once

#include <csignal>
#include <cstddef>
#include <unistd.h>
#include <utility>

namespace weft {

/// Owns a descriptor, or none.
class FileDescriptor {
public:
  explicit FileDescriptor(int number = -1) : number(number) {}
  ~FileDescriptor() {
    if (number >= 0)
      ::close(number);
  }
  FileDescriptor(FileDescriptor &&other) noexcept : number(std::exchange(other.number, -1)) {}
  FileDescriptor &operator=(FileDescriptor &&other) noexcept {
    std::swap(number, other.number);
    return *this;
  }

  int get() const { return number; }
  explicit operator bool() const { return number >= 0; }

private:
  int number;
};

/// Keeps SIGXFSZ from this thread as long as it lives: a file that grows beyond its limit is then
/// an error of write(), and not the end of the process.
class HeldBackSizeSignal {
public:
  HeldBackSizeSignal();
  ~HeldBackSizeSignal();
  HeldBackSizeSignal(const HeldBackSizeSignal &) = delete;
  HeldBackSizeSignal &operator=(const HeldBackSizeSignal &) = delete;

private:
  sigset_t held, previous;
  bool wasPending;
};

/// Writes all bytes. Returns 0, or the error's number.
int writeAll(int descriptor, const char *bytes, size_t count);

} // namespace weft

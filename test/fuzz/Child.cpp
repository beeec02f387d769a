// Child processes with limits.
#include "test/fuzz/Child.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <poll.h>
#include <stdexcept>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace weft::fuzz {

static constexpr size_t longestMessage = size_t(64) << 10;

static uint64_t addressSpace() {
  unsigned long pages = 0;
  if (FILE *file = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(file, "%lu", &pages) != 1)
      pages = 0;
    std::fclose(file);
  }
  return pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

static void limit(decltype(RLIMIT_AS) resource, uint64_t most) {
  // One more before the end by force, so that the signal tells which limit it was.
  rlimit bounds{most, most + 1};
  setrlimit(resource, &bounds);
}

[[noreturn]] static void runAndExit(llvm::function_ref<int()> body, int messages,
                                    const Limits &limits) {
  for (int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE, SIGTRAP, SIGINT, SIGTERM})
    std::signal(signal, SIG_DFL);
  dup2(open("/dev/null", O_RDWR), STDOUT_FILENO);
  dup2(messages, STDERR_FILENO);
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_AS, addressSpace() + limits.bytes);
  limit(RLIMIT_CPU, limits.seconds);
  int status = body();
  std::fflush(stderr);
  _exit(status);
}

/// Reads until the other end is closed; false if that takes longer than allowed.
static bool readAll(int descriptor, std::string &text, unsigned seconds) {
  using Clock = std::chrono::steady_clock;
  auto deadline = Clock::now() + std::chrono::seconds(seconds);
  char buffer[4096];
  while (true) {
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
    pollfd source{descriptor, POLLIN, 0};
    if (left.count() <= 0 || poll(&source, 1, static_cast<int>(left.count())) == 0)
      return false;
    ssize_t count = read(descriptor, buffer, sizeof buffer);
    if (count <= 0)
      return true;
    size_t wanted = std::min<size_t>(count, longestMessage - text.size());
    text.append(buffer, wanted);
  }
}

Outcome runInChild(llvm::function_ref<int()> body, const Limits &limits) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0)
    throw std::runtime_error("can't make a pipe");
  pid_t child = fork();
  if (child < 0)
    throw std::runtime_error("can't start a process");
  if (child == 0)
    runAndExit(body, ends[1], limits);
  close(ends[1]);
  Outcome outcome;
  bool inTime = readAll(ends[0], outcome.messages, 2 * limits.seconds);
  close(ends[0]);
  if (!inTime)
    kill(child, SIGKILL);
  int status = 0;
  waitpid(child, &status, 0);
  outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
  if (!inTime || (WIFSIGNALED(status) && outcome.status == SIGXCPU))
    outcome.kind = Outcome::Kind::TimedOut;
  else if (WIFSIGNALED(status))
    outcome.kind = Outcome::Kind::Crashed;
  return outcome;
}

} // namespace weft::fuzz

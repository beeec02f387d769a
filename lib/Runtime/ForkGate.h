// Keeps fork() and the end of the process away from work that holds locks.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace weft {

/// The child of a fork has one thread, and finds locked what the others had locked. So threads that
/// take locks of other libraries (of LLVM and MLIR) go through this gate: fork() waits until none
/// is inside, and none enters meanwhile. Whoever is inside must not wait for what a forking thread
/// may hold: not for the interpreter's lock, and not for a thread that has yet to enter.
///
/// Nor may a thread be inside when static destructors run: they destroy what these libraries work
/// with. Who ends the process while other threads live closes the gate before.
class ForkGate {
public:
  /// Made by the first call, which has to be over before another thread forks: a fork amid it would
  /// leave the child one that is never done.
  static ForkGate &process();

  ForkGate(const ForkGate &) = delete;
  ForkGate &operator=(const ForkGate &) = delete;

  /// Returns when no other thread is inside, or after `patience`; from then on none enters: who
  /// tries to waits for the end of the process. This thread stays inside for good.
  void close(std::chrono::milliseconds patience);

  /// The thread is inside while it lives, unless there is an Outside.
  class Inside {
  public:
    Inside() { process().enter(); }
    ~Inside() { process().leave(); }
    Inside(const Inside &) = delete;
    Inside &operator=(const Inside &) = delete;
  };

  /// Lets a thread that is inside out for a while.
  class Outside {
  public:
    Outside();
    ~Outside();
    Outside(const Outside &) = delete;
    Outside &operator=(const Outside &) = delete;

  private:
    int depth;
  };

private:
  ForkGate();

  void enter();
  void leave();
  void beforeFork();
  void afterForkInParent();
  void afterForkInChild();

  /// How often this thread entered.
  static constinit thread_local int depth;

  std::mutex mutex;
  std::condition_variable changed;
  /// Threads, each counted once.
  int inside = 0;
  bool forking = false;
  bool closed = false;
};

} // namespace weft

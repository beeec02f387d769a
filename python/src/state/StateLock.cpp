// The lock of calls that change state.
#include "python/src/state/StateLock.h"

#include "lib/Support/Interpreter.h"

#include <pthread.h>

#include <mutex>
#include <new>

using namespace weft;

/// Never destroyed: threads may outlive static destructors.
static std::recursive_mutex &stateMutex() {
  static std::recursive_mutex &mutex = []() -> std::recursive_mutex & {
    // The thread that holds it may be missing in the child of a fork.
    pthread_atfork(nullptr, nullptr, [] { new (&stateMutex()) std::recursive_mutex(); });
    return *new std::recursive_mutex();
  }();
  return mutex;
}

/// How often this thread holds the lock.
static constinit thread_local int depth = 0;

bool weft::waitForStateChanges() {
  if (depth > 0)
    return false;
  InterpreterReleased released;
  std::lock_guard guard(stateMutex());
  return true;
}

StateLock::StateLock(bool needed) {
  if (!needed)
    return;
  held = stateMutex().try_lock();
  depth += held;
  if (held)
    return;
  hadToWait = true;
  waitForStateChanges();
}

StateLock::~StateLock() {
  if (!held)
    return;
  --depth;
  stateMutex().unlock();
}

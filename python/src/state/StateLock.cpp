// The lock of calls that change state.
#include "python/src/state/StateLock.h"

#include <Python.h>

#include <mutex>

using namespace weft;

/// Never destroyed: threads may outlive static destructors.
static std::recursive_mutex &stateMutex() {
  static std::recursive_mutex &mutex = *new std::recursive_mutex();
  return mutex;
}

void weft::waitForStateChanges() {
  PyThreadState *state = PyEval_SaveThread();
  stateMutex().lock();
  stateMutex().unlock();
  PyEval_RestoreThread(state);
}

StateLock::StateLock(bool needed) {
  if (!needed)
    return;
  held = stateMutex().try_lock();
  if (held)
    return;
  hadToWait = true;
  waitForStateChanges();
}

StateLock::~StateLock() {
  if (held)
    stateMutex().unlock();
}

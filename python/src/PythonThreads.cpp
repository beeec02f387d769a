// Python's threads: the lock of the interpreter, its signals and its end.
#include "python/src/PythonThreads.h"

#include "lib/Runtime/ForkGate.h"
#include "lib/Support/Interpreter.h"

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <unistd.h>

using namespace weft;

static bool isEnding() {
#if PY_VERSION_HEX >= 0x030D0000
  return !Py_IsInitialized() || Py_IsFinalizing();
#else
  return !Py_IsInitialized() || _Py_IsFinalizing();
#endif
}

static void *releaseLock() { return PyGILState_Check() ? PyEval_SaveThread() : nullptr; }

static void acquireLock(void *state) noexcept {
  try {
    PyEval_RestoreThread(static_cast<PyThreadState *>(state));
  } catch (...) {
    // The interpreter has ended and ends this thread by unwinding, which not all frames below
    // allow. It waits for the end of the process instead.
    for (;;)
      pause();
  }
}

/// Only the first thread of a process, in a child the one that forked, handles signals. With the
/// lock held it does so by itself soon; the work is short then.
static bool handlersInterrupt() {
  if (getpid() != gettid() || PyGILState_Check() || isEnding())
    return false;
  PyGILState_STATE state = PyGILState_Ensure();
  bool raised = PyErr_CheckSignals() < 0;
  PyGILState_Release(state);
  return raised;
}

void weft::registerThreads() {
  setInterpreter({releaseLock, acquireLock, handlersInterrupt});
  ForkGate::process();
}

void weft::withInterpreter(void (*body)(void *), void *argument) {
  if (isEnding() && !PyGILState_Check())
    return;
  PyGILState_STATE state = PyGILState_Ensure();
  body(argument);
  PyGILState_Release(state);
}

// Python's threads: the lock of the interpreter, its signals and its end.
#include "python/src/PythonThreads.h"

#include "lib/Runtime/ForkGate.h"
#include "lib/Support/Interpreter.h"

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <chrono>
#include <cstdlib>

#include <unistd.h>
#include <unwind.h>

using namespace weft;

static bool isEnding() {
#if PY_VERSION_HEX >= 0x030D0000
  return !Py_IsInitialized() || Py_IsFinalizing();
#else
  return !Py_IsInitialized() || _Py_IsFinalizing();
#endif
}

static void *releaseLock() { return PyGILState_Check() ? PyEval_SaveThread() : nullptr; }

static void acquireLock(void *state) { PyEval_RestoreThread(static_cast<PyThreadState *>(state)); }

/// What the linker's `--wrap` makes of the function that tells how frames of C++ unwind: the
/// original, and what this module's frames refer to instead.
_Unwind_Reason_Code originalPersonality(int, _Unwind_Action, _Unwind_Exception_Class,
                                        _Unwind_Exception *,
                                        _Unwind_Context *) asm("__real___gxx_personality_v0");
_Unwind_Reason_Code modulePersonality(int, _Unwind_Action, _Unwind_Exception_Class,
                                      _Unwind_Exception *,
                                      _Unwind_Context *) asm("__wrap___gxx_personality_v0");

/// No frame is left by force. Pythons before 3.14 end a thread that comes for the lock of an
/// interpreter that has ended by unwinding its stack, from wherever Python ran. Destructors would
/// drop references and change tables of the interpreter's without its lock; so the thread waits for
/// the end of the process instead, as under later Pythons.
_Unwind_Reason_Code modulePersonality(int version, _Unwind_Action actions,
                                      _Unwind_Exception_Class kind, _Unwind_Exception *exception,
                                      _Unwind_Context *context) {
  if (actions & _UA_FORCE_UNWIND)
    for (;;)
      pause();
  return originalPersonality(version, actions, kind, exception, context);
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

/// Daemon threads may compile on, without the interpreter's lock, while the process destroys what
/// LLVM works with. They stop at their next checkpoint; the work until then is short, and a process
/// that is to end does not wait long for work that is not.
static void closeGate() { ForkGate::process().close(std::chrono::seconds(10)); }

void weft::registerThreads() {
  setInterpreter({releaseLock, acquireLock, handlersInterrupt});
  ForkGate::process();
  if (Py_AtExit(closeGate) != 0)
    std::atexit(closeGate);
}

void weft::withInterpreter(void (*body)(void *), void *argument) {
  if (isEnding() && !PyGILState_Check())
    return;
  PyGILState_STATE state = PyGILState_Ensure();
  body(argument);
  PyGILState_Release(state);
}

// Seeing which functions a trace runs.
#pragma once

#include "python/src/state/Guards.h"

#include <unordered_set>

namespace weft {

/// While it lives, the Python functions that this thread enters are told to the guards, each before
/// its first instruction runs, and the functions in C that are called.
class ReadRecorder {
public:
  explicit ReadRecorder(GuardSet &guards);
  ~ReadRecorder();
  ReadRecorder(const ReadRecorder &) = delete;
  ReadRecorder &operator=(const ReadRecorder &) = delete;

private:
  static int event(PyObject *, PyFrameObject *frame, int what, PyObject *argument);
  bool startsImport(PyCodeObject *code) const;
  bool startsCollectorHook(PyCodeObject *code) const;
  void enter(PyFrameObject *frame);
  void call(PyFrameObject *frame, PyObject *function);

  GuardSet &guards;
  ReadRecorder *outer;
  /// The profiler that was there before, which goes on.
  Py_tracefunc formerFunction;
  PyRef formerArgument;
  /// The frame that loads a module, or watches the collector of garbage: what runs meanwhile is no
  /// part of the function.
  PyFrameObject *aside = nullptr;
  /// The list gc.callbacks.
  PyRef collectorHooks;
  /// Seen before. The code is kept alive.
  std::vector<PyRef> keptAlive;
  std::unordered_set<const void *> seen;
};

} // namespace weft

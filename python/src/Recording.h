// What the user's Python does, for the recorder.
#pragma once

#include "lib/Runtime/Recorder.h"

#include <Python.h>
#include <pybind11/pybind11.h>

namespace weft {

/// A call that the user made: an event with the user's frames, where somebody records. Constructed
/// with the interpreter's lock.
class RecordedCall {
public:
  /// `name` lives as long.
  RecordedCall(const char *kind, const char *name)
      : source(Recorder::isOn() ? sourceOf(name) : nullptr), span(kind, name, &source) {}
  /// The name is that of a function.
  RecordedCall(const char *kind, PyObject *function)
      : source(Recorder::isOn() ? sourceOf(function) : nullptr), span(kind, kind, &source) {}

private:
  static std::shared_ptr<const EventSource> sourceOf(std::string name);
  static std::shared_ptr<const EventSource> sourceOf(PyObject *function);

  std::shared_ptr<const EventSource> source;
  RecordedSpan span;
};

/// Adds start_recording, stop_recording and record.
void registerRecording(pybind11::module_ &module);

} // namespace weft

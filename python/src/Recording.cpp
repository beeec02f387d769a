#include "python/src/Recording.h"

#include "lib/Runtime/Allocator.h"
#include "python/src/PyRef.h"
#include "python/src/SourceLine.h"
#include "python/src/Translated.h"

#include <pybind11/stl.h>
#include <unordered_map>

namespace py = pybind11;
using namespace weft;

std::shared_ptr<const EventSource> RecordedCall::sourceOf(std::string name) {
  return std::make_shared<const EventSource>(
      EventSource{.name = std::move(name), .lines = userFrames()});
}

std::shared_ptr<const EventSource> RecordedCall::sourceOf(PyObject *function) {
  PyRef name = PyRef::steal(PyObject_GetAttrString(function, "__qualname__"));
  const char *text = name && PyUnicode_Check(name.get()) ? PyUnicode_AsUTF8(name.get()) : nullptr;
  // Who is called without a name has a type.
  std::string found = text ? text : Py_TYPE(function)->tp_name;
  PyErr_Clear();
  return sourceOf(std::move(found));
}

static py::object rowOf(const EventSource &source) {
  py::dict row;
  row["name"] = source.name;
  row["lines"] = source.lines;
  row["operators"] = source.operators;
  row["schedule"] = source.schedule;
  row["bytes"] = source.bytes;
  row["operations"] = source.operations;
  return row;
}

/// The events as tuples (kind, name, source or None, start, duration, bytes in use, bytes
/// allocated, thread), and the number of those that had no place.
static py::tuple stopRecording() {
  Recorder::Recording recording = Recorder::stop();
  std::unordered_map<const EventSource *, py::object> sources;
  py::list events;
  for (const RecordedEvent &event : recording.events()) {
    py::object source = py::none();
    if (event.source) {
      py::object &known = sources[event.source.get()];
      if (!known)
        known = rowOf(*event.source);
      source = known;
    }
    events.append(py::make_tuple(event.kind, event.source ? event.source->name : event.name, source,
                                 event.start, event.duration, event.bytesInUse,
                                 event.bytesAllocated, event.thread));
  }
  return py::make_tuple(events, recording.dropped);
}

void weft::registerRecording(py::module_ &module) {
  module.def("start_recording", [](size_t limit) {
    translated([&] {
      Recorder::start(limit);
      return 0;
    });
  });
  module.def("stop_recording", [] { return translated(stopRecording); });
  module.def("bytes_in_use", [] { return Allocator::process().bytesInUse(); });
}

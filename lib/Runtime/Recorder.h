// What the process does, recorded while somebody watches.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace weft {

/// What an event is about: a kernel, or a call that the user made.
struct EventSource {
  std::string name;
  /// Of a kernel, "file.py:12": the user's lines in it, in order, each once. Of a call, the user's
  /// frames, "function (file.py:12)", the innermost last.
  std::vector<std::string> lines = {};
  /// Of a kernel: the operations in it, in order.
  std::vector<std::string> operators = {};
  /// Of a kernel: the schedule as it stands in the IR.
  std::string schedule = {};
  /// Of a kernel: bytes of its inputs and outputs, and floating-point operations, a fused
  /// multiply-add counting as two.
  int64_t bytes = 0;
  int64_t operations = 0;
};

/// Something that took time on a thread.
struct RecordedEvent {
  /// "kernel", "call", ... and, without a source, the event's name: texts that live forever.
  const char *kind;
  const char *name;
  /// May be null.
  std::shared_ptr<const EventSource> source;
  /// Nanoseconds of the steady clock.
  int64_t start;
  int64_t duration;
  /// Of the host's memory, at the end of the event.
  uint64_t bytesInUse;
  /// What was allocated for it.
  uint64_t bytesAllocated;
  /// As the operating system numbers it.
  int32_t thread;
};

/// The one recorder of the process. Nothing here touches the interpreter, and recording takes no
/// lock: an event is written to a place of its own. The child of a fork goes on recording what it
/// does itself.
class Recorder {
public:
  /// The events, in the order in which they ended, and how many more there were than places.
  class Recording {
  public:
    explicit Recording(size_t limit);
    Recording(Recording &&) noexcept = default;
    ~Recording();

    std::span<const RecordedEvent> events() const { return {places.get(), count}; }
    uint64_t dropped = 0;

  private:
    friend class Recorder;
    struct Free {
      void operator()(RecordedEvent *memory) const { ::operator delete(memory); }
    };
    /// Memory that is touched only as far as it is used.
    std::unique_ptr<RecordedEvent, Free> places;
    size_t limit;
    size_t count = 0;
  };

  static bool isOn() { return on.load(std::memory_order_relaxed); }

  /// Begins a record of at most `limit` events; those that come later are counted alone. Throws
  /// weft::Error (Option) if there is one already, (Memory) if there is no room for it.
  static void start(size_t limit);

  /// Ends the record. Throws weft::Error (Option) if there is none.
  static Recording stop();

  /// Adds an event, unless nothing is recorded any more.
  static void add(RecordedEvent event);

  /// The steady clock, in nanoseconds.
  static int64_t now();

private:
  static constinit std::atomic<bool> on;
};

/// An event from its construction to its destruction: nothing but a look at a flag where nobody
/// records. What it is given has to live as long.
class RecordedSpan {
public:
  RecordedSpan(const char *kind, const char *name) : RecordedSpan(kind, name, nullptr) {}
  RecordedSpan(const char *kind, const std::shared_ptr<const EventSource> &source)
      : RecordedSpan(kind, kind, &source) {}
  /// `source` may be null.
  RecordedSpan(const char *kind, const char *name, const std::shared_ptr<const EventSource> *source)
      : kind(kind), name(name), source(source) {
    if (Recorder::isOn()) [[unlikely]]
      start = Recorder::now();
  }
  ~RecordedSpan() {
    if (isOn()) [[unlikely]]
      finish();
  }
  RecordedSpan(const RecordedSpan &) = delete;
  RecordedSpan &operator=(const RecordedSpan &) = delete;

  bool isOn() const { return start >= 0; }

  /// What was allocated for it.
  uint64_t bytesAllocated = 0;

private:
  void finish() noexcept;

  const char *kind;
  const char *name;
  const std::shared_ptr<const EventSource> *source;
  int64_t start = -1;
};

} // namespace weft

#include "lib/Runtime/Recorder.h"

#include "lib/Runtime/Allocator.h"
#include "lib/Support/Error.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <mutex>
#include <new>
#include <optional>
#include <thread>

namespace weft {

constinit std::atomic<bool> Recorder::on = false;

namespace {

/// Where events go. Places are taken by counting, so that a fork can never fall into a lock.
struct State {
  /// Guards starting and stopping.
  std::mutex mutex;
  std::optional<Recorder::Recording> recording;
  RecordedEvent *places = nullptr;
  uint64_t limit = 0;
  std::atomic<uint64_t> next = 0;
  /// Threads that may be writing to a place.
  std::atomic<int32_t> writers = 0;

  static State &process() {
    // Never destroyed: threads may be running while static destructors run.
    static State *const state = [] {
      auto *created = new State();
      // Those who were writing are not in the child.
      pthread_atfork(nullptr, nullptr, [] { process().writers.store(0); });
      return created;
    }();
    return *state;
  }
};

} // namespace

Recorder::Recording::Recording(size_t limit) : limit(limit) {
  size_t most = std::numeric_limits<ptrdiff_t>::max() / sizeof(RecordedEvent);
  if (limit <= most)
    places.reset(
        static_cast<RecordedEvent *>(::operator new(limit * sizeof(RecordedEvent), std::nothrow)));
  if (!places)
    throw Error(Error::Kind::Memory,
                "there is no memory for a record of " + std::to_string(limit) + " events");
}

Recorder::Recording::~Recording() {
  if (places)
    std::destroy_n(places.get(), count);
}

int64_t Recorder::now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void Recorder::start(size_t limit) {
  State &state = State::process();
  std::lock_guard lock(state.mutex);
  if (state.recording)
    throw Error(Error::Kind::Option, "the process is recorded already: one record at a time");
  state.recording.emplace(limit);
  state.places = state.recording->places.get();
  state.limit = limit;
  state.next.store(0);
  on.store(true);
}

Recorder::Recording Recorder::stop() {
  State &state = State::process();
  std::lock_guard lock(state.mutex);
  if (!state.recording)
    throw Error(Error::Kind::Option, "nothing is recorded");
  on.store(false);
  while (state.writers.load() != 0)
    std::this_thread::yield();
  Recording recording = std::move(*state.recording);
  state.recording.reset();
  uint64_t taken = state.next.load();
  recording.count = std::min<uint64_t>(taken, recording.limit);
  recording.dropped = taken - recording.count;
  return recording;
}

void Recorder::add(RecordedEvent event) {
  State &state = State::process();
  // Who stops the record looks at the two in the other order: one of both sees the other.
  state.writers.fetch_add(1);
  if (on.load()) {
    uint64_t place = state.next.fetch_add(1);
    if (place < state.limit)
      new (state.places + place) RecordedEvent(std::move(event));
  }
  state.writers.fetch_sub(1);
}

void RecordedSpan::finish() noexcept {
  Recorder::add({kind, name, source ? *source : nullptr, start, Recorder::now() - start,
                 Allocator::process().bytesInUse(), bytesAllocated,
                 static_cast<int32_t>(syscall(SYS_gettid))});
}

} // namespace weft

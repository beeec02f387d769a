// What is recorded, and that it has a bound.
#include "lib/Runtime/Recorder.h"

#include "lib/Runtime/ThreadPool.h"
#include "test/unit/runtime/ExpectError.h"
#include "test/unit/runtime/InChild.h"

#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>
#include <vector>

using namespace weft;
using weft::testing::expectError;

namespace {

std::shared_ptr<const EventSource> named(const char *name) {
  return std::make_shared<const EventSource>(EventSource{.name = name});
}

TEST(Recorder, RecordsWhatEndsWhileItIsOn) {
  auto source = named("one");
  {
    RecordedSpan before("kernel", source);
  }
  Recorder::start(10);
  {
    RecordedSpan outer("plan", "plan");
    outer.bytesAllocated = 64;
    RecordedSpan inner("kernel", source);
  }
  Recorder::Recording recording = Recorder::stop();
  {
    RecordedSpan after("kernel", source);
  }
  auto events = recording.events();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(recording.dropped, 0u);
  EXPECT_STREQ(events[0].kind, "kernel");
  EXPECT_EQ(events[0].source, source);
  EXPECT_STREQ(events[1].name, "plan");
  EXPECT_EQ(events[1].bytesAllocated, 64u);
  EXPECT_LE(events[1].start, events[0].start);
  EXPECT_GE(events[1].start + events[1].duration, events[0].start + events[0].duration);
}

TEST(Recorder, CountsWhatHasNoPlace) {
  Recorder::start(3);
  for (int event = 0; event < 10; ++event)
    RecordedSpan("step", "copy");
  Recorder::Recording recording = Recorder::stop();
  EXPECT_EQ(recording.events().size(), 3u);
  EXPECT_EQ(recording.dropped, 7u);
  Recorder::start(0);
  {
    RecordedSpan span("step", "copy");
  }
  EXPECT_EQ(Recorder::stop().dropped, 1u);
}

TEST(Recorder, OneRecordAtATime) {
  Recorder::start(1);
  expectError(Error::Kind::Option, "recorded already", [] { Recorder::start(1); });
  Recorder::stop();
  expectError(Error::Kind::Option, "nothing is recorded", [] { Recorder::stop(); });
  expectError(Error::Kind::Memory, "no memory for a record", [] { Recorder::start(SIZE_MAX); });
  Recorder::start(1);
  Recorder::stop();
}

TEST(Recorder, MayBeStoppedWhileThreadsRecord) {
  std::atomic<bool> goesOn = true;
  auto source = named("busy");
  std::vector<std::thread> threads;
  for (int number = 0; number < 4; ++number)
    threads.emplace_back([&] {
      while (goesOn.load())
        RecordedSpan("kernel", source);
    });
  for (int round = 0; round < 200; ++round) {
    Recorder::start(round % 2 == 0 ? 1000 : 3);
    std::this_thread::yield();
    for (const RecordedEvent &event : Recorder::stop().events())
      ASSERT_EQ(event.source, source);
  }
  goesOn = false;
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(source.use_count(), 1);
}

TEST(Recorder, WorkersTellWhatTheyDo) {
  ThreadPool &pool = ThreadPool::process();
  pool.setThreadCount(2);
  auto source = named("shared");
  Recorder::start(100);
  std::atomic<int> arrived = 0;
  pool.parallelFor(
      2, 2, 1,
      [&](int64_t, int64_t) {
        ++arrived;
        while (arrived.load() < 2)
          std::this_thread::yield();
      },
      &source);
  Recorder::Recording recording = Recorder::stop();
  ASSERT_EQ(recording.events().size(), 1u);
  EXPECT_STREQ(recording.events()[0].kind, "tasks");
  EXPECT_EQ(recording.events()[0].source, source);
}

TEST(Recorder, TheChildOfAForkGoesOn) {
  Recorder::start(5);
  {
    RecordedSpan span("step", "before");
  }
  EXPECT_TRUE(weft::testing::holdsInChild([] {
    {
      RecordedSpan span("step", "in the child");
    }
    return Recorder::stop().events().size() == 2;
  }));
  EXPECT_EQ(Recorder::stop().events().size(), 1u);
}

} // namespace

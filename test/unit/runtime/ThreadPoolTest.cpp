#include "lib/Runtime/ThreadPool.h"
#include "lib/Runtime/HostInfo.h"
#include "lib/Runtime/RuntimeOptions.h"
#include "test/unit/runtime/ExpectError.h"
#include "test/unit/runtime/InChild.h"

#include <chrono>
#include <mutex>
#include <numeric>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

using namespace weft;
using weft::testing::expectError;
using weft::testing::holdsInChild;

namespace {

/// Leaves the pool as it was.
class ThreadPoolTest : public ::testing::Test {
protected:
  void TearDown() override { pool.setThreadCount(count); }

  ThreadPool &pool = ThreadPool::process();
  int count = pool.threadCount();
};

/// The number of times that each task ran.
std::vector<int> visits(ThreadPool &pool, int64_t tasks, int maximumThreads) {
  std::vector<int> counts(tasks);
  pool.parallelFor(tasks, maximumThreads, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task)
      ++counts[task];
  });
  return counts;
}

bool eachOnce(const std::vector<int> &counts) {
  return std::all_of(counts.begin(), counts.end(), [](int count) { return count == 1; });
}

TEST_F(ThreadPoolTest, DefaultSizeFollowsTheHost) {
  EXPECT_EQ(count, RuntimeOptions::fromEnvironment().resolveThreadCount(hostInfo().cores));
}

TEST_F(ThreadPoolTest, EveryTaskRunsOnce) {
  for (int threads : {1, 2, 3, 4, 2, 1, 4}) {
    pool.setThreadCount(threads);
    EXPECT_EQ(pool.threadCount(), threads);
    for (int64_t tasks : {0, 1, 2, 3, 4, 5, 7, 64, 1001})
      for (int maximumThreads : {1, 2, 3, 4, 100})
        ASSERT_TRUE(eachOnce(visits(pool, tasks, maximumThreads)))
            << threads << " threads, " << tasks << " tasks, at most " << maximumThreads;
  }
}

TEST_F(ThreadPoolTest, RangesAreContiguousAndEven) {
  pool.setThreadCount(4);
  for (auto [tasks, maximumThreads, ranges] :
       {std::tuple{int64_t(10), 4, 4}, {int64_t(10), 3, 3}, {int64_t(2), 4, 2}}) {
    std::mutex mutex;
    std::set<std::pair<int64_t, int64_t>> seen, expected;
    pool.parallelFor(tasks, maximumThreads, [&](int64_t begin, int64_t end) {
      std::lock_guard lock(mutex);
      seen.emplace(begin, end);
    });
    for (int t = 0; t < ranges; ++t)
      expected.emplace(tasks * t / ranges, tasks * (t + 1) / ranges);
    EXPECT_EQ(seen, expected);
  }
}

TEST_F(ThreadPoolTest, ChunksCoverTheSharesAndNoMoreThreadsTakePartThanThereAreChunks) {
  for (int threads : {1, 2, 4}) {
    pool.setThreadCount(threads);
    for (int64_t tasks : {1, 7, 64, 1001})
      for (int64_t chunk : {1, 3, 64, 2000}) {
        std::vector<int> counts(tasks);
        std::atomic<int64_t> largest = 0, calls = 0;
        pool.parallelFor(tasks, 4, chunk, [&](int64_t begin, int64_t end) {
          ++calls;
          int64_t seen = largest;
          while (end - begin > seen && !largest.compare_exchange_weak(seen, end - begin)) {
          }
          for (int64_t task = begin; task < end; ++task)
            ++counts[task];
        });
        ASSERT_TRUE(eachOnce(counts)) << tasks << " tasks in chunks of " << chunk;
        if (threads == 1 || chunk >= tasks)
          EXPECT_EQ(calls, 1);
        else
          EXPECT_LE(largest, chunk);
      }
  }
}

TEST_F(ThreadPoolTest, WhoIsDoneTakesFromTheOthers) {
  pool.setThreadCount(2);
  std::atomic<bool> othersDone = false;
  std::atomic<int64_t> done = 0;
  // The first task takes as long as all others: those of its share too are left to the other
  // thread.
  pool.parallelFor(100, 2, 1, [&](int64_t begin, int64_t) {
    if (begin == 0)
      while (!othersDone)
        std::this_thread::yield();
    else if (++done == 99)
      othersDone = true;
  });
  EXPECT_EQ(done, 99);
}

TEST_F(ThreadPoolTest, HugeTaskCountsDoNotOverflow) {
  pool.setThreadCount(3);
  constexpr int64_t tasks = std::numeric_limits<int64_t>::max();
  std::atomic<int64_t> sum = 0;
  pool.parallelFor(tasks, 3, [&](int64_t begin, int64_t end) { sum += end - begin; });
  EXPECT_EQ(sum, tasks);
}

TEST_F(ThreadPoolTest, WorkersTakePart) {
  pool.setThreadCount(3);
  std::mutex mutex;
  std::set<std::thread::id> threads;
  std::atomic<int> arrived = 0;
  // Each range waits for the others, so that three threads are needed.
  pool.parallelFor(3, 3, [&](int64_t, int64_t) {
    ++arrived;
    while (arrived < 3)
      std::this_thread::yield();
    std::lock_guard lock(mutex);
    threads.insert(std::this_thread::get_id());
  });
  EXPECT_EQ(threads.size(), 3u);
  EXPECT_TRUE(threads.count(std::this_thread::get_id()));
}

TEST_F(ThreadPoolTest, ManyLaunchesWithAndWithoutSleepBetween) {
  for (int threads : {2, 4}) {
    pool.setThreadCount(threads);
    std::vector<int64_t> sums(threads * 8);
    for (int round = 0; round < 3000; ++round) {
      pool.parallelFor(threads, threads, [&](int64_t begin, int64_t end) {
        for (int64_t task = begin; task < end; ++task)
          sums[task * 8] += task + 1;
      });
      if (round % 100 == 0)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    for (int64_t task = 0; task < threads; ++task)
      EXPECT_EQ(sums[task * 8], 3000 * (task + 1));
  }
}

TEST_F(ThreadPoolTest, NestedLoopsRunOnTheirThread) {
  pool.setThreadCount(3);
  std::vector<int> counts(300);
  std::atomic<int> strays = 0;
  pool.parallelFor(3, 3, [&](int64_t begin, int64_t end) {
    for (int64_t outer = begin; outer < end; ++outer) {
      auto self = std::this_thread::get_id();
      pool.parallelFor(100, 3, [&](int64_t innerBegin, int64_t innerEnd) {
        strays += std::this_thread::get_id() != self;
        for (int64_t inner = innerBegin; inner < innerEnd; ++inner)
          ++counts[outer * 100 + inner];
      });
    }
  });
  EXPECT_EQ(strays, 0);
  EXPECT_TRUE(eachOnce(counts));
}

TEST_F(ThreadPoolTest, ConcurrentCallersAllFinish) {
  pool.setThreadCount(4);
  std::vector<std::thread> callers;
  std::atomic<int> wrong = 0;
  for (int caller = 0; caller < 4; ++caller)
    callers.emplace_back([&] {
      for (int round = 0; round < 300; ++round)
        wrong += !eachOnce(visits(pool, 97, 4));
    });
  for (std::thread &caller : callers)
    caller.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(ThreadPoolTest, TheSizeMayChangeWhileOthersCall) {
  std::atomic<int> wrong = 0;
  std::atomic<bool> stop = false;
  std::thread caller([&] {
    while (!stop)
      wrong += !eachOnce(visits(pool, 50, 4));
  });
  for (int round = 0; round < 100; ++round)
    pool.setThreadCount(round % 4 + 1);
  stop = true;
  caller.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(ThreadPoolTest, ExceptionsReachTheCallerAfterAllRanges) {
  pool.setThreadCount(4);
  for (int64_t thrower = 0; thrower < 4; ++thrower) {
    std::atomic<int> finished = 0;
    auto body = [&](int64_t begin, int64_t) {
      if (begin == thrower)
        throw std::runtime_error("range " + std::to_string(begin));
      ++finished;
    };
    EXPECT_THROW(pool.parallelFor(4, 4, body), std::runtime_error);
    EXPECT_EQ(finished, 3);
    EXPECT_TRUE(eachOnce(visits(pool, 100, 4)));
  }
}

/// Uses more stack than threads have by default; gives the number of pages touched.
[[gnu::noinline]] int64_t useBigStackFrame() {
  volatile char frame[12 << 20];
  int64_t pages = 0;
  for (size_t byte = 0; byte < sizeof frame; byte += 4096) {
    frame[byte] = 1;
    pages += frame[byte];
  }
  return pages;
}

TEST_F(ThreadPoolTest, WorkersHaveRoomForBigStackFrames) {
  pool.setThreadCount(2);
  std::atomic<int> arrived = 0;
  std::atomic<int64_t> pages = 0;
  pool.parallelFor(2, 2, [&](int64_t begin, int64_t) {
    ++arrived;
    while (arrived < 2)
      std::this_thread::yield();
    if (begin == 1)
      pages = useBigStackFrame();
  });
  EXPECT_EQ(pages, 3072);
}

TEST_F(ThreadPoolTest, BadSizesAreErrors) {
  for (int bad : {0, -1, 1025})
    expectError(Error::Kind::Option, "must be from 1 to 1024, not " + std::to_string(bad),
                [&] { pool.setThreadCount(bad); });
  EXPECT_EQ(pool.threadCount(), count);
  pool.setThreadCount(2);
  expectError(Error::Kind::Option, "from inside a parallel loop",
              [&] { pool.parallelFor(2, 2, [&](int64_t, int64_t) { pool.setThreadCount(3); }); });
}

TEST_F(ThreadPoolTest, AForkedChildStartsItsOwnWorkers) {
  pool.setThreadCount(3);
  visits(pool, 100, 3);
  for (int round = 0; round < 5; ++round)
    EXPECT_TRUE(holdsInChild([&] {
      std::atomic<int> arrived = 0;
      pool.parallelFor(3, 3, [&](int64_t, int64_t) {
        ++arrived;
        while (arrived < 3)
          std::this_thread::yield();
      });
      return arrived == 3 && pool.threadCount() == 3 && eachOnce(visits(pool, 100, 3));
    }));
  EXPECT_TRUE(eachOnce(visits(pool, 100, 3)));
}

TEST_F(ThreadPoolTest, AForkWhileAnotherThreadUsesThePool) {
  pool.setThreadCount(3);
  std::atomic<bool> stop = false;
  std::thread busy([&] {
    while (!stop)
      visits(pool, 100, 3);
  });
  for (int round = 0; round < 20; ++round)
    EXPECT_TRUE(holdsInChild([&] { return eachOnce(visits(pool, 100, 3)); }));
  stop = true;
  busy.join();
}

} // namespace

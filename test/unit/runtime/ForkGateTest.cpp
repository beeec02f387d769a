#include "lib/Runtime/ForkGate.h"

#include "lib/Runtime/Allocator.h"
#include "lib/Runtime/PreparedValues.h"

#include "test/unit/runtime/InChild.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace weft {
namespace {

using testing::holdsInChild;

class ForkGateTest : public ::testing::Test {
protected:
  static void SetUpTestSuite() { ForkGate::process(); }
};

bool enters() {
  ForkGate::Inside inside;
  return true;
}

TEST_F(ForkGateTest, ForkWaitsUntilNobodyIsInside) {
  std::atomic<bool> in = false, out = false;
  std::thread worker([&] {
    ForkGate::Inside inside;
    in = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    out = true;
  });
  while (!in)
    std::this_thread::yield();
  EXPECT_TRUE(holdsInChild([&] { return out && enters(); }));
  EXPECT_TRUE(out);
  worker.join();
}

TEST_F(ForkGateTest, WhoIsOutsideHoldsNothingUp) {
  std::atomic<bool> waits = false, end = false;
  std::thread worker([&] {
    ForkGate::Inside inside;
    ForkGate::Inside again;
    {
      ForkGate::Outside outside;
      waits = true;
      while (!end)
        std::this_thread::yield();
    }
    waits = false;
  });
  while (!waits)
    std::this_thread::yield();
  EXPECT_TRUE(holdsInChild(enters));
  end = true;
  worker.join();
  EXPECT_FALSE(waits);
}

TEST_F(ForkGateTest, WhoIsInsideMayFork) {
  ForkGate::Inside inside;
  EXPECT_TRUE(holdsInChild(enters));
}

/// Who is inside may need a lock that forks take too: they take it when nobody is inside any more.
TEST_F(ForkGateTest, WhoIsInsideGetsTheLocksThatForksTake) {
  std::atomic<bool> end = false;
  std::vector<std::thread> workers;
  for (int number = 0; number < 2; ++number)
    workers.emplace_back([&] {
      while (!end) {
        ForkGate::Inside inside;
        PreparedProgram::of(Plan());
        PreparedValues::process().statistics();
        Allocator::process().statistics();
      }
    });
  for (int fork = 0; fork < 100; ++fork)
    EXPECT_TRUE(holdsInChild([] { return PreparedProgram::of(Plan()) && enters(); }));
  end = true;
  for (std::thread &worker : workers)
    worker.join();
}

TEST_F(ForkGateTest, ManyForksAmidManyThreads) {
  std::atomic<bool> end = false;
  std::vector<std::thread> workers;
  for (int number = 0; number < 4; ++number)
    workers.emplace_back([&] {
      while (!end)
        enters();
    });
  for (int fork = 0; fork < 20; ++fork)
    EXPECT_TRUE(holdsInChild([] {
      std::thread other(enters);
      other.join();
      return enters();
    }));
  end = true;
  for (std::thread &worker : workers)
    worker.join();
}

TEST_F(ForkGateTest, ClosingWaitsForWhoIsInsideAndLetsNobodyElseIn) {
  EXPECT_TRUE(holdsInChild([] {
    static std::atomic<bool> in = false, out = false, late = false;
    std::thread([] {
      ForkGate::Inside inside;
      in = true;
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      out = true;
    }).detach();
    while (!in)
      std::this_thread::yield();
    ForkGate::process().close(std::chrono::seconds(8));
    std::thread([] { late = enters(); }).detach();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    return out && !late && enters() && holdsInChild(enters);
  }));
}

TEST_F(ForkGateTest, ClosingIsNotHeldUpByWhoStaysInside) {
  EXPECT_TRUE(holdsInChild([] {
    static std::atomic<bool> in = false;
    std::thread([] {
      ForkGate::Inside inside;
      in = true;
      std::this_thread::sleep_for(std::chrono::seconds(60));
    }).detach();
    while (!in)
      std::this_thread::yield();
    ForkGate::process().close(std::chrono::milliseconds(20));
    return true;
  }));
}

} // namespace
} // namespace weft

// A thread of its own for what waits for other processes.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>

namespace weft {

/// Runs jobs one after the other, in the order in which they came.
class SendingThread {
public:
  using Job = std::function<void()>;

  /// Hands a job over; the first one starts the thread. Jobs do not throw.
  void push(Job job);
  /// Returns once a condition holds, which is asked under the lock behind each job. Throws
  /// Interrupted; the caller does not hold the interpreter's lock.
  void wait(const std::function<bool()> &condition);
  /// Returns once all jobs have run.
  void waitUntilIdle();
  /// Guards what jobs share with those who wait.
  std::mutex &guard() { return lock; }

private:
  void run();

  std::mutex lock;
  std::condition_variable changed;
  std::deque<Job> jobs;
  bool isRunning = false, isBusy = false;
};

} // namespace weft

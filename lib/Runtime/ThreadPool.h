// The one pool of threads that runs kernels.
#pragma once

#include "lib/Runtime/Recorder.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

namespace weft {

/// The process's threads. The calling thread is one of them, so that a pool of size 1 has no
/// worker. Workers start when they are first needed; they wait for work by spinning for a short,
/// bounded time and then sleep. After fork() the child has no worker and starts its own; only a
/// parallelFor body must not fork.
class ThreadPool {
public:
  /// The process's pool, which lives forever: as many threads as usable cores, or WEFT_NUM_THREADS
  /// if fewer. The first call throws weft::Error when that variable is malformed.
  static ThreadPool &process();

  ThreadPool(const ThreadPool &) = delete;
  ThreadPool &operator=(const ThreadPool &) = delete;

  /// The threads of the pool, the caller included.
  int threadCount() const { return count.load(std::memory_order_relaxed); }

  /// Changes the size, to more than the cores if asked. Waits for running work. Throws weft::Error
  /// for a count outside [1, maximumThreadCount], or from inside a parallelFor body.
  void setThreadCount(int newCount);

  /// Starts the workers that a loop on at most `threads` threads would have, so that it can't fail
  /// for want of them. Throws weft::Error.
  void start(int threads);

  /// Calls `body(begin, end)` for contiguous ranges that cover [0, tasks), and returns when all are
  /// done. Each of n = min(ceil(tasks / chunk), maximumThreads, threadCount()) threads begins with
  /// a share of its own, [tasks*t/n, tasks*(t+1)/n), of which it takes `chunk` tasks at a time, so
  /// that loops one after the other find their data where they left it; who is done takes chunks of
  /// the others' shares. Without a chunk a share is taken as one.
  ///
  /// One range, [0, tasks), is run on the caller instead when there is one chunk, when the caller
  /// is itself inside a body, or when another thread is using the workers. If bodies throw, one of
  /// the exceptions is rethrown here after all ranges have ended. Throws weft::Error when a worker
  /// cannot be started.
  ///
  /// A record names what the threads do after `source`, if there is one.
  template <typename Body>
  void parallelFor(int64_t tasks, int maximumThreads, int64_t chunk, Body &&body,
                   const std::shared_ptr<const EventSource> *source = nullptr) {
    if (tasks <= 0)
      return;
    int64_t chunks = (tasks - 1) / std::max<int64_t>(chunk, 1) + 1;
    int64_t shares = std::min({chunks, int64_t(maximumThreads), int64_t(threadCount())});
    if (shares <= 1 || insideBody) {
      body(int64_t(0), tasks);
      return;
    }
    auto call = [](void *context, int64_t begin, int64_t end) {
      (*static_cast<std::remove_reference_t<Body> *>(context))(begin, end);
    };
    auto *context = const_cast<void *>(static_cast<const void *>(std::addressof(body)));
    run({call, context, tasks, chunk, static_cast<int>(shares), source});
  }
  template <typename Body> void parallelFor(int64_t tasks, int maximumThreads, Body &&body) {
    parallelFor(tasks, maximumThreads, 0, std::forward<Body>(body));
  }

private:
  struct Job {
    void (*call)(void *context, int64_t begin, int64_t end);
    void *context;
    int64_t tasks;
    /// 0: a share as one.
    int64_t chunk;
    int shares;
    const std::shared_ptr<const EventSource> *source;
  };
  class Team;

  explicit ThreadPool(int count);

  void run(const Job &job);

  /// True on workers, and on a caller while it takes part.
  static constinit thread_local bool insideBody;

  std::atomic<int> count;
  /// Replaced, not cleaned up, in the child of a fork: its threads and locks are not the child's.
  std::atomic<Team *> team;
};

} // namespace weft

#include "lib/Runtime/ThreadPool.h"

#include "lib/Runtime/Futex.h"
#include "lib/Runtime/HostInfo.h"
#include "lib/Runtime/RuntimeOptions.h"
#include "lib/Support/Error.h"

#include <pthread.h>
#include <signal.h>

#include <cstring>
#include <exception>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace weft {
namespace {

/// How long a waiting thread spins: long enough to span the gap between two launches of a plan.
constexpr int spinPauses = 4000;
/// Kernels keep packed tiles of up to 1 MiB on the stack, and compile jobs recurse deeply.
constexpr size_t workerStackBytes = size_t(16) << 20;

/// floor(tasks * t / n) without overflow.
int64_t shareBegin(int64_t tasks, int t, int n) { return tasks / n * t + tasks % n * t / n; }

/// With more threads than cores, a spinning thread would keep a working one from its core.
int spinsFor(int threads) { return threads <= hostInfo().cores ? spinPauses : 0; }

} // namespace

constinit thread_local bool ThreadPool::insideBody = false;

/// The workers, and the one job that they may have at a time.
///
/// Each worker has a word of its own. The caller writes the job and the shares, and opens the words
/// of those who take part; whoever closes a word again, the worker or the caller that finds no
/// chunk left, accounts for it. So a worker that wakes late finds its word closed and touches
/// nothing, and only who has closed a word reads the job and the shares.
class ThreadPool::Team {
public:
  explicit Team(int threads) : spins(spinsFor(threads)) {}

  /// Runs the job, or returns false when the workers are in use by another thread.
  bool tryRun(const Job &newJob);

  /// Makes sure that there are workers for loops on `threads` threads.
  void start(int threads);

  /// Adapts to a pool of `threads` threads; stops the workers that are too many.
  void resize(int threads);

private:
  enum State : uint32_t { Idle, Asleep, Open, Stop };

  /// Tasks of which nobody has taken [next, end) yet.
  struct alignas(64) Share {
    /// Unsigned: takers that come too late count beyond the end.
    std::atomic<uint64_t> next = 0;
    uint64_t end = 0;
  };

  struct alignas(64) Worker {
    std::atomic<uint32_t> state = Idle;
    Team *team = nullptr;
    /// The share that this worker begins with: from 1, as 0 is the caller's.
    int share = 0;
    pthread_t thread{};

    void loop();
    uint32_t awaitWork();
    void post(State newState);
    bool claim();
  };

  /// Set in `pending` while the caller sleeps.
  static constexpr uint32_t callerAsleep = uint32_t(1) << 31;

  void startWorkers(int needed);
  void divide();
  void runChunks(int first);
  void runShare(Share &share);
  void runChunk(int64_t begin, int64_t end) noexcept;
  void finish();
  void awaitWorkers();

  /// Pauses before a waiting thread sleeps.
  std::atomic<int> spins;
  std::mutex mutex;
  std::vector<std::unique_ptr<Worker>> workers;
  Job job{};
  std::unique_ptr<Share[]> shares;
  int shareCapacity = 0;
  std::atomic<bool> failed = false;
  std::exception_ptr failure;
  /// Workers whose words were opened and that are not accounted for.
  alignas(64) std::atomic<uint32_t> pending = 0;
};

void ThreadPool::Team::Worker::loop() {
  insideBody = true;
  while (awaitWork() != Stop) {
    if (!claim())
      continue;
    {
      RecordedSpan span("tasks", "tasks", team->job.source);
      team->runChunks(share);
    }
    team->finish();
  }
}

/// Gives Open or Stop once the word says so.
uint32_t ThreadPool::Team::Worker::awaitWork() {
  for (;;) {
    int spins = team->spins.load(std::memory_order_relaxed);
    for (int spin = 0; spin <= spins; ++spin) {
      uint32_t seen = state.load(std::memory_order_acquire);
      if (seen == Open || seen == Stop)
        return seen;
      pauseSpin();
    }
    uint32_t expected = Idle;
    if (state.compare_exchange_strong(expected, Asleep) || expected == Asleep)
      futexWait(state, Asleep);
  }
}

void ThreadPool::Team::Worker::post(State newState) {
  if (state.exchange(newState, std::memory_order_acq_rel) == Asleep)
    futexWakeOne(state);
}

bool ThreadPool::Team::Worker::claim() {
  uint32_t expected = Open;
  return state.compare_exchange_strong(expected, Idle, std::memory_order_acq_rel);
}

void ThreadPool::Team::startWorkers(int needed) {
  if (static_cast<int>(workers.size()) >= needed)
    return;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, workerStackBytes);
  // Signals belong to the application's threads, but for the faults of the worker itself.
  sigset_t blocked, previous;
  sigfillset(&blocked);
  for (int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT})
    sigdelset(&blocked, fault);
  pthread_sigmask(SIG_SETMASK, &blocked, &previous);
  int error = 0;
  while (error == 0 && static_cast<int>(workers.size()) < needed) {
    auto worker = std::make_unique<Worker>();
    worker->team = this;
    worker->share = static_cast<int>(workers.size()) + 1;
    auto entry = [](void *argument) -> void * {
      static_cast<Worker *>(argument)->loop();
      return nullptr;
    };
    error = pthread_create(&worker->thread, &attributes, entry, worker.get());
    if (error == 0) {
      pthread_setname_np(worker->thread, "weft-worker");
      workers.push_back(std::move(worker));
    }
  }
  pthread_sigmask(SIG_SETMASK, &previous, nullptr);
  pthread_attr_destroy(&attributes);
  if (error != 0)
    throw Error(Error::Kind::Memory, "cannot start worker thread " +
                                         std::to_string(workers.size() + 1) + " of " +
                                         std::to_string(needed) + ": " + std::strerror(error) +
                                         "; set WEFT_NUM_THREADS to a smaller number");
}

void ThreadPool::Team::start(int threads) {
  std::lock_guard lock(mutex);
  startWorkers(threads - 1);
}

void ThreadPool::Team::resize(int threads) {
  std::lock_guard lock(mutex);
  spins.store(spinsFor(threads), std::memory_order_relaxed);
  while (static_cast<int>(workers.size()) > threads - 1) {
    workers.back()->post(Stop);
    pthread_join(workers.back()->thread, nullptr);
    workers.pop_back();
  }
}

/// Writes the shares of the job.
void ThreadPool::Team::divide() {
  if (shareCapacity < job.shares) {
    shares.reset(new Share[job.shares]);
    shareCapacity = job.shares;
  }
  for (int index = 0; index < job.shares; ++index) {
    shares[index].next.store(shareBegin(job.tasks, index, job.shares), std::memory_order_relaxed);
    shares[index].end = shareBegin(job.tasks, index + 1, job.shares);
  }
}

void ThreadPool::Team::runShare(Share &share) {
  auto chunk = static_cast<uint64_t>(job.chunk);
  while (share.next.load(std::memory_order_relaxed) < share.end) {
    uint64_t begin = share.next.fetch_add(chunk, std::memory_order_relaxed);
    if (begin < share.end)
      runChunk(static_cast<int64_t>(begin),
               static_cast<int64_t>(std::min(begin + chunk, share.end)));
  }
}

void ThreadPool::Team::runChunk(int64_t begin, int64_t end) noexcept {
  try {
    job.call(job.context, begin, end);
  } catch (...) {
    if (!failed.exchange(true, std::memory_order_relaxed))
      failure = std::current_exception();
  }
}

/// Takes chunks of the share `first`, then of those that follow, until none is left.
void ThreadPool::Team::runChunks(int first) {
  for (int step = 0; step < job.shares; ++step)
    runShare(shares[(first + step) % job.shares]);
}

void ThreadPool::Team::finish() {
  if (pending.fetch_sub(1, std::memory_order_acq_rel) == (callerAsleep | 1))
    futexWakeOne(pending);
}

void ThreadPool::Team::awaitWorkers() {
  for (int spin = 0, last = spins.load(std::memory_order_relaxed); spin < last; ++spin) {
    if (pending.load(std::memory_order_acquire) == 0)
      return;
    pauseSpin();
  }
  uint32_t left = pending.load(std::memory_order_acquire);
  while ((left & ~callerAsleep) != 0) {
    if ((left & callerAsleep) || pending.compare_exchange_weak(left, left | callerAsleep))
      futexWait(pending, left | callerAsleep);
    left = pending.load(std::memory_order_acquire);
  }
}

bool ThreadPool::Team::tryRun(const Job &newJob) {
  std::unique_lock lock(mutex, std::try_to_lock);
  if (!lock.owns_lock())
    return false;
  int others = newJob.shares - 1;
  startWorkers(others);
  job = newJob;
  if (job.chunk <= 0)
    job.chunk = job.tasks / job.shares + 1;
  divide();
  pending.store(static_cast<uint32_t>(others), std::memory_order_relaxed);
  for (int index = 0; index < others; ++index)
    workers[index]->post(Open);

  insideBody = true;
  runChunks(0);
  // Those who have not begun find nothing left.
  for (int index = others - 1; index >= 0; --index)
    if (workers[index]->claim())
      finish();
  insideBody = false;
  awaitWorkers();

  if (failed.exchange(false, std::memory_order_relaxed)) {
    std::exception_ptr thrown = std::exchange(failure, nullptr);
    lock.unlock();
    std::rethrow_exception(thrown);
  }
  return true;
}

ThreadPool::ThreadPool(int count) : count(count), team(new Team(count)) {}

ThreadPool &ThreadPool::process() {
  // Never destroyed: workers may be running while static destructors run.
  static ThreadPool *const pool = [] {
    auto options = RuntimeOptions::fromEnvironment();
    auto *created = new ThreadPool(options.resolveThreadCount(hostInfo().cores));
    pthread_atfork(nullptr, nullptr, [] {
      ThreadPool &forked = process();
      forked.team.store(new Team(forked.threadCount()));
    });
    return created;
  }();
  return *pool;
}

void ThreadPool::run(const Job &job) {
  if (!team.load(std::memory_order_relaxed)->tryRun(job))
    job.call(job.context, 0, job.tasks);
}

void ThreadPool::start(int threads) {
  if (!insideBody)
    team.load(std::memory_order_relaxed)->start(std::min(threads, threadCount()));
}

void ThreadPool::setThreadCount(int newCount) {
  if (newCount < 1 || newCount > maximumThreadCount)
    throw Error(Error::Kind::Option, "the number of threads must be from 1 to " +
                                         std::to_string(maximumThreadCount) + ", not " +
                                         std::to_string(newCount));
  if (insideBody)
    throw Error(Error::Kind::Option,
                "the number of threads cannot be changed from inside a parallel loop");
  count.store(newCount, std::memory_order_relaxed);
  team.load(std::memory_order_relaxed)->resize(newCount);
}

} // namespace weft

// The pool of threads of objects with --threads=pool. The same idea as lib/Runtime/ThreadPool.cpp:
// each worker has a word of its own; the caller opens the words of the ranges, and whoever closes a
// word again, the worker or the caller that has finished its own range, has the range.
//
// Threads start when the first launch needs them, and sleep between calls. They are as many as the
// process may run on, or WEFT_NUM_THREADS if fewer. A call that comes while another thread is using
// the workers, or from inside of a range, runs on its caller alone. After fork() the child starts
// workers of its own.
#include "lib/Runtime/artifact/artifact.h"

// Of the C library. Its types are memory of at least their size here.
struct ThreadAttributes {
  uint64_t words[16];
};
struct SignalSet {
  uint64_t words[16];
};
int pthread_create(uint64_t *thread, const struct ThreadAttributes *attributes,
                   void *(*body)(void *), void *argument);
int pthread_attr_init(struct ThreadAttributes *attributes);
int pthread_attr_setstacksize(struct ThreadAttributes *attributes, size_t bytes);
int pthread_attr_setdetachstate(struct ThreadAttributes *attributes, int state);
int pthread_attr_destroy(struct ThreadAttributes *attributes);
int pthread_sigmask(int how, const struct SignalSet *set, struct SignalSet *previous);
int sched_getaffinity(int process, size_t bytes, void *mask);
int getpid(void);
char *getenv(const char *name);
long syscall(long number, ...);

enum {
  mostWorkers = 255,
  workerStackBytes = 16 << 20,
  spinPauses = 4000,
  detached = 1,
  replaceSignals = 2,
  futexWaitPrivate = 128,
  futexWakePrivate = 129,
#if defined(__x86_64__)
  futexNumber = 202
#elif defined(__aarch64__) || defined(__riscv)
  futexNumber = 98
#endif
};

enum { Idle, Asleep, Open };
static const uint32_t callerAsleep = (uint32_t)1 << 31;

struct Worker {
  _Alignas(64) _Atomic uint32_t state;
  int64_t range; // from 1: 0 is the caller's
};

// `holder` is the process whose thread is using the workers, or 0.
static _Atomic int32_t holder;
// The rest belongs to the holder.
static int32_t workersProcess;
static int64_t workerCount, processors;
static struct Worker workers[mostWorkers];
static struct {
  weft_range range;
  void *job;
  int64_t tasks, ranges;
} current;
// Ranges other than the caller's own that are not finished.
static _Alignas(64) _Atomic uint32_t pending;
static _Thread_local int insideRange;

static void pauseSpin(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__riscv)
  __builtin_riscv_pause();
#else
  __builtin_arm_yield();
#endif
}

static void sleepOn(_Atomic uint32_t *word, uint32_t expected) {
  syscall(futexNumber, word, futexWaitPrivate, expected, (void *)0, (void *)0, 0);
}

static void wakeOne(_Atomic uint32_t *word) {
  syscall(futexNumber, word, futexWakePrivate, 1, (void *)0, (void *)0, 0);
}

static int claim(struct Worker *worker) {
  uint32_t expected = Open;
  return __c11_atomic_compare_exchange_strong(&worker->state, &expected, Idle, __ATOMIC_ACQ_REL,
                                              __ATOMIC_RELAXED);
}

static int64_t rangeBegin(int64_t number) {
  int64_t tasks = current.tasks, ranges = current.ranges;
  return tasks / ranges * number + tasks % ranges * number / ranges;
}

static void runRange(int64_t number) {
  current.range(current.job, rangeBegin(number), rangeBegin(number + 1));
}

static void finishRange(void) {
  if (__c11_atomic_fetch_sub(&pending, 1, __ATOMIC_ACQ_REL) == (callerAsleep | 1))
    wakeOne(&pending);
}

static void awaitWork(struct Worker *worker) {
  for (;;) {
    for (int spin = 0; spin < spinPauses; ++spin) {
      if (__c11_atomic_load(&worker->state, __ATOMIC_ACQUIRE) == Open)
        return;
      pauseSpin();
    }
    uint32_t expected = Idle;
    if (__c11_atomic_compare_exchange_strong(&worker->state, &expected, Asleep, __ATOMIC_ACQ_REL,
                                             __ATOMIC_RELAXED) ||
        expected == Asleep)
      sleepOn(&worker->state, Asleep);
  }
}

static void *work(void *argument) {
  struct Worker *worker = argument;
  insideRange = 1;
  for (;;) {
    awaitWork(worker);
    if (claim(worker)) {
      runRange(worker->range);
      finishRange();
    }
  }
}

// A number from 1 to 256 that WEFT_NUM_THREADS holds; anything else is no bound.
static int64_t wantedThreads(void) {
  const char *text = getenv("WEFT_NUM_THREADS");
  int64_t number = 0;
  for (; text && *text >= '0' && *text <= '9' && number <= mostWorkers; ++text)
    number = number * 10 + (*text - '0');
  return text && *text == 0 && number >= 1 && number <= mostWorkers ? number : mostWorkers + 1;
}

static int64_t countProcessors(void) {
  uint64_t mask[128];
  for (int i = 0; i < 128; ++i)
    mask[i] = 0;
  if (sched_getaffinity(0, sizeof(mask), mask) < 0)
    return 1;
  int64_t count = 0;
  for (int i = 0; i < 128; ++i)
    count += __builtin_popcountll(mask[i]);
  int64_t wanted = wantedThreads();
  return count < 1 ? 1 : count < wanted ? count : wanted;
}

// Starts workers up to `needed`; as many as could be started is enough.
static void startWorkers(int64_t needed) {
  struct ThreadAttributes attributes;
  // Signals are for the application's threads.
  struct SignalSet all, previous;
  for (int i = 0; i < 16; ++i)
    all.words[i] = ~(uint64_t)0;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, workerStackBytes);
  pthread_attr_setdetachstate(&attributes, detached);
  pthread_sigmask(replaceSignals, &all, &previous);
  for (; workerCount < needed; ++workerCount) {
    struct Worker *worker = &workers[workerCount];
    __c11_atomic_store(&worker->state, Idle, __ATOMIC_RELAXED);
    worker->range = workerCount + 1;
    uint64_t thread;
    if (pthread_create(&thread, &attributes, work, worker) != 0)
      break;
  }
  pthread_sigmask(replaceSignals, &previous, (void *)0);
  pthread_attr_destroy(&attributes);
}

// Takes the workers, or gives false if a thread of this process has them. What another process
// left behind when it was forked is no lock.
static int take(int32_t process) {
  int32_t seen = __c11_atomic_load(&holder, __ATOMIC_RELAXED);
  if (seen == process || !__c11_atomic_compare_exchange_strong(&holder, &seen, process,
                                                               __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
    return 0;
  if (workersProcess != process) {
    workersProcess = process;
    workerCount = 0;
    processors = countProcessors();
  }
  return 1;
}

static void awaitWorkers(void) {
  for (int spin = 0; spin < spinPauses; ++spin) {
    if (__c11_atomic_load(&pending, __ATOMIC_ACQUIRE) == 0)
      return;
    pauseSpin();
  }
  uint32_t left = __c11_atomic_load(&pending, __ATOMIC_ACQUIRE);
  while ((left & ~callerAsleep) != 0) {
    if ((left & callerAsleep) ||
        __c11_atomic_compare_exchange_strong(&pending, &left, left | callerAsleep, __ATOMIC_ACQ_REL,
                                             __ATOMIC_ACQUIRE))
      sleepOn(&pending, left | callerAsleep);
    left = __c11_atomic_load(&pending, __ATOMIC_ACQUIRE);
  }
}

static void runOnAll(int64_t others) {
  __c11_atomic_store(&pending, (uint32_t)others, __ATOMIC_RELAXED);
  for (int64_t i = 0; i < others; ++i)
    if (__c11_atomic_exchange(&workers[i].state, Open, __ATOMIC_ACQ_REL) == Asleep)
      wakeOne(&workers[i].state);
  insideRange = 1;
  runRange(0);
  // Workers woken last are the likeliest not to have begun.
  for (int64_t i = others; i-- > 0;)
    if (claim(&workers[i])) {
      runRange(i + 1);
      finishRange();
    }
  insideRange = 0;
  awaitWorkers();
}

void weft_pool_parallel_for(void *context, int64_t tasks, int64_t threads, weft_range range,
                            void *job) {
  (void)context;
  int32_t process = getpid();
  if (insideRange || !take(process)) {
    range(job, 0, tasks);
    return;
  }
  if (threads > processors)
    threads = processors;
  if (workerCount < threads - 1)
    startWorkers(threads - 1);
  if (threads > workerCount + 1)
    threads = workerCount + 1;
  current.range = range;
  current.job = job;
  current.tasks = tasks;
  current.ranges = threads;
  if (threads > 1)
    runOnAll(threads - 1);
  else
    range(job, 0, tasks);
  __c11_atomic_store(&holder, 0, __ATOMIC_RELEASE);
}

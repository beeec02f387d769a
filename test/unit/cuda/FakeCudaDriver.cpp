// A driver library for machines without a device: host memory, and a few kernels written in C++.
//
// A stream is a thread that does what it was asked to, in order and some time later. What a real
// driver would punish (memory that is used after it was freed, a call without a context) is checked
// when it is asked for; memory is overwritten when it is freed. It counts what tests want to know.
#include "test/unit/cuda/FakeCudaDriver.h"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

// The names are the driver's.
// NOLINTBEGIN(readability-identifier-naming)
namespace {

constexpr int invalidValue = 1, outOfMemory = 2, invalidImage = 200, invalidContext = 201,
              notFound = 500, notReady = 600;

/// What the library keeps of a tensor map.
struct FakeTensorMap {
  void *address;
  uint64_t rows, columns, rowBytes;
};

struct Kernel {
  size_t pointers, sizes;
  void (*run)(void *const *pointers, const int64_t *sizes, int64_t task);
  /// Takes a tensor map, whose address it finds behind the pointers.
  bool hasMap = false;
};

const std::map<std::string, Kernel> &kernels() {
  static const std::map<std::string, Kernel> all = {
      {"add",
       {3, 1,
        [](void *const *p, const int64_t *sizes, int64_t task) {
          auto *a = static_cast<float *>(p[0]), *b = static_cast<float *>(p[1]),
               *out = static_cast<float *>(p[2]);
          for (int64_t i = task * 4; i < std::min(sizes[0], task * 4 + 4); ++i)
            out[i] = a[i] + b[i];
        }}},
      {"double",
       {2, 0,
        [](void *const *p, const int64_t *, int64_t task) {
          static_cast<float *>(p[1])[task] = 2 * static_cast<float *>(p[0])[task];
        }}},
      // What the map says, in place of what the copies would bring.
      {"describe",
       {2, 2,
        [](void *const *p, const int64_t *, int64_t) {
          auto *map = static_cast<FakeTensorMap *>(p[2]);
          auto *out = static_cast<float *>(p[1]);
          out[0] = map->address == p[0] ? 1 : 0;
          out[1] = static_cast<float>(map->rows);
          out[2] = static_cast<float>(map->columns);
          out[3] = static_cast<float>(map->rowBytes);
        },
        true}},
      {"plain",
       {2, 2,
        [](void *const *p, const int64_t *, int64_t) { static_cast<float *>(p[1])[0] = -1; }}},
  };
  return all;
}

struct FakeFunction {
  const Kernel *kernel;
  int sharedBytes = 0;
};

struct FakeModule {
  std::vector<std::unique_ptr<FakeFunction>> functions;
};

/// A launch with its arguments copied, as a graph keeps it.
struct FakeLaunch {
  FakeFunction *function;
  unsigned blocks, threads, sharedBytes;
  std::vector<void *> pointers;
  std::vector<int64_t> sizes;
  int64_t tasks;
  FakeTensorMap map = {};
};

struct FakeGraph {
  std::vector<std::unique_ptr<FakeLaunch>> nodes;
};

/// Lives as long as the process, like its thread.
class FakeStream {
public:
  FakeStream() {
    std::thread([this] { run(); }).detach();
  }

  void push(std::function<void()> job) {
    std::lock_guard held(lock);
    jobs.push_back(std::move(job));
    changed.notify_all();
  }

  void wait() {
    std::unique_lock held(lock);
    changed.wait(held, [this] { return jobs.empty(); });
  }

private:
  void run() {
    const char *delay = std::getenv("FAKE_CUDA_DELAY");
    std::chrono::microseconds pause(delay ? std::atoi(delay) : 0);
    std::unique_lock held(lock);
    for (;;) {
      changed.wait(held, [this] { return !jobs.empty(); });
      std::function<void()> &job = jobs.front();
      held.unlock();
      if (delay)
        std::this_thread::sleep_for(pause);
      job();
      held.lock();
      jobs.pop_front();
      changed.notify_all();
    }
  }

  std::mutex lock;
  std::condition_variable changed;
  std::deque<std::function<void()>> jobs;
};

/// What was recorded last; each record has a flag of its own.
struct FakeEvent {
  std::shared_ptr<std::atomic<bool>> isDone = std::make_shared<std::atomic<bool>>(true);
};

FakeCudaState state;
std::mutex allocationsLock;
std::map<uintptr_t, size_t> allocations;
std::mutex streamsLock;
std::vector<FakeStream *> streams;
thread_local bool hasContext = false;
int contextTag, poolTag;

FakeStream &streamOf(void *stream) { return *static_cast<FakeStream *>(stream); }

bool isAllocated(uintptr_t address) {
  std::lock_guard held(allocationsLock);
  auto after = allocations.upper_bound(address);
  if (after == allocations.begin())
    return false;
  auto [begin, bytes] = *std::prev(after);
  return address < begin + bytes;
}

int runLaunch(const FakeLaunch &launch, void *stream) {
  ++state.launches;
  if (launch.threads == 0 || launch.threads > 1024 || launch.blocks == 0 ||
      static_cast<int>(launch.sharedBytes) > launch.function->sharedBytes)
    return invalidValue;
  for (void *pointer : launch.pointers)
    if (!isAllocated(reinterpret_cast<uintptr_t>(pointer)))
      return invalidValue;
  state.mostBlocks = std::max<size_t>(state.mostBlocks, launch.blocks);
  streamOf(stream).push(
      [launch = FakeLaunch(launch), run = launch.function->kernel->run]() mutable {
        launch.pointers.push_back(&launch.map);
        for (int64_t block = 0; block < launch.blocks; ++block)
          for (int64_t task = block; task < launch.tasks; task += launch.blocks)
            run(launch.pointers.data(), launch.sizes.data(), task);
      });
  return 0;
}

FakeLaunch copyLaunch(FakeFunction *function, unsigned blocks, unsigned threads,
                      unsigned sharedBytes, void **arguments) {
  FakeLaunch launch{function, blocks, threads, sharedBytes, {}, {}, 0};
  for (size_t number = 0; number < function->kernel->pointers; ++number)
    launch.pointers.push_back(*static_cast<void **>(*arguments++));
  for (size_t number = 0; number < function->kernel->sizes; ++number)
    launch.sizes.push_back(*static_cast<int64_t *>(*arguments++));
  launch.tasks = *static_cast<int64_t *>(*arguments++);
  if (function->kernel->hasMap)
    std::memcpy(&launch.map, *arguments, sizeof(launch.map));
  return launch;
}

} // namespace

extern "C" {

FakeCudaState *fakeCudaState() { return &state; }
size_t fakeCudaAllocations() {
  std::lock_guard held(allocationsLock);
  return allocations.size();
}
void fakeCudaPush(void *stream, void (*job)(void *), void *data) {
  streamOf(stream).push([job, data] { job(data); });
}

int cuInit(unsigned) { return std::getenv("FAKE_CUDA_NO_DEVICE") ? 100 : 0; }

int cuGetErrorString(int error, const char **text) {
  *text = error == 100           ? "no CUDA-capable device is detected"
          : error == outOfMemory ? "out of memory"
                                 : "something failed";
  return 0;
}

int cuDeviceGetCount(int *count) {
  *count = 2;
  return 0;
}

int cuDeviceGet(int *device, int ordinal) {
  *device = ordinal;
  return 0;
}

int cuDeviceGetName(char *name, int length, int) {
  std::strncpy(name, "Fake", static_cast<size_t>(length));
  return 0;
}

int cuDeviceGetAttribute(int *value, int attribute, int device) {
  // Device 1 is older than what is supported.
  *value = attribute == 75   ? (device == 0 ? 9 : 7)
           : attribute == 97 ? 232448
           : attribute == 16 ? 3
                             : 0;
  return 0;
}

/// Each process has GPUs of its own, unless a test wants them to meet on one.
int cuDeviceGetUuid_v2(void *uuid, int device) {
  int identity[4] = {device, std::getenv("FAKE_CUDA_ONE_DEVICE") ? 0 : getpid(), 0, 0};
  std::memcpy(uuid, identity, sizeof identity);
  return 0;
}

int cuDevicePrimaryCtxRetain(void **context, int) {
  *context = &contextTag;
  return 0;
}

int cuCtxSetCurrent(void *context) {
  hasContext = context == &contextTag;
  return 0;
}

int cuCtxSynchronize(void) {
  std::lock_guard held(streamsLock);
  for (FakeStream *stream : streams)
    stream->wait();
  return hasContext ? 0 : invalidContext;
}

int cuDeviceGetDefaultMemPool(void **pool, int) {
  *pool = &poolTag;
  return 0;
}

int cuMemPoolSetAttribute(void *, int, void *) { return 0; }

int cuStreamCreate(void **stream, unsigned) {
  std::lock_guard held(streamsLock);
  streams.push_back(new FakeStream());
  *stream = streams.back();
  return hasContext ? 0 : invalidContext;
}

int cuStreamSynchronize(void *stream) {
  streamOf(stream).wait();
  return hasContext ? 0 : invalidContext;
}

int cuStreamWaitEvent(void *stream, void *event, unsigned) {
  streamOf(stream).push(
      [isDone = static_cast<FakeEvent *>(event)->isDone] { isDone->wait(false); });
  return hasContext ? 0 : invalidContext;
}

int cuEventCreate(void **event, unsigned) {
  *event = new FakeEvent();
  return hasContext ? 0 : invalidContext;
}

int cuEventRecord(void *event, void *stream) {
  auto isDone = std::make_shared<std::atomic<bool>>(false);
  static_cast<FakeEvent *>(event)->isDone = isDone;
  streamOf(stream).push([isDone] {
    *isDone = true;
    isDone->notify_all();
  });
  return hasContext ? 0 : invalidContext;
}

int cuEventQuery(void *event) {
  return static_cast<FakeEvent *>(event)->isDone->load() ? 0 : notReady;
}

int cuEventDestroy_v2(void *event) {
  delete static_cast<FakeEvent *>(event);
  return 0;
}

int cuMemAllocAsync(unsigned long long *pointer, size_t bytes, void *) {
  if (!hasContext)
    return invalidContext;
  if (bytes > state.memoryBytes)
    return outOfMemory;
  void *data = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  std::lock_guard held(allocationsLock);
  allocations[reinterpret_cast<uintptr_t>(data)] = bytes;
  *pointer = reinterpret_cast<uintptr_t>(data);
  return 0;
}

int cuMemFreeAsync(unsigned long long pointer, void *stream) {
  std::lock_guard held(allocationsLock);
  auto found = allocations.find(pointer);
  if (!hasContext || found == allocations.end())
    std::abort();
  streamOf(stream).push([pointer, bytes = found->second] {
    std::memset(reinterpret_cast<void *>(pointer), 0xdd, bytes);
    std::free(reinterpret_cast<void *>(pointer));
  });
  allocations.erase(found);
  return 0;
}

/// What is not pinned is copied before the call returns.
int cuMemcpyHtoDAsync_v2(unsigned long long to, const void *from, size_t bytes, void *stream) {
  if (!hasContext || !isAllocated(to))
    return invalidValue;
  const char *first = static_cast<const char *>(from);
  streamOf(stream).push([to, copy = std::vector<char>(first, first + bytes)] {
    std::memcpy(reinterpret_cast<void *>(to), copy.data(), copy.size());
  });
  return 0;
}

int cuMemcpyDtoHAsync_v2(void *to, unsigned long long from, size_t bytes, void *stream) {
  if (!hasContext || !isAllocated(from))
    return invalidValue;
  streamOf(stream).push([=] { std::memcpy(to, reinterpret_cast<void *>(from), bytes); });
  streamOf(stream).wait();
  return 0;
}

int cuMemcpyDtoDAsync_v2(unsigned long long to, unsigned long long from, size_t bytes,
                         void *stream) {
  if (!hasContext || !isAllocated(to) || !isAllocated(from))
    return invalidValue;
  streamOf(stream).push(
      [=] { std::memmove(reinterpret_cast<void *>(to), reinterpret_cast<void *>(from), bytes); });
  return 0;
}

int cuMemsetD8Async(unsigned long long to, unsigned char value, size_t bytes, void *stream) {
  if (!hasContext || !isAllocated(to))
    return invalidValue;
  streamOf(stream).push([=] { std::memset(reinterpret_cast<void *>(to), value, bytes); });
  return 0;
}

int cuModuleLoadData(void **module, const void *image) {
  if (std::strcmp(static_cast<const char *>(image), "kernels") != 0)
    return invalidImage;
  *module = new FakeModule();
  return hasContext ? 0 : invalidContext;
}

int cuModuleUnload(void *module) {
  delete static_cast<FakeModule *>(module);
  return 0;
}

int cuModuleGetFunction(void **function, void *module, const char *name) {
  auto found = kernels().find(name);
  if (found == kernels().end())
    return notFound;
  auto &functions = static_cast<FakeModule *>(module)->functions;
  functions.push_back(std::make_unique<FakeFunction>(FakeFunction{&found->second}));
  *function = functions.back().get();
  return 0;
}

int cuFuncSetAttribute(void *function, int attribute, int value) {
  if (attribute == 8)
    static_cast<FakeFunction *>(function)->sharedBytes = value;
  return 0;
}

int cuTensorMapEncodeTiled(void *map, int element, uint32_t rank, void *address,
                           const uint64_t *sizes, const uint64_t *strides, const uint32_t *box,
                           const uint32_t *steps, int interleave, int swizzle, int promotion,
                           int fill) {
  ++state.tensorMaps;
  const bool isKnown = element == 9 && rank == 2 && swizzle == 3 && interleave == 0 &&
                       promotion == 2 && fill == 0 && steps[0] == 1 && steps[1] == 1;
  if (!isKnown || reinterpret_cast<uintptr_t>(address) % 16 != 0 || strides[0] % 16 != 0 ||
      box[0] != 64 || box[1] != 128)
    return invalidValue;
  FakeTensorMap described = {address, sizes[1], sizes[0], strides[0]};
  std::memcpy(map, &described, sizeof(described));
  return 0;
}

int cuLaunchKernel(void *function, unsigned gridX, unsigned, unsigned, unsigned blockX, unsigned,
                   unsigned, unsigned sharedBytes, void *stream, void **arguments, void **) {
  if (!hasContext)
    return invalidContext;
  return runLaunch(
      copyLaunch(static_cast<FakeFunction *>(function), gridX, blockX, sharedBytes, arguments),
      stream);
}

int cuGraphCreate(void **graph, unsigned) {
  *graph = new FakeGraph();
  return 0;
}

int cuGraphDestroy(void *graph) {
  delete static_cast<FakeGraph *>(graph);
  return 0;
}

static FakeLaunch launchOf(const FakeNodeParameters *p) {
  return copyLaunch(static_cast<FakeFunction *>(p->function), p->gridX, p->blockX, p->sharedBytes,
                    p->arguments);
}

int cuGraphAddKernelNode_v2(void **node, void *graph, void *const *dependencies, size_t count,
                            const FakeNodeParameters *parameters) {
  auto &nodes = static_cast<FakeGraph *>(graph)->nodes;
  // Each launch has to wait for the one before it.
  if (count != (nodes.empty() ? 0 : 1) || (count == 1 && dependencies[0] != nodes.back().get()))
    return invalidValue;
  nodes.push_back(std::make_unique<FakeLaunch>(launchOf(parameters)));
  *node = nodes.back().get();
  return 0;
}

int cuGraphInstantiateWithFlags(void **execution, void *graph, unsigned long long) {
  ++state.graphs;
  *execution = graph;
  return 0;
}

int cuGraphExecKernelNodeSetParams_v2(void *, void *node, const FakeNodeParameters *parameters) {
  ++state.updates;
  *static_cast<FakeLaunch *>(node) = launchOf(parameters);
  return 0;
}

int cuGraphLaunch(void *execution, void *stream) {
  for (const auto &node : static_cast<FakeGraph *>(execution)->nodes)
    if (int result = runLaunch(*node, stream))
      return result;
  return hasContext ? 0 : invalidContext;
}

int cuGraphExecDestroy(void *) { return 0; }

} // extern "C"
// NOLINTEND(readability-identifier-naming)

// A driver library for machines without a device: host memory, and a few kernels written in C++.
//
// It runs everything at once, checks what a real driver would punish (memory that is used after it
// was freed, a call without a context), and counts what tests want to know.
#include "test/unit/cuda/FakeCudaDriver.h"

#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

// The names are the driver's.
// NOLINTBEGIN(readability-identifier-naming)
namespace {

constexpr int invalidValue = 1, outOfMemory = 2, invalidImage = 200, invalidContext = 201,
              notFound = 500;

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

FakeCudaState state;
std::map<uintptr_t, size_t> allocations;
thread_local bool hasContext = false;
int contextTag, streamTag, poolTag;

bool isAllocated(uintptr_t address) {
  auto after = allocations.upper_bound(address);
  if (after == allocations.begin())
    return false;
  auto [begin, bytes] = *std::prev(after);
  return address < begin + bytes;
}

int runLaunch(const FakeLaunch &launch) {
  ++state.launches;
  if (launch.threads == 0 || launch.threads > 1024 || launch.blocks == 0 ||
      static_cast<int>(launch.sharedBytes) > launch.function->sharedBytes)
    return invalidValue;
  for (void *pointer : launch.pointers)
    if (!isAllocated(reinterpret_cast<uintptr_t>(pointer)))
      return invalidValue;
  state.mostBlocks = std::max<size_t>(state.mostBlocks, launch.blocks);
  std::vector<void *> pointers = launch.pointers;
  pointers.push_back(const_cast<FakeTensorMap *>(&launch.map));
  for (int64_t block = 0; block < launch.blocks; ++block)
    for (int64_t task = block; task < launch.tasks; task += launch.blocks)
      launch.function->kernel->run(pointers.data(), launch.sizes.data(), task);
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
size_t fakeCudaAllocations() { return allocations.size(); }

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

int cuDevicePrimaryCtxRetain(void **context, int) {
  *context = &contextTag;
  return 0;
}

int cuCtxSetCurrent(void *context) {
  hasContext = context == &contextTag;
  return 0;
}

int cuCtxSynchronize(void) { return hasContext ? 0 : invalidContext; }

int cuDeviceGetDefaultMemPool(void **pool, int) {
  *pool = &poolTag;
  return 0;
}

int cuMemPoolSetAttribute(void *, int, void *) { return 0; }

int cuStreamCreate(void **stream, unsigned) {
  *stream = &streamTag;
  return hasContext ? 0 : invalidContext;
}

int cuStreamSynchronize(void *) { return hasContext ? 0 : invalidContext; }

int cuMemAllocAsync(unsigned long long *pointer, size_t bytes, void *) {
  if (!hasContext)
    return invalidContext;
  if (bytes > state.memoryBytes)
    return outOfMemory;
  void *data = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  allocations[reinterpret_cast<uintptr_t>(data)] = bytes;
  *pointer = reinterpret_cast<uintptr_t>(data);
  return 0;
}

int cuMemFreeAsync(unsigned long long pointer, void *) {
  if (!hasContext || allocations.erase(pointer) == 0)
    std::abort();
  std::free(reinterpret_cast<void *>(pointer));
  return 0;
}

int cuMemcpyHtoDAsync_v2(unsigned long long to, const void *from, size_t bytes, void *) {
  if (!hasContext || !isAllocated(to))
    return invalidValue;
  std::memcpy(reinterpret_cast<void *>(to), from, bytes);
  return 0;
}

int cuMemcpyDtoHAsync_v2(void *to, unsigned long long from, size_t bytes, void *) {
  if (!hasContext || !isAllocated(from))
    return invalidValue;
  std::memcpy(to, reinterpret_cast<void *>(from), bytes);
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
                   unsigned, unsigned sharedBytes, void *, void **arguments, void **) {
  if (!hasContext)
    return invalidContext;
  return runLaunch(
      copyLaunch(static_cast<FakeFunction *>(function), gridX, blockX, sharedBytes, arguments));
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

int cuGraphLaunch(void *execution, void *) {
  for (const auto &node : static_cast<FakeGraph *>(execution)->nodes)
    if (int result = runLaunch(*node))
      return result;
  return hasContext ? 0 : invalidContext;
}

int cuGraphExecDestroy(void *) { return 0; }

} // extern "C"
// NOLINTEND(readability-identifier-naming)

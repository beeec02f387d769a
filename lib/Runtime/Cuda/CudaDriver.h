// NVIDIA's driver library, opened when it is first asked for, so that nothing needs it to be there.
//
// The declarations are those of cuda.h for the functions that are used, so that building needs no
// toolkit either; a test compares them with that header where it is installed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace weft::cuda {

using Result = int;
inline constexpr Result success = 0, notReady = 600;

using DeviceNumber = int;
using DevicePointer = unsigned long long;
using Context = struct CUctx_st *;
using Module = struct CUmod_st *;
using Function = struct CUfunc_st *;
using Stream = struct CUstream_st *;
using Graph = struct CUgraph_st *;
using GraphNode = struct CUgraphNode_st *;
using GraphExecution = struct CUgraphExec_st *;
using MemoryPool = struct CUmemPoolHandle_st *;
using Event = struct CUevent_st *;

/// CUuuid.
struct DeviceUuid {
  unsigned char bytes[16];
};

/// CUDA_KERNEL_NODE_PARAMS of version 2.
struct KernelNodeParameters {
  Function function;
  unsigned gridX, gridY, gridZ;
  unsigned blockX, blockY, blockZ;
  unsigned sharedBytes;
  void **arguments;
  void **extra;
  void *kernel;
  Context context;
};

/// CUtensorMap: opaque, and aligned as a kernel's parameter.
struct alignas(64) TensorMap {
  uint64_t words[16];
};

/// Values of the driver's enumerations.
inline constexpr int computeCapabilityMajor = 75, computeCapabilityMinor = 76;
inline constexpr int largestSharedMemory = 97, multiprocessorCount = 16;
inline constexpr int maximumDynamicSharedBytes = 8;
inline constexpr int poolReleaseThreshold = 4;
inline constexpr unsigned eventWithoutTime = 2;
inline constexpr int tensorMapFloat16 = 6, tensorMapBFloat16 = 9;
inline constexpr int tensorMapNoInterleave = 0, tensorMapPromoteTo128Bytes = 2,
                     tensorMapFillWithZeros = 0;

// Name in the driver's library, type of its result and parameters. The suffix is part of the name:
// it fixes the version of the function, whatever the version of the library.
#define WEFT_CUDA_FUNCTIONS(X)                                                                     \
  X(cuInit, (unsigned flags))                                                                      \
  X(cuGetErrorString, (Result error, const char **text))                                           \
  X(cuDeviceGetCount, (int *count))                                                                \
  X(cuDeviceGet, (DeviceNumber * device, int ordinal))                                             \
  X(cuDeviceGetName, (char *name, int length, DeviceNumber device))                                \
  X(cuDeviceGetAttribute, (int *value, int attribute, DeviceNumber device))                        \
  X(cuDeviceGetUuid_v2, (DeviceUuid * uuid, DeviceNumber device))                                  \
  X(cuDevicePrimaryCtxRetain, (Context * context, DeviceNumber device))                            \
  X(cuCtxSetCurrent, (Context context))                                                            \
  X(cuCtxSynchronize, (void))                                                                      \
  X(cuDeviceGetDefaultMemPool, (MemoryPool * pool, DeviceNumber device))                           \
  X(cuMemPoolSetAttribute, (MemoryPool pool, int attribute, void *value))                          \
  X(cuStreamCreate, (Stream * stream, unsigned flags))                                             \
  X(cuStreamSynchronize, (Stream stream))                                                          \
  X(cuStreamWaitEvent, (Stream stream, Event event, unsigned flags))                               \
  X(cuEventCreate, (Event * event, unsigned flags))                                                \
  X(cuEventRecord, (Event event, Stream stream))                                                   \
  X(cuEventQuery, (Event event))                                                                   \
  X(cuEventDestroy_v2, (Event event))                                                              \
  X(cuMemAllocAsync, (DevicePointer * pointer, size_t bytes, Stream stream))                       \
  X(cuMemFreeAsync, (DevicePointer pointer, Stream stream))                                        \
  X(cuMemcpyHtoDAsync_v2, (DevicePointer to, const void *from, size_t bytes, Stream stream))       \
  X(cuMemcpyDtoHAsync_v2, (void *to, DevicePointer from, size_t bytes, Stream stream))             \
  X(cuMemcpyDtoDAsync_v2, (DevicePointer to, DevicePointer from, size_t bytes, Stream stream))     \
  X(cuMemsetD8Async, (DevicePointer to, unsigned char value, size_t bytes, Stream stream))         \
  X(cuModuleLoadData, (Module * module, const void *image))                                        \
  X(cuModuleUnload, (Module module))                                                               \
  X(cuModuleGetFunction, (Function * function, Module module, const char *name))                   \
  X(cuFuncSetAttribute, (Function function, int attribute, int value))                             \
  X(cuTensorMapEncodeTiled,                                                                        \
    (TensorMap * map, int element, uint32_t rank, void *address, const uint64_t *sizes,            \
     const uint64_t *strides, const uint32_t *box, const uint32_t *steps, int interleave,          \
     int swizzle, int promotion, int fill))                                                        \
  X(cuLaunchKernel, (Function function, unsigned gridX, unsigned gridY, unsigned gridZ,            \
                     unsigned blockX, unsigned blockY, unsigned blockZ, unsigned sharedBytes,      \
                     Stream stream, void **arguments, void **extra))                               \
  X(cuGraphCreate, (Graph * graph, unsigned flags))                                                \
  X(cuGraphDestroy, (Graph graph))                                                                 \
  X(cuGraphAddKernelNode_v2, (GraphNode * node, Graph graph, const GraphNode *dependencies,        \
                              size_t dependencyCount, const KernelNodeParameters *parameters))     \
  X(cuGraphInstantiateWithFlags,                                                                   \
    (GraphExecution * execution, Graph graph, unsigned long long flags))                           \
  X(cuGraphExecKernelNodeSetParams_v2,                                                             \
    (GraphExecution execution, GraphNode node, const KernelNodeParameters *parameters))            \
  X(cuGraphLaunch, (GraphExecution execution, Stream stream))                                      \
  X(cuGraphExecDestroy, (GraphExecution execution))

/// The functions of the library, each under its name.
struct Driver {
  // The names are the driver's, and a declaration takes no parentheses.
  // NOLINTBEGIN(bugprone-macro-parentheses,readability-identifier-naming)
#define WEFT_CUDA_MEMBER(name, parameters) Result(*name) parameters = nullptr;
  WEFT_CUDA_FUNCTIONS(WEFT_CUDA_MEMBER)
#undef WEFT_CUDA_MEMBER
  // NOLINTEND(bugprone-macro-parentheses,readability-identifier-naming)

  /// The driver of this process, initialised. Throws weft::Error (Unsupported) that says why there
  /// is none: the library is missing or too old, or refuses to start. WEFT_LIBCUDA names the
  /// library to open instead of libcuda.so.1.
  static const Driver &instance();

  /// Throws weft::Error with the driver's own text unless `result` is success; `what` says what
  /// was being done: "cuda:0: allocating 1024 bytes".
  void check(Result result, const std::string &what) const;
};

} // namespace weft::cuda

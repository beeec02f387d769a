// Compares what is declared of the driver with its own header. Compiling this file is the test.
#include "lib/Runtime/Cuda/CudaDriver.h"

#include <cuda.h>

#include <type_traits>

namespace weft::cuda {

/// True for types that are passed in the same way: pointers, or integers of one size.
template <typename Left, typename Right>
constexpr bool passAlike =
    sizeof(Left) == sizeof(Right) && std::is_pointer_v<Left> == std::is_pointer_v<Right>;

template <typename Left, typename Right> constexpr bool callAlike = false;
template <typename LeftResult, typename... Left, typename RightResult, typename... Right>
constexpr bool callAlike<LeftResult (*)(Left...), RightResult (*)(Right...)> = [] {
  if constexpr (sizeof...(Left) == sizeof...(Right))
    return passAlike<LeftResult, RightResult> && (passAlike<Left, Right> && ...);
  else
    return false;
}();

#define WEFT_CUDA_COMPARE(name, parameters)                                                        \
  static_assert(callAlike<decltype(&::name), decltype(Driver::name)>, #name);
WEFT_CUDA_FUNCTIONS(WEFT_CUDA_COMPARE)

static_assert(sizeof(KernelNodeParameters) == sizeof(CUDA_KERNEL_NODE_PARAMS));
static_assert(offsetof(KernelNodeParameters, arguments) ==
              offsetof(CUDA_KERNEL_NODE_PARAMS, kernelParams));
static_assert(offsetof(KernelNodeParameters, context) == offsetof(CUDA_KERNEL_NODE_PARAMS, ctx));
static_assert(computeCapabilityMajor == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
static_assert(computeCapabilityMinor == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
static_assert(largestSharedMemory == CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN);
static_assert(maximumDynamicSharedBytes == CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES);
static_assert(poolReleaseThreshold == CU_MEMPOOL_ATTR_RELEASE_THRESHOLD);
static_assert(success == CUDA_SUCCESS);

} // namespace weft::cuda

// Compares what is declared of the driver with its own header. Compiling this file is the test.
#include "lib/Runtime/Cuda/CudaDriver.h"
#include "test/unit/cuda/CallAlike.h"

#include <cuda.h>

namespace weft::cuda {

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
static_assert(multiprocessorCount == CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
static_assert(sizeof(TensorMap) == sizeof(CUtensorMap) && alignof(TensorMap) >= 64);
static_assert(tensorMapFloat16 == CU_TENSOR_MAP_DATA_TYPE_FLOAT16);
static_assert(tensorMapBFloat16 == CU_TENSOR_MAP_DATA_TYPE_BFLOAT16);
static_assert(tensorMapNoInterleave == CU_TENSOR_MAP_INTERLEAVE_NONE);
static_assert(CU_TENSOR_MAP_SWIZZLE_NONE == 0 && CU_TENSOR_MAP_SWIZZLE_32B == 1 &&
              CU_TENSOR_MAP_SWIZZLE_64B == 2 && CU_TENSOR_MAP_SWIZZLE_128B == 3);
static_assert(tensorMapPromoteTo128Bytes == CU_TENSOR_MAP_L2_PROMOTION_L2_128B);
static_assert(tensorMapFillWithZeros == CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
static_assert(maximumDynamicSharedBytes == CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES);
static_assert(poolReleaseThreshold == CU_MEMPOOL_ATTR_RELEASE_THRESHOLD);
static_assert(success == CUDA_SUCCESS && notReady == CUDA_ERROR_NOT_READY);
static_assert(eventWithoutTime == CU_EVENT_DISABLE_TIMING);
static_assert(sizeof(DeviceUuid) == sizeof(CUuuid));

} // namespace weft::cuda

// Compares what is declared of NCCL with its own header. Compiling this file is the test.
#include "lib/Runtime/Cuda/NcclLibrary.h"
#include "test/unit/cuda/CallAlike.h"

#include <nccl.h>

namespace weft::cuda {

#define WEFT_NCCL_COMPARE(name, parameters)                                                        \
  static_assert(callAlike<decltype(&::name), decltype(NcclLibrary::name)>, #name);
WEFT_NCCL_FUNCTIONS(WEFT_NCCL_COMPARE)
#undef WEFT_NCCL_COMPARE

static_assert(sizeof(NcclId) == sizeof(ncclUniqueId));
static_assert(offsetof(NcclConfiguration, magic) == offsetof(ncclConfig_t, magic) &&
              offsetof(NcclConfiguration, version) == offsetof(ncclConfig_t, version) &&
              offsetof(NcclConfiguration, blocking) == offsetof(ncclConfig_t, blocking));
static_assert(ncclDone == ncclSuccess && ncclGoesOn == ncclInProgress);
static_assert(cuda::ncclInt8 == ::ncclInt8 && ncclUInt8 == ncclUint8 &&
              cuda::ncclInt32 == ::ncclInt32 && ncclUInt32 == ncclUint32 &&
              cuda::ncclInt64 == ::ncclInt64 && ncclUInt64 == ncclUint64 &&
              cuda::ncclFloat32 == ::ncclFloat32 && cuda::ncclFloat64 == ::ncclFloat64);
static_assert(cuda::ncclSum == ::ncclSum && ncclLargest == ncclMax && ncclSmallest == ncclMin);

} // namespace weft::cuda

// NVIDIA's library that moves bytes between GPUs, opened when it is first asked for, so that
// nothing needs it to be there.
//
// The declarations are those of nccl.h for the functions that are used; a test compares them with
// that header where it is installed.
#pragma once

#include "lib/Runtime/Cuda/CudaDriver.h"

namespace weft::cuda {

using NcclResult = int;
inline constexpr NcclResult ncclDone = 0, ncclGoesOn = 7;

using Communicator = struct ncclComm *;

/// What member 0 makes for all members of a communicator.
struct NcclId {
  char bytes[128];
};

/// ncclConfig_t as of 2.14, which later versions take, too.
struct NcclConfiguration {
  size_t size;
  unsigned magic, version;
  int blocking;
};
inline constexpr unsigned ncclMagic = 0xcafebeef;
inline constexpr int leastNcclVersion = 21400;

/// Values of the library's enumerations.
inline constexpr int ncclInt8 = 0, ncclUInt8 = 1, ncclInt32 = 2, ncclUInt32 = 3, ncclInt64 = 4,
                     ncclUInt64 = 5, ncclFloat32 = 7, ncclFloat64 = 8;
inline constexpr int ncclSum = 0, ncclLargest = 2, ncclSmallest = 3;

// Name in the library and parameters; all give an NcclResult.
#define WEFT_NCCL_FUNCTIONS(X)                                                                     \
  X(ncclGetVersion, (int *version))                                                                \
  X(ncclGetUniqueId, (NcclId * id))                                                                \
  X(ncclCommInitRankConfig,                                                                        \
    (Communicator * made, int members, NcclId id, int member, NcclConfiguration *configuration))   \
  X(ncclCommGetAsyncError, (Communicator communicator, NcclResult * error))                        \
  X(ncclCommFinalize, (Communicator communicator))                                                 \
  X(ncclCommDestroy, (Communicator communicator))                                                  \
  X(ncclCommAbort, (Communicator communicator))                                                    \
  X(ncclAllReduce, (const void *from, void *to, size_t count, int type, int reduction,             \
                    Communicator communicator, Stream stream))                                     \
  X(ncclReduce, (const void *from, void *to, size_t count, int type, int reduction, int root,      \
                 Communicator communicator, Stream stream))                                        \
  X(ncclReduceScatter, (const void *from, void *to, size_t count, int type, int reduction,         \
                        Communicator communicator, Stream stream))                                 \
  X(ncclAllGather, (const void *from, void *to, size_t count, int type, Communicator communicator, \
                    Stream stream))                                                                \
  X(ncclBroadcast, (const void *from, void *to, size_t count, int type, int root,                  \
                    Communicator communicator, Stream stream))                                     \
  X(ncclSend,                                                                                      \
    (const void *from, size_t count, int type, int to, Communicator communicator, Stream stream))  \
  X(ncclRecv,                                                                                      \
    (void *to, size_t count, int type, int from, Communicator communicator, Stream stream))        \
  X(ncclGroupStart, (void))                                                                        \
  X(ncclGroupEnd, (void))

/// The functions of the library, each under its name.
struct NcclLibrary {
  // The names are the library's, and a declaration takes no parentheses.
  // NOLINTBEGIN(bugprone-macro-parentheses,readability-identifier-naming)
#define WEFT_NCCL_MEMBER(name, parameters) NcclResult(*name) parameters = nullptr;
  WEFT_NCCL_FUNCTIONS(WEFT_NCCL_MEMBER)
#undef WEFT_NCCL_MEMBER
  const char *(*ncclGetErrorString)(NcclResult result) = nullptr;
  const char *(*ncclGetLastError)(Communicator communicator) = nullptr;
  // NOLINTEND(bugprone-macro-parentheses,readability-identifier-naming)

  /// That of this process. Throws weft::Error (Unsupported) that says why there is none: it is
  /// missing or too old. WEFT_LIBNCCL names the library to open instead of libnccl.so.2.
  static const NcclLibrary &instance();
  /// Null if there is none.
  static const NcclLibrary *find();

  /// What the library says of an error.
  std::string textOf(NcclResult result) const;
};

} // namespace weft::cuda

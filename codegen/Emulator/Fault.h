// What the GPU emulator reports.
#pragma once

#include "lib/Support/Error.h"

#include <cstdint>
#include <optional>
#include <string>

namespace weft::emulator {

/// What a kernel has done that a GPU would not forgive, or would forgive only by chance.
enum class FaultKind : uint8_t {
  /// An address outside of every buffer, of the block's shared memory, or of a shared variable.
  OutOfBounds,
  /// An address that is not a multiple of what the instruction needs.
  Misaligned,
  /// Memory that nothing has written: shared memory, outputs, temporaries.
  UninitializedRead,
  /// A write to a buffer that the launch only reads.
  ReadOnlyWrite,
  /// Two accesses to shared memory that nothing orders, one of them a write.
  SharedRace,
  /// Two accesses to global memory that nothing orders, one of them a write.
  GlobalRace,
  /// A read of, or a write to, memory that an asynchronous copy is still writing.
  CopyInFlight,
  /// A write to memory that an asynchronous operation is still reading.
  SourceInUse,
  /// An asynchronous operation that nobody has waited for when the block ends.
  NeverWaited,
  /// Threads that disagree about a barrier's count, or that have exited before it.
  BarrierMismatch,
  /// A barrier that only some threads of a warp reach, or that they reach at different places.
  BarrierDivergence,
  /// A warp's operation that the threads of its mask do not reach together.
  WarpDivergence,
  /// A warpgroup's operations that its warps do not do in the same order.
  WarpgroupDivergence,
  /// A mask without the thread itself, or a lane read that is not in the mask.
  WarpMask,
  /// An mbarrier that is not initialised, or gets more arrivals than it counts.
  MbarrierMisuse,
  /// Bytes expected at an mbarrier and bytes copied differ.
  TransactionBytes,
  /// The asynchronous proxy reads what was written without a fence in between.
  MissingProxyFence,
  /// Registers of a wgmma read or written while it runs, or a missing wgmma.fence.
  AccumulatorHazard,
  /// A tensor map or matrix descriptor that the hardware would refuse.
  InvalidDescriptor,
  /// Every thread waits.
  Deadlock,
  /// Nothing came of a very large number of steps.
  Livelock,
  /// Something that the emulator does not model.
  Unsupported,
};

/// "shared-race", "out-of-bounds", ...
const char *name(FaultKind kind);

/// Where an instruction comes from.
struct Location {
  std::string file;
  /// 0 if the kernel has no debug locations.
  uint32_t line = 0;
  /// The function of the kernel's module.
  std::string function;
  /// Which of the function's instructions, counted from 0.
  uint32_t instruction = 0;

  /// "file:line" or "function, instruction 12".
  std::string text() const;
};

/// The first fault of a launch.
struct Fault {
  FaultKind kind = FaultKind::Unsupported;
  std::string message;
  std::string kernel;
  int64_t block = -1;
  int64_t thread = -1;
  Location location;
  /// The other access of a race, the copy that is in flight, ...
  std::optional<Location> other;

  /// All of it in one message.
  std::string text() const;
};

/// A fault as the exception that leaves the emulator.
class EmulationError : public Error {
public:
  explicit EmulationError(Fault fault)
      : Error(Error::Kind::Unsupported, fault.text()), report(std::move(fault)) {}

  const Fault &fault() const { return report; }

private:
  Fault report;
};

} // namespace weft::emulator

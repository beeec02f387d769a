// What the GPU emulator reports.
#include "codegen/Emulator/Fault.h"

namespace weft::emulator {

const char *name(FaultKind kind) {
  switch (kind) {
  case FaultKind::OutOfBounds:
    return "out-of-bounds";
  case FaultKind::Misaligned:
    return "misaligned";
  case FaultKind::UninitializedRead:
    return "uninitialized-read";
  case FaultKind::ReadOnlyWrite:
    return "read-only-write";
  case FaultKind::SharedRace:
    return "shared-race";
  case FaultKind::GlobalRace:
    return "global-race";
  case FaultKind::CopyInFlight:
    return "copy-in-flight";
  case FaultKind::SourceInUse:
    return "source-in-use";
  case FaultKind::NeverWaited:
    return "never-waited";
  case FaultKind::BarrierMismatch:
    return "barrier-mismatch";
  case FaultKind::BarrierDivergence:
    return "barrier-divergence";
  case FaultKind::WarpDivergence:
    return "warp-divergence";
  case FaultKind::WarpgroupDivergence:
    return "warpgroup-divergence";
  case FaultKind::WarpMask:
    return "warp-mask";
  case FaultKind::MbarrierMisuse:
    return "mbarrier-misuse";
  case FaultKind::TransactionBytes:
    return "transaction-bytes";
  case FaultKind::MissingProxyFence:
    return "missing-proxy-fence";
  case FaultKind::AccumulatorHazard:
    return "accumulator-hazard";
  case FaultKind::InvalidDescriptor:
    return "invalid-descriptor";
  case FaultKind::Deadlock:
    return "deadlock";
  case FaultKind::Livelock:
    return "livelock";
  case FaultKind::Unsupported:
    return "unsupported";
  }
  return "fault";
}

std::string Location::text() const {
  if (line != 0)
    return file + ":" + std::to_string(line);
  if (function.empty())
    return "an unknown place";
  return function + ", instruction " + std::to_string(instruction);
}

std::string Fault::text() const {
  std::string result = location.text() + ": " + name(kind) + ": " + message;
  if (other)
    result += " (the other: " + other->text() + ")";
  result += "; kernel " + kernel;
  if (block >= 0)
    result += ", block " + std::to_string(block);
  if (thread >= 0)
    result += ", thread " + std::to_string(thread);
  return result;
}

} // namespace weft::emulator

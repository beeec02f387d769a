// cp.async, bulk copies, tensor copies, and the waits for them.
#include "codegen/Emulator/Block.h"
#include "codegen/Emulator/Operations.h"
#include "codegen/Emulator/TensorMap.h"

#include <algorithm>
#include <bit>

namespace weft::emulator {

static char *pointer(uint64_t slot) { return std::bit_cast<char *>(slot); }

// cp.async.

void copyAsynchronously(Thread &thread, const Operation &operation, const uint64_t *arguments,
                        uint64_t *) {
  Block &block = thread.block;
  block.maybeYield(thread);
  const auto bytes = static_cast<uint32_t>(operation.parameters[0]);
  auto copied = bytes;
  if (operation.parameters[1] != 0)
    copied = std::min(bytes, static_cast<uint32_t>(arguments[2]));
  char *target = block.sharedAddress(arguments[0]);
  const char *source = pointer(arguments[1]);
  if ((target - block.shared.window) % bytes != 0 || arguments[1] % bytes != 0)
    block.fail(FaultKind::Misaligned, operation,
               "both addresses of a cp.async of " + std::to_string(bytes) +
                   " bytes must be multiples of that",
               &thread);
  std::vector<CopySegment> segments;
  if (copied > 0)
    segments.push_back({source, target, copied});
  if (copied < bytes)
    segments.push_back({nullptr, target + copied, bytes - copied});
  thread.copies.open.push_back(
      block.copies.begin(thread, operation, std::move(segments), false, false));
}

void commitCopies(Thread &thread, const Operation &, const uint64_t *, uint64_t *) {
  thread.copies.commit();
}

static uint64_t groupsLeft(const Operation &operation, const uint64_t *arguments) {
  return operation.parameters.empty() ? arguments[0]
                                      : static_cast<uint64_t>(operation.parameters[0]);
}

void waitForCopies(Thread &thread, const Operation &operation, const uint64_t *arguments,
                   uint64_t *) {
  // wait_all is a commit and a wait.
  if (!operation.parameters.empty())
    thread.copies.commit();
  thread.block.copies.waitForGroups(thread, thread.copies, groupsLeft(operation, arguments));
}

// Bulk copies.

/// The mbarrier of a load, which the asynchronous proxy must see initialised.
static Mbarrier &barrierOfLoad(Thread &thread, const Operation &operation, uint64_t slot) {
  Mbarrier &barrier =
      thread.block.mbarriers.find(thread, operation, thread.block.sharedAddress(slot));
  thread.block.requireProxyFence(thread, barrier.offset, 8, operation);
  return barrier;
}

/// `position`: of the argument that says that several blocks get the copy; negative if none does.
static void refuseMulticast(Thread &thread, const Operation &operation, const uint64_t *arguments,
                            int64_t position) {
  if (position >= 0 && (arguments[position] & 1) != 0)
    thread.block.fail(FaultKind::Unsupported, operation, "a copy to several blocks of a cluster",
                      &thread);
}

static void beginLoad(Thread &thread, const Operation &operation, std::vector<CopySegment> segments,
                      Mbarrier &barrier) {
  const uint32_t number =
      thread.block.copies.begin(thread, operation, std::move(segments), false, true, &barrier);
  barrier.copies.push_back(number);
}

static uint32_t bulkBytes(Thread &thread, const Operation &operation, const uint64_t *arguments,
                          size_t position) {
  const auto bytes = static_cast<uint32_t>(arguments[position]);
  if (bytes == 0 || bytes % 16 != 0 || arguments[0] % 16 != 0)
    thread.block.fail(FaultKind::Misaligned, operation,
                      "a bulk copy of " + std::to_string(bytes) +
                          " bytes: its addresses and its size must be multiples of 16",
                      &thread);
  return bytes;
}

void loadBulk(Thread &thread, const Operation &operation, const uint64_t *arguments, uint64_t *) {
  thread.block.maybeYield(thread);
  refuseMulticast(thread, operation, arguments, operation.parameters[0]);
  Mbarrier &barrier = barrierOfLoad(thread, operation, arguments[1]);
  const uint32_t bytes = bulkBytes(thread, operation, arguments, 3);
  beginLoad(thread, operation,
            {{pointer(arguments[2]), thread.block.sharedAddress(arguments[0]), bytes}}, barrier);
}

void storeBulk(Thread &thread, const Operation &operation, const uint64_t *arguments, uint64_t *) {
  thread.block.maybeYield(thread);
  const uint32_t bytes = bulkBytes(thread, operation, arguments, 2);
  thread.bulkCopies.open.push_back(thread.block.copies.begin(
      thread, operation, {{thread.block.sharedAddress(arguments[1]), pointer(arguments[0]), bytes}},
      true, true));
}

void commitBulkCopies(Thread &thread, const Operation &, const uint64_t *, uint64_t *) {
  thread.bulkCopies.commit();
}

void waitForBulkCopies(Thread &thread, const Operation &operation, const uint64_t *arguments,
                       uint64_t *) {
  thread.block.copies.waitForGroups(thread, thread.bulkCopies, groupsLeft(operation, arguments));
}

void fenceProxies(Thread &thread, const Operation &, const uint64_t *, uint64_t *) {
  thread.fenced = thread.release();
}

// Tensor copies.

static const TensorMap &tensorMapOf(Thread &thread, const Operation &operation, uint64_t slot) {
  const LaunchState &launch = thread.block.launch;
  for (size_t index = 0; index < launch.values.size(); ++index)
    if (launch.values[index] == pointer(slot) &&
        launch.entry.parameters[index].kind == KernelParameter::Kind::TensorMap)
      return *reinterpret_cast<const TensorMap *>(launch.values[index]);
  thread.block.fail(FaultKind::InvalidDescriptor, operation,
                    "the address of the tensor map is not that of a kernel parameter", &thread);
}

/// The rows of a tile: where each begins in the tensor and in shared memory.
class TileWalk {
public:
  TileWalk(const TensorMap &map, const uint64_t *coordinates) : map(map) {
    for (uint32_t dimension = 0; dimension < map.rank; ++dimension)
      first[dimension] = static_cast<int32_t>(coordinates[dimension]);
  }

  /// Calls `visit(global, offset, bytes)` for pieces of at most 16 bytes; `global` is null for
  /// those outside of the tensor, `offset` is in the tile before it is permuted.
  template <typename Function> void forEachPiece(Function visit) const {
    const uint64_t rowBytes = uint64_t{map.box[0]} * map.elementBytes;
    const uint64_t rows = map.boxBytes() / rowBytes;
    for (uint64_t row = 0; row < rows; ++row) {
      char *begin = rowAddress(row);
      for (uint64_t byte = 0; byte < rowBytes; byte += 16)
        splitPiece(begin, byte, row * rowBytes + byte, visit);
    }
  }

private:
  /// The address of coordinate 0 of a row; null if the row is outside.
  char *rowAddress(uint64_t row) const {
    char *address = static_cast<char *>(map.address);
    for (uint32_t dimension = 1; dimension < map.rank; ++dimension) {
      const int64_t coordinate = first[dimension] + static_cast<int64_t>(row % map.box[dimension]);
      row /= map.box[dimension];
      if (coordinate < 0 || coordinate >= static_cast<int64_t>(map.sizes[dimension]))
        return nullptr;
      address += coordinate * static_cast<int64_t>(map.strides[dimension]);
    }
    return address;
  }

  /// Cuts 16 bytes where the tensor begins or ends.
  template <typename Function>
  void splitPiece(char *row, uint64_t byte, uint64_t offset, Function visit) const {
    const int64_t begin = first[0] * int64_t{map.elementBytes} + static_cast<int64_t>(byte);
    const auto end = static_cast<int64_t>(map.sizes[0] * map.elementBytes);
    const int64_t inside = std::clamp<int64_t>(-begin, 0, 16);
    const int64_t outside = std::clamp<int64_t>(end - begin, inside, 16);
    auto piece = [&](int64_t from, int64_t to, bool isInside) {
      if (from < to)
        visit(isInside && row ? row + begin + from : nullptr, offset + from,
              static_cast<uint32_t>(to - from));
    };
    piece(0, inside, false);
    piece(inside, outside, true);
    piece(outside, 16, false);
  }

  const TensorMap &map;
  std::array<int64_t, TensorMap::maximumRank> first = {};
};

static void checkTensorCopy(Thread &thread, const Operation &operation, const TensorMap &map,
                            const char *shared) {
  const auto dimensions = static_cast<uint32_t>(operation.parameters[0]);
  if (map.rank != dimensions)
    thread.block.fail(FaultKind::InvalidDescriptor, operation,
                      "a copy of " + std::to_string(dimensions) +
                          " dimensions by a tensor map of " + std::to_string(map.rank),
                      &thread);
  if (reinterpret_cast<uintptr_t>(shared) % 128 != 0)
    thread.block.fail(FaultKind::Misaligned, operation,
                      "a tensor copy whose address in shared memory is not a multiple of 128",
                      &thread);
}

static char *permuted(char *base, uint64_t offset, const TensorMap &map) {
  return std::bit_cast<char *>(swizzled(std::bit_cast<uintptr_t>(base + offset), map.swizzle));
}

void loadTensor(Thread &thread, const Operation &operation, const uint64_t *arguments, uint64_t *) {
  Block &block = thread.block;
  block.maybeYield(thread);
  refuseMulticast(thread, operation, arguments, operation.parameters[1]);
  const TensorMap &map = tensorMapOf(thread, operation, arguments[2]);
  char *target = block.sharedAddress(arguments[0]);
  checkTensorCopy(thread, operation, map, target);
  Mbarrier &barrier = barrierOfLoad(thread, operation, arguments[1]);
  std::vector<CopySegment> segments;
  TileWalk(map, arguments + 3).forEachPiece([&](char *global, uint64_t offset, uint32_t bytes) {
    segments.push_back({global, permuted(target, offset, map), bytes});
  });
  beginLoad(thread, operation, std::move(segments), barrier);
}

void storeTensor(Thread &thread, const Operation &operation, const uint64_t *arguments,
                 uint64_t *) {
  Block &block = thread.block;
  block.maybeYield(thread);
  const TensorMap &map = tensorMapOf(thread, operation, arguments[1]);
  char *source = block.sharedAddress(arguments[0]);
  checkTensorCopy(thread, operation, map, source);
  std::vector<CopySegment> segments;
  TileWalk(map, arguments + 2).forEachPiece([&](char *global, uint64_t offset, uint32_t bytes) {
    if (global)
      segments.push_back({permuted(source, offset, map), global, bytes});
  });
  thread.bulkCopies.open.push_back(
      block.copies.begin(thread, operation, std::move(segments), true, true));
}

} // namespace weft::emulator

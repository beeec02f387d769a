// wgmma: matrix operations of a warpgroup, of which each warp does the 16 rows that it holds.
//
// The registers of a result are not there before the wait. So an operation gives its accumulators
// tokens, NaNs that carry a number; the next operation of the chain and the wait that the registers
// are threaded through know what they stand for.
#include "codegen/Emulator/Block.h"
#include "codegen/Emulator/Matrices.h"
#include "codegen/Emulator/TensorMap.h"

#include <cstring>

namespace weft::emulator {

static constexpr uint32_t tokenMark = 0x7FA00000, tokenMask = 0xFFF00000;

static uint32_t tokenOf(uint64_t slot) {
  const auto bits = static_cast<uint32_t>(slot);
  return (bits & tokenMask) == tokenMark ? bits & ~tokenMask : 0;
}

static PendingAccumulators *findPending(MatrixPipeline &pipeline, uint64_t slot) {
  const uint32_t number = tokenOf(slot);
  for (PendingAccumulators &pending : pipeline.accumulators)
    if (number != 0 && pending.number == number)
      return &pending;
  return nullptr;
}

/// What the text of a wgmma says: parameters of `multiplyWarpgroup`.
struct MultiplyForm {
  MatrixType type;
  uint32_t columns;
  bool registersOfA;
  /// Where in the arguments A and B are.
  size_t positionOfA, positionOfB;
  // Either from the text or from an argument.
  bool keepsD, negatesA, negatesB, transposesA, transposesB;
};

static MultiplyForm formOf(const Operation &operation, const uint64_t *arguments) {
  const std::vector<int64_t> &parameters = operation.parameters;
  auto option = [&](size_t number) {
    const int64_t value = parameters[6 + 2 * number];
    return parameters[5 + 2 * number] != 0 ? static_cast<int32_t>(arguments[value])
                                           : static_cast<int32_t>(value);
  };
  return {.type = static_cast<MatrixType>(parameters[0]),
          .columns = static_cast<uint32_t>(parameters[1]),
          .registersOfA = parameters[2] != 0,
          .positionOfA = static_cast<size_t>(parameters[3]),
          .positionOfB = static_cast<size_t>(parameters[4]),
          .keepsD = option(0) != 0,
          .negatesA = option(1) < 0,
          .negatesB = option(2) < 0,
          .transposesA = option(3) != 0,
          .transposesB = option(4) != 0};
}

// Operands in shared memory.

/// A matrix descriptor. `major` is the dimension of neighbouring elements, `minor` the other one.
struct MatrixDescriptor {
  explicit MatrixDescriptor(uint64_t bits)
      : start((bits & 0x3FFF) << 4),
        leading(((bits >> 16) & 0x3FFF) << 4),
        stride(((bits >> 32) & 0x3FFF) << 4),
        base((bits >> 49) & 7),
        mode(bits >> 62) {}

  Swizzle swizzle() const {
    constexpr std::array<Swizzle, 4> modes = {Swizzle::None, Swizzle::Bytes128, Swizzle::Bytes64,
                                              Swizzle::Bytes32};
    return modes[mode];
  }

  uint64_t start, leading, stride, base, mode;
};

/// Where the eight 16-bit elements lie of which the first is (outer, k), for operands whose
/// neighbours run along K; `outer` is the row of A or the column of B.
static uint64_t offsetAlongK(const MatrixDescriptor &matrix, uint64_t outer, uint64_t k) {
  constexpr std::array<uint64_t, 4> rowBytes = {16, 128, 64, 32};
  const uint64_t row = rowBytes[matrix.mode];
  uint64_t offset = outer / 8 * matrix.stride + outer % 8 * row;
  // Without swizzle, the 16-byte columns of a core matrix are `leading` apart.
  offset += matrix.mode == 0 ? k / 8 * matrix.leading : k * 2;
  return swizzled(matrix.start + offset, matrix.swizzle());
}

/// The same for operands whose neighbours run along the outer dimension.
static uint64_t offsetAlongOuter(const MatrixDescriptor &matrix, uint64_t outer, uint64_t k) {
  constexpr std::array<uint64_t, 4> rowElements = {8, 64, 32, 16};
  const uint64_t elements = rowElements[matrix.mode];
  const uint64_t across = matrix.mode == 0 ? matrix.stride : matrix.leading;
  const uint64_t down = matrix.mode == 0 ? matrix.leading : matrix.stride;
  const uint64_t offset =
      outer / elements * across + k / 8 * down + k % 8 * elements * 2 + outer % elements * 2;
  return swizzled(matrix.start + offset, matrix.swizzle());
}

/// Reads operands for one warp, and remembers what is being read.
class OperandReader {
public:
  OperandReader(Warp &warp, const Operation &operation, MatrixType type)
      : warp(warp), operation(operation), type(type), clock(warp.joinedClock()) {}

  /// Calls `set(outer, k, value)` for the outer indices [first, first + count) and 16 of K.
  template <typename Set>
  void read(uint64_t bits, bool alongOuter, uint32_t first, uint32_t count, Set set) {
    const MatrixDescriptor matrix(bits);
    if (matrix.base != 0)
      warp.block.fail(FaultKind::Unsupported, operation, "a matrix descriptor with a base offset",
                      &warp.lane(0));
    for (uint32_t chunk = 0; chunk < 2 * count; ++chunk) {
      // Eight neighbours at a time.
      const uint32_t outer = first + (alongOuter ? chunk % (count / 8) * 8 : chunk / 2);
      const uint32_t k = alongOuter ? chunk / (count / 8) : chunk % 2 * 8;
      const uint64_t offset =
          alongOuter ? offsetAlongOuter(matrix, outer, k) : offsetAlongK(matrix, outer, k);
      const std::array<uint16_t, 8> values = load(offset);
      for (uint32_t step = 0; step < 8; ++step)
        set(outer + (alongOuter ? step : 0), k + (alongOuter ? 0 : step),
            decodeHalf(values[step], type));
    }
  }

private:
  std::array<uint16_t, 8> load(uint64_t offset) {
    Block &block = warp.block;
    const char *address = block.sharedAddress(offset);
    block.access(warp.lane(0), address, 16,
                 {.operation = operation, .record = false, .asynchronous = true, .clock = &clock});
    const auto first = static_cast<uint32_t>((address - block.shared.window) / 4);
    for (uint32_t word = first; word < first + 4; ++word)
      ++block.shared.readers[word];
    warp.matrices.open.push_back(first);
    std::array<uint16_t, 8> values;
    memcpy(values.data(), address, 16);
    return values;
  }

  Warp &warp;
  const Operation &operation;
  MatrixType type;
  Clock clock;
};

// The operation.

struct Tiles {
  /// Of this warp's 16 rows.
  float a[16][16];
  float b[16][256];
};

static void readTiles(Tiles &tiles, Warp &warp, const Gathering &gathering,
                      const MultiplyForm &form) {
  OperandReader reader(warp, *gathering.operation, form.type);
  const uint64_t *arguments = gathering.arguments[0];
  if (form.registersOfA) {
    for (uint32_t lane = 0; lane < 32; ++lane)
      for (uint32_t number = 0; number < 4; ++number) {
        const uint64_t pair = gathering.arguments[lane][form.positionOfA + number];
        float *place = &tiles.a[lane / 4 + 8 * (number % 2)][2 * (lane % 4) + 8 * (number / 2)];
        place[0] = decodeHalf(static_cast<uint16_t>(pair), form.type);
        place[1] = decodeHalf(static_cast<uint16_t>(pair >> 16), form.type);
      }
  } else {
    const uint32_t first = warp.index % 4 * 16;
    reader.read(arguments[form.positionOfA], form.transposesA, first, 16,
                [&](uint32_t row, uint32_t k, float value) { tiles.a[row - first][k] = value; });
  }
  reader.read(arguments[form.positionOfB], form.transposesB, 0, form.columns,
              [&](uint32_t column, uint32_t k, float value) { tiles.b[k][column] = value; });
  if (form.negatesA != form.negatesB)
    for (auto &row : tiles.a)
      for (float &value : row)
        value = -value;
}

/// The accumulators that the operation continues, or new ones with the values it is given.
static PendingAccumulators &accumulatorsOf(Warp &warp, const Gathering &gathering,
                                           const MultiplyForm &form) {
  MatrixPipeline &pipeline = warp.matrices;
  const uint32_t count = form.columns / 2;
  if (PendingAccumulators *pending = findPending(pipeline, gathering.arguments[0][0]);
      pending && form.keepsD) {
    pending->committed = false;
    return *pending;
  }
  if (!pipeline.fenced)
    warp.block.fail(FaultKind::AccumulatorHazard, *gathering.operation,
                    "wgmma with new accumulators without wgmma.fence before it", &warp.lane(0));
  PendingAccumulators &pending = pipeline.accumulators.emplace_back();
  pending.number = pipeline.nextNumber++ & ~tokenMask;
  pending.registers.resize(count);
  for (uint32_t number = 0; number < count; ++number)
    for (uint32_t lane = 0; lane < 32; ++lane)
      pending.registers[number][lane] =
          form.keepsD
              ? std::bit_cast<float>(static_cast<uint32_t>(gathering.arguments[lane][number]))
              : 0.0f;
  return pending;
}

static void accumulate(PendingAccumulators &pending, const Tiles &tiles, uint32_t columns) {
  std::array<double, 256> sums;
  for (uint32_t row = 0; row < 16; ++row) {
    for (uint32_t column = 0; column < columns; ++column)
      sums[column] =
          pending
              .registers[column / 8 * 4 + row / 8 * 2 + column % 2][row % 8 * 4 + column % 8 / 2];
    for (uint32_t k = 0; k < 16; ++k) {
      const double a = tiles.a[row][k];
      for (uint32_t column = 0; column < columns; ++column)
        sums[column] += a * tiles.b[k][column];
    }
    for (uint32_t column = 0; column < columns; ++column)
      pending.registers[column / 8 * 4 + row / 8 * 2 + column % 2][row % 8 * 4 + column % 8 / 2] =
          static_cast<float>(sums[column]);
  }
}

/// All warps of a warpgroup must do the same operations.
static void checkWarpgroup(Warp &warp, const Operation &operation) {
  Block &block = warp.block;
  const uint32_t first = warp.index / 4 * 4;
  if (first + 4 > block.warps.size())
    block.fail(FaultKind::WarpgroupDivergence, operation, "wgmma in less than four warps",
               &warp.lane(0));
  auto &history = block.warpgroupHistories[first / 4];
  const size_t position = warp.matrices.done++;
  if (position == history.size())
    history.push_back(&operation);
  else if (history[position] != &operation)
    block.fail(FaultKind::WarpgroupDivergence, operation,
               "the warps of a warpgroup do different wgmma operations", &warp.lane(0),
               history[position]);
}

static void completeMultiply(Warp &warp, const Gathering &gathering) {
  checkWarpgroup(warp, *gathering.operation);
  const MultiplyForm form = formOf(*gathering.operation, gathering.arguments[0]);
  Tiles tiles;
  readTiles(tiles, warp, gathering, form);
  PendingAccumulators &pending = accumulatorsOf(warp, gathering, form);
  accumulate(pending, tiles, form.columns);
  for (uint32_t lane = 0; lane < 32; ++lane)
    for (uint32_t number = 0; number < form.columns / 2; ++number)
      gathering.results[lane][number] = tokenMark | pending.number;
}

static void gatherWarp(Thread &thread, const Operation &operation, const uint64_t *arguments,
                       uint64_t *results, WarpHandler handler) {
  thread.warp().gather(thread, operation, ~uint32_t{0}, arguments, results, handler);
}

void multiplyWarpgroup(Thread &thread, const Operation &operation, const uint64_t *arguments,
                       uint64_t *results) {
  thread.block.maybeYield(thread);
  gatherWarp(thread, operation, arguments, results, completeMultiply);
}

void fenceWarpgroup(Thread &thread, const Operation &operation, const uint64_t *arguments,
                    uint64_t *results) {
  gatherWarp(thread, operation, arguments, results,
             [](Warp &warp, const Gathering &) { warp.matrices.fenced = true; });
}

void commitWarpgroup(Thread &thread, const Operation &operation, const uint64_t *arguments,
                     uint64_t *results) {
  gatherWarp(thread, operation, arguments, results, [](Warp &warp, const Gathering &gathering) {
    MatrixPipeline &pipeline = warp.matrices;
    pipeline.groups.push_back({gathering.operation, std::move(pipeline.open)});
    pipeline.open.clear();
    for (PendingAccumulators &pending : pipeline.accumulators)
      if (!pending.committed) {
        pending.committed = true;
        pending.group = pipeline.committedGroups;
      }
    ++pipeline.committedGroups;
  });
}

/// The reads of a complete group happened before what any lane does from now on.
static void completeGroup(Warp &warp, const MatrixGroup &group) {
  Block &block = warp.block;
  const Access access = {.actor = block.warpActor(warp.index),
                         .time = warp.matrices.time,
                         .block = block.number,
                         .site = block.siteOf(*group.operation)};
  const Observer observer = {warp.lane(0).clock, access.actor, block.number};
  for (uint32_t first : group.reads) {
    for (uint32_t word = first; word < first + 4; ++word)
      --block.shared.readers[word];
    block.shared.shadow.recordRead(uint64_t{first} * 4, 16, access, observer);
  }
}

static void completeWait(Warp &warp, const Gathering &gathering) {
  MatrixPipeline &pipeline = warp.matrices;
  const auto most = static_cast<size_t>(gathering.operation->parameters[0]);
  ++pipeline.time;
  while (pipeline.groups.size() > most) {
    completeGroup(warp, pipeline.groups.front());
    pipeline.groups.pop_front();
  }
  for (uint32_t lane = 0; lane < 32; ++lane)
    warp.lane(lane).clock.raise(warp.block.warpActor(warp.index), pipeline.time);
  const size_t completeGroups = pipeline.committedGroups - pipeline.groups.size();
  auto isComplete = [&](const PendingAccumulators &pending) {
    return pending.committed && pending.group < completeGroups;
  };
  const auto registers = static_cast<uint32_t>(gathering.operation->parameters[1]);
  std::vector<uint32_t> handedBack;
  for (uint32_t number = 0, position = 0; number < registers; ++number) {
    const PendingAccumulators *pending = findPending(pipeline, gathering.arguments[0][number]);
    const bool complete = pending && isComplete(*pending);
    if (number > 0 &&
        tokenOf(gathering.arguments[0][number]) != tokenOf(gathering.arguments[0][number - 1]))
      position = 0;
    for (uint32_t lane = 0; lane < 32; ++lane)
      gathering.results[lane][number] =
          complete ? std::bit_cast<uint32_t>(pending->registers[position][lane])
                   : gathering.arguments[lane][number];
    if (complete && position == 0)
      handedBack.push_back(pending->number);
    ++position;
  }
  if (!handedBack.empty())
    pipeline.fenced = false;
  for (uint32_t number : handedBack)
    std::erase_if(pipeline.accumulators,
                  [&](const PendingAccumulators &pending) { return pending.number == number; });
}

void waitWarpgroup(Thread &thread, const Operation &operation, const uint64_t *arguments,
                   uint64_t *results) {
  gatherWarp(thread, operation, arguments, results, completeWait);
}

} // namespace weft::emulator

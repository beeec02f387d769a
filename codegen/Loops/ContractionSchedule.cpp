// How a contraction runs on a processor.
//
// A schedule holds no sizes but those that pay: the rows of a convolution's tile divide its width.
// Symbolic sizes count as large, and none becomes part of a schedule.
#include "codegen/Loops/ContractionSchedule.h"
#include "codegen/CPU/CpuTarget.h"
#include "codegen/Templates/SharedChoices.h"
#include "dialects/Weft/IR/ContractionLoops.h"
#include "llvm/ADT/bit.h"

using namespace mlir;

namespace weft {
namespace {

/// Elements in a vector.
constexpr int64_t lanes = 16;

/// How many steps of the depth loops a tile takes before the next tile: a block of the right
/// operand of so many steps stays in the second-level cache.
constexpr int64_t depthSteps = 1024;

/// Tiles are unrolled.
constexpr int64_t mostInTile = 64;

/// The size of a loop in a call of the kernel, if it is known.
std::optional<int64_t> sizeOf(const ContractionLoop &loop, LaunchOp launch) {
  return knownProduct(loop.symbols, launch);
}

/// A distance in memory in a call of the kernel, in elements; 0 if it is not known.
int64_t valueOf(const SymbolicStride &stride, LaunchOp launch) {
  std::optional<int64_t> run = knownProduct(stride.symbols, launch);
  return run ? stride.factor * *run : 0;
}

/// The tile height from `most` downwards that wastes least of `size` rows, when the last tile is
/// moved back to end with the rows.
int64_t bestRows(int64_t size, int64_t most) {
  if (size <= most)
    return std::max<int64_t>(size, 1);
  int64_t best = most, bestWork = std::numeric_limits<int64_t>::max();
  for (int64_t rows = most; rows >= (2 * most + 2) / 3; --rows) {
    // Each step of a tile also loads its columns, which costs about one row.
    int64_t work = (size + rows - 1) / rows * (rows + 1);
    if (work < bestWork)
      best = rows, bestWork = work;
  }
  return best;
}

/// True if the right operand of images can be read where it is: columns are neighbours, and are a
/// multiple of the tile's.
bool readsWholeColumns(ContractionOpInterface op, ArrayRef<ContractionLoop> loops, LaunchOp launch,
                       int64_t vectors) {
  auto columns = loopsOfKind(loops, Contraction::Column);
  return launch && loopsOfKind(loops, Contraction::Depth).size() > 1 &&
         isa<BlockArgument>(op->getOperand(1)) && columns.size() == 1 &&
         columns[0].strides[Contraction::Rhs].isOne() &&
         sizeOf(columns[0], launch).value_or(1) % (vectors * lanes) == 0;
}

} // namespace

/// The register tile leaves room for one row of the right operand and a broadcast.
ScheduleAttrInterface chooseContraction(KernelOp kernel, LaunchOp launch, const CpuTarget &target) {
  auto op = *kernel.getBody().front().getOps<ContractionOpInterface>().begin();
  int64_t elementBytes =
      std::max(4u, getElementTypeOrSelf(op->getResult(0)).getIntOrFloatBitWidth() / 8);
  int64_t perVector = std::max<int64_t>(1, lanes * elementBytes / target.registerBytes);
  int64_t columns = perVector == 1 ? 2 : 1;
  int64_t most =
      (target.vectorRegisters - columns * perVector - (target.vectorRegisters > 16 ? 2 : 1)) /
      (columns * perVector);
  most = std::clamp<int64_t>(most, 1, 14);
  std::vector<ContractionLoop> loops = contractionLoops(op);
  auto rowLoops = loopsOfKind(loops, Contraction::Row);
  auto depthLoops = loopsOfKind(loops, Contraction::Depth);
  // One loop of rows and one of depth: a matrix product, whose tile suits any size. Otherwise the
  // operands are images, whose width and window are worth a kernel of their own.
  bool isMatrix = rowLoops.size() == 1 && depthLoops.size() == 1;
  int64_t rows = most, depth = depthSteps * 4 / elementBytes, rowStride = 0;
  if (!isMatrix && launch) {
    // With the distance of rows known their addresses need no registers.
    rowStride = valueOf(rowLoops.back().strides[Contraction::Lhs], launch);
    std::optional<int64_t> width = sizeOf(rowLoops.back(), launch);
    if (rowLoops.size() > 1 && width)
      rows = bestRows(*width, most);
    // A loop of unknown size counts as long: the outermost one goes step by step.
    int64_t inner = 1;
    for (const ContractionLoop &loop : llvm::drop_begin(depthLoops))
      inner = std::min(depth, inner * std::min(depth, sizeOf(loop, launch).value_or(depth)));
    depth = llvm::bit_floor<uint64_t>(std::max<int64_t>(1, depth / std::max<int64_t>(1, inner)));
  }
  return ContractionScheduleAttr::get(kernel.getContext(), lanes, rows, columns, depth,
                                      /*pack_lhs=*/isMatrix,
                                      !readsWholeColumns(op, loops, launch, columns), rowStride);
}

LogicalResult verifyContraction(KernelOp kernel, ContractionScheduleAttr schedule) {
  if (schedule.getRows() < 1 || schedule.getColumns() < 1 || schedule.getDepth() < 0)
    return kernel.emitOpError() << "has a schedule with a tile of " << schedule.getRows()
                                << " rows, " << schedule.getColumns() << " columns and depth "
                                << schedule.getDepth()
                                << "; rows and columns must be at least 1, the depth at least 0";
  if (schedule.getRows() > mostInTile || schedule.getColumns() > mostInTile)
    return kernel.emitOpError() << "has a schedule with a tile of " << schedule.getRows()
                                << " rows and " << schedule.getColumns()
                                << " columns, which are unrolled; there must be at most "
                                << mostInTile << " of each";
  return success();
}

} // namespace weft

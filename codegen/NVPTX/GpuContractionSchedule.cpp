// How a contraction runs on a GPU.
#include "codegen/NVPTX/GpuContractionSchedule.h"
#include "codegen/NVPTX/GpuTarget.h"
#include "codegen/Templates/SharedChoices.h"
#include "dialects/Weft/IR/ContractionLoops.h"
#include "lib/Support/SymbolicSize.h"

using namespace mlir;

namespace weft {
namespace {

ContractionOpInterface contractionOf(KernelOp kernel) {
  return *kernel.getBody().front().getOps<ContractionOpInterface>().begin();
}

/// The depth in shared memory at once: what tensor cores of a warp take, or registers.
int64_t blockDepth(Type element) { return element.isF16() || element.isBF16() ? 32 : 16; }

/// True if warpgroups can compute a contraction: a product of matrices of float16 or bfloat16, or
/// of batches of them, that both lie in memory along the depth or along their rows or columns.
bool suitsWarpgroups(ContractionOpInterface op) {
  constexpr size_t mostBatches = 3; // a tensor map has five dimensions
  Type element = getElementTypeOrSelf(op->getOperand(0));
  if ((!element.isF16() && !element.isBF16()) ||
      element != getElementTypeOrSelf(op->getOperand(1)) ||
      !llvm::all_of(op->getOperands(), llvm::IsaPred<BlockArgument>))
    return false;
  auto loops = contractionLoops(op);
  auto depth = loopsOfKind(loops, Contraction::Depth);
  if (depth.size() != 1 || loopsOfKind(loops, Contraction::Batch).size() > mostBatches)
    return false;
  auto isMatrix = [&](Contraction::Operand operand, Contraction::Kind kind) {
    auto outer = loopsOfKind(loops, kind);
    return outer.size() == 1 && outer[0].strides[operand].factor > 0 &&
           depth[0].strides[operand].factor > 0 &&
           (outer[0].strides[operand].isOne() || depth[0].strides[operand].isOne());
  };
  return isMatrix(Contraction::Lhs, Contraction::Row) &&
         isMatrix(Contraction::Rhs, Contraction::Column);
}

/// The tiles of `size` rows or columns that cover loops in a call of the kernel; sizes that are not
/// known are taken for large ones.
int64_t tilesOf(ArrayRef<ContractionLoop> loops, int64_t size, LaunchOp launch) {
  constexpr int64_t unknown = 4096;
  int64_t count = 1;
  for (const ContractionLoop &loop : loops)
    for (int64_t symbol : loop.symbols) {
      int64_t factor = launch.getSizes()[symbol];
      if (llvm::MulOverflow(count, isSymbolicSize(factor) ? unknown : factor, count))
        return std::numeric_limits<int32_t>::max();
    }
  return std::min<int64_t>((count + size - 1) / size, std::numeric_limits<int32_t>::max());
}

/// Tiles of warpgroups that cover a contraction.
int64_t warpgroupTiles(ArrayRef<ContractionLoop> loops, int64_t columns, LaunchOp launch) {
  int64_t count = 1;
  for (auto [kind, size] :
       {std::pair(Contraction::Batch, int64_t(1)), std::pair(Contraction::Row, warpgroupTileRows),
        std::pair(Contraction::Column, columns)})
    count =
        llvm::SaturatingMultiply<uint64_t>(count, tilesOf(loopsOfKind(loops, kind), size, launch));
  return std::min<uint64_t>(count, std::numeric_limits<int64_t>::max());
}

/// Columns of a tile for warpgroups: more for less reading, if still each multiprocessor has a
/// tile; 0 if the tiles are so few that smaller ones of single warps are better.
int64_t warpgroupColumns(ContractionOpInterface op, LaunchOp launch) {
  constexpr int64_t small = 128, large = 256;
  if (!launch || !suitsWarpgroups(op))
    return 0;
  auto loops = contractionLoops(op);
  if (warpgroupTiles(loops, large, launch) >= fullGrid)
    return large;
  return warpgroupTiles(loops, small, launch) >= fullGrid / 4 ? small : 0;
}

LogicalResult verifyWarpgroups(KernelOp kernel, WarpgroupContractionScheduleAttr schedule) {
  if (schedule.getColumns() != 128 && schedule.getColumns() != 256)
    return kernel.emitOpError() << "has a schedule for warpgroups with a tile of "
                                << schedule.getColumns() << " columns; theirs have 128 or 256";
  ContractionOpInterface op = contractionOf(kernel);
  if (!suitsWarpgroups(op))
    return op->emitOpError() << "can't be computed by warpgroups, whose operands are float16 or "
                                "bfloat16 matrices in memory, read along their rows or columns; "
                                "without a schedule, weft-schedule chooses one";
  return success();
}

LogicalResult verifyBlocks(KernelOp kernel, BlockContractionScheduleAttr schedule) {
  int64_t tile = schedule.getRows(), depth = schedule.getDepth();
  ContractionOpInterface op = contractionOf(kernel);
  Type element = getElementTypeOrSelf(op->getOperand(0));
  int64_t wanted = blockDepth(element);
  if ((tile != 64 && tile != 128) || schedule.getColumns() != tile || depth != wanted)
    return kernel.emitOpError() << "has a schedule with a tile of " << tile << " rows, "
                                << schedule.getColumns() << " columns and depth " << depth
                                << "; a GPU's are 64 by 64 or 128 by 128, of depth " << wanted
                                << " for " << element;
  for (auto [number, operand] : llvm::enumerate(op->getOperands()))
    if (!isa<BlockArgument>(operand))
      return op->emitOpError() << "reads operand " << number
                               << " from within its kernel, but a GPU's template reads operands "
                                  "from memory; compute it in a kernel of its own";
  return success();
}

} // namespace

/// Large tiles read operands less often, small ones are many: enough for each multiprocessor.
ScheduleAttrInterface chooseGpuContraction(KernelOp kernel, LaunchOp launch,
                                           const GpuTarget &target) {
  constexpr int64_t small = 64, large = 128;
  ContractionOpInterface op = contractionOf(kernel);
  if (int64_t columns = target.hasWarpgroups() ? warpgroupColumns(op, launch) : 0)
    return WarpgroupContractionScheduleAttr::get(kernel.getContext(), columns);
  Type element = getElementTypeOrSelf(op->getOperand(0));
  int64_t depth = blockDepth(element);
  int64_t tile = small;
  if (launch && elementBytes(getElementTypeOrSelf(op->getResult(0))) <= 4) {
    auto loops = contractionLoops(op);
    int64_t blocks = tilesOf(loopsOfKind(loops, Contraction::Row), large, launch) *
                     tilesOf(loopsOfKind(loops, Contraction::Column), large, launch);
    int64_t batches = tilesOf(loopsOfKind(loops, Contraction::Batch), 1, launch);
    if (blocks >= fullGrid / 2 || blocks * batches >= fullGrid / 2)
      tile = large;
  }
  return BlockContractionScheduleAttr::get(kernel.getContext(), tile, tile, depth);
}

LogicalResult verifyGpuContraction(KernelOp kernel) {
  auto op = *kernel.getBody().front().getOps<ContractionOpInterface>().begin();
  Type left = getElementTypeOrSelf(op->getOperand(0)),
       right = getElementTypeOrSelf(op->getOperand(1));
  if (left != right)
    return op.emitOpError() << "has operands of " << left << " and " << right
                            << "; on a GPU both have one dtype";
  if (!loopsOfKind(contractionLoops(op), Contraction::Column)[0]
           .strides[Contraction::Result]
           .isOne())
    return op.emitOpError()
           << "has columns that are no neighbours in its result; on a GPU they are";
  if (auto schedule = dyn_cast<WarpgroupContractionScheduleAttr>(kernel.getScheduleAttr()))
    return verifyWarpgroups(kernel, schedule);
  return verifyBlocks(kernel, cast<BlockContractionScheduleAttr>(kernel.getScheduleAttr()));
}

} // namespace weft

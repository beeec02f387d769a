// How a contraction runs on a processor: its micro-kernel, the nest around it, what is packed.
//
//   one column, a run of batches    vectors along the batch: depthwise convolutions
//   a matrix of at most 16 rows     the right operand is read once, where it is or block by block
//   another matrix                  the right operand is packed by a stage of its own
//   an image                        the tile divides the width; large weights serve several rows
#include "codegen/Loops/ContractionSchedule.h"
#include "codegen/CPU/CpuTarget.h"
#include "codegen/Templates/SharedChoices.h"
#include "dialects/Weft/IR/ContractionLoops.h"
#include "passes/plan/PlanSteps.h"
#include "passes/plan/ValueMemory.h"
#include "llvm/ADT/bit.h"

using namespace mlir;

namespace weft {

namespace {

/// How many steps of the depth loops a tile takes before the next tile: a block of the right
/// operand of so many steps stays in the second-level cache.
constexpr int64_t depthSteps = 1024;
/// The same for a block that is copied before each use: long runs of memory, a short way down.
constexpr int64_t blockSteps = 1024;
/// The same where all columns take so many steps before the next: lines of the right operand that
/// are read side by side.
constexpr int64_t directSteps = 8;
/// The same for one row, whose few sums are soon loaded and stored: as many lines as are delivered
/// fastest.
constexpr int64_t rowSteps = 4;
/// With at most this many rows the right operand is read once, and a copy of it never pays.
constexpr int64_t fewRows = 16;
/// With at most this many rows a copy for one call is not read often enough to pay.
constexpr int64_t mostDirectRows = 64;
/// Tiles that share a block of columns which is turned for them.
constexpr int64_t sharingTiles = 9;
/// What a block of an operand may take of the second-level cache.
constexpr int64_t blockBytes = 1 << 18;
/// A block of columns that is copied is kept on the stack.
constexpr int64_t mostPacked = 4096;
/// Tiles are unrolled.
constexpr int64_t mostInTile = 64;
/// More rows in a tile are addressed by more registers than there are.
constexpr int64_t mostRows = 14;

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

class Choice {
public:
  Choice(ContractionOpInterface op, LaunchOp launch, int64_t mostLanes, const CpuTarget &target)
      : op(op),
        launch(launch),
        target(target),
        loops(contractionLoops(op)),
        batch(loopsOfKind(loops, Contraction::Batch)),
        rowLoops(loopsOfKind(loops, Contraction::Row)),
        columnLoop(loopsOfKind(loops, Contraction::Column).front()),
        depthLoops(loopsOfKind(loops, Contraction::Depth)),
        elementBytes(
            std::max(4u, getElementTypeOrSelf(op->getResult(0)).getIntOrFloatBitWidth() / 8)),
        lanes(std::max<int64_t>(1, mostLanes * 4 / elementBytes)),
        perVector(std::max<int64_t>(1, lanes * elementBytes / target.registerBytes)) {}

  ContractionScheduleAttr choose() {
    columns = perVector == 1 ? 2 : 1;
    rows = tallestTile(columns);
    depth = depthSteps * 4 / elementBytes;
    if (isVectorLeft())
      chooseVectorLeft();
    else if (rowLoops.size() == 1 && depthLoops.size() == 1)
      chooseMatrix();
    else
      chooseImage();
    int64_t directRows = packRhs && isRightKept() ? 0 : mostDirectRows;
    return ContractionScheduleAttr::get(op.getContext(), lanes, rows, columns, depth, packLhs,
                                        packRhs, packBlock, outerRowSteps, vectorLhs, rowStride,
                                        directRows);
  }

private:
  /// The size of a loop in a call of the kernel, if it is known.
  std::optional<int64_t> sizeOf(const ContractionLoop &loop) const {
    return knownProduct(loop.symbols, launch);
  }

  /// A distance in memory in a call of the kernel, in elements; 0 if it is not known.
  int64_t valueOf(const SymbolicStride &stride) const {
    return stride.factor * knownProduct(stride.symbols, launch).value_or(0);
  }

  /// The most rows that leave room for one row of the right operand and a broadcast.
  int64_t tallestTile(int64_t vectors) const {
    int64_t spare = target.vectorRegisters > 16 ? 2 : 1, row = vectors * perVector;
    return std::clamp<int64_t>((target.vectorRegisters - row - spare) / row, 1, mostRows);
  }

  bool isVectorLeft() const {
    if (batch.empty() || sizeOf(columnLoop) != 1 || !isa<BlockArgument>(op->getOperand(0)) ||
        !isa<BlockArgument>(op->getOperand(1)))
      return false;
    return llvm::all_of(batch.back().strides,
                        [&](const SymbolicStride &stride) { return valueOf(stride) == 1; });
  }

  /// Each row loads a vector, so that more rows share the loads of the right operand; more than
  /// some would be more addresses than registers.
  void chooseVectorLeft() {
    vectorLhs = true;
    columns = 1;
    depth = 0;
    rows = std::min<int64_t>(tallestTile(1), 6);
    if (std::optional<int64_t> width = sizeOf(rowLoops.back()))
      rows = bestRows(*width, rows);
    rowStride = valueOf(rowLoops.back().strides[Contraction::Lhs]);
  }

  void chooseMatrix() {
    packLhs = true;
    std::optional<int64_t> rowCount = sizeOf(rowLoops.front()), width = sizeOf(columnLoop);
    bool isRun = columnLoop.strides[Contraction::Rhs].isOne();
    if (rowCount && *rowCount <= fewRows && !isRun && isRightKept()) {
      packRhs = true;
      chooseShortTile(*rowCount, 4);
      return;
    }
    // Columns that must be turned are turned in the cache if all rows are one block.
    int64_t mostRowCount = isRun ? fewRows : std::max(fewRows, sharingTiles * rows);
    if (!rowCount || *rowCount > mostRowCount || !isa<BlockArgument>(op->getOperand(1))) {
      packRhs = true;
      return;
    }
    chooseShortTile(*rowCount, isRun ? 4 : 2);
    if (isRun && width && *width >= columns * lanes) {
      depth = *rowCount == 1 ? rowSteps : directSteps;
    } else {
      depth = packBlock = blockSteps * 4 / elementBytes / columns;
    }
  }

  /// One row has few sums, each of which waits for the one before: more vectors side by side.
  void chooseShortTile(int64_t rowCount, int64_t mostColumns) {
    if (rowCount <= 4)
      rows = std::min<int64_t>(rows, rowCount == 1 ? 1 : 4);
    while (columns < mostColumns && tallestTile(2 * columns) >= rows)
      columns *= 2;
  }

  /// True if the right operand is the same tensor in most calls, so that it is copied once. A
  /// constant is one of a compiled object, which keeps no copies between calls.
  bool isRightKept() const {
    auto right = dyn_cast<BlockArgument>(op->getOperand(1));
    if (!launch || !right)
      return false;
    Value given = LaunchOp(launch).getInputs()[right.getArgNumber()];
    return isKept(given) && !withoutReshapes(given).getDefiningOp<ConstantOp>();
  }

  void chooseImage() {
    packRhs = !readsWholeColumns();
    if (!launch)
      return;
    // With the distance of rows known their addresses need no registers.
    rowStride = valueOf(rowLoops.back().strides[Contraction::Lhs]);
    std::optional<int64_t> width = sizeOf(rowLoops.back());
    if (rowLoops.size() > 1 && width)
      rows = bestRows(*width, rows);
    // A loop of unknown size counts as long: the outermost one goes step by step.
    int64_t inner = 1;
    bool isKnown = true;
    for (const ContractionLoop &loop : llvm::drop_begin(depthLoops)) {
      std::optional<int64_t> size = sizeOf(loop);
      isKnown &= size.has_value();
      inner = std::min(depth, inner * std::min(depth, size.value_or(depth)));
    }
    depth = llvm::bit_floor<uint64_t>(std::max<int64_t>(1, depth / std::max<int64_t>(1, inner)));
    if (isKnown && rowLoops.size() > 1)
      shareColumns();
  }

  /// Weights beyond what stays in the cache serve as many outer rows at a time as stay there, and
  /// then are worth a copy: once if they are kept, else block by block.
  void shareColumns() {
    std::optional<int64_t> columnCount = sizeOf(columnLoop), outer = 1, depthCount = 1, inner = 1;
    auto times = [&](std::optional<int64_t> product, const ContractionLoop &loop) {
      auto size = sizeOf(loop);
      return product && size ? std::optional(*product * *size) : std::nullopt;
    };
    // Of whole images, or a part of one: batches of any size have one kernel.
    for (size_t level = rowLoops.size() > 2 ? 1 : 0; level + 1 < rowLoops.size(); ++level)
      outer = times(outer, rowLoops[level]);
    for (const ContractionLoop &loop : depthLoops)
      depthCount = times(depthCount, loop);
    for (const ContractionLoop &loop : llvm::drop_begin(depthLoops))
      inner = times(inner, loop);
    if (!columnCount || !outer || !depthCount || !inner ||
        *columnCount * *depthCount * elementBytes <= blockBytes)
      return;
    int64_t rowBytes =
        valueOf(rowLoops[rowLoops.size() - 2].strides[Contraction::Lhs]) * elementBytes;
    if (rowBytes <= 0)
      return;
    int64_t fitting = std::max<int64_t>(blockBytes / rowBytes, 1);
    int64_t image = std::max<int64_t>(*outer, 1), blocks = (image + fitting - 1) / fitting;
    outerRowSteps = blocks > 1 ? (image + blocks - 1) / blocks : fitting / image * image;
    int64_t lines = depth * *inner;
    if (outerRowSteps > 1 && isRightKept()) {
      packRhs = true;
    } else if (outerRowSteps > 1 && lines > 0 && lines <= 4 * depthSteps) {
      packRhs = false;
      packBlock = lines;
    }
  }

  /// True if the right operand of images can be read where it is: columns are neighbours, and are a
  /// multiple of the tile's.
  bool readsWholeColumns() const {
    return launch && depthLoops.size() > 1 && isa<BlockArgument>(op->getOperand(1)) &&
           columnLoop.strides[Contraction::Rhs].isOne() &&
           sizeOf(columnLoop).value_or(1) % (columns * lanes) == 0;
  }

  ContractionOpInterface op;
  LaunchOp launch;
  const CpuTarget &target;
  std::vector<ContractionLoop> loops, batch, rowLoops;
  ContractionLoop columnLoop;
  std::vector<ContractionLoop> depthLoops;
  /// The order of these sums does not depend on the lanes: wide elements have fewer.
  int64_t elementBytes, lanes, perVector;

  int64_t rows = 1, columns = 1, depth = 0, packBlock = 0, outerRowSteps = 1, rowStride = 0;
  bool packLhs = false, packRhs = false, vectorLhs = false;
};

} // namespace

ScheduleAttrInterface chooseContraction(KernelOp kernel, LaunchOp launch, const CpuTarget &target) {
  constexpr int64_t mostLanes = 16;
  auto op = *kernel.getBody().front().getOps<ContractionOpInterface>().begin();
  return Choice(op, launch, mostLanes, target).choose();
}

LogicalResult verifyContraction(KernelOp kernel, ContractionScheduleAttr schedule) {
  if (schedule.getPackBlock() != 0 &&
      (schedule.getDepth() < 1 || schedule.getPackBlock() < schedule.getDepth() ||
       schedule.getPackBlock() > mostPacked))
    return kernel.emitOpError() << "has a schedule with pack_block = " << schedule.getPackBlock()
                                << " and depth " << schedule.getDepth()
                                << "; a block has at least the depth, which must be at least 1, and"
                                << " at most " << mostPacked << " steps";
  if (schedule.getDirectRows() < 0)
    return kernel.emitOpError() << "has a schedule with direct_rows = " << schedule.getDirectRows()
                                << "; there must be at least 0";
  if (schedule.getOuterRows() < 1)
    return kernel.emitOpError() << "has a schedule of " << schedule.getOuterRows()
                                << " outer rows; there must be at least 1";
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

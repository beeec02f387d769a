// The template of kernels that contract: matmul, convolution, the gradient of a convolution's
// weight.
//
// All are a nest of loops over a micro-kernel, a tile of rows x vectors of columns that is kept in
// registers over the depth loops. Operands are read where they are, through the strides of the
// loops, or from copies in reading order. Each element of the result is one chain of fused
// multiply-adds in the order of the depth loops, whatever the tiles.
//
//   stage 1 (pack_rhs): the right operand into [batch][block of columns][depth][columns]
//   stage 2, a task: a block of rows (of one batch, and of `outer_rows` outer rows) by a group of
//   column blocks; threads that take neighbouring tasks share out the columns first. If the
//   schedule is flat, a block of rows is `outer_rows` whole lines, one after the other
//     for a block of the depth:        (pack_lhs: copy the rows)
//       for a block of columns:        (pack_block: copy the columns)
//         for an outer row:
//           for a tile of rows:        the micro-kernel
//     or, if the block is of one row and the schedule says so, over all of the depth:
//       for some blocks of columns:    the micro-kernel, its vectors those of all of them
//
// With a depth blocked, unfinished tiles rest in a temporary buffer. A finished tile goes through a
// helper that computes what follows the contraction and stores the results.
#include "codegen/Loops/Contraction.h"
#include "codegen/Loops/ContractionBlocking.h"
#include "codegen/Loops/Frame.h"

using namespace mlir;

namespace weft {

static constexpr int64_t packedDepth = 64;
/// How far ahead of the micro-kernel kept panels are asked for: what it computes meanwhile takes
/// about as long as memory does.
static constexpr int64_t prefetchedBytes = 2048;
/// The same of one row, which computes less than it waits for the second-level cache.
static constexpr int64_t prefetchedByRow = 512;

ContractionTemplate::ContractionTemplate(KernelEmitter &emitter)
    : ContractionPacking(
          emitter, emitter.schedule<ContractionScheduleAttr>().getColumns() * emitter.laneCount(),
          emitter.schedule<ContractionScheduleAttr>()),
      schedule(emitter.schedule<ContractionScheduleAttr>()),
      tileRows(schedule.getRows()) {}

static int64_t bytesOf(Type type) { return std::max(1u, type.getIntOrFloatBitWidth() / 8); }

//===----------------------------------------------------------------------===//
// Sizes
//===----------------------------------------------------------------------===//

/// Rows of a block, and those of a last one that starts earlier.
int64_t ContractionTemplate::mostPackedRows() const {
  return (tilesInBlock(schedule) + (tileRows > 1 ? 1 : 0)) * tileRows;
}

Value ContractionTemplate::mostRowsInBlock() {
  return schedule.getFlat() ? emitter.addIndex(blockRows(), emitter.index(tileRows))
                            : emitter.index(mostPackedRows());
}

Value ContractionTemplate::blockRows() {
  return schedule.getFlat()
             ? emitter.multiplyIndex(emitter.index(schedule.getOuterRows()), sizeOf(rows.back()))
             : emitter.index(tilesInBlock(schedule) * tileRows);
}

Value ContractionTemplate::columnBlocks() {
  return emitter.ceilDivideIndex(sizeOf(columns.front()), tileColumns);
}

Value ContractionTemplate::rowBlocks() {
  Value size = blockRows();
  if (!schedule.getFlat())
    return emitter.ceilDivideIndex(sizeOf(rows.back()), tilesInBlock(schedule) * tileRows);
  Value most = emitter.addIndex(sizeOf(rows), emitter.subtractIndex(size, emitter.index(1)));
  return emitter.divideIndex(most, emitter.maximumIndex(size, emitter.index(1)));
}

Value ContractionTemplate::outerBlocks() {
  return emitter.ceilDivideIndex(sizeOf(outerRows()), schedule.getOuterRows());
}

Value ContractionTemplate::rowTasks() {
  return emitter.multiplyIndex(emitter.multiplyIndex(sizeOf(batch), outerBlocks()), rowBlocks());
}

Value ContractionTemplate::columnBlocksInGroup() {
  Value one = emitter.index(1), rowCount = emitter.maximumIndex(rowTasks(), one);
  Value blocks = emitter.maximumIndex(columnBlocks(), one);
  int64_t wanted = wantedTasks(schedule);
  Value groups =
      emitter.divideIndex(emitter.addIndex(rowCount, emitter.index(wanted - 1)), rowCount);
  groups = emitter.minimumIndex(groups, blocks);
  Value rounded = emitter.addIndex(blocks, emitter.subtractIndex(groups, one));
  Value size = emitter.divideIndex(rounded, groups);
  if (schedule.getSingle() == 0)
    return size;
  Value isSingle = emitter.isLess(sizeOf(rows), emitter.index(2));
  Value atOnce = arith::SelectOp::create(emitter.builder(), emitter.location(), isSingle,
                                         emitter.index(schedule.getSingle()), one);
  return emitter.maximumIndex(size, atOnce);
}

Value ContractionTemplate::columnGroups() {
  Value size = columnBlocksInGroup();
  Value rounded = emitter.addIndex(columnBlocks(), emitter.subtractIndex(size, emitter.index(1)));
  return emitter.divideIndex(rounded, size);
}

Value ContractionTemplate::depthBlocks() {
  if (schedule.getDepth() == 0)
    return emitter.index(1);
  Value blocks = emitter.ceilDivideIndex(sizeOf(depth.front()), schedule.getDepth());
  return emitter.maximumIndex(blocks, emitter.index(1));
}

//===----------------------------------------------------------------------===//
// The stage that packs the right operand
//===----------------------------------------------------------------------===//

/// Whether this call reads the right operand where it is although the kernel could copy it: few
/// rows, and whole blocks of columns that are neighbours. Null: never.
Value ContractionTemplate::readsRhsDirectly() {
  Type dtype = getElementTypeOrSelf(op->getOperand(1));
  if (schedule.getDirectRows() == 0 || !columns.front().strides[Contraction::Rhs].isOne() ||
      schedule.getSteps() > 1 ||
      KernelEmitter::storedType(dtype) != KernelEmitter::storedType(format.right))
    return {};
  OpBuilder &builder = emitter.builder();
  Value rest = emitter.remainderIndex(sizeOf(columns.front()), emitter.index(tileColumns));
  Value areWhole = arith::CmpIOp::create(builder, emitter.location(), arith::CmpIPredicate::eq,
                                         rest, emitter.index(0));
  Value areFew = emitter.isLess(sizeOf(rows), emitter.index(schedule.getDirectRows() + 1));
  return arith::AndIOp::create(builder, emitter.location(), areWhole, areFew);
}

/// `amount`, or 0 where the right operand is read directly.
Value ContractionTemplate::unlessDirect(Value amount) {
  Value direct = readsRhsDirectly();
  return direct ? Value(arith::SelectOp::create(emitter.builder(), emitter.location(), direct,
                                                emitter.index(0), amount))
                : amount;
}

void ContractionTemplate::addPackStage() {
  unsigned buffer = emitter.addTemporary([*this]() mutable {
    Value lines =
        emitter.multiplyIndex(emitter.multiplyIndex(sizeOf(batch), columnBlocks()), depthSteps());
    int64_t lineBytes =
        tileColumns * format.steps * bytesOf(KernelEmitter::storedType(format.right));
    return unlessDirect(emitter.multiplyIndex(lines, emitter.index(lineBytes)));
  });
  packedRhs = buffer;
  auto tasks = [*this]() mutable {
    Value chunks = emitter.ceilDivideIndex(sizeOf(depth), packedDepth);
    return unlessDirect(
        emitter.multiplyIndex(emitter.multiplyIndex(sizeOf(batch), columnBlocks()), chunks));
  };
  emitter.addStage(tasks, [&](Value begin, Value end) {
    emitter.loop(begin, end, 1, [&](Value task) { emitPack(emitter.buffer(buffer), task); });
  });
}

void ContractionTemplate::emitPack(Value packed, Value task) {
  Value total = sizeOf(depth), chunks = emitter.ceilDivideIndex(total, packedDepth);
  SmallVector<Value> parts = emitter.delinearize(task, {sizeOf(batch), columnBlocks(), chunks});
  setLoops(batch, parts[0]);
  Value panel = emitter.divideIndex(task, chunks);
  Value low = emitter.multiplyIndex(parts[2], emitter.index(packedDepth));
  Value high = emitter.minimumIndex(emitter.addIndex(low, emitter.index(packedDepth)), total);
  Value first = emitter.multiplyIndex(parts[1], emitter.index(tileColumns));
  Value line =
      emitter.addIndex(emitter.multiplyIndex(panel, depthSteps()), format.stepsIn(emitter, low));
  Value target =
      emitter.offset(packed, KernelEmitter::storedType(format.right),
                     emitter.multiplyIndex(line, emitter.index(tileColumns * format.steps)));
  packColumns(target, first, low, high);
}

//===----------------------------------------------------------------------===//
// The main stage
//===----------------------------------------------------------------------===//

void ContractionTemplate::addBorderStage() {
  // Packed rows are those of a matrix.
  std::optional<ContractionBorder> known = ContractionBorder::of(emitter);
  if (schedule.getPackLhs() || !known)
    return;
  known->addStage();
  border.emplace(*known);
}

void ContractionTemplate::addMainStage() {
  if (schedule.getDepth() != 0)
    addUnfinished();
  std::string finish = emitter.addHelper(
      1, 7, [&](ValueRange arguments) { emitFinish(arguments[0], arguments.drop_front()); });
  auto tasks = [*this]() mutable { return emitter.multiplyIndex(rowTasks(), columnGroups()); };
  addFramedStage(emitter, tasks, [&](Value begin, Value end) {
    finishName = finish;
    scratchTile = emitter.allocate(format.sum, tileRows * tileColumns);
    if (schedule.getPackLhs()) {
      packedLhs = {{},
                   mostPackedRows(),
                   schedule.getDepth(),
                   lanes,
                   format.steps == 1 && rows.back().strides[Contraction::Lhs].isOne()};
      packedLhs.pointer = emitter.allocate(format.packed, packedLhs.elements());
    }
    if (schedule.getPackBlock())
      packedBlock = emitter.allocate(format.packed, schedule.getPackBlock() * tileColumns);
    readsRuns(schedule) ? emitRuns(begin, end) : emitTasks(begin, end);
  });
}

/// The buffer in which tiles rest between blocks of the depth:
/// [batch][outer row][block of rows][block of columns][rows][columns].
void ContractionTemplate::addUnfinished() {
  unfinished = emitter.addTemporary([*this]() mutable -> Value {
    Value blocks = emitter.multiplyIndex(sizeOf(batch), sizeOf(outerRows()));
    blocks = emitter.multiplyIndex(emitter.multiplyIndex(blocks, rowBlocks()), columnBlocks());
    Value bytes = emitter.multiplyIndex(emitter.multiplyIndex(blocks, mostRowsInBlock()),
                                        emitter.index(tileColumns * bytesOf(format.sum)));
    if (addsLines(schedule))
      return bytes;
    Value isBlocked = emitter.isLess(emitter.index(1), depthBlocks());
    return arith::SelectOp::create(emitter.builder(), emitter.location(), isBlocked, bytes,
                                   emitter.index(0));
  });
}

void ContractionTemplate::emitTasks(Value begin, Value end) {
  emitter.loop(begin, end, 1, [&](Value task) {
    SmallVector<Value> parts =
        emitter.delinearize(task, {sizeOf(batch), columnGroups(), outerBlocks(), rowBlocks()});
    Value group = columnBlocksInGroup(), first = emitter.multiplyIndex(parts[1], group);
    emitBlock(parts[0], parts[2], parts[3], first, emitter.addIndex(first, group));
  });
}

/// Tasks with the same rows come one after the other, and are one block: its columns are longer
/// runs of memory.
void ContractionTemplate::emitRuns(Value begin, Value end) {
  Value groups = columnGroups(), group = columnBlocksInGroup(), one = emitter.index(1);
  Value last = emitter.divideIndex(emitter.subtractIndex(end, one), groups);
  emitter.loop(emitter.divideIndex(begin, groups), emitter.addIndex(last, one), 1, [&](Value rows) {
    SmallVector<Value> parts =
        emitter.delinearize(rows, {sizeOf(batch), outerBlocks(), rowBlocks()});
    Value before = emitter.multiplyIndex(rows, groups);
    Value low = emitter.maximumIndex(emitter.subtractIndex(begin, before), emitter.index(0));
    Value high = emitter.minimumIndex(emitter.subtractIndex(end, before), groups);
    emitBlock(parts[0], parts[1], parts[2], emitter.multiplyIndex(low, group),
              emitter.multiplyIndex(high, group));
  });
}

/// Emits the blocks of columns [firstBlock, lastBlock), as far as there are, of a block of rows.
void ContractionTemplate::emitBlock(Value batchNumber, Value outerBlock, Value rowBlock,
                                    Value firstBlock, Value lastBlock) {
  Task at;
  Value outerInBlock = emitter.index(schedule.getOuterRows());
  at.batch = batchNumber;
  at.outerLow = emitter.multiplyIndex(outerBlock, outerInBlock);
  at.outerHigh =
      emitter.minimumIndex(emitter.addIndex(at.outerLow, outerInBlock), sizeOf(outerRows()));
  at.rowBlock = rowBlock;
  Value rowCount = sizeOf(innerRows()), low = emitter.multiplyIndex(rowBlock, blockRows());
  Value whole = emitter.maximumIndex(emitter.subtractIndex(rowCount, emitter.index(tileRows)),
                                     emitter.index(0));
  at.high = emitter.minimumIndex(emitter.addIndex(low, blockRows()), rowCount);
  // A last block of less than a tile starts earlier; the rows before are left to their own block.
  at.first = low;
  at.low = emitter.minimumIndex(low, whole);
  lastBlock = emitter.minimumIndex(lastBlock, columnBlocks());
  at.rhsBase = baseOf(Contraction::Rhs, at.batch, emitter.index(0));
  if (border)
    at.isFinite = border->isFinite();
  auto emitBlocks = [&] {
    emitter.loop(emitter.index(0), depthBlocks(), 1, [&](Value block) {
      at.depthBlock = block;
      emitDepthBlock(at, firstBlock, lastBlock);
    });
  };
  if (schedule.getSingle() == 0)
    return emitBlocks();
  Value isSingle =
      arith::CmpIOp::create(emitter.builder(), emitter.location(), arith::CmpIPredicate::eq,
                            emitter.subtractIndex(at.high, at.low), emitter.index(1));
  emitter.ifTrue(isSingle, [&] { emitSingleRow(at, firstBlock, lastBlock); });
  emitter.ifTrue(negated(isSingle), emitBlocks);
}

/// Emits the blocks of columns [firstBlock, lastBlock) of one row, as many at once as the schedule
/// says, then one by one.
void ContractionTemplate::emitSingleRow(Task at, Value firstBlock, Value lastBlock) {
  int64_t atOnce = schedule.getSingle();
  Value count = emitter.subtractIndex(lastBlock, firstBlock), size = emitter.index(atOnce);
  at.outerRow = at.outerLow;
  at.lhsBase = baseOf(Contraction::Lhs, at.batch, at.outerRow);
  at.depthBlock = emitter.subtractIndex(depthBlocks(), emitter.index(1));
  at.depthLow = emitter.index(0);
  at.depthHigh = sizeOf(depth.front());
  Value whole = emitter.multiplyIndex(emitter.divideIndex(count, size), size);
  Value middle = emitter.addIndex(firstBlock, whole);
  auto emit = [&](Value from, Value to, int64_t panels) {
    emitter.loop(from, to, panels, [&](Value columnBlock) {
      at.columnBlock = columnBlock;
      emitPanels(at, panels);
    });
  };
  emit(firstBlock, middle, atOnce);
  if (atOnce > 1)
    emit(middle, lastBlock, 1);
}

/// Emits a row of neighbouring panels of columns.
void ContractionTemplate::emitPanels(const Task &at, int64_t panels) {
  int64_t vectors = tileColumns / lanes;
  auto kernelOf = [&](int64_t count) {
    return MicroKernel(emitter, op, MicroKernel::Kind::Broadcast, format, 1, count);
  };
  MicroKernel kernel = kernelOf(panels * vectors), panel = kernelOf(vectors);
  OperandReader left = directLhsReader(at, at.low, positionsOf(at.low, 1));
  OperandReader right = rhsReader(at, {});
  // One row reads memory faster than it computes.
  right.prefetchBytes = 0;
  Value distance = emitter.multiplyIndex(depthSteps(), emitter.index(tileColumns));
  for (int64_t number = 0; number < panels * vectors; ++number)
    right.columnOffsets.push_back(
        emitter.addIndex(emitter.multiplyIndex(distance, emitter.index(number / vectors)),
                         emitter.index(number % vectors * lanes)));
  SmallVector<Value> sums = kernel.run(left, right, at.depthLow, at.depthHigh, kernel.start());
  for (int64_t number = 0; number < panels; ++number) {
    Task of = at;
    of.columnBlock = emitter.addIndex(at.columnBlock, emitter.index(number));
    of.column = emitter.multiplyIndex(of.columnBlock, emitter.index(tileColumns));
    panel.drain(ArrayRef<Value>(sums).slice(number * vectors, vectors), scratchTile);
    finishTile(of, 1, scratchTile, at.low, at.low);
  }
}

/// Adds the products of one block of the depth to all tiles of the task.
void ContractionTemplate::emitDepthBlock(Task &at, Value firstBlock, Value lastBlock) {
  Value steps = emitter.index(schedule.getDepth());
  at.depthLow = emitter.multiplyIndex(at.depthBlock, steps);
  at.depthHigh = sizeOf(depth.front());
  if (schedule.getDepth() != 0)
    at.depthHigh = emitter.minimumIndex(emitter.addIndex(at.depthLow, steps), at.depthHigh);
  if (schedule.getPackLhs()) {
    Value tile = emitter.addIndex(at.low, emitter.index(tileRows));
    packRows(packedLhs, at.batch, at.low, emitter.maximumIndex(at.high, tile), at.depthLow,
             at.depthHigh);
  }
  if (std::optional<unsigned> buffer = unfinished; buffer && addsLines(schedule))
    return addLineBlock(at, *buffer, firstBlock, lastBlock);
  emitter.loop(firstBlock, lastBlock, 1, [&](Value columnBlock) {
    at.columnBlock = columnBlock;
    at.column = emitter.multiplyIndex(columnBlock, emitter.index(tileColumns));
    if (schedule.getPackBlock()) {
      setLoops(batch, at.batch);
      packColumnBlock(packedBlock, at.rhsBase, at.column, at.depthLow, at.depthHigh);
    }
    emitter.loop(at.outerLow, at.outerHigh, 1, [&](Value outerRow) {
      at.outerRow = outerRow;
      at.lhsBase = baseOf(Contraction::Lhs, at.batch, outerRow);
      emitTiles(at);
    });
  });
}

/// The same where a block is lines that one row multiplies by a factor each. The sums of blocks of
/// columns are neighbours.
void ContractionTemplate::addLineBlock(const Task &task, unsigned buffer, Value firstBlock,
                                       Value lastBlock) {
  Task at = task;
  at.outerRow = at.outerLow;
  at.columnBlock = firstBlock;
  at.column = emitter.multiplyIndex(firstBlock, emitter.index(tileColumns));
  Value columnsEnd = emitter.minimumIndex(
      emitter.multiplyIndex(lastBlock, emitter.index(tileColumns)), sizeOf(columns.front()));
  Value sums = restingAddress(at, buffer, at.low);
  Value zero = arith::ConstantOp::create(
      emitter.builder(), emitter.location(),
      emitter.builder().getZeroAttr(VectorType::get({lanes}, format.sum)));
  Value isFirst = negated(emitter.isLess(emitter.index(0), at.depthBlock));
  emitter.ifTrue(isFirst, [&] {
    emitter.vectorLoop(at.column, columnsEnd, [&](Value column) {
      Value place = emitter.subtractIndex(column, at.column);
      emitter.storeVector(zero, emitter.offset(sums, format.sum, place));
    });
  });
  int64_t steps = schedule.getDepth();
  Value isWhole = negated(
      emitter.isLess(emitter.subtractIndex(at.depthHigh, at.depthLow), emitter.index(steps)));
  emitter.ifTrue(isWhole, [&] { addLines(at, at.depthLow, steps, sums, columnsEnd); });
  emitter.ifTrue(negated(isWhole), [&] {
    emitter.loop(at.depthLow, at.depthHigh, 1,
                 [&](Value line) { addLines(at, line, 1, sums, columnsEnd); });
  });
  emitter.ifTrue(isLastBlock(at), [&] {
    emitter.loop(firstBlock, lastBlock, 1, [&](Value block) {
      Value column = emitter.multiplyIndex(block, emitter.index(tileColumns));
      Value tile = emitter.offset(sums, format.sum, emitter.subtractIndex(column, at.column));
      emitter.callHelper(finishName, {tile, at.batch, at.outerRow, at.low, emitter.index(0),
                                      emitter.index(1), column, column});
    });
  });
}

/// Adds `count` lines from `low` on, each times its factor, to `sums`, which begin with the task's
/// first column and go on to `end`.
void ContractionTemplate::addLines(const Task &at, Value low, int64_t count, Value sums,
                                   Value end) {
  MicroKernel kernel(emitter, op, MicroKernel::Kind::Broadcast, format, 1, 1);
  OperandReader left = packedLhsReader(at, at.low, 1), right = directRhsReader(at, {});
  Value none = emitter.index(0);
  SmallVector<Value> factors, starts;
  for (int64_t line = 0; line < count; ++line) {
    Value step = emitter.addIndex(low, emitter.index(line));
    Value place = emitter.multiplyIndex(step, left.depthStride);
    factors.push_back(emitter.splat(kernel.load(left, place, none, /*count=*/0)));
    starts.push_back(emitter.multiplyIndex(step, right.depthStride));
  }
  emitter.vectorLoop(at.column, end, [&](Value column) {
    Value place = emitter.subtractIndex(column, at.column);
    Value address = emitter.offset(sums, format.sum, place);
    Value sum = emitter.loadVector(address, format.sum, lanes);
    for (auto [factor, start] : llvm::zip_equal(factors, starts))
      sum = kernel.add(factor, kernel.load(right, start, place, lanes), sum);
    emitter.storeVector(sum, address);
  });
}

/// Where a batch and an outer row start in an operand, in elements.
Value ContractionTemplate::baseOf(Contraction::Operand operand, Value batchNumber, Value outerRow) {
  return emitter.addIndex(offsetIn(operand, batch, split(batch, batchNumber)),
                          offsetIn(operand, outerRows(), split(outerRows(), outerRow)));
}

/// Tiles of each height come once in the code: all that fit, and what is left to lower ones.
void ContractionTemplate::emitTiles(const Task &at) {
  OpBuilder &builder = emitter.builder();
  Value count = emitter.subtractIndex(at.high, at.low), row = at.low;
  SmallVector<int64_t, 3> heights = tileHeights(schedule);
  for (int64_t height : heights) {
    Value size = emitter.index(height), end = at.high;
    if (height > lowTile && llvm::is_contained(heights, lowTile)) {
      Value rest = emitter.remainderIndex(count, size);
      Value areFew = emitter.isLess(rest, emitter.index(mostLowRows(height) + 1));
      end = arith::SelectOp::create(builder, emitter.location(), areFew,
                                    emitter.subtractIndex(end, rest), end);
    }
    if (height != heights.back()) {
      Value isLower = emitter.isLess(count, size);
      end = arith::SelectOp::create(builder, emitter.location(), isLower, row, end);
    }
    emitter.loop(row, end, height, [&](Value next) {
      Value start = emitter.minimumIndex(next, emitter.subtractIndex(at.high, size));
      emitTile(at, height, emitter.maximumIndex(start, at.low), next);
    });
    row = end;
  }
}

/// Emits the tile of `height` rows from `row`, whose rows before `next` were finished before.
void ContractionTemplate::emitTile(Task at, int64_t height, Value row, Value next) {
  auto kind = format.steps > 1 ? MicroKernel::Kind::Dot : MicroKernel::Kind::Broadcast;
  MicroKernel kernel(emitter, op, kind, format, height, tileColumns / lanes);
  Value isLater = unfinished ? emitter.isLess(emitter.index(0), at.depthBlock) : Value();
  SmallVector<Value> outer;
  SmallVector<Positions> lines = positionsOf(row, height);
  setSteps(at, lines);
  SmallVector<Value> sums = emitDepthLoop(at, kernel, lhsReader(at, row, lines), outer,
                                          kernel.start(tileAddress(at, next), isLater));
  if (height < tileRows || !hasShortEpilogue())
    return drainTile(at, kernel, height, row, next, sums);
  Value whole = isWhole(at, height, row, next);
  emitter.ifTrue(whole, [&] { finishInRegisters(at, lines, sums); });
  emitter.ifTrue(negated(whole), [&] { drainTile(at, kernel, height, row, next, sums); });
}

/// Leaves out steps that multiply zeros only.
void ContractionTemplate::setSteps(Task &at, ArrayRef<Positions> lines) {
  at.stepLow = at.depthLow;
  at.stepHigh = at.depthHigh;
  std::optional<ContractionBorder> known = border;
  if (!known)
    return;
  Positions first = split(outerRows(), at.outerRow), last = first;
  llvm::append_range(first, lines.front());
  llvm::append_range(last, lines.back());
  std::tie(at.stepLow, at.stepHigh) =
      known->stepsWithin(at.depthLow, at.depthHigh, at.isFinite, first, last);
}

/// The positions of the lines of a tile: from one to the next without a division.
SmallVector<ContractionTemplate::Positions> ContractionTemplate::positionsOf(Value row,
                                                                             int64_t height) {
  OpBuilder &builder = emitter.builder();
  Location location = emitter.location();
  Value zero = emitter.index(0), one = emitter.index(1);
  SmallVector<Positions> lines{split(innerRows(), row)};
  while (static_cast<int64_t>(lines.size()) < height) {
    Positions next = lines.back();
    next.back() = emitter.addIndex(next.back(), one);
    for (size_t level = next.size(); --level > 0;) {
      Value isEnd = arith::CmpIOp::create(builder, location, arith::CmpIPredicate::eq, next[level],
                                          sizeOf(innerRows()[level]));
      Value above = emitter.addIndex(next[level - 1], one);
      next[level] = arith::SelectOp::create(builder, location, isEnd, zero, next[level]);
      next[level - 1] = arith::SelectOp::create(builder, location, isEnd, above, next[level - 1]);
    }
    lines.push_back(next);
  }
  return lines;
}

Value ContractionTemplate::isLastBlock(const Task &at) {
  return arith::CmpIOp::create(emitter.builder(), emitter.location(), arith::CmpIPredicate::eq,
                               emitter.addIndex(at.depthBlock, emitter.index(1)), depthBlocks());
}

/// True if the tile's sums are complete, all of its elements are in the result, and none of them
/// was finished before.
Value ContractionTemplate::isWhole(const Task &at, int64_t height, Value row, Value next) {
  Value end = emitter.addIndex(at.column, emitter.index(tileColumns));
  Value after = emitter.addIndex(row, emitter.index(height)), one = emitter.index(1);
  Value all = isLastBlock(at);
  for (auto [low, high] : {std::pair(end, sizeOf(columns.front())), std::pair(after, at.high),
                           std::pair(emitter.maximumIndex(next, at.first), row)})
    all = arith::AndIOp::create(emitter.builder(), emitter.location(), all,
                                emitter.isLess(low, emitter.addIndex(high, one)));
  return all;
}

void ContractionTemplate::finishInRegisters(const Task &at, ArrayRef<Positions> lines,
                                            ValueRange sums) {
  setLoops(batch, at.batch);
  setLoops(outerRows(), at.outerRow);
  int64_t vectors = tileColumns / lanes;
  for (auto [line, positions] : llvm::enumerate(lines)) {
    for (auto [loop, position] : llvm::zip_equal(innerRows(), positions))
      setLoop(loop, position, 0);
    for (int64_t v = 0; v < vectors; ++v)
      emitter.withMask(nullptr, [&] {
        setLoop(columns.front(), emitter.addIndex(at.column, emitter.index(v * lanes)), 1);
        emitter.override(op->getResult(0), rounded(sums[line * vectors + v]));
        emitter.storeResults(indicesIn(Contraction::Result));
      });
  }
  emitter.clearOverrides();
}

/// Puts the sums into memory, from where they are finished if they are complete.
void ContractionTemplate::drainTile(const Task &at, MicroKernel &kernel, int64_t height, Value row,
                                    Value next, ValueRange sums) {
  Value tile = tileAddress(at, next);
  kernel.drain(sums, tile);
  emitter.ifTrue(isLastBlock(at), [&] { finishTile(at, height, tile, row, next); });
}

/// Where the tile rests between blocks of the depth, and before it is finished.
Value ContractionTemplate::tileAddress(const Task &at, Value next) {
  std::optional<unsigned> buffer = unfinished;
  if (!buffer)
    return scratchTile;
  Value isBlocked = emitter.isLess(emitter.index(1), depthBlocks());
  return arith::SelectOp::create(emitter.builder(), emitter.location(), isBlocked,
                                 restingAddress(at, *buffer, next), scratchTile);
}

Value ContractionTemplate::restingAddress(const Task &at, unsigned buffer, Value next) {
  Value block = emitter.addIndex(emitter.multiplyIndex(at.batch, sizeOf(outerRows())), at.outerRow);
  block = emitter.addIndex(emitter.multiplyIndex(block, rowBlocks()), at.rowBlock);
  block = emitter.addIndex(emitter.multiplyIndex(block, columnBlocks()), at.columnBlock);
  Value line = emitter.addIndex(emitter.multiplyIndex(block, mostRowsInBlock()),
                                emitter.subtractIndex(next, at.low));
  return emitter.offset(emitter.buffer(buffer), format.sum,
                        emitter.multiplyIndex(line, emitter.index(tileColumns)));
}

/// Each element is finished once: its old value may be among the operands of the new one.
void ContractionTemplate::finishTile(const Task &at, int64_t height, Value tile, Value row,
                                     Value next) {
  Value done = emitter.subtractIndex(emitter.maximumIndex(next, at.first), row);
  Value end = emitter.minimumIndex(emitter.index(height), emitter.subtractIndex(at.high, row));
  emitter.callHelper(
      finishName, {tile, at.batch, at.outerRow, row, done, end, firstColumn(at.column), at.column});
}

SmallVector<Value> ContractionTemplate::emitDepthLoop(const Task &at, MicroKernel &kernel,
                                                      const OperandReader &left,
                                                      SmallVector<Value> &outer,
                                                      ValueRange accumulators) {
  size_t level = outer.size();
  Value low = level == 0 ? at.stepLow : emitter.index(0);
  Value high = level == 0 ? at.stepHigh : sizeOf(depth[level]);
  if (level + 1 == depth.size()) {
    OperandReader reader = left;
    reader.pointer = emitter.offset(
        left.pointer, KernelEmitter::storedType(left.dtype),
        offsetIn(Contraction::Lhs, ArrayRef<ContractionLoop>(depth).drop_back(), outer));
    return kernel.run(reader, rhsReader(at, outer), format.stepsIn(emitter, low),
                      format.stepsIn(emitter, high), accumulators);
  }
  return emitter.loop(low, high, 1, accumulators, [&](Value position, ValueRange carried) {
    outer.push_back(position);
    SmallVector<Value> results = emitDepthLoop(at, kernel, left, outer, carried);
    outer.pop_back();
    return results;
  });
}

//===----------------------------------------------------------------------===//
// Where the micro-kernel reads
//===----------------------------------------------------------------------===//

/// The left operand along the innermost depth loop, where the others begin.
OperandReader ContractionTemplate::lhsReader(const Task &at, Value row, ArrayRef<Positions> lines) {
  return schedule.getPackLhs() ? packedLhsReader(at, row, static_cast<int64_t>(lines.size()))
                               : directLhsReader(at, row, lines);
}

OperandReader ContractionTemplate::directLhsReader(const Task &at, Value row,
                                                   ArrayRef<Positions> lines) {
  OperandReader reader;
  reader.dtype = getElementTypeOrSelf(op->getOperand(0));
  reader.depthStride = strideOf(depth.back(), Contraction::Lhs);
  Value start = at.lhsBase;
  Value distance = schedule.getRowStride() ? emitter.index(schedule.getRowStride())
                                           : strideOf(rows.back(), Contraction::Lhs);
  if (!schedule.getFlat())
    start = emitter.addIndex(start, emitter.multiplyIndex(row, distance));
  reader.pointer =
      emitter.offset(emitter.buffer(cast<BlockArgument>(op->getOperand(0)).getArgNumber()),
                     KernelEmitter::storedType(reader.dtype), start);
  for (auto [line, positions] : llvm::enumerate(lines))
    reader.rowOffsets.push_back(schedule.getFlat()
                                    ? offsetIn(Contraction::Lhs, innerRows(), positions)
                                    : emitter.multiplyIndex(emitter.index(line), distance));
  bool isWhole = static_cast<int64_t>(lines.size()) == tileRows && tileRows > 1;
  if (isWhole && depth.size() == 1 && rows.size() == 1 &&
      depth.back().strides[Contraction::Lhs].isOne())
    reader.rowDistance = distance;
  return reader;
}

OperandReader ContractionTemplate::packedLhsReader(const Task &at, Value row, int64_t height) {
  OperandReader reader;
  bool byRows = packedLhs.areNeighbours;
  Value stride = emitter.index(packedLhs.stride()), one = emitter.index(1);
  Value distance = byRows ? one : stride;
  reader.dtype = format.packed;
  reader.depthStride = byRows ? stride : emitter.index(format.steps);
  Value start = emitter.multiplyIndex(emitter.subtractIndex(row, at.low), distance);
  start = emitter.subtractIndex(start, emitter.multiplyIndex(at.depthLow, byRows ? stride : one));
  reader.pointer =
      emitter.offset(packedLhs.pointer, KernelEmitter::storedType(reader.dtype), start);
  for (int64_t line = 0; line < height; ++line)
    reader.rowOffsets.push_back(emitter.multiplyIndex(emitter.index(line), distance));
  return reader;
}

/// How many steps all depth loops have.
Value ContractionTemplate::depthSteps() { return format.stepsIn(emitter, sizeOf(depth)); }

/// `start` continued by positions in all depth loops but the innermost, in row-major order.
Value ContractionTemplate::linearDepth(Value start, ArrayRef<Value> outer) {
  for (auto [level, loop] : llvm::enumerate(depth)) {
    start = emitter.multiplyIndex(start, sizeOf(loop));
    if (level < outer.size())
      start = emitter.addIndex(start, outer[level]);
  }
  return start;
}

OperandReader ContractionTemplate::rhsReader(const Task &at, ArrayRef<Value> outer) {
  Value stride = emitter.index(tileColumns * format.steps), line, buffer;
  if (schedule.getPackBlock()) {
    buffer = packedBlock;
    Value before = emitter.multiplyIndex(at.depthLow, innerDepth());
    line = emitter.subtractIndex(linearDepth(emitter.index(0), outer),
                                 format.stepsIn(emitter, before));
  } else if (packedRhs) {
    buffer = emitter.buffer(packedRhs.value());
    Value panel = emitter.addIndex(emitter.multiplyIndex(at.batch, columnBlocks()), at.columnBlock);
    // A step of several depths has one depth loop.
    line =
        format.steps > 1 ? emitter.multiplyIndex(panel, depthSteps()) : linearDepth(panel, outer);
  } else {
    return directRhsReader(at, outer);
  }
  Type stored = KernelEmitter::storedType(format.right);
  OperandReader packed{emitter.offset(buffer, stored, emitter.multiplyIndex(line, stride)),
                       {},
                       stride,
                       format.right};
  // What outlives calls is in memory, not in the cache.
  if (packedRhs && schedule.getDirectRows() == 0)
    packed.prefetchBytes = tileRows > 1 ? prefetchedBytes : prefetchedByRow;
  Value direct = packedRhs ? readsRhsDirectly() : Value();
  if (!direct)
    return packed;
  OperandReader other = directRhsReader(at, outer);
  auto choose = [&](Value yes, Value no) -> Value {
    return arith::SelectOp::create(emitter.builder(), emitter.location(), direct, yes, no);
  };
  return {choose(other.pointer, packed.pointer),
          {},
          choose(other.depthStride, packed.depthStride),
          format.right};
}

/// A last block of columns that is not whole starts earlier.
Value ContractionTemplate::firstColumn(Value column) {
  if (packedRhs || schedule.getPackBlock() || addsLines(schedule))
    return column;
  Value last = emitter.subtractIndex(sizeOf(columns.front()), emitter.index(tileColumns));
  return emitter.minimumIndex(column, last);
}

OperandReader ContractionTemplate::directRhsReader(const Task &at, ArrayRef<Value> outer) {
  Type dtype = getElementTypeOrSelf(op->getOperand(1));
  Value start = emitter.addIndex(at.rhsBase, firstColumn(at.column));
  start = emitter.addIndex(
      start, offsetIn(Contraction::Rhs, ArrayRef<ContractionLoop>(depth).drop_back(), outer));
  unsigned number = cast<BlockArgument>(op->getOperand(1)).getArgNumber();
  return {emitter.offset(emitter.buffer(number), KernelEmitter::storedType(dtype), start),
          {},
          strideOf(depth.back(), Contraction::Rhs),
          dtype};
}

//===----------------------------------------------------------------------===//
// Finished tiles
//===----------------------------------------------------------------------===//

/// A sum as an element of the result.
Value ContractionTemplate::rounded(Value sum) {
  Type computed = emitter.computeType(op->getResult(0));
  if (format.sum != computed)
    sum = arith::TruncIOp::create(emitter.builder(), emitter.location(),
                                  VectorType::get({lanes}, computed), sum);
  return emitter.roundTo(sum, getElementTypeOrSelf(op->getResult(0)));
}

/// Computes the kernel's results for lines of a tile: (batch, outer row, row of line 0, first line,
/// end of the lines, first column of the tile, first column to finish).
void ContractionTemplate::emitFinish(Value tile, ValueRange at) {
  setLoops(batch, at[0]);
  setLoops(outerRows(), at[1]);
  Value tileColumn = at[5], low = at[6];
  Value high = emitter.minimumIndex(emitter.addIndex(tileColumn, emitter.index(tileColumns)),
                                    sizeOf(columns.front()));
  emitter.loop(at[3], at[4], 1, [&](Value line) {
    setLoops(innerRows(), emitter.addIndex(at[2], line));
    Value start = emitter.multiplyIndex(line, emitter.index(tileColumns));
    emitter.vectorLoop(low, high, [&](Value column) {
      setLoop(columns.front(), column, 1);
      Value place = emitter.addIndex(start, emitter.subtractIndex(column, tileColumn));
      Value sum = emitter.loadVector(emitter.offset(tile, format.sum, place), format.sum, lanes);
      emitter.override(op->getResult(0), rounded(sum));
      if (areColumnsApart())
        emitter.scatterResults(indicesIn(Contraction::Result));
      else
        emitter.storeResults(indicesIn(Contraction::Result));
    });
  });
}

void emitContraction(KernelEmitter &emitter) {
  emitter.storeInFrame();
  if (emitter.schedule<ContractionScheduleAttr>().getVectorLhs())
    return VectorLeftTemplate(emitter).addStages();
  ContractionTemplate contraction(emitter);
  if (emitter.schedule<ContractionScheduleAttr>().getPackRhs())
    contraction.addPackStage();
  contraction.addBorderStage();
  contraction.addMainStage();
}

} // namespace weft

// The template of kernels that contract: matmul, convolution, the gradient of a convolution's
// weight.
//
// All are the same nest of loops over a register tile of rows x vectors of columns, kept in
// registers over the depth loops: load the columns of the right operand, broadcast an element of
// the left one for each row, multiply and add. Operands are read where they are, through the
// strides of the loops, or from copies in reading order (`pack_lhs`, `pack_rhs`). Each element of
// the result is one chain of fused multiply-adds in the order of the depth loops, whatever the
// tiles.
//
// Stage 1 (pack_rhs): the right operand into [batch][block of columns][depth][columns].
// Stage 2: a task is a block of rows (of one batch and outer row) by a group of column blocks. With
// a depth blocked, unfinished tiles rest in a temporary buffer. A finished tile goes through a
// helper that computes what follows the contraction and stores the results.
#include "codegen/Loops/Contraction.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;

namespace weft {

/// Tiles of rows in a block, which share the columns while those are in the cache.
static constexpr int64_t tilesInBlock = 8;
/// Columns are divided among tasks until there are about this many: enough for the threads to end
/// together, few enough to use a packed left operand for many columns.
static constexpr int64_t wantedTasks = 16;
static constexpr int64_t packedDepth = 64;
/// With at most this many rows a copy of the right operand is not read often enough to pay.
static constexpr int64_t fewRows = 64;

/// The transpose of n vectors of n elements: in each step, quarters of blocks of 2, 4, ... vectors
/// change places (Eklundh's algorithm, 1972).
static SmallVector<Value> transposeSquare(KernelEmitter &emitter, SmallVector<Value> square) {
  auto size = static_cast<int64_t>(square.size());
  for (int64_t step = 1; step < size; step *= 2) {
    SmallVector<int64_t> low, high;
    for (int64_t lane = 0; lane < size; ++lane) {
      bool isUpper = lane / step % 2 != 0;
      low.push_back(isUpper ? size + lane - step : lane);
      high.push_back(isUpper ? size + lane : lane + step);
    }
    for (int64_t line = 0; line < size; ++line) {
      if (line / step % 2 != 0)
        continue;
      Value first = square[line], second = square[line + step];
      auto shuffle = [&](ArrayRef<int64_t> mask) -> Value {
        return vector::ShuffleOp::create(emitter.builder(), emitter.location(), first, second,
                                         mask);
      };
      square[line] = shuffle(low);
      square[line + step] = shuffle(high);
    }
  }
  return square;
}

ContractionTemplate::ContractionTemplate(KernelEmitter &emitter)
    : ContractionNest(emitter), schedule(emitter.schedule<ContractionScheduleAttr>()) {
  lanes = schedule.getLanes();
  tileRows = schedule.getRows();
  tileColumns = schedule.getColumns() * lanes;
  accumulatorType = emitter.computeType(op->getResult(0));
  elementBytes = accumulatorType.getIntOrFloatBitWidth() / 8;
  if (elementBytes == 0)
    elementBytes = 1;
}

//===----------------------------------------------------------------------===//
// Sizes
//===----------------------------------------------------------------------===//

Value ContractionTemplate::columnBlocks() {
  return emitter.ceilDivideIndex(sizeOf(columns.front()), tileColumns);
}

Value ContractionTemplate::rowBlocks() {
  return emitter.ceilDivideIndex(sizeOf(rows.back()), tilesInBlock * tileRows);
}

Value ContractionTemplate::rowTasks() {
  Value outer = sizeOf(ArrayRef<ContractionLoop>(rows).drop_back());
  return emitter.multiplyIndex(emitter.multiplyIndex(sizeOf(batch), outer), rowBlocks());
}

Value ContractionTemplate::columnBlocksInGroup() {
  Value one = emitter.index(1), rowCount = emitter.maximumIndex(rowTasks(), one);
  Value blocks = emitter.maximumIndex(columnBlocks(), one);
  Value groups =
      emitter.divideIndex(emitter.addIndex(rowCount, emitter.index(wantedTasks - 1)), rowCount);
  groups = emitter.minimumIndex(groups, blocks);
  Value rounded = emitter.addIndex(blocks, emitter.subtractIndex(groups, one));
  return emitter.divideIndex(rounded, groups);
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
// Packing the right operand
//===----------------------------------------------------------------------===//

/// Whether this call reads the right operand where it is although the kernel could copy it: few
/// rows, and whole blocks of columns that are neighbours. Null: never.
Value ContractionTemplate::readsRhsDirectly() {
  Type dtype = getElementTypeOrSelf(op->getOperand(1));
  if (!columns.front().strides[Contraction::Rhs].isOne() ||
      KernelEmitter::storedType(dtype) != accumulatorType)
    return {};
  OpBuilder &builder = emitter.builder();
  Value rest = emitter.remainderIndex(sizeOf(columns.front()), emitter.index(tileColumns));
  Value areWhole = arith::CmpIOp::create(builder, emitter.location(), arith::CmpIPredicate::eq,
                                         rest, emitter.index(0));
  Value areFew = emitter.isLess(sizeOf(rows), emitter.index(fewRows + 1));
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
  packedRhs = emitter.addTemporary([*this]() mutable {
    Value elements =
        emitter.multiplyIndex(emitter.multiplyIndex(sizeOf(batch), columnBlocks()), sizeOf(depth));
    return unlessDirect(emitter.multiplyIndex(elements, emitter.index(tileColumns * elementBytes)));
  });
  auto tasks = [*this]() mutable {
    Value chunks = emitter.ceilDivideIndex(sizeOf(depth), packedDepth);
    return unlessDirect(
        emitter.multiplyIndex(emitter.multiplyIndex(sizeOf(batch), columnBlocks()), chunks));
  };
  emitter.addStage(tasks, [&](Value begin, Value end) {
    emitter.loop(begin, end, 1, [&](Value task) { emitPack(task); });
  });
}

void ContractionTemplate::emitPack(Value task) {
  Value total = sizeOf(depth), chunks = emitter.ceilDivideIndex(total, packedDepth);
  SmallVector<Value> parts = emitter.delinearize(task, {sizeOf(batch), columnBlocks(), chunks});
  setLoops(batch, parts[0]);
  Value panel = emitter.divideIndex(task, chunks);
  Value low = emitter.multiplyIndex(parts[2], emitter.index(packedDepth));
  Value high = emitter.minimumIndex(emitter.addIndex(low, emitter.index(packedDepth)), total);
  Value first = emitter.multiplyIndex(parts[1], emitter.index(tileColumns));
  Value firstRow = emitter.multiplyIndex(panel, total);
  // Where the depth runs along memory, squares are loaded along it and turned in registers.
  if (depth.size() == 1 && depth.front().strides[Contraction::Rhs].isOne()) {
    Value squares = emitter.divideIndex(emitter.subtractIndex(high, low), emitter.index(lanes));
    Value middle = emitter.addIndex(low, emitter.multiplyIndex(squares, emitter.index(lanes)));
    emitter.loop(low, middle, lanes, [&](Value position) {
      emitter.loop(emitter.index(0), emitter.index(tileColumns), lanes, [&](Value part) {
        emitPackSquare(emitter.addIndex(firstRow, position), position, first, part);
      });
    });
    low = middle;
  }
  emitter.loop(low, high, 1, [&](Value position) {
    emitPackRow(emitter.addIndex(firstRow, position), position, first);
  });
}

/// Copies the columns from `first` at one depth to line `row`.
void ContractionTemplate::emitPackRow(Value row, Value position, Value first) {
  setLoops(depth, position);
  for (int64_t part = 0; part < tileColumns; part += lanes) {
    Value column = emitter.addIndex(first, emitter.index(part));
    Value value;
    // Columns beyond the last are filled with what a masked load gives: zeros.
    Value left = emitter.subtractIndex(sizeOf(columns.front()), column);
    emitter.withMask(emitter.lanesBelow(left), [&] {
      setLoop(columns.front(), column, 1);
      value = emitter.splat(emitter.element(op->getOperand(1), indicesIn(Contraction::Rhs)));
    });
    emitter.storeVector(value, packedAddress(row, emitter.index(part)));
  }
}

/// Copies `lanes` columns from `first` + `part` on at `lanes` depths from `position` on to the
/// lines from `row` on. Columns beyond the last repeat it: what is computed from them is not
/// stored.
void ContractionTemplate::emitPackSquare(Value row, Value position, Value first, Value part) {
  Value last = emitter.subtractIndex(sizeOf(columns.front()), emitter.index(1));
  setLoop(depth.front(), position, 1);
  SmallVector<Value> square;
  for (int64_t line = 0; line < lanes; ++line) {
    Value column = emitter.addIndex(emitter.addIndex(first, part), emitter.index(line));
    setLoop(columns.front(), emitter.minimumIndex(column, last), 0);
    square.push_back(emitter.element(op->getOperand(1), indicesIn(Contraction::Rhs)));
  }
  for (auto [line, value] : llvm::enumerate(transposeSquare(emitter, square)))
    emitter.storeVector(value, packedAddress(emitter.addIndex(row, emitter.index(line)), part));
}

Value ContractionTemplate::packedAddress(Value row, Value part) {
  Value place = emitter.addIndex(emitter.multiplyIndex(row, emitter.index(tileColumns)), part);
  return emitter.offset(emitter.buffer(*packedRhs), accumulatorType, place);
}

//===----------------------------------------------------------------------===//
// The main stage
//===----------------------------------------------------------------------===//

void ContractionTemplate::addMainStage() {
  if (schedule.getDepth() != 0)
    unfinished = emitter.addTemporary([*this]() mutable {
      Value elements = emitter.multiplyIndex(
          emitter.multiplyIndex(rowTasks(), columnBlocks()),
          emitter.index((tilesInBlock + 1) * tileRows * tileColumns * elementBytes));
      Value isBlocked = emitter.isLess(emitter.index(1), depthBlocks());
      return arith::SelectOp::create(emitter.builder(), emitter.location(), isBlocked, elements,
                                     emitter.index(0));
    });
  std::string finish = emitter.addHelper(
      1, 6, [&](ValueRange arguments) { emitFinish(arguments[0], arguments.drop_front()); });
  auto tasks = [*this]() mutable { return emitter.multiplyIndex(rowTasks(), columnGroups()); };
  emitter.addStage(tasks, [&](Value begin, Value end) {
    finishName = finish;
    scratchTile = allocate(tileRows * tileColumns);
    if (schedule.getPackLhs())
      packedLhs = allocate(packedLhsElements());
    emitter.loop(begin, end, 1, [&](Value task) { emitTask(task); });
  });
}

/// Memory on the stack of the stage function.
Value ContractionTemplate::allocate(int64_t elements) {
  OpBuilder &builder = emitter.builder();
  Value count = arith::ConstantIntOp::create(builder, emitter.location(), elements, 64);
  return LLVM::AllocaOp::create(builder, emitter.location(),
                                LLVM::LLVMPointerType::get(builder.getContext()), accumulatorType,
                                count, /*alignment=*/64);
}

bool ContractionTemplate::lhsRowsAreNeighbours() const {
  return rows.back().strides[Contraction::Lhs].isOne();
}

int64_t ContractionTemplate::packedLhsStride() const {
  int64_t rowsInBlock = (tilesInBlock + 1) * tileRows;
  return lhsRowsAreNeighbours() ? (rowsInBlock + lanes - 1) / lanes * lanes
                                : schedule.getDepth() + lanes;
}

int64_t ContractionTemplate::packedLhsElements() const {
  return packedLhsStride() *
         (lhsRowsAreNeighbours() ? schedule.getDepth() : (tilesInBlock + 1) * tileRows);
}

void ContractionTemplate::emitTask(Value task) {
  Task at;
  SmallVector<Value> sizes{sizeOf(batch), sizeOf(ArrayRef<ContractionLoop>(rows).drop_back()),
                           rowBlocks(), columnGroups()};
  SmallVector<Value> parts = emitter.delinearize(task, sizes);
  at.batch = parts[0];
  at.outerRow = parts[1];
  at.rowTask = emitter.divideIndex(task, sizes[3]);
  Value rowCount = sizeOf(rows.back());
  Value low = emitter.multiplyIndex(parts[2], emitter.index(tilesInBlock * tileRows));
  Value whole = emitter.maximumIndex(emitter.subtractIndex(rowCount, emitter.index(tileRows)),
                                     emitter.index(0));
  at.high =
      emitter.minimumIndex(emitter.addIndex(low, emitter.index(tilesInBlock * tileRows)), rowCount);
  // A last block of less than a tile starts earlier; the rows before are left to their own block.
  at.first = low;
  at.low = emitter.minimumIndex(low, whole);
  Value group = columnBlocksInGroup();
  Value firstBlock = emitter.multiplyIndex(parts[3], group);
  Value lastBlock = emitter.minimumIndex(emitter.addIndex(firstBlock, group), columnBlocks());
  at.lhsBase = baseOf(Contraction::Lhs, at);
  at.rhsBase = baseOf(Contraction::Rhs, at);
  emitter.loop(emitter.index(0), depthBlocks(), 1, [&](Value block) {
    at.depthBlock = block;
    at.depthLow = emitter.multiplyIndex(block, emitter.index(schedule.getDepth()));
    at.depthHigh = sizeOf(depth.front());
    if (schedule.getDepth() != 0)
      at.depthHigh = emitter.minimumIndex(
          emitter.addIndex(at.depthLow, emitter.index(schedule.getDepth())), at.depthHigh);
    if (schedule.getPackLhs())
      emitPackLhs(at);
    emitter.loop(firstBlock, lastBlock, 1, [&](Value columnBlock) {
      at.columnBlock = columnBlock;
      emitTiles(at);
    });
  });
}

/// Where the task's batch and outer rows start in an operand, in elements.
Value ContractionTemplate::baseOf(Contraction::Operand operand, const Task &at) {
  SmallVector<Value> batchSizes, rowSizes;
  for (const ContractionLoop &loop : batch)
    batchSizes.push_back(sizeOf(loop));
  auto outerRows = ArrayRef<ContractionLoop>(rows).drop_back();
  for (const ContractionLoop &loop : outerRows)
    rowSizes.push_back(sizeOf(loop));
  Value ofBatch = offsetIn(operand, batch, emitter.delinearize(at.batch, batchSizes));
  Value ofRows = offsetIn(operand, outerRows, emitter.delinearize(at.outerRow, rowSizes));
  return emitter.addIndex(ofBatch, ofRows);
}

void ContractionTemplate::emitPackLhs(const Task &at) {
  setLoops(batch, at.batch);
  bool byRows = lhsRowsAreNeighbours();
  const ContractionLoop &outer = byRows ? depth.front() : rows.back();
  const ContractionLoop &inner = byRows ? rows.back() : depth.front();
  Value outerLow = byRows ? at.depthLow : at.low, outerHigh = byRows ? at.depthHigh : at.high;
  Value innerLow = byRows ? at.low : at.depthLow, innerHigh = byRows ? at.high : at.depthHigh;
  emitter.loop(outerLow, outerHigh, 1, [&](Value line) {
    setLoop(outer, line, 0);
    Value start = emitter.multiplyIndex(emitter.subtractIndex(line, outerLow),
                                        emitter.index(packedLhsStride()));
    emitter.vectorLoop(innerLow, innerHigh, [&](Value position) {
      setLoop(inner, position, 1);
      Value value = emitter.splat(emitter.element(op->getOperand(0), indicesIn(Contraction::Lhs)));
      Value place = emitter.addIndex(start, emitter.subtractIndex(position, innerLow));
      emitter.storeVector(value, emitter.offset(packedLhs, accumulatorType, place));
    });
  });
}

void ContractionTemplate::emitTiles(const Task &at) {
  Value count = emitter.subtractIndex(at.high, at.low);
  SmallVector<int64_t> heights{tileRows};
  for (int64_t height : {4, 1})
    if (height < tileRows)
      heights.push_back(height);
  // The first height that fits; with the smallest everything does.
  Value isOpen = arith::ConstantIntOp::create(emitter.builder(), emitter.location(), 1, 1);
  OpBuilder &builder = emitter.builder();
  for (int64_t height : heights) {
    Value fits = emitter.isLess(emitter.index(height - 1), count);
    Value taken = arith::AndIOp::create(builder, emitter.location(), isOpen, fits);
    emitter.ifTrue(taken, [&] {
      emitter.loop(at.low, at.high, height, [&](Value row) {
        Value last = emitter.subtractIndex(at.high, emitter.index(height));
        emitTile(at, height, emitter.minimumIndex(row, last), row);
      });
    });
    Value truth = arith::ConstantIntOp::create(builder, emitter.location(), 1, 1);
    Value missed = arith::XOrIOp::create(builder, emitter.location(), fits, truth);
    isOpen = arith::AndIOp::create(builder, emitter.location(), isOpen, missed);
  }
}

/// Emits the tile of `height` rows from `row`, whose rows before `next` were finished before.
void ContractionTemplate::emitTile(const Task &at, int64_t height, Value row, Value next) {
  OpBuilder &builder = emitter.builder();
  Value place = emitter.subtractIndex(next, at.low);
  Value blocks = depthBlocks();
  Value tile = scratchTile;
  Value isLater = emitter.isLess(emitter.index(0), at.depthBlock);
  if (unfinished) {
    Value index =
        emitter.addIndex(emitter.multiplyIndex(at.rowTask, columnBlocks()), at.columnBlock);
    Value line = emitter.addIndex(
        emitter.multiplyIndex(index, emitter.index((tilesInBlock + 1) * tileRows)), place);
    Value resting = emitter.offset(emitter.buffer(*unfinished), accumulatorType,
                                   emitter.multiplyIndex(line, emitter.index(tileColumns)));
    Value isBlocked = emitter.isLess(emitter.index(1), blocks);
    tile = arith::SelectOp::create(builder, emitter.location(), isBlocked, resting, scratchTile);
  }
  SmallVector<Value> accumulators = startTile(height, tile, unfinished ? isLater : Value());
  accumulators = emitDepthLoops(at, height, row, accumulators);
  int64_t vectors = tileColumns / lanes;
  for (auto [number, value] : llvm::enumerate(accumulators)) {
    int64_t element = number / vectors * tileColumns + number % vectors * lanes;
    emitter.storeVector(value, emitter.offset(tile, accumulatorType, emitter.index(element)));
  }
  Value isLast = arith::CmpIOp::create(builder, emitter.location(), arith::CmpIPredicate::eq,
                                       emitter.addIndex(at.depthBlock, emitter.index(1)), blocks);
  emitter.ifTrue(isLast, [&] {
    Value column = emitter.multiplyIndex(at.columnBlock, emitter.index(tileColumns));
    // Each element is finished once: its old value may be among the operands of the new one.
    Value done = emitter.subtractIndex(emitter.maximumIndex(next, at.first), row);
    emitter.callHelper(finishName,
                       {tile, at.batch, at.outerRow, row, done, emitter.index(height), column});
  });
}

/// Zeros, or where `isLater` what the tile held.
SmallVector<Value> ContractionTemplate::startTile(int64_t height, Value tile, Value isLater) {
  OpBuilder &builder = emitter.builder();
  auto type = VectorType::get({lanes}, accumulatorType);
  Value zero = arith::ConstantOp::create(builder, emitter.location(), builder.getZeroAttr(type));
  SmallVector<Value> values(height * tileColumns / lanes, zero);
  if (!isLater)
    return values;
  emitter.withMask(emitter.splat(isLater), [&] {
    for (auto [number, value] : llvm::enumerate(values)) {
      Value address = emitter.offset(tile, accumulatorType, emitter.index(number * lanes));
      value = emitter.loadVector(address, accumulatorType, lanes);
    }
  });
  return values;
}

SmallVector<Value> ContractionTemplate::emitDepthLoops(const Task &at, int64_t height, Value row,
                                                       SmallVector<Value> accumulators) {
  SmallVector<Value> outer;
  return emitDepthLoop(at, height, row, outer, accumulators);
}

SmallVector<Value> ContractionTemplate::emitDepthLoop(const Task &at, int64_t height, Value row,
                                                      SmallVector<Value> &outer,
                                                      ValueRange accumulators) {
  size_t level = outer.size();
  Value low = level == 0 ? at.depthLow : emitter.index(0);
  Value high = level == 0 ? at.depthHigh : sizeOf(depth[level]);
  if (level + 1 == depth.size())
    return emitInnermost(at, height, row, outer, low, high, accumulators);
  return emitter.loop(low, high, 1, accumulators, [&](Value position, ValueRange carried) {
    outer.push_back(position);
    SmallVector<Value> results = emitDepthLoop(at, height, row, outer, carried);
    outer.pop_back();
    return results;
  });
}

ContractionTemplate::Reader ContractionTemplate::lhsReader(const Task &at, Value row,
                                                           ArrayRef<Value> outer) {
  if (schedule.getPackLhs()) {
    Value line = emitter.subtractIndex(row, at.low), stride = emitter.index(packedLhsStride());
    bool byRows = lhsRowsAreNeighbours();
    Value rowStride = byRows ? emitter.index(1) : stride;
    Value start = emitter.multiplyIndex(line, rowStride);
    Value depthStride = byRows ? stride : emitter.index(1);
    start = emitter.subtractIndex(start, emitter.multiplyIndex(at.depthLow, depthStride));
    return {emitter.offset(packedLhs, accumulatorType, start), rowStride, depthStride,
            accumulatorType};
  }
  unsigned number = cast<BlockArgument>(op->getOperand(0)).getArgNumber();
  Type dtype = getElementTypeOrSelf(op->getOperand(0));
  Value rowStride = schedule.getRowStride() ? emitter.index(schedule.getRowStride())
                                            : strideOf(rows.back(), Contraction::Lhs);
  Value start = emitter.addIndex(at.lhsBase, emitter.multiplyIndex(row, rowStride));
  start = emitter.addIndex(
      start, offsetIn(Contraction::Lhs, ArrayRef<ContractionLoop>(depth).drop_back(), outer));
  return {emitter.offset(emitter.buffer(number), KernelEmitter::storedType(dtype), start),
          rowStride, strideOf(depth.back(), Contraction::Lhs), dtype};
}

ContractionTemplate::Reader ContractionTemplate::rhsReader(const Task &at, ArrayRef<Value> outer) {
  if (!packedRhs)
    return directRhsReader(at, outer);
  Value line = emitter.addIndex(emitter.multiplyIndex(at.batch, columnBlocks()), at.columnBlock);
  for (auto [level, loop] : llvm::enumerate(depth)) {
    line = emitter.multiplyIndex(line, sizeOf(loop));
    if (level < outer.size())
      line = emitter.addIndex(line, outer[level]);
  }
  Value stride = emitter.index(tileColumns);
  Reader packed{emitter.offset(emitter.buffer(*packedRhs), accumulatorType,
                               emitter.multiplyIndex(line, stride)),
                Value(), stride, accumulatorType};
  Value direct = readsRhsDirectly();
  if (!direct)
    return packed;
  Reader inPlace = directRhsReader(at, outer);
  auto choose = [&](Value x, Value y) -> Value {
    return arith::SelectOp::create(emitter.builder(), emitter.location(), direct, x, y);
  };
  return {choose(inPlace.pointer, packed.pointer), Value(),
          choose(inPlace.depthStride, packed.depthStride), accumulatorType};
}

ContractionTemplate::Reader ContractionTemplate::directRhsReader(const Task &at,
                                                                 ArrayRef<Value> outer) {
  unsigned number = cast<BlockArgument>(op->getOperand(1)).getArgNumber();
  Type dtype = getElementTypeOrSelf(op->getOperand(1));
  Value column = emitter.multiplyIndex(at.columnBlock, emitter.index(tileColumns));
  Value start = emitter.addIndex(at.rhsBase, column);
  start = emitter.addIndex(
      start, offsetIn(Contraction::Rhs, ArrayRef<ContractionLoop>(depth).drop_back(), outer));
  return {emitter.offset(emitter.buffer(number), KernelEmitter::storedType(dtype), start), Value(),
          strideOf(depth.back(), Contraction::Rhs), dtype};
}

SmallVector<Value> ContractionTemplate::emitInnermost(const Task &at, int64_t height, Value row,
                                                      ArrayRef<Value> outer, Value low, Value high,
                                                      ValueRange accumulators) {
  Reader left = lhsReader(at, row, outer), right = rhsReader(at, outer);
  SmallVector<Value> rowOffsets;
  for (int64_t i = 0; i < height; ++i)
    rowOffsets.push_back(emitter.multiplyIndex(emitter.index(i), left.rowStride));
  int64_t vectors = tileColumns / lanes;
  Type leftStored = KernelEmitter::storedType(left.dtype);
  Type rightStored = KernelEmitter::storedType(right.dtype);
  return emitter.loop(low, high, 1, accumulators, [&](Value position, ValueRange carried) {
    Value leftAt =
        emitter.offset(left.pointer, leftStored, emitter.multiplyIndex(position, left.depthStride));
    Value rightAt = emitter.offset(right.pointer, rightStored,
                                   emitter.multiplyIndex(position, right.depthStride));
    SmallVector<Value> columnValues, results;
    for (int64_t v = 0; v < vectors; ++v) {
      Value address = emitter.offset(rightAt, rightStored, emitter.index(v * lanes));
      columnValues.push_back(
          emitter.widen(emitter.loadVector(address, rightStored, lanes), right.dtype));
    }
    for (int64_t i = 0; i < height; ++i) {
      Value address = emitter.offset(leftAt, leftStored, rowOffsets[i]);
      Value scalar = emitter.widen(emitter.loadVector(address, leftStored, 0), left.dtype);
      Value broadcast = emitter.splat(scalar);
      for (int64_t v = 0; v < vectors; ++v)
        results.push_back(multiplyAdd(broadcast, columnValues[v], carried[i * vectors + v]));
    }
    return results;
  });
}

Value ContractionTemplate::multiplyAdd(Value x, Value y, Value sum) {
  OpBuilder &builder = emitter.builder();
  if (isa<FloatType>(accumulatorType))
    return math::FmaOp::create(builder, op->getLoc(), x, y, sum);
  Value product = arith::MulIOp::create(builder, op->getLoc(), x, y);
  return arith::AddIOp::create(builder, op->getLoc(), sum, product);
}

//===----------------------------------------------------------------------===//
// Finished tiles
//===----------------------------------------------------------------------===//

/// Computes the kernel's results for lines of a tile: (batch, outer row, row of line 0, first line,
/// end of the lines, first column).
void ContractionTemplate::emitFinish(Value tile, ValueRange at) {
  setLoops(batch, at[0]);
  setLoops(ArrayRef<ContractionLoop>(rows).drop_back(), at[1]);
  Value firstColumn = at[5];
  Value high = emitter.minimumIndex(emitter.addIndex(firstColumn, emitter.index(tileColumns)),
                                    sizeOf(columns.front()));
  emitter.loop(at[3], at[4], 1, [&](Value line) {
    setLoop(rows.back(), emitter.addIndex(at[2], line), 0);
    Value start = emitter.multiplyIndex(line, emitter.index(tileColumns));
    emitter.vectorLoop(firstColumn, high, [&](Value column) {
      setLoop(columns.front(), column, 1);
      Value place = emitter.addIndex(start, emitter.subtractIndex(column, firstColumn));
      Value sum =
          emitter.loadVector(emitter.offset(tile, accumulatorType, place), accumulatorType, lanes);
      emitter.override(op->getResult(0),
                       emitter.roundTo(sum, getElementTypeOrSelf(op->getResult(0))));
      emitter.storeResults(indicesIn(Contraction::Result));
    });
  });
}

void emitContraction(KernelEmitter &emitter) {
  ContractionTemplate contraction(emitter);
  if (emitter.schedule<ContractionScheduleAttr>().getPackRhs())
    contraction.addPackStage();
  contraction.addMainStage();
}

} // namespace weft

// The GPU templates of kernels that contract: matmul, convolution, the gradient of a convolution's
// weight.
//
// A block computes a tile of the result. The operands come in steps of the depth into shared memory
// (GpuRegisterTiles.cpp, GpuTensorCores.cpp, GpuWarpgroups.cpp); the sums end there too, and the
// threads walk over them along the memory of the result, compute what follows the contraction and
// store the results.
#include "codegen/NVPTX/GpuContraction.h"
#include "codegen/Loops/Reduction.h"
#include "codegen/NVPTX/GpuContractionSchedule.h"

using namespace mlir;

namespace weft {

/// Tiles of so many rows are computed one after the other, so that blocks that run together read
/// the same parts of the operands.
static constexpr int64_t rowsOfGroup = 8;
static constexpr int64_t resultLanes = 4;

GpuContraction::GpuContraction(GpuEmitter &emitter, TileShape tile)
    : ContractionNest(emitter),
      gpu(emitter),
      tile(tile),
      sumColumns(tile.columns),
      accumulatorType(emitter.computeType(op->getResult(0))) {}

int64_t GpuContraction::accumulatorBytes() const {
  return std::max(1u, accumulatorType.getIntOrFloatBitWidth() / 8);
}

/// The distance of rows of sums in shared memory, in elements.
int64_t GpuContraction::pitch() const { return sumColumns + 4; }

Value GpuContraction::blocksOf(ArrayRef<ContractionLoop> loops, int64_t size) {
  return gpu.ceilDivideIndex(sizeOf(loops), size);
}

Value GpuContraction::tasks() {
  Value blocks = gpu.multiplyIndex(blocksOf(rows, tile.rows), blocksOf(columns, tile.columns));
  return gpu.multiplyIndex(sizeOf(batch), blocks);
}

ArrayRef<ContractionLoop> GpuContraction::outerLoops(Contraction::Operand operand) const {
  return operand == Contraction::Lhs ? rows : columns;
}

Value GpuContraction::firstOf(const Task &task, Contraction::Operand operand) const {
  return operand == Contraction::Lhs ? task.firstRow : task.firstColumn;
}

Value GpuContraction::offsetOf(Contraction::Operand operand, ArrayRef<ContractionLoop> loops,
                               Value linear) {
  SmallVector<Value> sizes;
  for (const ContractionLoop &loop : loops)
    sizes.push_back(sizeOf(loop));
  return offsetIn(operand, loops, gpu.delinearize(linear, sizes));
}

Type GpuContraction::operandType(Contraction::Operand operand) {
  return getElementTypeOrSelf(op->getOperand(operand));
}

Value GpuContraction::operandAddress(Contraction::Operand operand, Value offset) {
  unsigned number = cast<BlockArgument>(op->getOperand(operand)).getArgNumber();
  return gpu.offset(gpu.buffer(number), KernelEmitter::storedType(operandType(operand)), offset);
}

bool GpuContraction::liesAlongDepth(Contraction::Operand operand) const {
  return depth.back().strides[operand].isOne() ||
         !outerLoops(operand).back().strides[operand].isOne();
}

GpuContraction::Task GpuContraction::placeOf(Value task) {
  Value rowBlocks = blocksOf(rows, tile.rows), columnBlocks = blocksOf(columns, tile.columns);
  Value ofBatch = gpu.multiplyIndex(rowBlocks, columnBlocks);
  Value inBatch = gpu.remainderIndex(task, ofBatch);
  Value ofGroup = gpu.multiplyIndex(columnBlocks, gpu.index(rowsOfGroup));
  Value firstBlock = gpu.multiplyIndex(gpu.divideIndex(inBatch, ofGroup), gpu.index(rowsOfGroup));
  Value height = gpu.minimumIndex(gpu.subtractIndex(rowBlocks, firstBlock), gpu.index(rowsOfGroup));
  Value inGroup = gpu.remainderIndex(inBatch, ofGroup);
  Value rowBlock = gpu.addIndex(firstBlock, gpu.remainderIndex(inGroup, height));
  Task at;
  at.batch = gpu.divideIndex(task, ofBatch);
  at.firstRow = gpu.multiplyIndex(rowBlock, gpu.index(tile.rows));
  at.firstColumn = gpu.multiplyIndex(gpu.divideIndex(inGroup, height), gpu.index(tile.columns));
  return at;
}

//===----------------------------------------------------------------------===//
// Sums
//===----------------------------------------------------------------------===//

Value GpuContraction::sumAddress(Value row, Value column) {
  Value place = gpu.addIndex(gpu.multiplyIndex(row, gpu.index(pitch())), column);
  return gpu.offset(gpu.sharedMemory(sumPlace), KernelEmitter::storedType(accumulatorType), place);
}

void GpuContraction::storeSum(Value sum, Value row, Value column) {
  unsigned count = 1;
  if (auto vector = dyn_cast<VectorType>(sum.getType()))
    count = vector.getNumElements();
  gpu.storeVector(gpu.narrow(sum, accumulatorType), sumAddress(row, column),
                  std::min<int64_t>(16, count * accumulatorBytes()));
}

void GpuContraction::emitResults(Value atBatch, const Sums &sums) {
  auto walk = [&](int64_t lanes) {
    gpu.withLanes(lanes, [&] {
      gpu.loop(gpu.multiplyIndex(sums.thread, gpu.index(lanes)),
               gpu.index(sums.rows * sums.columns), sums.threads * lanes, [&](Value place) {
                 gpu.assumeMultiple(place, lanes);
                 emitResult(atBatch, sums, place);
               });
    });
  };
  if (columns.size() != 1 || columns.front().symbols.size() != 1 ||
      !columns.front().strides[Contraction::Result].isOne())
    return walk(1);
  Value size = sizeOf(columns);
  Value rest = gpu.remainderIndex(size, gpu.index(resultLanes));
  Value isWhole = gpu.both(gpu.isEqual(rest, gpu.index(0)), gpu.buffersAreAligned());
  gpu.ifElse(
      isWhole, [&] { gpu.assumeAligned({size}, resultLanes, [&] { walk(resultLanes); }); },
      [&] { walk(1); });
}

/// Stores the results at `place`, counted over the sums, if the result reaches so far.
void GpuContraction::emitResult(Value atBatch, const Sums &sums, Value place) {
  int64_t lanes = gpu.laneCount();
  Value row = gpu.divideIndex(place, gpu.index(sums.columns));
  Value column = gpu.remainderIndex(place, gpu.index(sums.columns));
  Value atRow = gpu.addIndex(sums.firstRow, row);
  Value atColumn = gpu.addIndex(sums.firstColumn, column);
  Value stored = gpu.addIndex(sums.storedRow, row);
  Value inside = gpu.both(gpu.isLess(atRow, sizeOf(rows)), gpu.isLess(atColumn, sizeOf(columns)));
  gpu.ifTrue(inside, [&] {
    gpu.clearOverrides();
    Value sum = gpu.widen(
        gpu.loadVector(sumAddress(stored, column), KernelEmitter::storedType(accumulatorType),
                       lanes == 1 ? 0 : lanes, std::min<int64_t>(16, lanes * accumulatorBytes())),
        accumulatorType);
    gpu.override(op->getResult(0), gpu.roundTo(sum, getElementTypeOrSelf(op->getResult(0))));
    setLoops(batch, atBatch);
    setLoops(rows, atRow);
    if (lanes == 1)
      setLoops(columns, atColumn);
    else
      setLoop(columns.front(), atColumn, 1);
    gpu.storeResults(indicesIn(Contraction::Result));
  });
}

//===----------------------------------------------------------------------===//
// Templates
//===----------------------------------------------------------------------===//

void GpuBlockContraction::addStage() {
  int64_t bytes = std::max(operandBytes(), sumBytes(tile.rows));
  auto self = std::static_pointer_cast<GpuBlockContraction>(shared_from_this());
  gpu.addStage(
      {threads(), bytes}, [self] { return self->tasks(); }, [&](Value task) { emitTask(task); });
}

void GpuBlockContraction::emitTask(Value task) {
  Task at = placeOf(task);
  for (auto operand : {Contraction::Lhs, Contraction::Rhs})
    base[operand] = offsetOf(operand, batch, at.batch);
  emitTile(at);
  emitResults(at.batch, {tile.rows, tile.columns, at.firstRow, at.firstColumn, gpu.index(0),
                         gpu.thread(), threads()});
  gpu.barrier();
}

/// By warpgroups, by tensor cores of single warps, or by each thread's own arithmetic. Warpgroups
/// need tensor maps: a second stage is for what these can't describe.
void emitGpuContraction(GpuEmitter &emitter) {
  constexpr TileShape withoutMaps = {128, 128, 32};
  auto op = *emitter.getKernel().getBody().front().getOps<ContractionOpInterface>().begin();
  Type left = getElementTypeOrSelf(op->getOperand(0)),
       right = getElementTypeOrSelf(op->getOperand(1));
  if (auto schedule = emitter.scheduleIf<WarpgroupContractionScheduleAttr>()) {
    makeWarpgroups(emitter, {warpgroupTileRows, schedule.getColumns(), warpgroupTileDepth})
        ->addStage();
    return makeTensorCores(emitter, withoutMaps)->addStage();
  }
  auto schedule = emitter.schedule<BlockContractionScheduleAttr>();
  TileShape tile = {schedule.getRows(), schedule.getColumns(), schedule.getDepth()};
  bool onTensorCores = left == right && (left.isF16() || left.isBF16());
  (onTensorCores ? makeTensorCores(emitter, tile) : makeRegisterTiles(emitter, tile))->addStage();
}

} // namespace weft

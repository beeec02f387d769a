// The GPU templates of kernels that contract: matmul, convolution, the gradient of a convolution's
// weight.
//
// A block computes a tile of the result. The operands come in steps of the depth into shared memory
// (GpuRegisterTiles.cpp, GpuTensorCores.cpp); the sums end there too, and the threads walk over
// them along the memory of the result, compute what follows the contraction and store the results.
#include "codegen/NVPTX/GpuContraction.h"
#include "codegen/Loops/Reduction.h"

using namespace mlir;

namespace weft {

/// Tiles of so many rows are computed one after the other, so that blocks that run together read
/// the same parts of the operands.
static constexpr int64_t rowsOfGroup = 8;
static constexpr int64_t resultLanes = 4;

GpuContraction::GpuContraction(GpuEmitter &emitter)
    : ContractionNest(emitter),
      gpu(emitter),
      tile(emitter.getSchedule().getRows()),
      tileDepth(emitter.getSchedule().getDepth()),
      accumulatorType(emitter.computeType(op->getResult(0))) {}

std::shared_ptr<GpuContraction> GpuContraction::create(GpuEmitter &emitter) {
  auto op = *emitter.getKernel().getBody().front().getOps<ContractionOpInterface>().begin();
  Type left = getElementTypeOrSelf(op->getOperand(0)),
       right = getElementTypeOrSelf(op->getOperand(1));
  bool isHalf = left == right && (left.isF16() || left.isBF16());
  return isHalf ? makeTensorCores(emitter) : makeRegisterTiles(emitter);
}

int64_t GpuContraction::accumulatorBytes() const {
  return std::max(1u, accumulatorType.getIntOrFloatBitWidth() / 8);
}

/// The distance of rows of sums in shared memory, in elements.
int64_t GpuContraction::pitch() const { return tile + 4; }

Value GpuContraction::blocksOf(ArrayRef<ContractionLoop> loops) {
  return gpu.ceilDivideIndex(sizeOf(loops), tile);
}

Value GpuContraction::tasks() {
  return gpu.multiplyIndex(sizeOf(batch), gpu.multiplyIndex(blocksOf(rows), blocksOf(columns)));
}

GpuEmitter::StageShape GpuContraction::shape() const {
  return {threads(), std::max(operandBytes(), tile * pitch() * accumulatorBytes())};
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

void GpuContraction::emitTask(Value task) {
  Value rowBlocks = blocksOf(rows), columnBlocks = blocksOf(columns);
  Value ofBatch = gpu.multiplyIndex(rowBlocks, columnBlocks);
  Value inBatch = gpu.remainderIndex(task, ofBatch);
  Value ofGroup = gpu.multiplyIndex(columnBlocks, gpu.index(rowsOfGroup));
  Value firstBlock = gpu.multiplyIndex(gpu.divideIndex(inBatch, ofGroup), gpu.index(rowsOfGroup));
  Value height = gpu.minimumIndex(gpu.subtractIndex(rowBlocks, firstBlock), gpu.index(rowsOfGroup));
  Value inGroup = gpu.remainderIndex(inBatch, ofGroup);
  Value rowBlock = gpu.addIndex(firstBlock, gpu.remainderIndex(inGroup, height));
  Task at;
  at.batch = gpu.divideIndex(task, ofBatch);
  at.firstRow = gpu.multiplyIndex(rowBlock, gpu.index(tile));
  at.firstColumn = gpu.multiplyIndex(gpu.divideIndex(inGroup, height), gpu.index(tile));
  for (auto operand : {Contraction::Lhs, Contraction::Rhs})
    at.base[operand] = offsetOf(operand, batch, at.batch);
  emitTile(at);
  emitResults(at);
  gpu.barrier();
}

//===----------------------------------------------------------------------===//
// Sums
//===----------------------------------------------------------------------===//

Value GpuContraction::sumAddress(Value row, Value column) {
  Value place = gpu.addIndex(gpu.multiplyIndex(row, gpu.index(pitch())), column);
  return gpu.offset(gpu.sharedMemory(0), KernelEmitter::storedType(accumulatorType), place);
}

void GpuContraction::storeSum(Value sum, Value row, Value column) {
  unsigned count = 1;
  if (auto vector = dyn_cast<VectorType>(sum.getType()))
    count = vector.getNumElements();
  gpu.storeVector(gpu.narrow(sum, accumulatorType), sumAddress(row, column),
                  std::min<int64_t>(16, count * accumulatorBytes()));
}

void GpuContraction::emitResults(const Task &task) {
  auto walk = [&](int64_t lanes) {
    gpu.withLanes(lanes, [&] {
      gpu.loop(gpu.multiplyIndex(gpu.thread(), gpu.index(lanes)), gpu.index(tile * tile),
               threads() * lanes, [&](Value place) {
                 gpu.assumeMultiple(place, lanes);
                 emitResult(task, place);
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

/// Stores the results at `place`, counted over the tile, if the result reaches so far.
void GpuContraction::emitResult(const Task &task, Value place) {
  int64_t lanes = gpu.laneCount();
  Value row = gpu.divideIndex(place, gpu.index(tile));
  Value column = gpu.remainderIndex(place, gpu.index(tile));
  Value atRow = gpu.addIndex(task.firstRow, row);
  Value atColumn = gpu.addIndex(task.firstColumn, column);
  Value inside = gpu.both(gpu.isLess(atRow, sizeOf(rows)), gpu.isLess(atColumn, sizeOf(columns)));
  gpu.ifTrue(inside, [&] {
    gpu.clearOverrides();
    Type stored = KernelEmitter::storedType(accumulatorType);
    Value sum = gpu.widen(gpu.loadVector(sumAddress(row, column), stored, lanes == 1 ? 0 : lanes,
                                         std::min<int64_t>(16, lanes * accumulatorBytes())),
                          accumulatorType);
    gpu.override(op->getResult(0), gpu.roundTo(sum, getElementTypeOrSelf(op->getResult(0))));
    setLoops(batch, task.batch);
    setLoops(rows, atRow);
    if (lanes == 1)
      setLoops(columns, atColumn);
    else
      setLoop(columns.front(), atColumn, 1);
    gpu.storeResults(indicesIn(Contraction::Result));
  });
}

void emitGpuContraction(GpuEmitter &emitter) {
  std::shared_ptr<GpuContraction> contraction = GpuContraction::create(emitter);
  emitter.addStage(
      contraction->shape(), [contraction] { return contraction->tasks(); },
      [&](Value task) { contraction->emitTask(task); });
}

} // namespace weft

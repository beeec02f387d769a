// The template of updates: x copied, then some elements changed.
//
// First stage: the copy, which has nothing to do where the result lies where x is. Second stage:
// the updates. Those that may go to one place are made by one task, in their order, so the result
// is the same whatever the number of threads: rows along the axis are dealt to a few buckets, of
// which a task owns one, and walks over all indices.
#include "codegen/Loops/UpdateWalk.h"

using namespace mlir;

namespace weft {
namespace {

/// Elements of a task.
constexpr int64_t blockElements = 4096;

class Update {
public:
  explicit Update(KernelEmitter &emitter) : emitter(emitter), walk(emitter, mostBuckets) {}

  Value copyTasks() {
    return emitter.ceilDivideIndex(emitter.product(walk.resultSymbols()), blockElements);
  }

  void emitCopy(Value begin, Value end) {
    Value count = emitter.product(walk.resultSymbols()), block = emitter.index(blockElements);
    Value low = emitter.multiplyIndex(begin, block);
    Value high = emitter.minimumIndex(emitter.multiplyIndex(end, block), count);
    Type stored = walk.storedType();
    auto at = [&](unsigned buffer) { return emitter.offset(emitter.buffer(buffer), stored, low); };
    int64_t bytes = std::max(1u, stored.getIntOrFloatBitWidth() / 8);
    Value length = emitter.multiplyIndex(emitter.subtractIndex(high, low), emitter.index(bytes));
    OpBuilder &builder = emitter.builder();
    Value wide =
        arith::IndexCastOp::create(builder, emitter.location(), builder.getI64Type(), length);
    LLVM::MemcpyOp::create(builder, emitter.location(), at(emitter.outputBuffer(0)),
                           at(walk.xBuffer()), wide, /*isVolatile=*/false);
  }

  Value updateTasks() {
    Value tasks = emitter.index(1);
    for (Value size : rowSizes())
      tasks = emitter.multiplyIndex(tasks, size);
    return emitter.multiplyIndex(tasks, blocks());
  }

  /// A task is a block of the innermost dimension of one row.
  void emitUpdates(Value begin, Value end) {
    Value inRow = blocks(), zero = emitter.index(0);
    Value first = emitter.divideIndex(begin, inRow);
    Value last = emitter.addIndex(
        emitter.divideIndex(emitter.subtractIndex(end, emitter.index(1)), inRow), emitter.index(1));
    emitter.loop(first, last, 1, [&](Value row) {
      Value before = emitter.multiplyIndex(row, inRow);
      Value low = emitter.maximumIndex(emitter.subtractIndex(begin, before), zero);
      Value high = emitter.minimumIndex(emitter.subtractIndex(end, before), inRow);
      emitRow(emitter.delinearize(row, rowSizes()), low, high);
    });
  }

private:
  static constexpr int64_t mostBuckets = 4;

  SmallVector<Value> rowSizes() {
    SmallVector<Value> sizes = walk.sizes();
    return walk.endsInVectors() ? SmallVector<Value>(ArrayRef(sizes).drop_back()) : sizes;
  }
  Value blocks() {
    if (!walk.endsInVectors())
      return emitter.index(1);
    return emitter.ceilDivideIndex(walk.sizes().back(), blockElements);
  }

  /// Blocks [low, high) of a row.
  void emitRow(ArrayRef<Value> row, Value low, Value high) {
    SmallVector<ElementIndex> point;
    for (Value position : row)
      point.push_back({position});
    if (!walk.endsInVectors())
      return walk.emit(point, [&](ArrayRef<ElementIndex> at) { walk.emitUpdate(at); });
    point.push_back({emitter.index(0)});
    Value block = emitter.index(blockElements);
    Value from = emitter.multiplyIndex(low, block);
    Value to = emitter.minimumIndex(emitter.multiplyIndex(high, block), walk.sizes().back());
    walk.emit(point, [&](ArrayRef<ElementIndex> at) {
      emitter.vectorLoop(from, to, [&](Value position) {
        SmallVector<ElementIndex> vector(at);
        vector.back() = {position, 1};
        walk.emitUpdate(vector);
      });
    });
  }

  KernelEmitter &emitter;
  UpdateWalk walk;
};

} // namespace

void emitUpdate(KernelEmitter &emitter) {
  Update update(emitter);
  emitter.addStage([=]() mutable { return update.copyTasks(); },
                   [&](Value begin, Value end) { update.emitCopy(begin, end); });
  emitter.addStage([=]() mutable { return update.updateTasks(); },
                   [&](Value begin, Value end) { update.emitUpdates(begin, end); });
}

} // namespace weft

// The GPU template of scatters: x copied, then the updates made.
//
// First stage: the copy. Second stage: the rows along the axis are dealt to 16 buckets (row mod
// 16), and a thread owns one bucket of one column: it walks over all indices and makes the updates
// of its rows. So each element gets its updates in the order of the indices, without atomics.
#include "codegen/NVPTX/GpuEmitter.h"

using namespace mlir;
using arith::CmpIPredicate;

namespace weft {
namespace {

constexpr int64_t blockThreads = 128;
constexpr int64_t buckets = 16;

class GpuScatter {
public:
  GpuScatter(GpuEmitter &emitter, int64_t lanes)
      : emitter(emitter),
        op(*emitter.getKernel().getBody().front().getOps<ScatterOpInterface>().begin()),
        walk(emitter, lanes, blockThreads * lanes) {
    ArrayRef<int64_t> symbols = symbolsOf(op.getX().getType());
    outerSymbols.assign(symbols.begin(), symbols.begin() + op.getAxis());
    innerSymbols.assign(symbols.begin() + op.getAxis() + 1, symbols.end());
  }

  Value copyTasks() { return walk.tasks(copySizes()); }

  void emitCopy(Value task) {
    walk.emit(task, copySizes(), [&](ArrayRef<ElementIndex> point) {
      Value where = linear(point, copySizes());
      store(where, load(op.getX(), where));
    });
  }

  Value updateTasks() { return walk.tasks(updateSizes()); }

  void emitUpdates(Value task) {
    Value count = emitter.product(symbolsOf(op.getIndices().getType()));
    Value axis = emitter.size(op.getX(), op.getAxis());
    walk.emit(task, updateSizes(), [&](ArrayRef<ElementIndex> point) {
      emitter.loop(emitter.index(0), count, 1, [&](Value number) {
        Value row = rowOf(number, axis);
        Value bucket = emitter.remainderIndex(row, emitter.index(buckets));
        // One unsigned comparison: a negative index is larger than any size.
        Value inside =
            arith::CmpIOp::create(emitter.builder(), op.getLoc(), CmpIPredicate::ult, row, axis);
        Value isMine = emitter.isEqual(bucket, point[1].base);
        emitter.ifTrue(emitter.both(inside, isMine), [&] {
          Value column = point[2].base, outer = point[0].base;
          applyUpdate(place(outer, axis, row, column), place(outer, count, number, column));
        });
      });
    });
  }

private:
  SmallVector<Value> copySizes() {
    Value rows =
        emitter.multiplyIndex(emitter.product(outerSymbols), emitter.size(op.getX(), op.getAxis()));
    return {rows, emitter.product(innerSymbols)};
  }
  SmallVector<Value> updateSizes() {
    return {emitter.product(outerSymbols), emitter.index(buckets), emitter.product(innerSymbols)};
  }
  Type dtype() { return getElementTypeOrSelf(op.getX()); }
  Type stored() { return KernelEmitter::storedType(dtype()); }

  Value linear(ArrayRef<ElementIndex> point, ArrayRef<Value> sizes) {
    return emitter.addIndex(emitter.multiplyIndex(point[0].base, sizes[1]), point[1].base);
  }
  /// The place of (outer, row, column) in a tensor [outer][rows][columns].
  Value place(Value outer, Value rows, Value row, Value column) {
    Value line = emitter.addIndex(emitter.multiplyIndex(outer, rows), row);
    return emitter.addIndex(emitter.multiplyIndex(line, emitter.product(innerSymbols)), column);
  }

  Value loadFrom(unsigned buffer, Value where) {
    int64_t lanes = emitter.laneCount();
    Value pointer = emitter.offset(emitter.buffer(buffer), stored(), where);
    return emitter.widen(emitter.loadVector(pointer, stored(), lanes == 1 ? 0 : lanes,
                                            emitter.alignmentOf(stored(), where, lanes)),
                         dtype());
  }
  Value load(Value tensor, Value where) {
    return loadFrom(cast<BlockArgument>(tensor).getArgNumber(), where);
  }
  void store(Value where, Value value) {
    Value pointer = emitter.offset(emitter.buffer(emitter.outputBuffer(0)), stored(), where);
    emitter.storeVector(emitter.narrow(value, dtype()), pointer,
                        emitter.alignmentOf(stored(), where, emitter.laneCount()));
  }

  /// The row that update `number` goes to, negative indices counted from the end.
  Value rowOf(Value number, Value axis) {
    OpBuilder &builder = emitter.builder();
    Value index = emitter.fromInteger(widened(indexAt(number))).base;
    Value isNegative =
        arith::CmpIOp::create(builder, op.getLoc(), CmpIPredicate::slt, index, emitter.index(0));
    return emitter.choose(isNegative, emitter.addIndex(index, axis), index);
  }

  Value indexAt(Value number) {
    unsigned buffer = cast<BlockArgument>(op.getIndices()).getArgNumber();
    Type type = KernelEmitter::storedType(getElementTypeOrSelf(op.getIndices()));
    return emitter.loadVector(emitter.offset(emitter.buffer(buffer), type, number), type, 0);
  }

  Value widened(Value index) {
    Type wide = emitter.builder().getI64Type();
    if (index.getType() == wide)
      return index;
    if (getElementTypeOrSelf(op.getIndices()).isUnsignedInteger())
      return arith::ExtUIOp::create(emitter.builder(), op.getLoc(), wide, index);
    return arith::ExtSIOp::create(emitter.builder(), op.getLoc(), wide, index);
  }

  void applyUpdate(Value where, Value from) {
    Value update = load(op.getUpdates(), from);
    auto before = [&] { return loadFrom(emitter.outputBuffer(0), where); };
    Value after = op.emitUpdated(emitter.builder(), op.getLoc(), before, update);
    store(where, emitter.roundTo(after, dtype()));
  }

  GpuEmitter &emitter;
  ScatterOpInterface op;
  GpuWalk walk;
  SmallVector<int64_t> outerSymbols, innerSymbols;
};

} // namespace

void emitGpuScatter(GpuEmitter &emitter, int64_t lanes) {
  GpuScatter scatter(emitter, lanes);
  emitter.addStage(
      {blockThreads}, [=]() mutable { return scatter.copyTasks(); },
      [&](Value task) { scatter.emitCopy(task); });
  emitter.addStage(
      {blockThreads}, [=]() mutable { return scatter.updateTasks(); },
      [&](Value task) { scatter.emitUpdates(task); });
}

} // namespace weft

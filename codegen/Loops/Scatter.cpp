// The template of scatters: x copied, then the updates made one index after the other.
//
// The dimensions before the axis and those after it are independent; a task owns a block of the
// latter, so the order of the updates is that of the indices whatever the number of threads.
#include "codegen/Loops/KernelEmitter.h"

using namespace mlir;
using arith::CmpIPredicate;

namespace weft {
namespace {

constexpr int64_t blockVectors = 4;

class Scatter {
public:
  explicit Scatter(KernelEmitter &emitter)
      : emitter(emitter),
        op(*emitter.getKernel().getBody().front().getOps<ScatterOpInterface>().begin()) {
    ArrayRef<int64_t> symbols = symbolsOf(op.getX().getType());
    outerSymbols.assign(symbols.begin(), symbols.begin() + op.getAxis());
    innerSymbols.assign(symbols.begin() + op.getAxis() + 1, symbols.end());
  }

  Value tasks() { return emitter.multiplyIndex(emitter.product(outerSymbols), columnBlocks()); }

  void emit(Value begin, Value end) {
    emitter.loop(begin, end, 1, [&](Value task) {
      Value blocks = columnBlocks();
      Value outer = emitter.divideIndex(task, blocks), block = emitter.remainderIndex(task, blocks);
      int64_t width = blockVectors * emitter.laneCount();
      Value low = emitter.multiplyIndex(block, emitter.index(width)), columns = innerSize();
      Value high = emitter.minimumIndex(emitter.addIndex(low, emitter.index(width)), columns);
      Value axis = emitter.size(op.getX(), op.getAxis());
      emitter.loop(emitter.index(0), axis, 1, [&](Value row) {
        forEachVector(outer, axis, row, low, high,
                      [&](Value place, Value) { return load(op.getX(), place); });
      });
      Value count = emitter.product(symbolsOf(op.getIndices().getType()));
      emitter.loop(emitter.index(0), count, 1,
                   [&](Value number) { applyUpdate(outer, axis, number, count, low, high); });
    });
  }

private:
  Value innerSize() { return emitter.product(innerSymbols); }
  Value columnBlocks() {
    return emitter.ceilDivideIndex(innerSize(), blockVectors * emitter.laneCount());
  }
  Type dtype() { return getElementTypeOrSelf(op.getX()); }

  /// The place of (outer, row, column) in a tensor [outer][rows][columns].
  Value place(Value outer, Value rows, Value row, Value column) {
    Value line = emitter.addIndex(emitter.multiplyIndex(outer, rows), row);
    return emitter.addIndex(emitter.multiplyIndex(line, innerSize()), column);
  }

  Value address(Value tensor, Value place) {
    unsigned number = cast<BlockArgument>(tensor).getArgNumber();
    return emitter.offset(emitter.buffer(number), KernelEmitter::storedType(dtype()), place);
  }
  Value resultAddress(Value place) {
    return emitter.offset(emitter.buffer(emitter.outputBuffer(0)),
                          KernelEmitter::storedType(dtype()), place);
  }
  Value loadAt(Value pointer) {
    Value stored =
        emitter.loadVector(pointer, KernelEmitter::storedType(dtype()), emitter.laneCount());
    return emitter.widen(stored, dtype());
  }
  Value load(Value tensor, Value place) { return loadAt(address(tensor, place)); }

  /// Stores `value(place, column)` in the row of the result.
  void forEachVector(Value outer, Value rows, Value row, Value low, Value high,
                     function_ref<Value(Value, Value)> value) {
    emitter.vectorLoop(low, high, [&](Value column) {
      Value where = place(outer, rows, row, column);
      emitter.storeVector(emitter.narrow(value(where, column), dtype()), resultAddress(where));
    });
  }

  void applyUpdate(Value outer, Value axis, Value number, Value count, Value low, Value high) {
    OpBuilder &builder = emitter.builder();
    Location location = op.getLoc();
    Type element = getElementTypeOrSelf(op.getIndices()),
         stored = KernelEmitter::storedType(element);
    unsigned argument = cast<BlockArgument>(op.getIndices()).getArgNumber();
    Value pointer = emitter.offset(emitter.buffer(argument), stored, number);
    Value loaded = emitter.loadVector(pointer, stored, 0);
    Type index = builder.getIndexType();
    Value row = element.isUnsignedInteger()
                    ? Value(arith::IndexCastUIOp::create(builder, location, index, loaded))
                    : Value(arith::IndexCastOp::create(builder, location, index, loaded));
    Value isNegative = emitter.isLess(row, emitter.index(0));
    row = arith::SelectOp::create(builder, location, isNegative, emitter.addIndex(row, axis), row);
    // One unsigned comparison: a negative index is larger than any size.
    Value inside = arith::CmpIOp::create(builder, location, CmpIPredicate::ult, row, axis);
    emitter.ifTrue(inside, [&] {
      forEachVector(outer, axis, row, low, high, [&](Value where, Value column) {
        Value update = load(op.getUpdates(), place(outer, count, number, column));
        auto before = [&] { return loadAt(resultAddress(where)); };
        return emitter.roundTo(op.emitUpdated(builder, location, before, update), dtype());
      });
    });
  }

  KernelEmitter &emitter;
  ScatterOpInterface op;
  SmallVector<int64_t> outerSymbols, innerSymbols;
};

} // namespace

void emitScatter(KernelEmitter &emitter) {
  Scatter scatter(emitter);
  emitter.addStage([=]() mutable { return scatter.tasks(); },
                   [&](Value begin, Value end) { scatter.emit(begin, end); });
}

} // namespace weft

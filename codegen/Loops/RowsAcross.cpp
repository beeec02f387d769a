// Reductions of rows that lie across memory, as those over the pixels of an image whose channels
// are innermost: vectors lie along the last kept dimension, and each lane is a row of its own.
//
// The order of sums is that of whole rows (RowWalk.h). What is there a lane is here a vector on the
// stack: element p of the rows is combined with accumulator p modulo the number of lanes, and a
// tree of halves joins these at the end of each block. A task is a vector of rows.
#include "codegen/Loops/RowWalk.h"
#include <memory>

using namespace mlir;

namespace weft {
namespace {

class RowsAcross {
public:
  explicit RowsAcross(KernelEmitter &emitter)
      : emitter(emitter), walk(emitter), lanes(emitter.laneCount()) {}

  Value tasks() { return emitter.multiplyIndex(emitter.product(around()), vectors()); }

  void emit(Value begin, Value end) {
    emitter.loop(begin, end, 1, [&](Value task) {
      SmallVector<Value> sizes;
      for (int64_t symbol : around())
        sizes.push_back(emitter.symbol(symbol));
      sizes.push_back(vectors());
      SmallVector<Value> at = emitter.delinearize(task, sizes);
      Value first = emitter.multiplyIndex(at.pop_back_val(), emitter.index(lanes));
      Value stop = emitter.minimumIndex(emitter.addIndex(first, emitter.index(lanes)), rowsOfRun());
      emitter.vectorLoop(first, stop, [&](Value row) {
        emitter.clearOverrides();
        SmallVector<ElementIndex> outer;
        for (Value position : at)
          outer.push_back({position});
        outer.push_back({row, 1});
        for (const RowPass &pass : walk.plan().passes)
          overrideResults(emitter, pass.reductions, reduce(pass, outer));
        emitter.storeResults(outer);
      });
    });
  }

private:
  ArrayRef<int64_t> around() const { return ArrayRef(walk.symbols.outer).drop_back(); }
  Value rowsOfRun() { return emitter.symbol(walk.symbols.outer.back()); }
  Value vectors() { return emitter.ceilDivideIndex(rowsOfRun(), lanes); }

  /// The accumulators of the rows: all blocks in order.
  SmallVector<Value> reduce(const RowPass &pass, ArrayRef<ElementIndex> outer) {
    SmallVector<Value> identity = identitiesOf(emitter, pass.reductions, /*vector=*/true);
    SmallVector<Value> places;
    for (Value value : identity)
      places.push_back(emitter.allocate(storedTypeOf(value), lanes * lanes));
    return emitter.loop(
        emitter.index(0), walk.length(), RowWalk::blockElements, identity,
        [&](Value low, ValueRange totals) {
          Value high = emitter.minimumIndex(
              emitter.addIndex(low, emitter.index(RowWalk::blockElements)), walk.length());
          emitter.loop(emitter.index(0), emitter.index(lanes), 1,
                       [&](Value number) { store(identity, places, number); });
          emitter.loop(low, high, 1, [&](Value position) {
            Value number = emitter.remainderIndex(position, emitter.index(lanes));
            SmallVector<Value> before = load(identity, places, number);
            store(accumulateAt(pass, outer, position, before), places, number);
          });
          return combineEach(emitter, pass.reductions, totals, join(pass, identity, places));
        });
  }

  SmallVector<Value> accumulateAt(const RowPass &pass, ArrayRef<ElementIndex> outer, Value position,
                                  ArrayRef<Value> before) {
    SmallVector<ElementIndex> indices(outer);
    SmallVector<Value> sizes, next;
    for (int64_t symbol : walk.symbols.row)
      sizes.push_back(emitter.symbol(symbol));
    for (Value part : emitter.delinearize(position, sizes))
      indices.push_back({part});
    for (ReductionOpInterface op : pass.reductions) {
      Value element = emitter.splat(emitter.element(op->getOperand(0), indices));
      Value where = op.usesPosition() ? emitter.splat(emitter.toInteger({position})) : Value();
      unsigned width = accumulatorWidth(op);
      llvm::append_range(next, accumulate(emitter, op, before.take_front(width), element, where));
      before = before.drop_front(width);
    }
    return next;
  }

  /// The accumulators of a block, joined by a tree of halves.
  SmallVector<Value> join(const RowPass &pass, ArrayRef<Value> like, ArrayRef<Value> places) {
    SmallVector<SmallVector<Value>> parts;
    for (int64_t number = 0; number < lanes; ++number)
      parts.push_back(load(like, places, emitter.index(number)));
    for (int64_t half = lanes / 2; half > 0; half /= 2)
      for (int64_t number = 0; number < half; ++number)
        parts[number] = combineEach(emitter, pass.reductions, parts[number], parts[number + half]);
    return parts.front();
  }

  // Accumulators on the stack, where there is room for whole vectors.

  static Type storedTypeOf(Value value) {
    return KernelEmitter::storedType(getElementTypeOrSelf(value));
  }
  Value addressOf(Value place, Value like, Value number) {
    return emitter.offset(place, storedTypeOf(like),
                          emitter.multiplyIndex(number, emitter.index(lanes)));
  }
  SmallVector<Value> load(ArrayRef<Value> like, ArrayRef<Value> places, Value number) {
    SmallVector<Value> values;
    emitter.withMask(nullptr, [&] {
      for (auto [value, place] : llvm::zip_equal(like, places))
        values.push_back(emitter.widen(
            emitter.loadVector(addressOf(place, value, number), storedTypeOf(value), lanes),
            getElementTypeOrSelf(value)));
    });
    return values;
  }
  void store(ArrayRef<Value> values, ArrayRef<Value> places, Value number) {
    emitter.withMask(nullptr, [&] {
      for (auto [value, place] : llvm::zip_equal(values, places))
        emitter.storeVector(emitter.narrow(value, getElementTypeOrSelf(value)),
                            addressOf(place, value, number));
    });
  }

  KernelEmitter &emitter;
  RowWalk walk;
  int64_t lanes;
};

} // namespace

void emitRowsAcross(KernelEmitter &emitter) {
  auto rows = std::make_shared<RowsAcross>(emitter);
  emitter.addStage([=] { return rows->tasks(); },
                   [&](Value begin, Value end) { rows->emit(begin, end); });
}

} // namespace weft

// The template of kernels whose elements are computed one by one: arithmetic and data movement.
//
// Rank 1 is cut into blocks of `grain` elements; otherwise a task is one index of the outermost
// dimension (of the outermost two from rank 3 on), and the innermost dimension is walked by
// vectors.
//
// Where the one result is operands one after the other (IndexedOpInterface::getJoinedAxis), the
// axis is walked operand by operand: loops that copy to an offset.
#include "codegen/Loops/KernelEmitter.h"

using namespace mlir;

namespace weft {
namespace {

class Elementwise {
public:
  Elementwise(KernelEmitter &emitter, int64_t grain)
      : emitter(emitter),
        type(emitter.getKernel().getResultTypes()[0]),
        rank(symbolsOf(type).size()),
        grain(grain) {
    auto results = emitter.getYield().getValues();
    auto indexed = results.size() == 1 ? results[0].getDefiningOp<IndexedOpInterface>() : nullptr;
    if (indexed)
      joinedAxis = indexed.getJoinedAxis();
    if (joinedAxis)
      pieces.assign(indexed->operand_begin(), indexed->operand_end());
  }

  Value tasks() {
    if (rank == 0)
      return emitter.index(1);
    Value first = emitter.symbol(symbolsOf(type)[0]);
    if (rank == 1)
      return emitter.ceilDivideIndex(first, grain);
    return rank == 2 ? first : emitter.product(symbolsOf(type).take_front(2));
  }

  void emit(Value begin, Value end) {
    if (rank == 0)
      return emitter.storeResults({});
    if (rank == 1) {
      Value low = emitter.multiplyIndex(begin, emitter.index(grain));
      Value high = emitter.multiplyIndex(end, emitter.index(grain));
      return emitInner({}, low, emitter.minimumIndex(high, emitter.symbol(symbolsOf(type)[0])));
    }
    if (rank == 2)
      return emitInner({}, begin, end);
    emitter.loop(begin, end, 1, [&](Value task) {
      SmallVector<Value> sizes;
      for (int64_t symbol : symbolsOf(type).take_front(2))
        sizes.push_back(emitter.symbol(symbol));
      SmallVector<Value> outer = emitter.delinearize(task, sizes);
      if (joinedAxis && *joinedAxis < 2)
        return forPieces(outer[*joinedAxis], emitter.addIndex(outer[*joinedAxis], emitter.index(1)),
                         [&](Value low, Value high) {
                           emitter.ifTrue(emitter.isLess(low, high), [&] { emitInner(outer); });
                         });
      emitInner(outer);
    });
  }

private:
  /// Loops over the dimensions that `outer` does not fix.
  void emitInner(ArrayRef<Value> outer) {
    emitInner(outer, emitter.index(0), emitter.symbol(symbolsOf(type)[outer.size()]));
  }

  /// The same, with the first of them from `low` to `high`.
  void emitInner(ArrayRef<Value> outer, Value low, Value high) {
    if (joinedAxis == static_cast<int64_t>(outer.size()))
      forPieces(low, high, [&](Value from, Value to) { emitDimension(outer, from, to); });
    else
      emitDimension(outer, low, high);
  }

  void emitDimension(ArrayRef<Value> outer, Value low, Value high) {
    if (outer.size() + 1 == rank)
      return emitRow(outer, low, high);
    emitter.loop(low, high, 1, [&](Value position) {
      SmallVector<Value> inner(outer);
      inner.push_back(position);
      emitInner(inner);
    });
  }

  /// Emits for each piece the part of [low, high) along the joined axis that it covers.
  void forPieces(Value low, Value high, function_ref<void(Value, Value)> emit) {
    Value start = emitter.index(0);
    for (Value operand : pieces) {
      Value stop = emitter.addIndex(start, emitter.size(operand, *joinedAxis));
      piece = {operand, start};
      Value from = emitter.maximumIndex(low, start);
      emit(from, emitter.maximumIndex(from, emitter.minimumIndex(high, stop)));
      start = stop;
    }
  }

  void emitRow(ArrayRef<Value> outer, Value low, Value high) {
    SmallVector<ElementIndex> indices;
    for (Value position : outer)
      indices.push_back({position});
    emitter.vectorLoop(low, high, [&](Value position) {
      SmallVector<ElementIndex> all(indices);
      all.push_back({position, 1});
      if (!joinedAxis)
        return emitter.storeResults(all);
      SmallVector<ElementIndex> source(all);
      ElementIndex &moved = source[*joinedAxis];
      moved.base = emitter.subtractIndex(moved.base, piece.start);
      emitter.storeOutput(0, all, emitter.element(piece.operand, source));
    });
  }

  KernelEmitter &emitter;
  Type type;
  size_t rank;
  int64_t grain;
  std::optional<int64_t> joinedAxis;
  SmallVector<Value> pieces;
  /// The one that is being walked.
  struct {
    Value operand, start;
  } piece;
};

} // namespace

void emitElementwise(KernelEmitter &emitter, int64_t grain) {
  Elementwise elementwise(emitter, grain);
  emitter.addStage([=]() mutable { return elementwise.tasks(); },
                   [&](Value begin, Value end) { elementwise.emit(begin, end); });
}

} // namespace weft

// The template of kernels whose elements are computed one by one: arithmetic and data movement.
//
// Rank 1 is cut into blocks of `grain` elements; otherwise a task is one index of the outermost
// dimension (of the outermost two from rank 3 on), and the innermost dimension is walked by
// vectors.
#include "codegen/Loops/KernelEmitter.h"

using namespace mlir;

namespace weft {
namespace {

class Elementwise {
public:
  explicit Elementwise(KernelEmitter &emitter)
      : emitter(emitter),
        type(emitter.getKernel().getResultTypes()[0]),
        rank(symbolsOf(type).size()),
        grain(emitter.getSchedule().getGrain()) {}

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
      emitRow({}, low, emitter.minimumIndex(high, emitter.symbol(symbolsOf(type)[0])));
      return;
    }
    emitter.loop(begin, end, 1, [&](Value task) {
      SmallVector<Value> sizes;
      for (int64_t symbol : symbolsOf(type).take_front(rank == 2 ? 1 : 2))
        sizes.push_back(emitter.symbol(symbol));
      emitInner(emitter.delinearize(task, sizes));
    });
  }

private:
  /// Loops over the dimensions that `outer` does not fix.
  void emitInner(SmallVector<Value> outer) {
    Value size = emitter.symbol(symbolsOf(type)[outer.size()]);
    if (outer.size() + 1 == rank)
      return emitRow(outer, emitter.index(0), size);
    emitter.loop(emitter.index(0), size, 1, [&](Value position) {
      SmallVector<Value> inner(outer);
      inner.push_back(position);
      emitInner(inner);
    });
  }

  void emitRow(ArrayRef<Value> outer, Value low, Value high) {
    SmallVector<ElementIndex> indices;
    for (Value position : outer)
      indices.push_back({position});
    emitter.vectorLoop(low, high, [&](Value position) {
      SmallVector<ElementIndex> all(indices);
      all.push_back({position, 1});
      emitter.storeResults(all);
    });
  }

  KernelEmitter &emitter;
  Type type;
  size_t rank;
  int64_t grain;
};

} // namespace

void emitElementwise(KernelEmitter &emitter) {
  Elementwise elementwise(emitter);
  emitter.addStage([=]() mutable { return elementwise.tasks(); },
                   [&](Value begin, Value end) { elementwise.emit(begin, end); });
}

} // namespace weft

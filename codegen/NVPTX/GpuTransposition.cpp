// The GPU template of elementwise kernels that read an operand along another dimension of memory
// than they write their results along.
//
// A block takes a tile of 32 by 32 elements. First the transposed values are computed along their
// operand's memory and put in shared memory, then the results along their own.
#include "codegen/NVPTX/GpuEmitter.h"

using namespace mlir;

namespace weft {
namespace {

constexpr int64_t tile = transpositionTile, blockThreads = 256, steps = tile * tile / blockThreads;
/// One more than the tile: neighbours in a column are in different banks.
constexpr int64_t pitch = tile + 1;

class GpuTransposition {
public:
  GpuTransposition(GpuEmitter &emitter, Transposition transposition)
      : emitter(emitter),
        transposition(std::move(transposition)),
        symbols(symbolsOf(emitter.getKernel().getResultTypes()[0])) {}

  GpuEmitter::StageShape shape() const {
    return {blockThreads, static_cast<int64_t>(transposition.values.size()) * tileBytes};
  }

  Value tasks() {
    Value count = emitter.index(1);
    for (Value size : taskSizes())
      count = emitter.multiplyIndex(count, size);
    return count;
  }

  void emit(Value task) {
    emitter.clearOverrides();
    SmallVector<Value> first = emitter.delinearize(task, taskSizes());
    for (unsigned d : {transposition.dimension, lastDimension()})
      first[d] = emitter.multiplyIndex(first[d], emitter.index(tile));
    Value inner = emitter.remainderIndex(emitter.thread(), emitter.index(tile));
    Value outer = emitter.divideIndex(emitter.thread(), emitter.index(tile));
    forEachStep(outer, [&](Value line) {
      atPoint(first, inner, line, [&](ArrayRef<ElementIndex> indices) {
        for (auto [number, value] : llvm::enumerate(transposition.values)) {
          Value element = emitter.narrow(emitter.element(value, indices), dtypeOf(value));
          emitter.storeVector(element, address(number, line, inner));
        }
      });
    });
    emitter.barrier();
    forEachStep(outer, [&](Value line) {
      atPoint(first, line, inner, [&](ArrayRef<ElementIndex> indices) {
        for (auto [number, value] : llvm::enumerate(transposition.values)) {
          Type dtype = dtypeOf(value), stored = KernelEmitter::storedType(dtype);
          Value loaded = emitter.loadVector(address(number, inner, line), stored, 0);
          emitter.override(value, emitter.widen(loaded, dtype));
        }
        emitter.storeResults(indices);
        emitter.clearOverrides();
      });
    });
    emitter.barrier();
  }

private:
  /// Of the widest elements.
  static constexpr int64_t tileBytes = tile * pitch * 8;

  static Type dtypeOf(Value value) { return getElementTypeOrSelf(value); }
  unsigned lastDimension() const { return symbols.size() - 1; }

  /// The sizes of the results, in tiles along the two dimensions that are turned.
  SmallVector<Value> taskSizes() {
    SmallVector<Value> sizes = emitter.sizesOf(symbols);
    for (unsigned d : {transposition.dimension, lastDimension()})
      sizes[d] = emitter.ceilDivideIndex(sizes[d], tile);
    return sizes;
  }

  void forEachStep(Value outer, function_ref<void(Value)> body) {
    for (int64_t step = 0; step < steps; ++step)
      body(emitter.addIndex(outer, emitter.index(step * blockThreads / tile)));
  }

  /// Emits `body` for the element of the results `row` along the turned dimension and `column`
  /// along the last from `first`, if there is one.
  void atPoint(ArrayRef<Value> first, Value row, Value column,
               function_ref<void(ArrayRef<ElementIndex>)> body) {
    SmallVector<ElementIndex> indices;
    for (Value position : first)
      indices.push_back({position});
    unsigned turned = transposition.dimension, last = lastDimension();
    indices[turned].base = emitter.addIndex(first[turned], row);
    indices[last].base = emitter.addIndex(first[last], column);
    Value inside =
        emitter.both(emitter.isLess(indices[turned].base, emitter.symbol(symbols[turned])),
                     emitter.isLess(indices[last].base, emitter.symbol(symbols[last])));
    emitter.ifTrue(inside, [&] { body(indices); });
  }

  Value address(size_t number, Value line, Value place) {
    Type stored = KernelEmitter::storedType(dtypeOf(transposition.values[number]));
    Value linear = emitter.addIndex(emitter.multiplyIndex(line, emitter.index(pitch)), place);
    return emitter.offset(emitter.sharedMemory(number * tileBytes), stored, linear);
  }

  GpuEmitter &emitter;
  Transposition transposition;
  ArrayRef<int64_t> symbols;
};

} // namespace

void emitGpuTransposition(GpuEmitter &emitter, Transposition found) {
  GpuTransposition transposition(emitter, std::move(found));
  emitter.addStage(
      transposition.shape(), [=]() mutable { return transposition.tasks(); },
      [&](Value task) { transposition.emit(task); });
}

} // namespace weft

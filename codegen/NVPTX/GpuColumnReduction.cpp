// The GPU template of kernels that reduce along outer dimensions: sums of columns.
//
// First stage: the reduced dimension is cut into chunks, and a thread reduces a chunk of one column
// (or of `lanes` neighbouring ones) into a temporary buffer [chunk][kept elements]. Second stage: a
// thread combines the chunks of a column in order and computes what follows.
//
// The order of a sum depends on the length alone: chunks of 64 elements, of 256 for more than 8192,
// each in order, then the chunks in order.
#include "codegen/Loops/Reduction.h"
#include "codegen/NVPTX/GpuEmitter.h"

using namespace mlir;

namespace weft {
namespace {

constexpr int64_t blockThreads = 128;
constexpr int64_t shortChunk = 64, longChunk = 256, longestOfShort = 8192;

class GpuColumnReduction {
public:
  GpuColumnReduction(GpuEmitter &emitter, int64_t lanes)
      : emitter(emitter),
        op(reductionsOf(emitter.getKernel()).front()),
        walk(emitter, lanes, blockThreads * lanes) {
    ArrayRef<int64_t> symbols = symbolsOf(op->getOperand(0).getType());
    ArrayRef<int64_t> axes = op.getReducedAxes();
    outerSymbols.assign(symbols.begin(), symbols.begin() + axes.front());
    reducedSymbols.assign(symbols.begin() + axes.front(), symbols.begin() + axes.back() + 1);
    innerSymbols.assign(symbols.begin() + axes.back() + 1, symbols.end());
    accumulatorTypes.push_back(elementType(emitter, op));
    if (op.usesPosition())
      accumulatorTypes.push_back(emitter.builder().getI64Type());
  }

  void addTemporaries() {
    for (Type type : accumulatorTypes)
      partials.push_back(emitter.addTemporary([*this, type]() mutable {
        Value elements = chunks();
        for (ArrayRef<int64_t> kept : {ArrayRef<int64_t>(outerSymbols), ArrayRef(innerSymbols)})
          elements = emitter.multiplyIndex(elements, emitter.product(kept));
        int64_t bytes = std::max(1u, KernelEmitter::storedType(type).getIntOrFloatBitWidth() / 8);
        return emitter.multiplyIndex(elements, emitter.index(bytes));
      }));
  }

  Value partialTasks() { return walk.tasks(partialSizes()); }

  void emitPartials(Value task) {
    walk.emit(task, partialSizes(), [&](ArrayRef<ElementIndex> point) {
      auto outer = point.take_front(outerSymbols.size());
      auto inner = point.drop_front(outerSymbols.size() + 1);
      Value low = emitter.multiplyIndex(point[outerSymbols.size()].base, chunkElements());
      Value high = emitter.minimumIndex(emitter.addIndex(low, chunkElements()),
                                        emitter.product(reducedSymbols));
      SmallVector<Value> sums = identities();
      sums = emitter.loop(low, high, 1, sums, [&](Value row, ValueRange values) {
        SmallVector<ElementIndex> indices(outer);
        for (Value part : emitter.delinearize(row, emitter.sizesOf(reducedSymbols)))
          indices.push_back({part});
        indices.append(inner.begin(), inner.end());
        Value element = likeLanes(emitter.element(op->getOperand(0), indices));
        Value where = op.usesPosition() ? likeLanes(emitter.toInteger(ElementIndex{row})) : Value();
        return accumulate(emitter, op, values, element, where);
      });
      for (auto [part, sum] : llvm::enumerate(sums)) {
        auto [address, alignment] = partialAddress(part, point);
        emitter.storeVector(emitter.narrow(sum, accumulatorTypes[part]), address, alignment);
      }
    });
  }

  Value finalTasks() { return walk.tasks(finalSizes()); }

  void emitFinal(Value task) {
    walk.emit(task, finalSizes(), [&](ArrayRef<ElementIndex> point) {
      emitter.clearOverrides();
      SmallVector<Value> totals = identities();
      totals =
          emitter.loop(emitter.index(0), chunks(), 1, totals, [&](Value chunk, ValueRange values) {
            SmallVector<ElementIndex> place(point.take_front(outerSymbols.size()));
            place.push_back({chunk});
            llvm::append_range(place, point.drop_front(outerSymbols.size()));
            SmallVector<Value> partial;
            for (auto [part, type] : llvm::enumerate(accumulatorTypes)) {
              auto [address, alignment] = partialAddress(part, place);
              int64_t count = emitter.laneCount() == 1 ? 0 : emitter.laneCount();
              partial.push_back(emitter.widen(
                  emitter.loadVector(address, KernelEmitter::storedType(type), count, alignment),
                  type));
            }
            return op.emitCombine(emitter.builder(), op->getLoc(), values, partial);
          });
      emitter.override(op->getResult(0), resultOf(emitter, op, totals));
      emitter.storeResults(point);
    });
  }

private:
  Value chunkElements() {
    Value isLong = emitter.isLess(emitter.index(longestOfShort), emitter.product(reducedSymbols));
    return emitter.choose(isLong, emitter.index(longChunk), emitter.index(shortChunk));
  }
  Value chunks() {
    Value size = chunkElements();
    Value rounded = emitter.addIndex(emitter.product(reducedSymbols),
                                     emitter.subtractIndex(size, emitter.index(1)));
    return emitter.divideIndex(rounded, size);
  }

  SmallVector<Value> partialSizes() {
    SmallVector<Value> sizes = emitter.sizesOf(outerSymbols);
    sizes.push_back(chunks());
    llvm::append_range(sizes, emitter.sizesOf(innerSymbols));
    return sizes;
  }
  SmallVector<Value> finalSizes() {
    SmallVector<Value> sizes = emitter.sizesOf(outerSymbols);
    llvm::append_range(sizes, emitter.sizesOf(innerSymbols));
    return sizes;
  }

  Value likeLanes(Value value) { return emitter.laneCount() == 1 ? value : emitter.splat(value); }

  SmallVector<Value> identities() {
    Type type = accumulatorTypes[0];
    if (emitter.laneCount() != 1)
      type = VectorType::get({emitter.laneCount()}, type);
    return op.emitIdentity(emitter.builder(), op->getLoc(), type);
  }

  /// Where part `part` of the sums at `point`, a point of the first stage, is, and its alignment.
  std::pair<Value, unsigned> partialAddress(size_t part, ArrayRef<ElementIndex> point) {
    Value linear = emitter.index(0);
    for (auto [position, size] : llvm::zip_equal(point, partialSizes()))
      linear = emitter.addIndex(emitter.multiplyIndex(linear, size), position.base);
    Type stored = KernelEmitter::storedType(accumulatorTypes[part]);
    return {emitter.offset(emitter.buffer(partials[part]), stored, linear),
            emitter.alignmentOf(stored, linear, emitter.laneCount())};
  }

  GpuEmitter &emitter;
  ReductionOpInterface op;
  GpuWalk walk;
  SmallVector<int64_t> outerSymbols, reducedSymbols, innerSymbols;
  SmallVector<Type> accumulatorTypes;
  SmallVector<unsigned> partials;
};

} // namespace

void emitGpuColumnReduction(GpuEmitter &emitter, int64_t lanes) {
  GpuColumnReduction reduction(emitter, lanes);
  reduction.addTemporaries();
  emitter.addStage(
      {blockThreads}, [=]() mutable { return reduction.partialTasks(); },
      [&](Value task) { reduction.emitPartials(task); });
  emitter.addStage(
      {blockThreads}, [=]() mutable { return reduction.finalTasks(); },
      [&](Value task) { reduction.emitFinal(task); });
}

} // namespace weft

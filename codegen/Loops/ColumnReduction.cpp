// The template of kernels that reduce along outer dimensions: sums of columns.
//
// First stage: the reduced dimension is cut into chunks of 256, and each chunk is reduced for each
// column into a temporary buffer [chunk][kept elements]. Second stage: the chunks of each column
// are combined in order, and what follows is computed. The order depends on the length alone, and
// both stages run on all threads.
#include "codegen/Loops/Reduction.h"

using namespace mlir;

namespace weft {
namespace {

constexpr int64_t chunkElements = 256;
/// Vectors of columns that are walked together, for the sake of whole cache lines.
constexpr int64_t blockVectors = 4;

class ColumnReduction {
public:
  explicit ColumnReduction(KernelEmitter &emitter)
      : emitter(emitter), op(reductionsOf(emitter.getKernel()).front()) {
    ArrayRef<int64_t> symbols = symbolsOf(op->getOperand(0).getType());
    ArrayRef<int64_t> axes = op.getReducedAxes();
    outerSymbols.assign(symbols.begin(), symbols.begin() + axes.front());
    reducedSymbols.assign(symbols.begin() + axes.front(), symbols.begin() + axes.back() + 1);
    innerSymbols.assign(symbols.begin() + axes.back() + 1, symbols.end());
    Type element = elementType(emitter, op);
    accumulatorTypes.push_back(element);
    if (op.usesPosition())
      accumulatorTypes.push_back(emitter.builder().getI64Type());
  }

  void addTemporaries() {
    for (Type type : accumulatorTypes)
      partials.push_back(emitter.addTemporary([*this, type]() mutable {
        Value elements = emitter.multiplyIndex(chunks(), keptElements());
        int64_t bytes = std::max(1u, KernelEmitter::storedType(type).getIntOrFloatBitWidth() / 8);
        return emitter.multiplyIndex(elements, emitter.index(bytes));
      }));
  }

  // Stage 1: (outer kept dimensions, chunk, all inner kept dimensions but the last, block of
  // columns).

  Value partialTasks() {
    Value outer = emitter.product(outerSymbols);
    Value inner = emitter.product(ArrayRef<int64_t>(innerSymbols).drop_back());
    return emitter.multiplyIndex(emitter.multiplyIndex(outer, chunks()),
                                 emitter.multiplyIndex(inner, columnBlocks()));
  }

  void emitPartials(Value begin, Value end) {
    Value length = emitter.product(reducedSymbols);
    emitter.loop(begin, end, 1, [&](Value task) {
      SmallVector<Value> sizes = sizesOf(outerSymbols);
      sizes.push_back(chunks());
      llvm::append_range(sizes, sizesOf(ArrayRef<int64_t>(innerSymbols).drop_back()));
      sizes.push_back(columnBlocks());
      SmallVector<Value> parts = emitter.delinearize(task, sizes);
      auto all = ArrayRef<Value>(parts);
      outer.assign(all.begin(), all.begin() + outerSymbols.size());
      chunk = parts[outerSymbols.size()];
      inner.assign(all.begin() + outerSymbols.size() + 1, all.end() - 1);
      low = emitter.multiplyIndex(chunk, emitter.index(chunkElements));
      high = emitter.minimumIndex(emitter.addIndex(low, emitter.index(chunkElements)), length);
      int64_t width = blockVectors * emitter.laneCount();
      Value first = emitter.multiplyIndex(parts.back(), emitter.index(width));
      Value columns = emitter.symbol(innerSymbols.back());
      Value stop = emitter.minimumIndex(emitter.addIndex(first, emitter.index(width)), columns);
      emitColumns(first, stop);
    });
  }

  // Stage 2: blocks of kept elements.

  Value finalTasks() {
    return emitter.multiplyIndex(
        emitter.product(outerSymbols),
        emitter.multiplyIndex(emitter.product(ArrayRef<int64_t>(innerSymbols).drop_back()),
                              columnBlocks()));
  }

  void emitFinal(Value begin, Value end) {
    emitter.loop(begin, end, 1, [&](Value task) {
      SmallVector<Value> sizes = sizesOf(outerSymbols);
      llvm::append_range(sizes, sizesOf(ArrayRef<int64_t>(innerSymbols).drop_back()));
      sizes.push_back(columnBlocks());
      SmallVector<Value> parts = emitter.delinearize(task, sizes);
      auto all = ArrayRef<Value>(parts);
      outer.assign(all.begin(), all.begin() + outerSymbols.size());
      inner.assign(all.begin() + outerSymbols.size(), all.end() - 1);
      int64_t width = blockVectors * emitter.laneCount();
      Value first = emitter.multiplyIndex(parts.back(), emitter.index(width));
      Value columns = emitter.symbol(innerSymbols.back());
      Value stop = emitter.minimumIndex(emitter.addIndex(first, emitter.index(width)), columns);
      emitter.vectorLoop(first, stop, [&](Value column) { emitFinalVector(column); });
    });
  }

private:
  Value chunks() { return emitter.ceilDivideIndex(emitter.product(reducedSymbols), chunkElements); }
  Value keptElements() {
    return emitter.multiplyIndex(emitter.product(outerSymbols), emitter.product(innerSymbols));
  }
  Value columnBlocks() {
    return emitter.ceilDivideIndex(emitter.symbol(innerSymbols.back()),
                                   blockVectors * emitter.laneCount());
  }
  SmallVector<Value> sizesOf(ArrayRef<int64_t> symbols) {
    SmallVector<Value> sizes;
    for (int64_t symbol : symbols)
      sizes.push_back(emitter.symbol(symbol));
    return sizes;
  }

  /// Reduces the chunk for the columns [first, stop): all vectors of a whole block together.
  void emitColumns(Value first, Value stop) {
    int64_t lanes = emitter.laneCount(), width = blockVectors * lanes;
    Value count = emitter.subtractIndex(stop, first);
    Value isWhole = arith::CmpIOp::create(emitter.builder(), emitter.location(),
                                          arith::CmpIPredicate::eq, count, emitter.index(width));
    Value wholeStop =
        arith::SelectOp::create(emitter.builder(), emitter.location(), isWhole, stop, first);
    emitter.loop(first, wholeStop, width, [&](Value column) { emitRows(column, blockVectors); });
    emitter.vectorLoop(wholeStop, stop, [&](Value column) { emitRows(column, 1); });
  }

  /// Reduces the chunk for `vectors` vectors of columns.
  void emitRows(Value column, int64_t vectors) {
    SmallVector<Value> identity = identities();
    SmallVector<Value> carried;
    for (int64_t v = 0; v < vectors; ++v)
      llvm::append_range(carried, identity);
    size_t width = accumulatorTypes.size();
    carried = emitter.loop(low, high, 1, carried, [&](Value row, ValueRange values) {
      SmallVector<Value> results;
      for (int64_t v = 0; v < vectors; ++v) {
        SmallVector<ElementIndex> indices = indicesAt(row, vectorStart(column, v));
        Value element = emitter.splat(emitter.element(op->getOperand(0), indices));
        Value where = op.usesPosition() ? emitter.splat(emitter.toInteger({row})) : Value();
        llvm::append_range(results,
                           accumulate(emitter, op, values.slice(v * width, width), element, where));
      }
      return results;
    });
    for (int64_t v = 0; v < vectors; ++v)
      for (size_t part = 0; part < width; ++part)
        emitter.storeVector(toStored(carried[v * width + part], part),
                            partialAddress(part, chunk, vectorStart(column, v)));
  }

  Value vectorStart(Value column, int64_t v) {
    return emitter.addIndex(column, emitter.index(v * emitter.laneCount()));
  }

  SmallVector<Value> identities() {
    auto type = VectorType::get({emitter.laneCount()}, accumulatorTypes[0]);
    return op.emitIdentity(emitter.builder(), op->getLoc(), type);
  }

  Value toStored(Value value, size_t part) { return emitter.narrow(value, accumulatorTypes[part]); }

  Value partialAddress(size_t part, Value ofChunk, Value column) {
    Value linear = ofChunk;
    auto append = [&](ArrayRef<Value> positions, ArrayRef<int64_t> symbols) {
      for (auto [position, symbol] : llvm::zip(positions, symbols))
        linear = emitter.addIndex(emitter.multiplyIndex(linear, emitter.symbol(symbol)), position);
    };
    append(outer, outerSymbols);
    append(inner, innerSymbols);
    linear = emitter.addIndex(emitter.multiplyIndex(linear, emitter.symbol(innerSymbols.back())),
                              column);
    return emitter.offset(emitter.buffer(partials[part]),
                          KernelEmitter::storedType(accumulatorTypes[part]), linear);
  }

  SmallVector<ElementIndex> indicesAt(Value row, Value column) {
    SmallVector<ElementIndex> indices;
    for (Value position : outer)
      indices.push_back({position});
    for (Value position : emitter.delinearize(row, sizesOf(reducedSymbols)))
      indices.push_back({position});
    for (Value position : inner)
      indices.push_back({position});
    indices.push_back({column, 1});
    return indices;
  }

  void emitFinalVector(Value column) {
    SmallVector<Value> totals = identities();
    totals =
        emitter.loop(emitter.index(0), chunks(), 1, totals, [&](Value part, ValueRange values) {
          SmallVector<Value> partial;
          for (auto [number, type] : llvm::enumerate(accumulatorTypes)) {
            Value loaded = emitter.loadVector(partialAddress(number, part, column),
                                              KernelEmitter::storedType(type), emitter.laneCount());
            partial.push_back(emitter.widen(loaded, type));
          }
          return op.emitCombine(emitter.builder(), op->getLoc(), values, partial);
        });
    emitter.override(op->getResult(0), resultOf(emitter, op, totals));
    SmallVector<ElementIndex> indices;
    for (Value position : outer)
      indices.push_back({position});
    for (Value position : inner)
      indices.push_back({position});
    indices.push_back({column, 1});
    emitter.storeResults(indices);
  }

  KernelEmitter &emitter;
  ReductionOpInterface op;
  SmallVector<int64_t> outerSymbols, reducedSymbols, innerSymbols;
  SmallVector<Type> accumulatorTypes;
  SmallVector<unsigned> partials;
  // Of the task being emitted.
  SmallVector<Value> outer, inner;
  Value chunk, low, high;
};

} // namespace

void emitColumnReduction(KernelEmitter &emitter) {
  ColumnReduction reduction(emitter);
  reduction.addTemporaries();
  emitter.addStage([=]() mutable { return reduction.partialTasks(); },
                   [&](Value begin, Value end) { reduction.emitPartials(begin, end); });
  emitter.addStage([=]() mutable { return reduction.finalTasks(); },
                   [&](Value begin, Value end) { reduction.emitFinal(begin, end); });
}

} // namespace weft

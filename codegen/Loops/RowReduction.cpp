// The template of kernels that reduce along the innermost dimensions: sums of rows, softmax, norms.
//
// A task is one row. The ops are cut at the reductions: each pass over the row computes the
// reductions whose operands are known, the last pass the results that are as long as the row.
//
// The order of a sum over n elements depends on n alone: blocks of 2048 elements, in each block 16
// lanes (element i goes to lane i mod 16) joined by a tree (8, 4, 2, 1), then the blocks in order.
#include "codegen/Loops/Reduction.h"

using namespace mlir;

namespace weft {
namespace {

constexpr int64_t blockElements = 2048;

class RowReduction {
public:
  explicit RowReduction(KernelEmitter &emitter)
      : emitter(emitter), reductions(reductionsOf(emitter.getKernel())) {
    ReductionOpInterface first = reductions.front();
    ArrayRef<int64_t> symbols = symbolsOf(first->getOperand(0).getType());
    size_t reduced = first.getReducedAxes().size();
    outerSymbols.assign(symbols.begin(), symbols.end() - reduced);
    rowSymbols.assign(symbols.end() - reduced, symbols.end());
  }

  Value tasks() { return emitter.product(outerSymbols); }

  void emit(Value begin, Value end) {
    Value length = emitter.product(rowSymbols);
    emitter.loop(begin, end, 1, [&](Value task) {
      emitter.clearOverrides();
      outer.clear();
      for (Value position : emitter.delinearize(task, sizesOf(outerSymbols)))
        outer.push_back({position});
      for (size_t done = 0; done < reductions.size();)
        done += emitPass(done, length);
      storeRowResults();
      storeElementResults(length);
    });
  }

private:
  SmallVector<Value> sizesOf(ArrayRef<int64_t> symbols) {
    SmallVector<Value> sizes;
    for (int64_t symbol : symbols)
      sizes.push_back(emitter.symbol(symbol));
    return sizes;
  }

  /// The indices of `position` (and the lanes after it) in the row.
  SmallVector<ElementIndex> indicesAt(Value position) {
    return rowIndices(emitter, outer, rowSymbols, {position, 1});
  }

  /// Emits the reductions that are computable in one pass over the row; returns their number.
  size_t emitPass(size_t first, Value length) {
    size_t count = independentFrom(reductions, first);
    ArrayRef<ReductionOpInterface> pass = ArrayRef(reductions).slice(first, count);
    SmallVector<Value> totals = identitiesOf(emitter, pass, /*vector=*/false);
    totals = emitter.loop(
        emitter.index(0), length, blockElements, totals, [&](Value block, ValueRange carried) {
          Value stop = emitter.addIndex(block, emitter.index(blockElements));
          SmallVector<Value> sums = emitBlock(pass, block, emitter.minimumIndex(stop, length));
          return combineEach(emitter, pass, carried, sums);
        });
    overrideResults(emitter, pass, totals);
    return count;
  }

  /// The reductions over [low, high), a block: lanes, then a tree.
  SmallVector<Value> emitBlock(ArrayRef<ReductionOpInterface> pass, Value low, Value high) {
    SmallVector<Value> lanes = emitter.vectorLoop(
        low, high, identitiesOf(emitter, pass, /*vector=*/true),
        [&](Value position, ValueRange carried) {
          SmallVector<ElementIndex> indices = indicesAt(position);
          SmallVector<Value> results;
          for (ReductionOpInterface op : pass) {
            Value element = emitter.splat(emitter.element(op->getOperand(0), indices));
            Value where = op.usesPosition() ? emitter.toInteger({position, 1}) : Value();
            size_t width = accumulatorWidth(op);
            llvm::append_range(
                results,
                accumulate(emitter, op, carried.slice(results.size(), width), element, where));
          }
          return results;
        });
    return combineLanes(emitter, pass, lanes);
  }

  bool isRowResult(Value value) { return symbolsOf(value.getType()).size() == outerSymbols.size(); }

  void storeRowResults() {
    emitter.storeResults(outer, [&](Value value) { return isRowResult(value); });
  }

  void storeElementResults(Value length) {
    if (llvm::all_of(emitter.getYield().getValues(), [&](Value v) { return isRowResult(v); }))
      return;
    // Stores need neighbouring places: the lanes stay within an innermost run.
    SmallVector<Value> sizes = sizesOf(ArrayRef<int64_t>(rowSymbols).drop_back());
    Value runs = emitter.product(ArrayRef<int64_t>(rowSymbols).drop_back());
    emitter.loop(emitter.index(0), runs, 1, [&](Value run) {
      SmallVector<ElementIndex> indices(outer);
      for (Value position : emitter.delinearize(run, sizes))
        indices.push_back({position});
      emitter.vectorLoop(emitter.index(0), emitter.symbol(rowSymbols.back()), [&](Value position) {
        SmallVector<ElementIndex> all(indices);
        all.push_back({position, 1});
        emitter.storeResults(all, [&](Value value) { return !isRowResult(value); });
      });
    });
  }

  KernelEmitter &emitter;
  SmallVector<ReductionOpInterface> reductions;
  SmallVector<int64_t> outerSymbols, rowSymbols;
  SmallVector<ElementIndex> outer;
};

} // namespace

void emitRowReduction(KernelEmitter &emitter) {
  RowReduction reduction(emitter);
  emitter.addStage([=]() mutable { return reduction.tasks(); },
                   [&](Value begin, Value end) { reduction.emit(begin, end); });
}

} // namespace weft

// The GPU template of kernels that reduce along the innermost dimensions: sums of rows, softmax,
// norms.
//
// A row of at most 1024 elements belongs to one warp (eight rows make a task), a longer one to a
// block of 256 threads. The strands of a row are the threads that work on it: strand s has the
// elements 4 s to 4 s + 3 of each stretch of 4 * strands elements.
//
// The order of a sum depends on the length of the row alone: each strand adds its elements in four
// lanes (element i in lane i mod 4) in ascending order and joins these by a tree of halves; a tree
// of halves joins the 32 strands of a warp; the warps' sums are added in order.
//
// Where memory is aligned and the row is short enough (`kept` of the schedule: vectors of each
// strand), the row is read once and stays in registers, as does what is computed from it, until
// the results are stored. Otherwise each pass reads it again.
#include "codegen/Loops/Reduction.h"
#include "codegen/NVPTX/GpuEmitter.h"

using namespace mlir;

namespace weft {
namespace {

constexpr int64_t blockThreads = 256;
constexpr int64_t longestOfWarp = 1024;
constexpr int64_t rowLanes = 4;
constexpr int64_t slotBytes = 8;

class GpuRowReduction {
public:
  GpuRowReduction(GpuEmitter &emitter, int64_t keptVectors)
      : emitter(emitter), reductions(reductionsOf(emitter.getKernel())), keptVectors(keptVectors) {
    ReductionOpInterface first = reductions.front();
    ArrayRef<int64_t> symbols = symbolsOf(first->getOperand(0).getType());
    size_t reduced = first.getReducedAxes().size();
    outerSymbols.assign(symbols.begin(), symbols.end() - reduced);
    rowSymbols.assign(symbols.end() - reduced, symbols.end());
  }

  GpuEmitter::StageShape shape() const {
    int64_t slots = 0;
    for (ReductionOpInterface op : reductions)
      slots += accumulatorWidth(op);
    return {blockThreads, slots * slotBytes * blockThreads / GpuEmitter::warpThreads};
  }

  Value tasks() {
    Value rows = emitter.product(outerSymbols);
    return emitter.choose(isShort(), emitter.ceilDivideIndex(rows, rowsInTask), rows);
  }

  void emit(Value task) {
    length = emitter.product(rowSymbols);
    isOfWarp = isShort();
    strands = emitter.choose(isOfWarp, emitter.index(GpuEmitter::warpThreads),
                             emitter.index(blockThreads));
    strand = emitter.choose(isOfWarp, emitter.lane(), emitter.thread());
    Value first = emitter.multiplyIndex(task, emitter.index(rowsInTask));
    Value row = emitter.choose(isOfWarp, emitter.addIndex(first, emitter.warp()), task);
    emitter.ifTrue(emitter.isLess(row, emitter.product(outerSymbols)), [&] {
      outer.clear();
      for (Value position : emitter.delinearize(row, emitter.sizesOf(outerSymbols)))
        outer.push_back({position});
      emitter.withLanes(rowLanes, [&] {
        emitter.ifElse(isAlignedRow(), [&] { emitAligned(); }, [&] { emitPasses(); });
      });
    });
    // The slots of the warps' sums are written again by the next task.
    emitter.ifTrue(emitter.negate(isOfWarp), [&] { emitter.barrier(); });
  }

private:
  static constexpr int64_t rowsInTask = blockThreads / GpuEmitter::warpThreads;

  Value isShort() {
    return emitter.isLess(emitter.product(rowSymbols), emitter.index(longestOfWarp + 1));
  }

  /// Whether the row can be read by whole, aligned vectors, and fits if it is to be kept.
  Value isAlignedRow() {
    OpBuilder &builder = emitter.builder();
    if (rowSymbols.size() != 1)
      return arith::ConstantIntOp::create(builder, emitter.location(), 0, 1);
    Value rest = emitter.remainderIndex(length, emitter.index(rowLanes));
    Value isWhole = emitter.both(emitter.isEqual(rest, emitter.index(0)),
                                 emitter.isLess(emitter.index(0), length));
    if (keptVectors != 0) {
      Value most = emitter.multiplyIndex(strands, emitter.index(keptVectors * rowLanes));
      isWhole =
          emitter.both(isWhole, emitter.isLess(length, emitter.addIndex(most, emitter.index(1))));
    }
    return emitter.both(isWhole, emitter.buffersAreAligned());
  }

  void emitAligned() {
    emitter.assumeAligned({length}, rowLanes, [&] {
      if (keptVectors == 0)
        return emitPasses();
      keepRow();
      emitPasses();
      kept.clear();
    });
  }

  /// The vectors of this strand. Those beyond the end of the row take its last vector, and do not
  /// count: with no branch between them all their values stay in registers.
  void keepRow() {
    Value last = emitter.subtractIndex(length, emitter.index(rowLanes));
    Value stride = emitter.multiplyIndex(strands, emitter.index(rowLanes));
    Value position = emitter.multiplyIndex(strand, emitter.index(rowLanes));
    for (int64_t number = 0; number < keptVectors; ++number) {
      Value safe = emitter.minimumIndex(position, last);
      emitter.assumeMultiple(safe, rowLanes);
      kept.push_back({safe, emitter.isLess(position, length)});
      position = emitter.addIndex(position, stride);
    }
  }

  void emitPasses() {
    emitter.clearOverrides();
    int64_t slot = 0;
    for (size_t done = 0; done < reductions.size();) {
      size_t count = independentFrom(reductions, done);
      ArrayRef<ReductionOpInterface> pass = ArrayRef(reductions).slice(done, count);
      SmallVector<Value> lanes = kept.empty() ? reduceByLoop(pass) : reduceKept(pass);
      SmallVector<Value> sums = combineLanes(emitter, pass, lanes);
      sums = combineWarps(pass, combineWarp(pass, sums), slot);
      slot += sums.size();
      overrideResults(emitter, pass, sums);
      done += count;
    }
    emitter.ifTrue(emitter.isEqual(strand, emitter.index(0)), [&] {
      emitter.storeResults(outer, [&](Value value) { return isRowResult(value); });
    });
    storeElementResults();
  }

  /// One more vector of elements for each reduction.
  SmallVector<Value> accumulateEach(ArrayRef<ReductionOpInterface> pass, ValueRange carried,
                                    Value position) {
    ElementIndex lanes{position, 1};
    SmallVector<ElementIndex> indices = rowIndices(emitter, outer, rowSymbols, lanes);
    SmallVector<Value> results;
    for (ReductionOpInterface op : pass) {
      Value element = emitter.splat(emitter.element(op->getOperand(0), indices));
      Value where = op.usesPosition() ? emitter.toInteger(lanes) : Value();
      auto before = carried.slice(results.size(), accumulatorWidth(op));
      llvm::append_range(results, accumulate(emitter, op, before, element, where));
    }
    return results;
  }

  SmallVector<Value> reduceKept(ArrayRef<ReductionOpInterface> pass) {
    SmallVector<Value> values = identitiesOf(emitter, pass, /*vector=*/true);
    for (auto [position, counts] : kept) {
      SmallVector<Value> more = accumulateEach(pass, values, position);
      for (auto [value, next] : llvm::zip_equal(values, more))
        value = emitter.choose(counts, next, value);
    }
    return values;
  }

  SmallVector<Value> reduceByLoop(ArrayRef<ReductionOpInterface> pass) {
    SmallVector<Value> values = identitiesOf(emitter, pass, /*vector=*/true);
    values = emitter.loop(firstOfStrand(), wholeLength(), strideOfStrand(), values,
                          [&](Value position, ValueRange carried) {
                            emitter.assumeMultiple(position, rowLanes);
                            return accumulateEach(pass, carried, position);
                          });
    return emitter.ifTrue(hasTail(), values, [&] {
      SmallVector<Value> results;
      emitter.withMask(tailMask(), [&] { results = accumulateEach(pass, values, wholeLength()); });
      return results;
    });
  }

  Value firstOfStrand() { return emitter.multiplyIndex(strand, emitter.index(rowLanes)); }
  Value strideOfStrand() { return emitter.multiplyIndex(strands, emitter.index(rowLanes)); }
  /// The elements in whole vectors.
  Value wholeLength() {
    return emitter.multiplyIndex(emitter.divideIndex(length, emitter.index(rowLanes)),
                                 emitter.index(rowLanes));
  }
  /// Whether the vector of the rest is this strand's.
  Value hasTail() {
    Value vector = emitter.divideIndex(length, emitter.index(rowLanes));
    Value owner = emitter.remainderIndex(vector, strands);
    return emitter.both(emitter.isLess(wholeLength(), length), emitter.isEqual(owner, strand));
  }
  Value tailMask() { return emitter.lanesBelow(emitter.subtractIndex(length, wholeLength())); }

  /// Combines the strands of a warp and gives the result to all of them.
  SmallVector<Value> combineWarp(ArrayRef<ReductionOpInterface> pass, SmallVector<Value> values) {
    for (int64_t half = GpuEmitter::warpThreads / 2; half > 0; half /= 2) {
      SmallVector<Value> others;
      for (Value value : values)
        others.push_back(emitter.shuffleDown(value, half));
      values = combineEach(emitter, pass, values, others);
    }
    for (Value &value : values)
      value = emitter.shuffleFromFirst(value);
    return values;
  }

  Value slotAddress(int64_t slot, Value warp) {
    Value base = emitter.sharedMemory(slot * slotBytes * rowsInTask);
    Value bytes = emitter.multiplyIndex(warp, emitter.index(slotBytes));
    return emitter.offset(base, emitter.builder().getI8Type(), bytes);
  }

  /// Combines the warps of a block through shared memory, where the row belongs to a block.
  SmallVector<Value> combineWarps(ArrayRef<ReductionOpInterface> pass, ValueRange ofWarp,
                                  int64_t firstSlot) {
    return emitter.ifTrue(emitter.negate(isOfWarp), ofWarp, [&] {
      emitter.ifTrue(emitter.isEqual(emitter.lane(), emitter.index(0)), [&] {
        for (auto [number, value] : llvm::enumerate(ofWarp))
          emitter.storeVector(emitter.narrow(value, value.getType()),
                              slotAddress(firstSlot + number, emitter.warp()));
      });
      emitter.barrier();
      SmallVector<Value> total;
      for (int64_t warp = 0; warp < rowsInTask; ++warp) {
        SmallVector<Value> values;
        for (auto [number, value] : llvm::enumerate(ofWarp)) {
          Type type = value.getType();
          Value loaded = emitter.loadVector(slotAddress(firstSlot + number, emitter.index(warp)),
                                            KernelEmitter::storedType(type), 0);
          values.push_back(emitter.widen(loaded, type));
        }
        total = warp == 0 ? values : combineEach(emitter, pass, total, values);
      }
      return total;
    });
  }

  bool isRowResult(Value value) { return symbolsOf(value.getType()).size() == outerSymbols.size(); }

  void storeElementResults() {
    if (llvm::all_of(emitter.getYield().getValues(), [&](Value v) { return isRowResult(v); }))
      return;
    if (rowSymbols.size() != 1)
      return storeSingly();
    auto store = [&](Value position) {
      emitter.storeResults(rowIndices(emitter, outer, rowSymbols, {position, 1}),
                           [&](Value value) { return !isRowResult(value); });
    };
    for (auto [position, counts] : kept)
      emitter.ifTrue(counts, [&] { store(position); });
    if (!kept.empty())
      return;
    emitter.loop(firstOfStrand(), wholeLength(), strideOfStrand(), [&](Value position) {
      emitter.assumeMultiple(position, rowLanes);
      store(position);
    });
    emitter.ifTrue(hasTail(), [&] { emitter.withMask(tailMask(), [&] { store(wholeLength()); }); });
  }

  /// Neighbours in a row of several dimensions need not be neighbours in memory.
  void storeSingly() {
    emitter.withLanes(1, [&] {
      emitter.loop(strand, length, strands, [&](Value position) {
        SmallVector<ElementIndex> indices(outer);
        for (Value part : emitter.delinearize(position, emitter.sizesOf(rowSymbols)))
          indices.push_back({part});
        emitter.storeResults(indices, [&](Value value) { return !isRowResult(value); });
      });
    });
  }

  /// A vector of the strand, and whether it lies in the row.
  struct KeptVector {
    Value position, counts;
  };

  GpuEmitter &emitter;
  SmallVector<ReductionOpInterface> reductions;
  int64_t keptVectors;
  SmallVector<int64_t> outerSymbols, rowSymbols;
  // Of the task being emitted.
  SmallVector<ElementIndex> outer;
  Value length, isOfWarp, strands, strand;
  SmallVector<KeptVector> kept;
};

} // namespace

void emitGpuRowReduction(GpuEmitter &emitter, int64_t keptVectors) {
  GpuRowReduction reduction(emitter, keptVectors);
  emitter.addStage(
      reduction.shape(), [=]() mutable { return reduction.tasks(); },
      [&](Value task) { reduction.emit(task); });
}

} // namespace weft

// Reductions of rows that are few and long: the stages of a kernel whose tasks are blocks of them.
//
// For each pass: a stage whose tasks reduce some blocks each into temporary buffers [row][block],
// and one, of a task for each row, that combines the blocks' sums in order. Then a stage that
// computes what is as long as the row. The order of sums is that of whole rows.
#include "codegen/Loops/RowWalk.h"
#include <memory>

using namespace mlir;

namespace weft {
namespace {

class RowBlocks {
public:
  explicit RowBlocks(KernelEmitter &emitter)
      : emitter(emitter),
        walk(emitter),
        chains(emitter.schedule<RowsScheduleAttr>().getChains()),
        blocksInTask(emitter.schedule<RowsScheduleAttr>().getBlocks()) {}

  static void addStages(const std::shared_ptr<RowBlocks> &self) {
    KernelEmitter &emitter = self->emitter;
    for (auto [number, pass] : llvm::enumerate(self->passes())) {
      if (pass.reductions.empty()) {
        emitter.addStage([=] { return self->elementTasks(); },
                         [&](Value begin, Value end) { self->emitElements(begin, end); });
        continue;
      }
      addTemporaries(self, pass);
      emitter.addStage([=] { return self->blockTasks(); },
                       [&](Value begin, Value end) { self->emitBlocks(number, begin, end); });
      emitter.addStage([=] { return self->walk.rows(); },
                       [&](Value begin, Value end) { self->emitTotals(number, begin, end); });
    }
  }

private:
  ArrayRef<RowPass> passes() const { return walk.plan().passes; }
  bool isLastReduction(size_t number) const {
    return number + 1 == passes().size() || passes()[number + 1].reductions.empty();
  }

  /// A temporary buffer of elements of `type`.
  struct Buffer {
    Type type;
    unsigned number;
  };

  /// Of a pass: the accumulators of each block, and the results of each row.
  struct Temporaries {
    SmallVector<Buffer> partials, results;
  };

  static void addTemporaries(const std::shared_ptr<RowBlocks> &self, const RowPass &pass) {
    KernelEmitter &emitter = self->emitter;
    auto add = [&](Type type, bool ofBlocks) {
      return Buffer{type, emitter.addTemporary([=]() -> Value {
                      KernelEmitter &emitter = self->emitter;
                      Value count = self->walk.rows();
                      if (ofBlocks)
                        count = emitter.multiplyIndex(count, self->walk.blocks());
                      Type stored = KernelEmitter::storedType(type);
                      int64_t bytes = stored.getIntOrFloatBitWidth() / 8;
                      return emitter.multiplyIndex(count, emitter.index(bytes));
                    })};
    };
    Temporaries own;
    for (ReductionOpInterface op : pass.reductions) {
      own.partials.push_back(add(elementType(emitter, op), true));
      if (op.usesPosition())
        own.partials.push_back(add(emitter.builder().getI64Type(), true));
      own.results.push_back(add(emitter.computeType(op->getResult(0)), false));
    }
    self->temporaries.push_back(std::move(own));
  }

  Value load(const Buffer &buffer, Value place) {
    Type stored = KernelEmitter::storedType(buffer.type);
    Value address = emitter.offset(emitter.buffer(buffer.number), stored, place);
    return emitter.widen(emitter.loadVector(address, stored, 0), buffer.type);
  }
  void store(Value value, const Buffer &buffer, Value place) {
    Type stored = KernelEmitter::storedType(buffer.type);
    emitter.storeVector(emitter.narrow(value, buffer.type),
                        emitter.offset(emitter.buffer(buffer.number), stored, place));
  }

  /// Row `row`, with the results of the first `count` passes.
  RowChain chainOf(Value row, size_t count) {
    RowChain chain = walk.chainOf(row);
    for (size_t number = 0; number < count; ++number)
      for (auto [op, buffer] :
           llvm::zip_equal(passes()[number].reductions, temporaries[number].results))
        chain.results.emplace_back(op, load(buffer, row));
    return chain;
  }

  // The blocks of a pass.

  Value tasksOfRow() { return emitter.ceilDivideIndex(walk.blocks(), blocksInTask); }
  Value blockTasks() { return emitter.multiplyIndex(walk.rows(), tasksOfRow()); }

  void emitBlocks(size_t number, Value begin, Value end) {
    emitter.loop(begin, end, 1, [&](Value task) {
      emitter.clearOverrides();
      SmallVector<Value> at = emitter.delinearize(task, {walk.rows(), tasksOfRow()});
      RowChain chain = chainOf(at[0], number);
      Value low = emitter.multiplyIndex(at[1], emitter.index(blocksInTask));
      Value high =
          emitter.minimumIndex(emitter.addIndex(low, emitter.index(blocksInTask)), walk.blocks());
      Value middle = low;
      if (number < walk.plan().shortPasses && chains > 1) {
        middle = wholeGroups(low, high);
        emitter.loop(low, middle, chains,
                     [&](Value first) { reduceSideBySide(number, chain, at[0], first); });
      }
      emitter.loop(middle, high, 1, [&](Value block) {
        Value start = emitter.multiplyIndex(block, emitter.index(RowWalk::blockElements));
        Value stop = emitter.minimumIndex(
            emitter.addIndex(start, emitter.index(RowWalk::blockElements)), walk.length());
        storePartials(number, at[0], block,
                      walk.reduceBlock(passes()[number], chain, start, stop).front());
      });
    });
  }

  /// Where the groups of `chains` whole blocks from `low` on end.
  Value wholeGroups(Value low, Value high) {
    Value whole = emitter.divideIndex(walk.length(), emitter.index(RowWalk::blockElements));
    Value count = emitter.maximumIndex(
        emitter.subtractIndex(emitter.minimumIndex(high, whole), low), emitter.index(0));
    Value groups = emitter.divideIndex(count, emitter.index(chains));
    return emitter.addIndex(low, emitter.multiplyIndex(groups, emitter.index(chains)));
  }

  void reduceSideBySide(size_t number, const RowChain &row, Value rowNumber, Value first) {
    SmallVector<RowChain> blocks(chains, row);
    SmallVector<Value> numbers;
    for (auto [offset, block] : llvm::enumerate(blocks)) {
      numbers.push_back(emitter.addIndex(first, emitter.index(offset)));
      block.start = emitter.multiplyIndex(numbers.back(), emitter.index(RowWalk::blockElements));
    }
    auto sums = walk.reduceBlock(passes()[number], blocks, emitter.index(0),
                                 emitter.index(RowWalk::blockElements));
    for (auto [block, accumulators] : llvm::zip_equal(numbers, sums))
      storePartials(number, rowNumber, block, accumulators);
  }

  Value partialPlace(Value row, Value block) {
    return emitter.addIndex(emitter.multiplyIndex(row, walk.blocks()), block);
  }

  void storePartials(size_t number, Value row, Value block, ValueRange accumulators) {
    for (auto [value, buffer] : llvm::zip_equal(accumulators, temporaries[number].partials))
      store(value, buffer, partialPlace(row, block));
  }

  // The totals of a pass.

  void emitTotals(size_t number, Value begin, Value end) {
    const RowPass &pass = passes()[number];
    emitter.loop(begin, end, 1, [&](Value row) {
      emitter.clearOverrides();
      // Results of rows may be computed from those of any pass.
      RowChain chain = chainOf(row, isLastReduction(number) ? number : 0);
      SmallVector<Value> totals = identitiesOf(emitter, pass.reductions, /*vector=*/false);
      totals = emitter.loop(emitter.index(0), walk.blocks(), 1, totals,
                            [&](Value block, ValueRange carried) {
                              SmallVector<Value> partial;
                              for (const Buffer &buffer : temporaries[number].partials)
                                partial.push_back(load(buffer, partialPlace(row, block)));
                              return combineEach(emitter, pass.reductions, carried, partial);
                            });
      size_t known = chain.results.size();
      walk.addResults(pass, chain, totals);
      for (auto [result, buffer] :
           llvm::zip_equal(ArrayRef(chain.results).drop_front(known), temporaries[number].results))
        store(result.second, buffer, row);
      if (isLastReduction(number))
        walk.storeRowResults(chain);
    });
  }

  // The results that are as long as the row.

  bool isOneRun() const { return walk.symbols.row.size() == 1; }
  Value elementTasks() { return isOneRun() ? blockTasks() : walk.rows(); }

  void emitElements(Value begin, Value end) {
    size_t count = passes().size() - 1;
    emitter.loop(begin, end, 1, [&](Value task) {
      emitter.clearOverrides();
      if (!isOneRun())
        return walk.storeElements(chainOf(task, count));
      SmallVector<Value> at = emitter.delinearize(task, {walk.rows(), tasksOfRow()});
      Value width = emitter.index(blocksInTask * RowWalk::blockElements);
      Value low = emitter.multiplyIndex(at[1], width);
      Value high = emitter.minimumIndex(emitter.addIndex(low, width), walk.length());
      walk.storeElements(chainOf(at[0], count), low, high);
    });
  }

  KernelEmitter &emitter;
  RowWalk walk;
  int64_t chains, blocksInTask;
  SmallVector<Temporaries> temporaries;
};

} // namespace

void emitRowBlocks(KernelEmitter &emitter) {
  RowBlocks::addStages(std::make_shared<RowBlocks>(emitter));
}

} // namespace weft

// The template of kernels that reduce along the innermost dimensions: sums of rows, softmax, norms.
//
// The ops are cut at the reductions: each pass over the row computes the reductions whose operands
// are known, the last pass the results that are as long as the row (RowPasses.h). The order of a
// sum is RowWalk's.
//
// A task is one row, and a thread walks over its rows one by one; only the short passes at the
// start walk over `chains` rows side by side, whose sums need not wait for each other. Their
// results rest on the stack until the rows are finished.
//
// Where rows are few and long, each pass has two stages (`blocks` of the schedule): the first
// reduces blocks of the rows, which go to temporary buffers [row][block], the second adds them in
// order. A last stage computes the results that are as long as the row, again by blocks.
#include "codegen/Loops/RowWalk.h"
#include <memory>

using namespace mlir;

namespace weft {
namespace {

class WholeRows {
public:
  explicit WholeRows(KernelEmitter &emitter)
      : emitter(emitter),
        walk(emitter),
        chains(walk.plan().shortPasses > 0 ? emitter.schedule<RowsScheduleAttr>().getChains() : 1) {
  }

  Value tasks() { return walk.rows(); }

  void emit(Value begin, Value end) {
    emitter.loop(begin, end, chains, [&](Value first) {
      emitter.clearOverrides();
      if (chains == 1)
        return finish(walk.chainOf(first), passes());
      Value stop = emitter.minimumIndex(emitter.addIndex(first, emitter.index(chains)), end);
      emitShortPasses(first, stop);
      emitter.loop(first, stop, 1, [&](Value row) {
        RowChain chain = walk.chainOf(row);
        loadResults(chain, emitter.subtractIndex(row, first));
        finish(std::move(chain), passes().drop_front(walk.plan().shortPasses));
      });
    });
  }

private:
  ArrayRef<RowPass> passes() const { return walk.plan().passes; }
  ArrayRef<RowPass> shortPasses() const { return passes().take_front(walk.plan().shortPasses); }

  void finish(RowChain chain, ArrayRef<RowPass> rest) {
    for (const RowPass &pass : rest)
      if (!pass.reductions.empty())
        walk.reduceRows(pass, chain);
    walk.storeRowResults(chain);
    walk.storeElements(chain);
  }

  /// The short passes over the rows [first, stop): all of them together if there are enough.
  void emitShortPasses(Value first, Value stop) {
    Value isWhole =
        arith::CmpIOp::create(emitter.builder(), emitter.location(), arith::CmpIPredicate::eq,
                              emitter.subtractIndex(stop, first), emitter.index(chains));
    Value wholeStop =
        arith::SelectOp::create(emitter.builder(), emitter.location(), isWhole, stop, first);
    emitter.loop(first, wholeStop, chains, [&](Value) { reduceSideBySide(first, chains); });
    emitter.loop(wholeStop, stop, 1,
                 [&](Value row) { reduceSideBySide(row, 1, emitter.subtractIndex(row, first)); });
  }

  void reduceSideBySide(Value first, int64_t count, Value slot = nullptr) {
    SmallVector<RowChain> rows;
    for (int64_t number = 0; number < count; ++number)
      rows.push_back(walk.chainOf(emitter.addIndex(first, emitter.index(number))));
    for (const RowPass &pass : shortPasses())
      walk.reduceRows(pass, rows);
    for (auto [number, row] : llvm::enumerate(rows))
      for (auto [op, value] : row.results)
        emitter.storeVector(emitter.narrow(value, value.getType()),
                            slotAddress(op, value.getType(), slot ? slot : emitter.index(number)));
  }

  Value slotAddress(ReductionOpInterface op, Type type, Value slot) {
    Type stored = KernelEmitter::storedType(type);
    Value &slots = slotsOf[op];
    if (!slots)
      slots = emitter.allocate(stored, chains);
    return emitter.offset(slots, stored, slot);
  }

  void loadResults(RowChain &chain, Value slot) {
    for (const RowPass &pass : shortPasses())
      for (ReductionOpInterface op : pass.reductions) {
        Type type = emitter.computeType(op->getResult(0));
        Value loaded =
            emitter.loadVector(slotAddress(op, type, slot), KernelEmitter::storedType(type), 0);
        chain.results.emplace_back(op, emitter.widen(loaded, type));
      }
  }

  KernelEmitter &emitter;
  RowWalk walk;
  int64_t chains;
  llvm::DenseMap<Operation *, Value> slotsOf;
};

} // namespace

/// Stages by blocks of rows (RowBlocks.cpp).
void emitRowBlocks(KernelEmitter &emitter);
/// Vectors across rows (RowsAcross.cpp).
void emitRowsAcross(KernelEmitter &emitter);

void emitRowReduction(KernelEmitter &emitter) {
  auto schedule = emitter.schedule<RowsScheduleAttr>();
  if (schedule.getAcross())
    return emitRowsAcross(emitter);
  if (schedule.getBlocks() > 0)
    return emitRowBlocks(emitter);
  auto rows = std::make_shared<WholeRows>(emitter);
  emitter.addStage([=] { return rows->tasks(); },
                   [&](Value begin, Value end) { rows->emit(begin, end); });
}

} // namespace weft

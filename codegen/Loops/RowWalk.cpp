// Passes over rows: several chains of sums side by side, and values that are kept from one pass to
// the next.
//
// A kept value has a buffer on the stack, where the vector at position p of the row lies at p
// modulo the size of the buffer. Of a row that fits each is computed once; of a longer one, the
// passes that read it compute it again, block by block, before they walk over the block.
#include "codegen/Loops/RowWalk.h"

using namespace mlir;

namespace weft {

RowWalk::RowWalk(KernelEmitter &emitter)
    : emitter(emitter),
      symbols(emitter.getKernel()),
      passes(emitter.getKernel(), emitter.schedule<RowsScheduleAttr>().getKept() > 0),
      keptElements(emitter.schedule<RowsScheduleAttr>().getKept() * emitter.laneCount()) {}

RowChain RowWalk::chainOf(Value row) {
  SmallVector<Value> sizes;
  for (int64_t symbol : symbols.outer)
    sizes.push_back(emitter.symbol(symbol));
  RowChain chain;
  for (Value position : emitter.delinearize(row, sizes))
    chain.outer.push_back({position});
  chain.start = emitter.index(0);
  return chain;
}

void RowWalk::use(const RowChain &chain) {
  for (auto [op, value] : chain.results)
    emitter.override(ReductionOpInterface(op)->getResult(0), value);
}

SmallVector<ElementIndex> RowWalk::indicesAt(const RowChain &chain, Value position) {
  return rowIndices(emitter, chain.outer, symbols.row, {position, 1});
}

Value RowWalk::blockStop(Value low) {
  return emitter.minimumIndex(emitter.addIndex(low, emitter.index(blockElements)), length());
}

SmallVector<SmallVector<Value>> RowWalk::reduceBlock(const RowPass &pass, ArrayRef<RowChain> chains,
                                                     Value low, Value high) {
  SmallVector<Value> lanes, identity = identitiesOf(emitter, pass.reductions, /*vector=*/true);
  for (size_t chain = 0; chain < chains.size(); ++chain)
    llvm::append_range(lanes, identity);
  lanes = emitter.vectorLoop(low, high, lanes, [&](Value position, ValueRange carried) {
    SmallVector<Value> next;
    for (const RowChain &chain : chains) {
      use(chain);
      Value at = emitter.addIndex(chain.start, position);
      SmallVector<ElementIndex> indices = indicesAt(chain, at);
      withKept(pass, indices, at, [&] {
        for (ReductionOpInterface op : pass.reductions) {
          Value element = emitter.splat(emitter.element(op->getOperand(0), indices));
          Value where = op.usesPosition() ? emitter.toInteger({at, 1}) : Value();
          auto before = carried.slice(next.size(), accumulatorWidth(op));
          llvm::append_range(next, accumulate(emitter, op, before, element, where));
        }
      });
    }
    return next;
  });
  SmallVector<SmallVector<Value>> sums;
  for (size_t chain = 0; chain < chains.size(); ++chain) {
    auto own = ArrayRef<Value>(lanes).slice(chain * identity.size(), identity.size());
    sums.push_back(combineLanes(emitter, pass.reductions, SmallVector<Value>(own)));
  }
  return sums;
}

void RowWalk::reduceRows(const RowPass &pass, MutableArrayRef<RowChain> chains) {
  SmallVector<Value> totals, identity = identitiesOf(emitter, pass.reductions, /*vector=*/false);
  for (size_t chain = 0; chain < chains.size(); ++chain)
    llvm::append_range(totals, identity);
  totals = emitter.loop(
      emitter.index(0), length(), blockElements, totals, [&](Value low, ValueRange carried) {
        Value high = blockStop(low);
        refill(pass, chains.front(), low, high);
        SmallVector<Value> next;
        for (ValueRange sums : reduceBlock(pass, chains, low, high))
          llvm::append_range(next, combineEach(emitter, pass.reductions,
                                               carried.slice(next.size(), sums.size()), sums));
        return next;
      });
  for (auto [number, chain] : llvm::enumerate(chains))
    addResults(pass, chain, ArrayRef(totals).slice(number * identity.size(), identity.size()));
}

void RowWalk::addResults(const RowPass &pass, RowChain &chain, ValueRange accumulators) {
  for (ReductionOpInterface op : pass.reductions) {
    unsigned width = accumulatorWidth(op);
    chain.results.emplace_back(op, resultOf(emitter, op, accumulators.take_front(width)));
    accumulators = accumulators.drop_front(width);
  }
}

//===----------------------------------------------------------------------===//
// Values that are kept
//===----------------------------------------------------------------------===//

Value RowWalk::keptAddress(Value value, Value position) {
  Type stored = KernelEmitter::storedType(emitter.computeType(value));
  Value &buffer = buffers[value];
  if (!buffer)
    buffer = emitter.allocate(stored, keptElements);
  return emitter.offset(buffer, stored,
                        emitter.remainderIndex(position, emitter.index(keptElements)));
}

void RowWalk::keep(Value value, ArrayRef<ElementIndex> indices, Value position) {
  Value elements = emitter.splat(emitter.element(value, indices));
  // There is room for whole vectors, whatever the lanes beyond the row hold.
  emitter.withMask(nullptr, [&] {
    emitter.storeVector(emitter.narrow(elements, emitter.computeType(value)),
                        keptAddress(value, position));
  });
}

void RowWalk::withKept(const RowPass &pass, ArrayRef<ElementIndex> indices, Value position,
                       function_ref<void()> body) {
  for (Value value : pass.reads) {
    Type type = emitter.computeType(value);
    emitter.withMask(nullptr, [&] {
      Value loaded = emitter.loadVector(keptAddress(value, position),
                                        KernelEmitter::storedType(type), emitter.laneCount());
      emitter.override(value, emitter.widen(loaded, type));
    });
  }
  for (Value value : pass.keeps)
    keep(value, indices, position);
  body();
  for (Value value : pass.reads)
    emitter.clearOverride(value);
}

void RowWalk::refill(const RowPass &pass, const RowChain &chain, Value low, Value high) {
  if (pass.reads.empty())
    return;
  use(chain);
  emitter.ifTrue(emitter.isLess(emitter.index(keptElements), length()), [&] {
    emitter.loop(low, high, emitter.laneCount(), [&](Value position) {
      // The same code for whole vectors and for the rest: it is there in addition.
      emitter.withMask(emitter.lanesBelow(emitter.subtractIndex(high, position)), [&] {
        SmallVector<ElementIndex> indices = indicesAt(chain, position);
        for (Value value : pass.reads)
          keep(value, indices, position);
      });
    });
  });
}

//===----------------------------------------------------------------------===//
// Results
//===----------------------------------------------------------------------===//

void RowWalk::storeRowResults(const RowChain &chain) {
  use(chain);
  emitter.storeResults(chain.outer, [&](Value value) { return symbols.isOfRow(value); });
}

void RowWalk::storeElements(const RowChain &chain) {
  const RowPass &pass = passes.passes.back();
  if (!pass.reductions.empty())
    return;
  if (!pass.reads.empty())
    return emitter.loop(emitter.index(0), length(), blockElements, [&](Value low) {
      Value high = blockStop(low);
      refill(pass, chain, low, high);
      storeElements(chain, low, high);
    });
  if (symbols.row.size() == 1)
    return storeElements(chain, emitter.index(0), length());
  // Stores need neighbouring places: the lanes stay within an innermost run.
  use(chain);
  auto outerRow = ArrayRef<int64_t>(symbols.row).drop_back();
  SmallVector<Value> sizes;
  for (int64_t symbol : outerRow)
    sizes.push_back(emitter.symbol(symbol));
  emitter.loop(emitter.index(0), emitter.product(outerRow), 1, [&](Value run) {
    SmallVector<ElementIndex> indices(chain.outer);
    for (Value position : emitter.delinearize(run, sizes))
      indices.push_back({position});
    emitter.vectorLoop(emitter.index(0), emitter.symbol(symbols.row.back()), [&](Value position) {
      SmallVector<ElementIndex> all(indices);
      all.push_back({position, 1});
      emitter.storeResults(all, [&](Value value) { return !symbols.isOfRow(value); });
    });
  });
}

void RowWalk::storeElements(const RowChain &chain, Value low, Value high) {
  use(chain);
  emitter.vectorLoop(low, high, [&](Value position) {
    SmallVector<ElementIndex> indices = indicesAt(chain, position);
    withKept(passes.passes.back(), indices, position, [&] {
      emitter.storeResults(indices, [&](Value value) { return !symbols.isOfRow(value); });
    });
  });
}

} // namespace weft

#include "codegen/Loops/SortBlocks.h"

using namespace mlir;

namespace weft {

SortOpInterface sortOf(KernelOp kernel) {
  return *kernel.getBody().front().getOps<SortOpInterface>().begin();
}

SortBlocks::SortBlocks(KernelEmitter &emitter, int64_t multiple)
    : emitter(emitter), op(sortOf(emitter.getKernel())), multiple(multiple) {
  auto schedule = emitter.schedule<SortScheduleAttr>();
  chunk = schedule.getBlock();
  mergeCount = schedule.getMerges();
  ArrayRef<int64_t> symbols = symbolsOf(op.getX().getType());
  outerSymbols.assign(symbols.begin(), symbols.begin() + op.getAxis());
  innerSymbols.assign(symbols.begin() + op.getAxis() + 1, symbols.end());
}

Value SortBlocks::length() const {
  return emitter.multiplyIndex(emitter.ceilDivideIndex(elements(), multiple),
                               emitter.index(multiple));
}

Value SortBlocks::rows() const {
  return emitter.multiplyIndex(emitter.product(outerSymbols), emitter.product(innerSymbols));
}

Value SortBlocks::chunks() const { return emitter.ceilDivideIndex(length(), chunk); }

Value SortBlocks::blockLength() const {
  Value least = emitter.ceilDivideIndex(length(), int64_t(1) << mergeCount);
  Value rounded =
      emitter.multiplyIndex(emitter.ceilDivideIndex(least, chunk), emitter.index(chunk));
  return emitter.maximumIndex(rounded, emitter.index(chunk));
}

Value SortBlocks::blocks() const {
  Value block = blockLength();
  Value rounded = emitter.addIndex(length(), emitter.subtractIndex(block, emitter.index(1)));
  return emitter.divideIndex(rounded, block);
}

Value SortBlocks::runLength(int64_t merge) const {
  return emitter.multiplyIndex(blockLength(), emitter.index(int64_t(1) << merge));
}

Value SortBlocks::blockUnits() const { return emitter.multiplyIndex(rows(), blocks()); }

Value SortBlocks::chunkUnits() const { return emitter.multiplyIndex(rows(), chunks()); }

Value SortBlocks::mergeUnits(int64_t merge) const {
  return arith::SelectOp::create(emitter.builder(), emitter.location(),
                                 emitter.isLess(runLength(merge), length()), chunkUnits(),
                                 emitter.index(0));
}

std::pair<Value, Stretch> SortBlocks::blockOf(Value unit) const {
  Value size = blockLength();
  Value low = emitter.multiplyIndex(emitter.remainderIndex(unit, blocks()), size);
  Value high = emitter.minimumIndex(emitter.addIndex(low, size), length());
  return {emitter.divideIndex(unit, blocks()), {low, high}};
}

std::pair<Value, Stretch> SortBlocks::chunkOf(Value unit) const {
  Value size = emitter.index(chunk);
  Value low = emitter.multiplyIndex(emitter.remainderIndex(unit, chunks()), size);
  Value high = emitter.minimumIndex(emitter.addIndex(low, size), length());
  return {emitter.divideIndex(unit, chunks()), {low, high}};
}

Value SortBlocks::endsInSecond() const {
  Value isSecond = emitter.isLess(emitter.index(1), emitter.index(0));
  for (int64_t merge = 0; merge < mergeCount; ++merge)
    isSecond = arith::XOrIOp::create(emitter.builder(), emitter.location(), isSecond,
                                     emitter.isLess(runLength(merge), length()));
  return isSecond;
}

SmallVector<ElementIndex> SortBlocks::indicesAt(Value row, ElementIndex position) const {
  SmallVector<Value> sizes;
  for (ArrayRef<int64_t> symbols : {ArrayRef(outerSymbols), ArrayRef(innerSymbols)})
    for (int64_t symbol : symbols)
      sizes.push_back(emitter.symbol(symbol));
  SmallVector<ElementIndex> indices;
  for (Value part : emitter.delinearize(row, sizes))
    indices.push_back({part});
  indices.insert(indices.begin() + op.getAxis(), position);
  return indices;
}

} // namespace weft

// The walk over the updates of a kernel.
#include "codegen/Loops/UpdateWalk.h"

using namespace mlir;
using arith::CmpIPredicate;

namespace weft {

/// From so many elements on, a row of them is worth to be found by several tasks.
static constexpr int64_t longRow = 64;

UpdateWalk::UpdateWalk(KernelEmitter &emitter, int64_t mostBuckets)
    : emitter(emitter),
      op(*emitter.getKernel().getBody().front().getOps<UpdateOpInterface>().begin()),
      ordered(op.getOrderedDimensions()),
      mostBuckets(mostBuckets) {}

unsigned UpdateWalk::xBuffer() { return cast<BlockArgument>(op.getX()).getArgNumber(); }

bool UpdateWalk::endsInVectors() {
  auto rank = static_cast<int64_t>(symbols().size());
  return rank > 0 && (!isOrdered() || ordered.second < rank);
}

bool UpdateWalk::keepsNeighbours() {
  auto labels = op.getDimensionLabels();
  ArrayRef<int64_t> whole = labels[0], part = labels[op.getUpdatesMutable().getOperandNumber()];
  return endsInVectors() && part.back() >= 0 && part.back() == whole.back();
}

/// Rows that are short are found by one task: the others would read all indices in vain.
Value UpdateWalk::buckets() {
  Value row = emitter.product(symbols().drop_front(ordered.second));
  Value isLong = emitter.isLess(emitter.index(longRow - 1), row);
  return arith::SelectOp::create(emitter.builder(), emitter.location(), isLong,
                                 emitter.index(mostBuckets), emitter.index(1));
}

SmallVector<Value> UpdateWalk::sizes() {
  SmallVector<Value> result;
  for (auto [d, symbol] : llvm::enumerate(symbols())) {
    auto dimension = static_cast<int64_t>(d);
    if (isOrdered() && dimension == ordered.first)
      result.push_back(buckets());
    if (dimension < ordered.first || dimension >= ordered.second)
      result.push_back(emitter.symbol(symbol));
  }
  return result;
}

void UpdateWalk::emit(ArrayRef<ElementIndex> point,
                      function_ref<void(ArrayRef<ElementIndex>)> body) {
  auto emitAt = [&](ArrayRef<ElementIndex> indices, Value mine) {
    auto make = [&] { body(indices); };
    auto emitMine = [&] { mine ? emitter.ifTrue(mine, make) : make(); };
    Value isMade = op.emitIsMade(emitter, indices);
    isMade ? emitter.ifTrue(isMade, emitMine) : emitMine();
  };
  if (!isOrdered())
    return emitAt(point, {});
  ArrayRef<ElementIndex> before = point.take_front(ordered.first);
  ArrayRef<ElementIndex> behind = point.drop_front(ordered.first + 1);
  ArrayRef<int64_t> list = symbols().slice(ordered.first, ordered.second - ordered.first);
  SmallVector<Value> listSizes;
  for (int64_t symbol : list)
    listSizes.push_back(emitter.symbol(symbol));
  Value bucket = point[ordered.first].base;
  Value last = emitter.subtractIndex(buckets(), emitter.index(1));
  emitter.loop(emitter.index(0), emitter.product(list), 1, [&](Value number) {
    SmallVector<ElementIndex> indices(before);
    for (Value position : emitter.delinearize(number, listSizes))
      indices.push_back({position});
    indices.append(behind.begin(), behind.end());
    OpBuilder &builder = emitter.builder();
    Value row = op.emitPlace(emitter, indices)[ordered.first].base;
    Value owner = arith::AndIOp::create(builder, emitter.location(), row, last);
    emitAt(indices,
           arith::CmpIOp::create(builder, emitter.location(), CmpIPredicate::eq, owner, bucket));
  });
}

void UpdateWalk::emitUpdate(ArrayRef<ElementIndex> indices) {
  Value update = emitter.element(op.getUpdates(), indices);
  // One that is the same for all lanes is a scalar.
  if (!llvm::all_of(indices, [](const ElementIndex &index) { return index.isUniform(); }))
    update = emitter.splat(update);
  SmallVector<ElementIndex> place = op.emitPlace(emitter, indices);
  auto before = [&] { return emitter.loadOutput(0, place); };
  Value updated = op.emitUpdated(emitter.builder(), op.getLoc(), before, update);
  emitter.scatterOutput(0, place, emitter.roundTo(updated, dtype()));
}

} // namespace weft

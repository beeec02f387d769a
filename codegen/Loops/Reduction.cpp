// What the templates of reductions share.
#include "codegen/Loops/Reduction.h"

using namespace mlir;

namespace weft {

SmallVector<ReductionOpInterface> reductionsOf(KernelOp kernel) {
  return llvm::to_vector(kernel.getBody().front().getOps<ReductionOpInterface>());
}

Type elementType(KernelEmitter &emitter, ReductionOpInterface op) {
  return emitter.computeType(op->getOperand(0));
}

SmallVector<Value> accumulate(KernelEmitter &emitter, ReductionOpInterface op,
                              ValueRange accumulator, Value element, Value position) {
  OpBuilder &builder = emitter.builder();
  Location location = op->getLoc();
  SmallVector<Value> one = op.emitElement(builder, location, element, position);
  SmallVector<Value> combined = op.emitCombine(builder, location, accumulator, one);
  if (!emitter.mask() || !isa<VectorType>(accumulator[0].getType()))
    return combined;
  for (auto [value, before] : llvm::zip_equal(combined, accumulator))
    value = arith::SelectOp::create(builder, location, emitter.mask(), value, before);
  return combined;
}

Value resultOf(KernelEmitter &emitter, ReductionOpInterface op, ValueRange accumulator) {
  return emitter.roundTo(accumulator[op.getResultIndex()], getElementTypeOrSelf(op->getResult(0)));
}

unsigned accumulatorWidth(ReductionOpInterface op) { return op.usesPosition() ? 2 : 1; }

/// True if `value` is computed from a result of `pending`. `seen` are ops that are not.
static bool dependsOn(Value value, const llvm::DenseSet<Operation *> &pending,
                      llvm::DenseSet<Operation *> &seen) {
  Operation *op = value.getDefiningOp();
  if (!op || !seen.insert(op).second)
    return false;
  return pending.contains(op) || llvm::any_of(op->getOperands(), [&](Value operand) {
           return dependsOn(operand, pending, seen);
         });
}

size_t independentFrom(ArrayRef<ReductionOpInterface> reductions, size_t first) {
  llvm::DenseSet<Operation *> pending, seen;
  for (ReductionOpInterface op : reductions.drop_front(first))
    pending.insert(op);
  size_t count = 0;
  while (first + count < reductions.size() &&
         !dependsOn(reductions[first + count]->getOperand(0), pending, seen))
    ++count;
  return count;
}

SmallVector<Value> identitiesOf(KernelEmitter &emitter, ArrayRef<ReductionOpInterface> pass,
                                bool vector) {
  SmallVector<Value> values;
  for (ReductionOpInterface op : pass) {
    Type type = elementType(emitter, op);
    if (vector)
      type = VectorType::get({emitter.laneCount()}, type);
    llvm::append_range(values, op.emitIdentity(emitter.builder(), op->getLoc(), type));
  }
  return values;
}

SmallVector<Value> combineEach(KernelEmitter &emitter, ArrayRef<ReductionOpInterface> pass,
                               ValueRange left, ValueRange right) {
  SmallVector<Value> results;
  for (ReductionOpInterface op : pass) {
    size_t first = results.size(), width = accumulatorWidth(op);
    llvm::append_range(results,
                       op.emitCombine(emitter.builder(), op->getLoc(), left.slice(first, width),
                                      right.slice(first, width)));
  }
  return results;
}

static SmallVector<Value> partsOf(KernelEmitter &emitter, ValueRange vectors, int64_t from,
                                  int64_t count) {
  auto chosen = llvm::to_vector(llvm::seq<int64_t>(from, from + count));
  SmallVector<Value> parts;
  for (Value value : vectors)
    parts.push_back(
        vector::ShuffleOp::create(emitter.builder(), emitter.location(), value, value, chosen));
  return parts;
}

SmallVector<Value> combineLanes(KernelEmitter &emitter, ArrayRef<ReductionOpInterface> pass,
                                SmallVector<Value> lanes) {
  for (int64_t half = emitter.laneCount() / 2; half > 0; half /= 2)
    lanes = combineEach(emitter, pass, partsOf(emitter, lanes, 0, half),
                        partsOf(emitter, lanes, half, half));
  for (Value &value : lanes)
    value = vector::ExtractOp::create(emitter.builder(), emitter.location(), value, int64_t(0));
  return lanes;
}

void overrideResults(KernelEmitter &emitter, ArrayRef<ReductionOpInterface> pass,
                     ValueRange totals) {
  size_t next = 0;
  for (ReductionOpInterface op : pass) {
    size_t width = accumulatorWidth(op);
    emitter.override(op->getResult(0), resultOf(emitter, op, totals.slice(next, width)));
    next += width;
  }
}

SmallVector<ElementIndex> rowIndices(KernelEmitter &emitter, ArrayRef<ElementIndex> outer,
                                     ArrayRef<int64_t> rowSymbols, const ElementIndex &position) {
  SmallVector<ElementIndex> indices(outer);
  if (rowSymbols.size() == 1) {
    indices.push_back(position);
    return indices;
  }
  // Lanes may cross from one innermost run into the next.
  OpBuilder &builder = emitter.builder();
  Value rest = emitter.toInteger(position);
  SmallVector<ElementIndex> inner;
  for (size_t d = rowSymbols.size(); d-- > 0;) {
    Value size = emitter.splat(emitter.toInteger({emitter.symbol(rowSymbols[d])}));
    Value one = emitter.splat(emitter.constant(builder.getI64Type(), 1));
    Value safe = arith::MaxSIOp::create(builder, emitter.location(), size, one);
    Value here = d == 0 ? rest : arith::RemUIOp::create(builder, emitter.location(), rest, safe);
    if (d > 0)
      rest = arith::DivUIOp::create(builder, emitter.location(), rest, safe);
    inner.push_back(emitter.fromInteger(here));
  }
  indices.append(inner.rbegin(), inner.rend());
  return indices;
}

} // namespace weft

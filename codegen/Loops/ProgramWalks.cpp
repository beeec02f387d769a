// Loops over the elements of a program's blocks (weft.program), in which several of its ops are
// computed. One of them at most reads from tensors (weft.program_load).
//
// Reductions of rows are in lanes, then by a tree; those of columns one row after the other.
#include "codegen/Loops/ProgramWalks.h"
#include "codegen/Loops/ProgramMemory.h"
#include "codegen/Loops/Reduction.h"
#include "codegen/Loops/TurnedTile.h"

using namespace mlir;

namespace weft {

ProgramWalks::Reads ProgramWalks::readsOf(Operation *op) const {
  Reads all;
  all.accesses = isa<ProgramLoadOp>(op);
  for (Value operand : op->getOperands()) {
    Reads one = reads.lookup(operand);
    all.accesses |= one.accesses;
    all.after = std::max(all.after, one.after);
    bool isAtSamePlace =
        isa<ElementwiseOpInterface, ProgramLoadOp>(op) &&
        ProgramBlocks::shapeOf(operand) == ProgramBlocks::shapeOf(op->getResult(0));
    int64_t &last = isAtSamePlace ? all.beside : all.after;
    last = std::max(last, one.beside);
  }
  return all;
}

void ProgramWalks::pass(Operation *op) {
  Reads own = readsOf(op);
  for (Value result : op->getResults())
    reads[result] = own;
}

/// Makes the pending loop one that takes another op of such a shape.
void ProgramWalks::join(const Reads &own, ArrayRef<int64_t> shape) {
  if (shape != pending.shape || own.after >= current || (own.accesses && pending.accesses))
    finish();
  pending.shape = shape;
  pending.accesses |= own.accesses;
}

void ProgramWalks::fill(Value block) {
  join(readsOf(block.getDefiningOp()), ProgramBlocks::shapeOf(block));
  pending.fills.push_back(block);
  reads[block] = {false, -1, current};
}

void ProgramWalks::compute(Value number) {
  Reads own = readsOf(number.getDefiningOp());
  if (own.accesses || std::max(own.after, own.beside) >= current)
    finish();
  blocks.apart([&] { blocks.keep(number, blocks.number(number)); });
}

void ProgramWalks::reduce(ReductionOpInterface op) {
  ArrayRef<int64_t> shape = ProgramBlocks::shapeOf(op->getOperand(0)), axes = op.getReducedAxes();
  if (axes.size() != 1 || axes.front() + 1 != static_cast<int64_t>(shape.size())) {
    finish();
    return reduceApart(op);
  }
  join(reads.lookup(op->getOperand(0)), shape);
  pending.reductions.push_back(op);
  reads[op->getResult(0)] = {false, current, -1};
}

void ProgramWalks::finish() {
  Walk walk = std::exchange(pending, {});
  if (walk.fills.empty() && walk.reductions.empty())
    return;
  ++current;
  for (Value block : walk.fills)
    walk.pointers.push_back(blocks.allocate(block));
  emitRows(walk);
  for (auto [block, pointer] : llvm::zip_equal(walk.fills, walk.pointers))
    blocks.keepAt(block, pointer);
}

void ProgramWalks::emitRows(Walk &walk) {
  SmallVector<Value> results;
  for (ReductionOpInterface op : walk.reductions) {
    Value result = op->getResult(0);
    results.push_back(isBlock(result) ? blocks.allocate(result) : Value());
  }
  Indices indices(walk.shape.size());
  auto others = llvm::to_vector(llvm::seq<int64_t>(0, int64_t(walk.shape.size()) - 1));
  bool isBySquares = combinesSquares(walk);
  if (isBySquares)
    others.pop_back();
  blocks.forEachPlace(walk.shape, others, indices, [&](ArrayRef<ElementIndex>) {
    if (isBySquares)
      return emitSquares(walk, indices, results);
    SmallVector<Value> totals = emitRow(walk, indices);
    writeTotals(walk, combineLanes(emitter, walk.reductions, totals), results, indices);
  });
  for (auto [op, pointer] : llvm::zip_equal(walk.reductions, results))
    if (pointer)
      blocks.keepAt(op->getResult(0), pointer);
}

/// The lanes of each reduction of a row.
SmallVector<Value> ProgramWalks::emitRow(const Walk &walk, Indices &indices) {
  ArrayRef<ReductionOpInterface> reductions = walk.reductions;
  auto visit = [&](Value position, ValueRange carried) {
    indices.back() = {position, 1};
    for (auto [block, pointer] : llvm::zip_equal(walk.fills, walk.pointers))
      blocks.write(block, pointer, indices);
    SmallVector<Value> next;
    for (ReductionOpInterface op : reductions)
      llvm::append_range(
          next, withElement(op, indices, carried.slice(next.size(), accumulatorWidth(op))));
    return next;
  };
  auto combine = [&](ValueRange left, ValueRange right) {
    return combineEach(emitter, reductions, left, right);
  };
  SmallVector<Value> identity = identitiesOf(emitter, reductions, /*vector=*/true);
  ProgramBlocks::Chains chains{identity, combine};
  return blocks.alongRow(walk.shape.back(), identity, visit,
                         reductions.empty() ? nullptr : &chains);
}

/// Whether the lanes of as many rows as a vector has lanes are combined at a time.
bool ProgramWalks::combinesSquares(const Walk &walk) const {
  return walk.shape.size() > 1 && walk.shape[walk.shape.size() - 2] >= emitter.laneCount() &&
         !walk.reductions.empty() && llvm::all_of(walk.reductions, [&](ReductionOpInterface op) {
           return elementType(emitter, op).getIntOrFloatBitWidth() >= 8;
         });
}

/// The lanes of so many rows are a square. It is turned, so that a vector has one lane of each row,
/// and these are combined by the tree that there is for one row.
void ProgramWalks::emitSquares(const Walk &walk, Indices &indices, ArrayRef<Value> results) {
  int64_t lanes = emitter.laneCount(), rows = walk.shape[walk.shape.size() - 2];
  SmallVector<Type> types;
  SmallVector<Value> squares;
  for (Value identity : identitiesOf(emitter, walk.reductions, /*vector=*/true)) {
    types.push_back(getElementTypeOrSelf(identity));
    squares.push_back(emitter.allocate(types.back(), lanes * lanes));
  }
  auto lineOf = [&](size_t number, Value line) {
    return emitter.offset(squares[number], types[number],
                          emitter.multiplyIndex(line, emitter.index(lanes)));
  };
  ElementIndex &rowIndex = indices[indices.size() - 2];
  emitter.loop(emitter.index(0), emitter.index(rows), lanes, [&](Value first) {
    Value end = emitter.addIndex(first, emitter.index(lanes));
    if (rows % lanes != 0)
      end = emitter.minimumIndex(end, emitter.index(rows));
    emitter.loop(first, end, 1, [&](Value row) {
      rowIndex = {row};
      blocks.apart([&] {
        for (auto [number, total] : llvm::enumerate(emitRow(walk, indices)))
          emitter.storeVector(total, lineOf(number, emitter.subtractIndex(row, first)));
      });
    });
    SmallVector<SmallVector<Value>> parts(lanes);
    for (auto [number, type] : llvm::enumerate(types)) {
      SmallVector<Value> square;
      for (int64_t line = 0; line < lanes; ++line)
        square.push_back(emitter.loadVector(lineOf(number, emitter.index(line)), type, lanes));
      for (auto [lane, value] : llvm::enumerate(transposeSquare(emitter, square)))
        parts[lane].push_back(value);
    }
    for (int64_t half = lanes / 2; half > 0; half /= 2)
      for (int64_t lane = 0; lane < half; ++lane)
        parts[lane] = combineEach(emitter, walk.reductions, parts[lane], parts[lane + half]);
    rowIndex = {first};
    writeTotals(walk, parts.front(), results, indices);
  });
}

void ProgramWalks::writeTotals(const Walk &walk, ValueRange totals, ArrayRef<Value> results,
                               ArrayRef<ElementIndex> indices) {
  size_t next = 0;
  for (auto [op, pointer] : llvm::zip_equal(walk.reductions, results)) {
    ValueRange own = totals.slice(next, accumulatorWidth(op));
    writeTotal(op, resultOf(emitter, op, own), pointer, indices.drop_back());
    next += own.size();
  }
}

void ProgramWalks::writeTotal(ReductionOpInterface op, Value total, Value pointer,
                              ArrayRef<ElementIndex> indices) {
  Value result = op->getResult(0);
  if (!pointer)
    return blocks.keep(result, total);
  Type dtype = getElementTypeOrSelf(result), stored = KernelEmitter::storedType(dtype);
  Value place = blocks.offsetIn(ProgramBlocks::shapeOf(result), indices);
  emitter.storeVector(emitter.narrow(total, dtype), emitter.offset(pointer, stored, place));
}

/// A reduction of other axes than the last one, in loops of its own.
void ProgramWalks::reduceApart(ReductionOpInterface op) {
  Value x = op->getOperand(0), result = op->getResult(0);
  ArrayRef<int64_t> shape = ProgramBlocks::shapeOf(x), reduced = op.getReducedAxes();
  auto rank = static_cast<int64_t>(shape.size());
  SmallVector<int64_t> others;
  for (int64_t axis = 0; axis < rank; ++axis)
    if (!llvm::is_contained(reduced, axis))
      others.push_back(axis);
  bool isOfRows = reduced.empty() ? false : reduced.back() + 1 == rank;
  Value pointer = isBlock(result) ? blocks.allocate(result) : Value();
  Indices indices(rank);
  auto reduceAt = [&](ArrayRef<ElementIndex>) {
    Indices here;
    for (int64_t axis : others)
      here.push_back(indices[axis]);
    Type type = VectorType::get({emitter.laneCount()}, elementType(emitter, op));
    SmallVector<Value> totals = op.emitIdentity(emitter.builder(), op->getLoc(), type);
    totals = accumulateAlong(op, reduced, indices, totals);
    if (isOfRows)
      totals = combineLanes(emitter, {op}, totals);
    writeTotal(op, resultOf(emitter, op, totals), pointer, here);
  };
  auto reduceAll = [&] { blocks.forEachPlace(shape, others, indices, reduceAt); };
  // The loops along columns are in those over vectors.
  if (isOfRows)
    reduceAll();
  else
    blocks.withinRows(reduceAll);
  if (pointer)
    blocks.keepAt(result, pointer);
}

/// The accumulator with all elements along `axes`.
SmallVector<Value> ProgramWalks::accumulateAlong(ReductionOpInterface op, ArrayRef<int64_t> axes,
                                                 Indices &indices, SmallVector<Value> totals) {
  if (axes.empty())
    return withElement(op, indices, totals);
  Value x = op->getOperand(0);
  int64_t axis = axes.front(), size = ProgramBlocks::shapeOf(x)[axis];
  bool isVector = axis + 1 == static_cast<int64_t>(indices.size());
  auto visit = [&](Value position, ValueRange carried) {
    indices[axis] = {position, isVector ? 1 : 0};
    SmallVector<Value> results;
    blocks.apart([&] {
      results = accumulateAlong(op, axes.drop_front(), indices, SmallVector<Value>(carried));
    });
    return results;
  };
  if (isVector) {
    auto combine = [&](ValueRange left, ValueRange right) {
      return op.emitCombine(emitter.builder(), op->getLoc(), left, right);
    };
    ProgramBlocks::Chains chains{identitiesOf(emitter, {op}, /*vector=*/true), combine};
    return blocks.alongRow(size, totals, visit, &chains);
  }
  return emitter.loop(emitter.index(0), emitter.index(size), 1, totals, visit);
}

SmallVector<Value> ProgramWalks::withElement(ReductionOpInterface op, const Indices &indices,
                                             ValueRange totals) {
  OpBuilder &b = emitter.builder();
  Value element = emitter.splat(blocks.element(op->getOperand(0), indices));
  Value position;
  if (op.usesPosition())
    position = emitter.splat(emitter.toInteger(indices[op.getReducedAxes().front()]));
  auto one = op.emitElement(b, op->getLoc(), element, position);
  auto combined = op.emitCombine(b, op->getLoc(), totals, one);
  // Behind the end of a row there is nothing that counts; of columns such lanes are no result's.
  bool isOfRows = op.getReducedAxes().back() + 1 == static_cast<int64_t>(indices.size());
  if (Value tail = blocks.tail(); tail && isOfRows)
    for (auto [value, before] : llvm::zip_equal(combined, totals))
      value = arith::SelectOp::create(b, op->getLoc(), tail, value, before);
  return combined;
}

} // namespace weft

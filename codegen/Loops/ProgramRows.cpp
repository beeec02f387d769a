// Walking over the blocks of a user's program (weft.program): loops over vectors, and how many
// elements of a row need no check.
//
// Before a row it is asked, of its first vector, for how many elements all indices are there and
// all masks are true. The vectors that are full of these are computed without comparisons; the
// others with masks alone, if these want nothing that is not there.
#include "codegen/Loops/ProgramBlocks.h"

using namespace mlir;

namespace weft {

void ProgramBlocks::forEachPlace(ArrayRef<int64_t> shape, Visit body) {
  SmallVector<ElementIndex> indices(shape.size());
  forEachPlace(shape, llvm::to_vector(llvm::seq<int64_t>(0, int64_t(shape.size()))), indices, body);
}

void ProgramBlocks::forEachPlace(ArrayRef<int64_t> shape, ArrayRef<int64_t> axes,
                                 SmallVector<ElementIndex> &indices, Visit body) {
  auto outer = std::exchange(elements, {});
  if (axes.empty()) {
    body(indices);
    elements = std::move(outer);
    return;
  }
  int64_t axis = axes.front();
  bool isVector = axis + 1 == static_cast<int64_t>(shape.size());
  auto visit = [&](Value position, ValueRange) {
    indices[axis] = {position, isVector ? 1 : 0};
    forEachPlace(shape, axes.drop_front(), indices, body);
    return SmallVector<Value>{};
  };
  if (isVector)
    alongRow(shape[axis], {}, visit);
  else if (shape[axis] == 1)
    visit(emitter.index(0), {});
  else
    emitter.loop(emitter.index(0), emitter.index(shape[axis]), 1, ValueRange{}, visit);
  elements = std::move(outer);
}

/// A loop whose vectors are not checked as long as they are within `length`; null: one of one kind.
SmallVector<Value> ProgramBlocks::inTwo(int64_t begin, int64_t end, int64_t step,
                                        SmallVector<Value> values, RowVisit body, Value length) {
  Value low = emitter.index(begin), high = emitter.index(end);
  if (!length)
    return end == begin + step ? body(low, values) : emitter.loop(low, high, step, values, body);
  Mode rest = mode;
  Value count = emitter.subtractIndex(emitter.minimumIndex(length, high), low);
  count = emitter.maximumIndex(count, emitter.index(0));
  Value whole =
      emitter.multiplyIndex(emitter.divideIndex(count, emitter.index(step)), emitter.index(step));
  Value middle = emitter.addIndex(low, whole);
  mode = Mode::Whole;
  values = emitter.loop(low, middle, step, values, body);
  mode = rest;
  return emitter.loop(middle, high, step, values, body);
}

/// The vectors up to `end`, each group of `rowChains` of them in chains of their own.
SmallVector<Value> ProgramBlocks::inChains(int64_t end, ValueRange carried, RowVisit visit,
                                           const Chains &chains, Value length) {
  size_t width = carried.size();
  SmallVector<Value> all(carried);
  for (int64_t chain = 1; chain < rowChains; ++chain)
    llvm::append_range(all, chains.identity);
  auto visitEach = [&](Value position, ValueRange inner) {
    SmallVector<Value> results;
    for (int64_t chain = 0; chain < rowChains; ++chain) {
      Value own = emitter.addIndex(position, emitter.index(chain * laneCount()));
      apart([&] { llvm::append_range(results, visit(own, inner.slice(chain * width, width))); });
    }
    return results;
  };
  all = inTwo(0, end, rowChains * laneCount(), all, visitEach, length);
  for (size_t count = rowChains / 2; count > 0; count /= 2) {
    SmallVector<Value> halves;
    for (size_t chain = 0; chain < count; ++chain)
      llvm::append_range(halves,
                         chains.combine(ValueRange(all).slice(chain * width, width),
                                        ValueRange(all).slice((chain + count) * width, width)));
    all = halves;
  }
  return all;
}

SmallVector<Value> ProgramBlocks::vectorsOfRow(int64_t size, ValueRange carried, RowVisit visit,
                                               const Chains *chains, Value length) {
  int64_t lanes = laneCount(), whole = size / lanes * lanes, begin = 0;
  SmallVector<Value> values(carried);
  auto visitApart = [&](Value position, ValueRange inner) {
    SmallVector<Value> results;
    apart([&] { results = visit(position, inner); });
    return results;
  };
  if (chains && size >= 2 * rowChains * lanes) {
    begin = size / (rowChains * lanes) * (rowChains * lanes);
    values = inChains(begin, values, visit, *chains, length);
  }
  if (whole > begin)
    values = inTwo(begin, whole, lanes, values, visitApart, length);
  if (whole == size)
    return values;
  laneTail = emitter.lanesBelow(emitter.index(size - whole));
  values = visitApart(emitter.index(whole), values);
  laneTail = nullptr;
  return values;
}

SmallVector<Value> ProgramBlocks::inBranches(Value condition, TypeRange types,
                                             function_ref<SmallVector<Value>()> body,
                                             function_ref<SmallVector<Value>()> otherwise) {
  OpBuilder &b = builder();
  auto choice = scf::IfOp::create(b, location(), types, condition, /*withElse=*/true);
  auto emit = [&](Block *block, function_ref<SmallVector<Value>()> part) {
    block->clear();
    b.setInsertionPointToEnd(block);
    SmallVector<Value> values;
    apart([&] { values = part(); });
    scf::YieldOp::create(b, location(), values);
  };
  emit(choice.thenBlock(), body);
  emit(choice.elseBlock(), otherwise);
  b.setInsertionPointAfter(choice);
  return SmallVector<Value>(choice.getResults());
}

SmallVector<Value> ProgramBlocks::alongRow(int64_t size, ValueRange carried, RowVisit visit,
                                           const Chains *chains, Otherwise otherwise) {
  Value length;
  if (isInnermost && (size > laneCount() || otherwise))
    length = lengthOfRow(size, carried, visit);
  if (!length)
    return vectorsOfRow(size, carried, visit, chains, nullptr);
  TypeRange types = carried.getTypes();
  Value isSomeAmiss = std::exchange(isAmiss, nullptr);
  auto inMode = [&](Mode kind, Value known) {
    mode = kind;
    SmallVector<Value> values = vectorsOfRow(size, carried, visit, chains, known);
    mode = Mode::Checked;
    return values;
  };
  auto masked = [&] { return inMode(Mode::Masked, length); };
  auto checked = [&] { return otherwise ? otherwise() : inMode(Mode::Checked, nullptr); };
  auto partly = [&] {
    return isSomeAmiss ? inBranches(isSomeAmiss, types, checked, masked) : masked();
  };
  Value whole = emitter.isLess(emitter.index(size - 1), length);
  SmallVector<Value> values =
      inBranches(whole, types, [&] { return inMode(Mode::Whole, nullptr); }, partly);
  held.clear();
  return values;
}

//===----------------------------------------------------------------------===//
// How many elements of a row need no check
//===----------------------------------------------------------------------===//

/// How many elements of a row, from the first on, are there and wanted; null if there is nothing to
/// ask. Where nothing is accessed, those for which the masks are true by which elements are chosen.
Value ProgramBlocks::lengthOfRow(int64_t size, ValueRange carried, RowVisit visit) {
  mode = Mode::Asking;
  rowSize = emitter.index(size);
  isAmiss = nullptr;
  lengths.clear();
  maskLengths.clear();
  held.clear();
  masks.clear();
  apart([&] { visit(emitter.index(0), carried); });
  mode = Mode::Checked;
  if (lengths.empty()) {
    lengths = maskLengths;
    held = masks;
  }
  Value least;
  for (Value length : lengths)
    least = least ? emitter.minimumIndex(least, length) : length;
  return least;
}

/// All elements, or none.
Value ProgramBlocks::allWhere(Value condition) {
  return arith::SelectOp::create(builder(), location(), condition, emitter.index(farAway),
                                 emitter.index(0));
}

/// How many elements of a run are below a number, from the first on. Both may be any numbers.
Value ProgramBlocks::below(const ElementIndex &run, Value bound) {
  if (run.step == 0)
    return allWhere(emitter.isLess(run.base, bound));
  auto near = [&](Value number) {
    number = emitter.maximumIndex(number, emitter.index(-farAway));
    return emitter.minimumIndex(number, emitter.index(farAway));
  };
  Value count = emitter.subtractIndex(near(bound), near(run.base));
  return emitter.ceilDivideIndex(emitter.maximumIndex(count, emitter.index(0)), run.step);
}

/// For how many elements the mask is true, from the first of a row on, if numbers say so: a run is
/// compared with a number. Null if not.
Value ProgramBlocks::lengthOf(Value mask) {
  if (!isa<VectorType>(mask.getType()))
    return allWhere(mask);
  Operation *op = mask.getDefiningOp();
  if (auto repeated = dyn_cast_or_null<vector::BroadcastOp>(op))
    return isa<VectorType>(repeated.getSource().getType()) ? Value()
                                                           : allWhere(repeated.getSource());
  if (isa_and_nonnull<arith::AndIOp>(op)) {
    Value left = lengthOf(op->getOperand(0)), right = lengthOf(op->getOperand(1));
    return left && right ? emitter.minimumIndex(left, right) : Value();
  }
  auto compared = dyn_cast_or_null<arith::CmpIOp>(op);
  if (!compared || compared.getPredicate() != arith::CmpIPredicate::slt ||
      !getElementTypeOrSelf(compared.getLhs()).isInteger(64))
    return {};
  ElementIndex run = asRun(compared.getLhs()), bound = asRun(compared.getRhs());
  return run.lanes || run.step < 0 || !bound.isUniform() ? Value() : below(run, bound.base);
}

/// No element from this one of a row on is wanted.
Value ProgramBlocks::atMostWanted(Value mask) {
  auto both = mask ? mask.getDefiningOp<arith::AndIOp>() : arith::AndIOp();
  if (both)
    return emitter.minimumIndex(atMostWanted(both.getLhs()), atMostWanted(both.getRhs()));
  Value length = mask ? lengthOf(mask) : Value();
  return length ? length : emitter.index(farAway);
}

/// Asks for how many elements a block of truth values is true.
void ProgramBlocks::askForMask(Value tensor, Value mask) {
  Value length = isa<VectorType>(mask.getType()) ? lengthOf(mask) : Value();
  if (!length)
    return;
  maskLengths.push_back(length);
  masks.insert(tensor);
}

/// Asks for how many elements of a row the index is there; false if no number says so.
bool ProgramBlocks::ask(const ElementIndex &index, Value size) {
  if (index.lanes || index.step < 0 || index.step > 1)
    return false;
  if (mode != Mode::Asking)
    return true;
  Value here[] = {below(index, size), allWhere(emitter.isLess(emitter.index(-1), index.base))};
  for (Value length : here) {
    lengths.push_back(length);
    Value isShort = emitter.isLess(length, mostWanted);
    isAmiss =
        isAmiss ? Value(arith::OrIOp::create(builder(), location(), isAmiss, isShort)) : isShort;
  }
  return true;
}

} // namespace weft

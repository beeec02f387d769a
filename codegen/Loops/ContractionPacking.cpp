// Copies of a contraction's operands in the order in which they are read.
#include "codegen/Loops/ContractionPacking.h"
#include "codegen/Loops/TurnedTile.h"

using namespace mlir;

namespace weft {

/// How far ahead a line of a square is fetched: what memory delivers in the time that it takes.
static constexpr int64_t prefetchedBytes = 512;

/// Lines end where no power of two does, so that they do not all meet in a few sets of the cache.
int64_t PackedRows::stride() const {
  return areNeighbours ? (mostRows + lanes - 1) / lanes * lanes : mostDepth + lanes;
}

ContractionPacking::ContractionPacking(KernelEmitter &emitter, int64_t tileColumns,
                                       ContractionScheduleAttr schedule)
    : ContractionNest(emitter),
      lanes(emitter.laneCount()),
      tileColumns(tileColumns),
      format(ContractionFormat::of(emitter, op, schedule)) {}

/// An integer may have more bits in a packed operand. Which they are does not matter: the result
/// has no more than it had.
Value ContractionPacking::toPacked(Value value) {
  Type type = getElementTypeOrSelf(value);
  if (type == format.packed)
    return value;
  auto vector = dyn_cast<VectorType>(value.getType());
  Type wide = vector ? Type(VectorType::get(vector.getShape(), format.packed)) : format.packed;
  return arith::ExtSIOp::create(emitter.builder(), emitter.location(), wide, value);
}

Value ContractionPacking::rightElement() {
  Value right = op->getOperand(1);
  return format.toSum(emitter, emitter.element(right, indicesIn(Contraction::Rhs)),
                      getElementTypeOrSelf(right));
}

void ContractionPacking::packRows(const PackedRows &packed, Value batchNumber, Value low,
                                  Value high, Value depthLow, Value depthHigh) {
  setLoops(batch, batchNumber);
  bool byRows = packed.areNeighbours;
  const ContractionLoop &outer = byRows ? depth.front() : rows.back();
  const ContractionLoop &inner = byRows ? rows.back() : depth.front();
  Value outerLow = byRows ? depthLow : low, outerHigh = byRows ? depthHigh : high;
  Value innerLow = byRows ? low : depthLow, innerHigh = byRows ? high : depthHigh;
  Value last = emitter.subtractIndex(sizeOf(rows.back()), emitter.index(1));
  if (byRows)
    innerHigh = emitter.minimumIndex(innerHigh, sizeOf(rows.back()));
  emitter.loop(outerLow, outerHigh, 1, [&](Value line) {
    setLoop(outer, byRows ? line : emitter.minimumIndex(line, last), 0);
    Value start = emitter.multiplyIndex(emitter.subtractIndex(line, outerLow),
                                        emitter.index(packed.stride()));
    emitter.vectorLoop(innerLow, innerHigh, [&](Value position) {
      setLoop(inner, position, 1);
      Value value = emitter.splat(emitter.element(op->getOperand(0), indicesIn(Contraction::Lhs)));
      Value place = emitter.addIndex(start, emitter.subtractIndex(position, innerLow));
      emitter.storeVector(toPacked(value), emitter.offset(packed.pointer, format.packed, place));
    });
    if (format.steps == 1)
      return;
    Value zero = arith::ConstantOp::create(emitter.builder(), emitter.location(),
                                           emitter.builder().getZeroAttr(format.packed));
    Value end = emitter.addIndex(start, emitter.subtractIndex(innerHigh, innerLow));
    for (int64_t step = 1; step < format.steps; ++step)
      emitter.storeVector(zero, emitter.offset(packed.pointer, format.packed,
                                               emitter.addIndex(end, emitter.index(step - 1))));
  });
}

bool ContractionPacking::depthIsRunOfMemory() const {
  return depth.size() == 1 && depth.front().strides[Contraction::Rhs].isOne();
}

void ContractionPacking::packColumns(Value target, Value first, Value low, Value high) {
  if (format.steps > 1)
    return packSteps(target, first, low, high);
  Value rest = depthIsRunOfMemory() ? packSquares(target, first, low, high) : low;
  emitter.loop(rest, high, 1, [&](Value position) {
    setLoops(depth, position);
    packLine(target, emitter.subtractIndex(position, low), first);
  });
}

void ContractionPacking::packColumnBlock(Value target, Value base, Value first, Value low,
                                         Value high) {
  bool isRun = columns.front().strides[Contraction::Rhs].isOne();
  if (!isRun || format.steps > 1 || !isa<BlockArgument>(op->getOperand(1)))
    return packColumns(target, first, emitter.multiplyIndex(low, innerDepth()),
                       emitter.multiplyIndex(high, innerDepth()));
  // One loop for each of the depth: a position is a sum, where packColumns divides for it.
  SmallVector<Value> outer;
  packLevel(target, emitter.addIndex(base, first), first, low, high, outer);
}

void ContractionPacking::packLevel(Value target, Value base, Value first, Value low, Value high,
                                   SmallVector<Value> &outer) {
  size_t level = outer.size();
  Value from = level == 0 ? low : emitter.index(0);
  Value to = level == 0 ? high : sizeOf(depth[level]);
  emitter.loop(from, to, 1, [&](Value position) {
    outer.push_back(position);
    if (level + 1 < depth.size()) {
      packLevel(target, base, first, low, high, outer);
    } else {
      Value line = emitter.subtractIndex(outer[0], low);
      for (size_t inner = 1; inner < depth.size(); ++inner)
        line = emitter.addIndex(emitter.multiplyIndex(line, sizeOf(depth[inner])), outer[inner]);
      Value start = emitter.addIndex(base, offsetIn(Contraction::Rhs, depth, outer));
      copyLine(target, line, start, first);
    }
    outer.pop_back();
  });
}

Value ContractionPacking::innerDepth() {
  return sizeOf(ArrayRef<ContractionLoop>(depth).drop_front());
}

/// Copies a line of neighbouring columns from element `start` of the right operand.
void ContractionPacking::copyLine(Value target, Value line, Value start, Value first) {
  auto argument = cast<BlockArgument>(op->getOperand(1));
  Type dtype = getElementTypeOrSelf(argument.getType()), stored = KernelEmitter::storedType(dtype);
  Value source = emitter.offset(emitter.buffer(argument.getArgNumber()), stored, start);
  for (int64_t part = 0; part < tileColumns; part += lanes) {
    Value column = emitter.addIndex(first, emitter.index(part));
    Value left = emitter.subtractIndex(sizeOf(columns.front()), column), value;
    emitter.withMask(emitter.lanesBelow(left), [&] {
      Value address = emitter.offset(source, stored, emitter.index(part));
      value = format.toSum(emitter,
                           emitter.widen(emitter.loadVector(address, stored, lanes), dtype), dtype);
    });
    storePart(value, target, line, emitter.index(part));
  }
}

/// Copies the columns from `first` on at one depth, which is set. Columns beyond the last are
/// zeros, or repeat it: what is computed from them is not stored.
void ContractionPacking::packLine(Value target, Value line, Value first) {
  Value value, count = sizeOf(columns.front());
  if (columns.front().strides[Contraction::Rhs].isOne()) {
    for (int64_t part = 0; part < tileColumns; part += lanes) {
      Value column = emitter.addIndex(first, emitter.index(part));
      emitter.withMask(emitter.lanesBelow(emitter.subtractIndex(count, column)), [&] {
        setLoop(columns.front(), column, 1);
        value = emitter.splat(rightElement());
      });
      storePart(value, target, line, emitter.index(part));
    }
    return;
  }
  // A gather would be as many loads, and more code.
  Value last = emitter.subtractIndex(count, emitter.index(1));
  emitter.loop(emitter.index(0), emitter.index(tileColumns), 1, [&](Value part) {
    setLoop(columns.front(), emitter.minimumIndex(emitter.addIndex(first, part), last), 0);
    value = rightElement();
    storePart(value, target, line, part);
  });
}

/// The same with several depths in a step: a vector of columns at each of them, element by element
/// in turn.
void ContractionPacking::packSteps(Value target, Value first, Value low, Value high) {
  bool isRun = columns.front().strides[Contraction::Rhs].isOne();
  int64_t width = isRun ? lanes : 1;
  Value count = sizeOf(columns.front()), last = emitter.subtractIndex(count, emitter.index(1));
  Value lastDepth = emitter.subtractIndex(high, emitter.index(1));
  Value steps = format.stepsIn(emitter, emitter.subtractIndex(high, low));
  emitter.loop(emitter.index(0), steps, 1, [&](Value line) {
    emitter.loop(emitter.index(0), emitter.index(tileColumns), width, [&](Value part) {
      Value column = emitter.addIndex(first, part);
      SmallVector<Value> parts;
      for (int64_t step = 0; step < format.steps; ++step) {
        Value position = emitter.addIndex(
            low, emitter.addIndex(emitter.multiplyIndex(line, emitter.index(format.steps)),
                                  emitter.index(step)));
        setLoops(depth, emitter.minimumIndex(position, lastDepth));
        Value value;
        auto read = [&] {
          setLoop(columns.front(), isRun ? column : emitter.minimumIndex(column, last), isRun);
          value = rightElement();
          value = toPacked(isRun ? emitter.splat(value) : value);
        };
        isRun ? emitter.withMask(emitter.lanesBelow(emitter.subtractIndex(count, column)), read)
              : read();
        OpBuilder &builder = emitter.builder();
        Value zero = arith::ConstantOp::create(builder, emitter.location(),
                                               builder.getZeroAttr(value.getType()));
        parts.push_back(arith::SelectOp::create(builder, emitter.location(),
                                                emitter.isLess(position, high), value, zero));
      }
      storePart(interleave(parts), target, line, part);
    });
  });
}

/// The elements of vectors in turn: the first of each, the second of each. Scalars become a vector.
Value ContractionPacking::interleave(ArrayRef<Value> vectors) {
  OpBuilder &builder = emitter.builder();
  if (!isa<VectorType>(vectors.front().getType()))
    return vector::FromElementsOp::create(
        builder, emitter.location(),
        VectorType::get({static_cast<int64_t>(vectors.size())}, format.packed), vectors);
  assert(vectors.size() == 2 && "steps are of two depths");
  auto mask = llvm::map_to_vector(llvm::seq<int64_t>(0, 2 * lanes), [&](int64_t place) {
    return place / 2 + (place % 2 ? lanes : 0);
  });
  return vector::ShuffleOp::create(builder, emitter.location(), vectors[0], vectors[1], mask);
}

/// Where the depth runs along memory, squares are loaded along it and turned in registers. Returns
/// the depth from which on none fits.
Value ContractionPacking::packSquares(Value target, Value first, Value low, Value high) {
  Value squares = emitter.divideIndex(emitter.subtractIndex(high, low), emitter.index(lanes));
  Value middle = emitter.addIndex(low, emitter.multiplyIndex(squares, emitter.index(lanes)));
  int64_t width = std::min<int64_t>(lanes, format.packed.getIntOrFloatBitWidth() > 32 ? 4 : 8);
  emitter.loop(emitter.index(0), emitter.index(tileColumns), width, [&](Value part) {
    emitter.loop(low, middle, lanes, [&](Value position) {
      packSquare(target, emitter.subtractIndex(position, low), position, first, part);
    });
  });
  return middle;
}

/// Copies a few columns from `first` + `part` on at `lanes` depths from `position` on: vectors
/// along the depth, cut into squares. Columns beyond the last repeat it: what is computed from them
/// is not stored.
void ContractionPacking::packSquare(Value target, Value line, Value position, Value first,
                                    Value part) {
  int64_t width = std::min<int64_t>(lanes, format.packed.getIntOrFloatBitWidth() > 32 ? 4 : 8);
  Value last = emitter.subtractIndex(sizeOf(columns.front()), emitter.index(1));
  SmallVector<Value> vectors;
  setLoop(depth.front(), position, 1);
  for (int64_t i = 0; i < width; ++i) {
    Value column = emitter.addIndex(emitter.addIndex(first, part), emitter.index(i));
    setLoop(columns.front(), emitter.minimumIndex(column, last), 0);
    vectors.push_back(emitter.splat(rightElement()));
    if (auto argument = dyn_cast<BlockArgument>(op->getOperand(1)))
      emitter.prefetch(argument, indicesIn(Contraction::Rhs), prefetchedBytes);
  }
  for (int64_t start = 0; start < lanes; start += width) {
    auto mask = llvm::to_vector(llvm::seq<int64_t>(start, start + width));
    SmallVector<Value> square;
    for (Value line : vectors)
      square.push_back(
          vector::ShuffleOp::create(emitter.builder(), emitter.location(), line, line, mask));
    for (auto [i, value] : llvm::enumerate(transposeSquare(emitter, square)))
      storePart(value, target, emitter.addIndex(line, emitter.index(start + i)), part);
  }
}

Value ContractionPacking::lineAddress(Value target, Value line, Value part) {
  Value place = emitter.addIndex(emitter.multiplyIndex(line, emitter.index(tileColumns)), part);
  return emitter.offset(target, KernelEmitter::storedType(format.right),
                        emitter.multiplyIndex(place, emitter.index(format.steps)));
}

/// Stores columns from `part` on in a line of the right operand's copy.
void ContractionPacking::storePart(Value value, Value target, Value line, Value part) {
  emitter.storeVector(format.toRight(emitter, value), lineAddress(target, line, part));
}

} // namespace weft

// Reading operands that lie across the direction in which a kernel writes.
//
// Of result[i, j] = f(x[j, i]) a tile is rows i of one vector of j. Its rows are emitted first, in
// a loop, which tells what they read across; then, in front of it, the copies: squares of x are
// loaded along i, turned in registers and stored on the stack, from where the loop reads whole
// vectors.
#include "codegen/Loops/TurnedTile.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;

namespace weft {

/// In each step, quarters of blocks of 2, 4, ... vectors change places (Eklundh's algorithm, 1972).
SmallVector<Value> transposeSquare(KernelEmitter &emitter, SmallVector<Value> square) {
  auto size = static_cast<int64_t>(square.size());
  for (int64_t step = 1; step < size; step *= 2) {
    SmallVector<int64_t> low, high;
    for (int64_t lane = 0; lane < size; ++lane) {
      bool isUpper = lane / step % 2 != 0;
      low.push_back(isUpper ? size + lane - step : lane);
      high.push_back(isUpper ? size + lane : lane + step);
    }
    for (int64_t line = 0; line < size; ++line) {
      if (line / step % 2 != 0)
        continue;
      Value first = square[line], second = square[line + step];
      auto shuffle = [&](ArrayRef<int64_t> mask) -> Value {
        return vector::ShuffleOp::create(emitter.builder(), emitter.location(), first, second,
                                         mask);
      };
      square[line] = shuffle(low);
      square[line + step] = shuffle(high);
    }
  }
  return square;
}

TurnedTile::TurnedTile(KernelEmitter &emitter, unsigned rowDimension, int64_t mostRows)
    : emitter(emitter),
      rowDimension(rowDimension),
      mostRows(mostRows),
      lanes(emitter.laneCount()),
      result(emitter.getKernel().getResultTypes()[0]) {}

Type TurnedTile::Access::stored() const {
  return KernelEmitter::storedType(getElementTypeOrSelf(operand.getType()));
}

void TurnedTile::emit(SmallVector<Value> at, Value first, Value end,
                      function_ref<void(Value)> row) {
  positions = std::move(at);
  low = first;
  high = end;
  used.clear();
  emitter.setReader([this](BlockArgument operand, ArrayRef<ElementIndex> indices) {
    return read(operand, indices);
  });
  emitter.loop(low, high, 1, [&](Value position) {
    positions[rowDimension] = position;
    row(position);
  });
  emitter.setReader({});
  OpBuilder &builder = emitter.builder();
  Operation *rows = &*std::prev(builder.getInsertionPoint());
  builder.setInsertionPoint(rows);
  emitter.withMask(nullptr, [&] {
    for (unsigned number : used)
      turn(known[number]);
  });
  builder.setInsertionPointAfter(rows);
}

Value TurnedTile::read(BlockArgument operand, ArrayRef<ElementIndex> indices) {
  std::optional<Access> access = match(operand, indices);
  if (!access)
    return {};
  access->turned = remember(*access);
  Value value;
  emitter.withMask(nullptr, [&] {
    Value place = placeOf(*access, positions[rowDimension], emitter.index(0));
    value = emitter.loadVector(place, access->stored(), lanes);
  });
  return emitter.widen(value, getElementTypeOrSelf(operand.getType()));
}

/// The walks of the operand's dimensions, if its innermost one is that of the rows, and its lanes
/// lie along another.
std::optional<TurnedTile::Access> TurnedTile::match(BlockArgument operand,
                                                    ArrayRef<ElementIndex> indices) {
  Access access{operand, {}, {}};
  bool hasLanes = false;
  for (const ElementIndex &index : indices) {
    if (index.lanes)
      return std::nullopt;
    std::optional<Walk> walk = walkOf(index.base);
    access.walks.push_back(walk);
    bool isVector = walk && walk->dimension + 1 == positions.size();
    bool isZero = !walk && matchPattern(index.base, m_Zero());
    if ((!walk && !isZero) || index.step != (isVector ? 1 : 0) || (isVector && walk->before))
      return std::nullopt;
    hasLanes |= isVector;
  }
  bool isAcross = hasLanes && access.walks.back() && access.walks.back()->dimension == rowDimension;
  return isAcross ? std::optional(access) : std::nullopt;
}

/// How `index` walks with a position of the results; nothing if it does not. What is before it has
/// to be known where the function starts.
std::optional<TurnedTile::Walk> TurnedTile::walkOf(Value index) const {
  OpFoldResult before;
  if (auto moved = index.getDefiningOp<arith::SubIOp>()) {
    Operation *number = moved.getRhs().getDefiningOp();
    Attribute constant;
    if (!number)
      return std::nullopt;
    if (matchPattern(number, m_Constant(&constant)))
      before = constant;
    else if (isa<func::FuncOp>(number->getParentOp()))
      before = moved.getRhs();
    else
      return std::nullopt;
    index = moved.getLhs();
  }
  const auto *found = llvm::find(positions, index);
  if (found == positions.end())
    return std::nullopt;
  return Walk{static_cast<unsigned>(found - positions.begin()), before};
}

/// The place on the stack for what `access` reads.
Value TurnedTile::remember(Access access) {
  auto found = llvm::find_if(known, [&](const Access &other) {
    return other.operand == access.operand && other.walks == access.walks;
  });
  if (found == known.end()) {
    access.turned = emitter.allocate(access.stored(), mostRows * lanes);
    found = known.insert(known.end(), access);
  }
  unsigned number = found - known.begin();
  if (!llvm::is_contained(used, number))
    used.push_back(number);
  return found->turned;
}

/// Copies the tile's part of an operand, as far as there is one behind a frame.
void TurnedTile::turn(const Access &access) {
  const Walk &rows = *access.walks.back();
  if (llvm::none_of(access.walks, [](const auto &walk) { return walk && walk->before; }))
    return turnRows(access, low, high);
  Value length = emitter.symbol(symbolsOf(access.operand.getType()).back());
  Value zero = emitter.index(0);
  // As rows of the operand, and back.
  Value first = emitter.maximumIndex(indexOf(rows, low), zero);
  Value end = emitter.maximumIndex(emitter.minimumIndex(indexOf(rows, high), length), first);
  Value moved = emitter.subtractIndex(low, indexOf(rows, low));
  emitter.ifTrue(isInside(access), [&] {
    turnRows(access, emitter.addIndex(first, moved), emitter.addIndex(end, moved));
  });
}

/// True where all positions but that of the rows are in the operand.
Value TurnedTile::isInside(const Access &access) {
  Value inside = arith::ConstantIntOp::create(emitter.builder(), emitter.location(), 1, 1);
  for (auto [walk, symbol] : llvm::zip_equal(access.walks, symbolsOf(access.operand.getType()))) {
    if (!walk || !walk->before || walk->dimension == rowDimension)
      continue;
    Value index = indexOf(*walk, positions[walk->dimension]);
    // A negative one is large.
    Value isBelow = arith::CmpIOp::create(emitter.builder(), emitter.location(),
                                          arith::CmpIPredicate::ult, index, emitter.symbol(symbol));
    inside = arith::AndIOp::create(emitter.builder(), emitter.location(), inside, isBelow);
  }
  return inside;
}

/// The index that a walk makes of a position in the results.
Value TurnedTile::indexOf(const Walk &walk, Value position) {
  if (!walk.before)
    return position;
  auto constant = getConstantIntValue(walk.before);
  return emitter.subtractIndex(position,
                               constant ? emitter.index(*constant) : cast<Value>(walk.before));
}

/// Copies rows [first, end) of the tile: whole squares, then the rows that are left.
void TurnedTile::turnRows(const Access &access, Value first, Value end) {
  int64_t width = access.stored().getIntOrFloatBitWidth() > 32 ? 4 : 8;
  Value size = emitter.index(std::min(width, lanes));
  Value squares = emitter.divideIndex(emitter.subtractIndex(end, first), size);
  Value middle = emitter.addIndex(first, emitter.multiplyIndex(squares, size));
  Value left = emitter.subtractIndex(emitter.symbol(symbolsOf(result).back()), positions.back());
  Value parts = emitter.minimumIndex(left, emitter.index(lanes));
  emitter.loop(emitter.index(0), parts, size, [&](Value part) {
    emitter.loop(first, middle, size, [&](Value row) {
      Value last =
          emitter.subtractIndex(emitter.symbol(symbolsOf(result).back()), emitter.index(1));
      SmallVector<Value> square;
      for (int64_t line = 0; line < std::min(width, lanes); ++line) {
        // Lanes beyond the last repeat it: what is computed from them is not stored.
        Value column =
            emitter.addIndex(emitter.addIndex(positions.back(), part), emitter.index(line));
        Value address = addressOf(access, row, emitter.minimumIndex(column, last));
        square.push_back(emitter.loadVector(address, access.stored(), std::min(width, lanes)));
      }
      for (auto [line, value] : llvm::enumerate(transposeSquare(emitter, square)))
        emitter.storeVector(value,
                            placeOf(access, emitter.addIndex(row, emitter.index(line)), part));
    });
  });
  emitter.loop(middle, end, 1, [&](Value row) {
    emitter.loop(emitter.index(0), parts, 1, [&](Value part) {
      Value address = addressOf(access, row, emitter.addIndex(positions.back(), part));
      emitter.storeVector(emitter.loadVector(address, access.stored(), 0),
                          placeOf(access, row, part));
    });
  });
}

Value TurnedTile::addressOf(const Access &access, Value row, Value column) {
  Value place = emitter.index(0);
  for (auto [d, walk] : llvm::enumerate(access.walks)) {
    if (!walk)
      continue;
    Value position = walk->dimension == rowDimension           ? row
                     : walk->dimension + 1 == positions.size() ? column
                                                               : positions[walk->dimension];
    Value stride = emitter.stride(access.operand.getType(), d);
    place = emitter.addIndex(place, emitter.multiplyIndex(indexOf(*walk, position), stride));
  }
  return emitter.offset(emitter.buffer(access.operand.getArgNumber()), access.stored(), place);
}

Value TurnedTile::placeOf(const Access &access, Value row, Value part) {
  Value line = emitter.multiplyIndex(emitter.subtractIndex(row, low), emitter.index(lanes));
  return emitter.offset(access.turned, access.stored(), emitter.addIndex(line, part));
}

} // namespace weft

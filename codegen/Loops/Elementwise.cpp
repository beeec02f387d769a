// The template of kernels whose elements are computed one by one: arithmetic and data movement.
//
// Rank 1 is cut into blocks of `grain` elements; otherwise a task is one index of the outermost
// dimension (of the outermost two from rank 3 on), and the innermost dimension is walked by
// vectors.
//
// Where an operand lies the other way round (`turnedDimension`), a task is
// a tile of `rows` rows along that dimension by a run of the innermost one, vector by vector: see
// TurnedTile.
//
// Where the innermost dimension is shorter than a vector, vectors may lie along the one before it:
// a task is a run of that dimension, and each vector is stored element by element.
//
// With a `jam`, so many neighbours along the dimension before the innermost one are computed side
// by side, those whose windows lie inside of the image without a check.
//
// Where the one result is operands one after the other (IndexedOpInterface::getJoinedAxis), the
// axis is walked operand by operand: loops that copy to an offset.
#include "codegen/Loops/Frame.h"
#include "codegen/Loops/TurnedTile.h"
#include "dialects/Weft/IR/Regroup.h"
#include "dialects/Weft/IR/TurnedDimension.h"

using namespace mlir;

namespace weft {
namespace {

/// Elements of the innermost dimension in a tile: some pages, and the rows' pages stay the same.
constexpr int64_t tileRun = 512;

class Elementwise {
public:
  Elementwise(KernelEmitter &emitter, int64_t grain, int64_t turnedRows, bool isAcross = false,
              int64_t jam = 1)
      : emitter(emitter),
        type(emitter.computedResult(0).getType()),
        rank(symbolsOf(type).size()),
        grain(grain),
        turnedRows(turnedRows),
        jam(jam),
        isAcross(isAcross) {
    auto results = emitter.getYield().getValues();
    auto indexed = results.size() == 1
                       ? emitter.computedResult(0).getDefiningOp<IndexedOpInterface>()
                       : nullptr;
    if (indexed)
      joinedAxis = indexed.getJoinedAxis();
    if (joinedAxis)
      pieces.assign(indexed->operand_begin(), indexed->operand_end());
    else if (turnedRows > 0)
      turned = turnedDimension(emitter.getKernel());
  }

  Value tasks() {
    if (rank == 0)
      return emitter.index(1);
    if (turned)
      return product(tileCounts());
    if (isAcross)
      return product(runCounts());
    Value first = emitter.symbol(symbolsOf(type)[0]);
    if (rank == 1)
      return emitter.ceilDivideIndex(first, grain);
    return rank == 2 ? first : emitter.product(symbolsOf(type).take_front(2));
  }

  void emit(Value begin, Value end) {
    if (rank == 0)
      return emitter.storeResults({});
    if (turned) {
      TurnedTile tile(emitter, *turned, turnedRows);
      return emitter.loop(begin, end, 1, [&](Value task) { emitTiles(tile, task); });
    }
    if (isAcross)
      return emitter.loop(begin, end, 1, [&](Value task) { emitAcross(task); });
    if (rank == 1) {
      Value low = emitter.multiplyIndex(begin, emitter.index(grain));
      Value high = emitter.multiplyIndex(end, emitter.index(grain));
      return emitInner({}, low, emitter.minimumIndex(high, emitter.symbol(symbolsOf(type)[0])));
    }
    if (rank == 2)
      return emitInner({}, begin, end);
    emitter.loop(begin, end, 1, [&](Value task) {
      SmallVector<Value> sizes;
      for (int64_t symbol : symbolsOf(type).take_front(2))
        sizes.push_back(emitter.symbol(symbol));
      SmallVector<Value> outer = emitter.delinearize(task, sizes);
      if (joinedAxis && *joinedAxis < 2)
        return forPieces(outer[*joinedAxis], emitter.addIndex(outer[*joinedAxis], emitter.index(1)),
                         [&](Value low, Value high) {
                           emitter.ifTrue(emitter.isLess(low, high), [&] { emitInner(outer); });
                         });
      emitInner(outer);
    });
  }

private:
  Value product(ArrayRef<Value> factors) {
    Value result = emitter.index(1);
    for (Value factor : factors)
      result = emitter.multiplyIndex(result, factor);
    return result;
  }

  /// The number of tiles along each dimension of the result.
  SmallVector<Value> tileCounts() {
    SmallVector<Value> counts;
    for (int64_t symbol : symbolsOf(type))
      counts.push_back(emitter.symbol(symbol));
    counts[*turned] = emitter.ceilDivideIndex(counts[*turned], turnedRows);
    counts.back() = emitter.ceilDivideIndex(counts.back(), tileRun);
    return counts;
  }

  /// The number of runs along each dimension of the result but the innermost.
  SmallVector<Value> runCounts() {
    SmallVector<Value> counts;
    for (int64_t symbol : symbolsOf(type).drop_back())
      counts.push_back(emitter.symbol(symbol));
    counts.back() = emitter.ceilDivideIndex(counts.back(), grain);
    return counts;
  }

  /// A run of task `task`, with all of the innermost dimension.
  void emitAcross(Value task) {
    SmallVector<Value> positions = emitter.delinearize(task, runCounts());
    ArrayRef<int64_t> symbols = symbolsOf(type);
    Value low = emitter.multiplyIndex(positions.back(), emitter.index(grain));
    Value high = emitter.minimumIndex(emitter.addIndex(low, emitter.index(grain)),
                                      emitter.symbol(symbols[rank - 2]));
    emitter.vectorLoop(low, high, [&](Value position) {
      emitter.loop(emitter.index(0), emitter.symbol(symbols.back()), 1, [&](Value column) {
        SmallVector<ElementIndex> indices;
        for (Value outer : ArrayRef<Value>(positions).drop_back())
          indices.push_back({outer});
        indices.push_back({position, 1});
        indices.push_back({column});
        emitter.scatterResults(indices);
      });
    });
  }

  /// The tile of rows of task `task`: its vectors, one after the other.
  void emitTiles(TurnedTile &tile, Value task) {
    SmallVector<Value> positions = emitter.delinearize(task, tileCounts());
    Value rows = emitter.index(turnedRows), run = emitter.index(tileRun);
    Value low = emitter.multiplyIndex(positions[*turned], rows);
    Value high =
        emitter.minimumIndex(emitter.addIndex(low, rows), emitter.symbol(symbolsOf(type)[*turned]));
    Value first = emitter.multiplyIndex(positions.back(), run);
    Value end =
        emitter.minimumIndex(emitter.addIndex(first, run), emitter.symbol(symbolsOf(type).back()));
    emitter.vectorLoop(first, end, [&](Value column) {
      SmallVector<Value> at(positions);
      at.back() = column;
      tile.emit(at, low, high, [&](Value row) {
        SmallVector<ElementIndex> indices;
        for (auto [d, position] : llvm::enumerate(at))
          indices.push_back({d == *turned ? row : position});
        indices.back().step = 1;
        emitter.storeResults(indices);
      });
    });
  }

  /// Loops over the dimensions that `outer` does not fix.
  void emitInner(ArrayRef<Value> outer) {
    emitInner(outer, emitter.index(0), emitter.symbol(symbolsOf(type)[outer.size()]));
  }

  /// The same, with the first of them from `low` to `high`.
  void emitInner(ArrayRef<Value> outer, Value low, Value high) {
    if (joinedAxis == static_cast<int64_t>(outer.size()))
      forPieces(low, high, [&](Value from, Value to) { emitDimension(outer, from, to); });
    else
      emitDimension(outer, low, high);
  }

  void emitDimension(ArrayRef<Value> outer, Value low, Value high) {
    if (outer.size() + 1 == rank)
      return emitRow(outer, low, high);
    if (outer.size() + 2 == rank && jam > 1)
      return emitJammed(outer, low, high);
    emitter.loop(low, high, 1, [&](Value position) {
      SmallVector<Value> inner(outer);
      inner.push_back(position);
      emitInner(inner);
    });
  }

  /// Whole vectors of `jam` neighbours side by side, then all that is left.
  void emitJammed(ArrayRef<Value> outer, Value low, Value high) {
    auto wholePart = [&](Value size, int64_t part) {
      return emitter.multiplyIndex(emitter.divideIndex(size, emitter.index(part)),
                                   emitter.index(part));
    };
    Value columns = emitter.symbol(symbolsOf(type).back());
    Value whole = wholePart(columns, emitter.laneCount());
    Value middle = emitter.addIndex(low, wholePart(emitter.subtractIndex(high, low), jam));
    emitter.loop(low, middle, jam, [&](Value first) { emitNeighbours(outer, first, whole); });
    emitter.loop(low, high, 1, [&](Value position) {
      SmallVector<Value> inner(outer);
      inner.push_back(position);
      Value done =
          arith::SelectOp::create(emitter.builder(), emitter.location(),
                                  emitter.isLess(position, middle), whole, emitter.index(0));
      emitRow(inner, done, columns);
    });
  }

  /// The vectors below `end` of `jam` neighbours from `first` on.
  void emitNeighbours(ArrayRef<Value> outer, Value first, Value end) {
    SmallVector<SmallVector<Value>> places(jam, SmallVector<Value>(outer));
    for (auto [k, place] : llvm::enumerate(places))
      place.push_back(emitter.addIndex(first, emitter.index(k)));
    SmallVector<Value> bordered;
    Value areInside = emitAreInside({places.front(), places.back()}, bordered);
    auto emitVectors = [&](ValueRange inside) {
      emitter.withJam(inside, places, [&] {
        emitter.loop(emitter.index(0), end, emitter.laneCount(),
                     [&](Value column) { emitter.storeNeighbours(vectorsAt(places, column)); });
      });
    };
    if (!areInside)
      return emitVectors({});
    emitter.ifTrue(areInside, [&] { emitVectors(bordered); });
    Value isOutside =
        arith::CmpIOp::create(emitter.builder(), emitter.location(), arith::CmpIPredicate::eq,
                              areInside, emitter.constant(emitter.builder().getI1Type(), 0));
    emitter.ifTrue(isOutside, [&] { emitVectors({}); });
  }

  /// Whether no op reads in a border for the elements at `places`, and the results of those that
  /// might, in `bordered`; null if there are none.
  Value emitAreInside(ArrayRef<SmallVector<Value>> places, SmallVector<Value> &bordered) {
    Value all;
    for (auto op : emitter.getKernel().getBody().front().getOps<IndexedOpInterface>()) {
      Value result = op->getResult(0);
      if (symbolsOf(result.getType()) != symbolsOf(type))
        continue;
      for (const auto &indices : vectorsAt(places, emitter.index(0)))
        if (Value inside = op.emitAreInside(emitter, indices)) {
          all =
              all ? Value(arith::AndIOp::create(emitter.builder(), emitter.location(), all, inside))
                  : inside;
          if (!llvm::is_contained(bordered, result))
            bordered.push_back(result);
        }
    }
    return all;
  }

  /// The vector from `column` on at each place.
  static SmallVector<SmallVector<ElementIndex>> vectorsAt(ArrayRef<SmallVector<Value>> places,
                                                          Value column) {
    return llvm::map_to_vector(places, [&](const SmallVector<Value> &place) {
      SmallVector<ElementIndex> indices;
      for (Value position : place)
        indices.push_back({position});
      indices.push_back({column, 1});
      return indices;
    });
  }

  /// Emits for each piece the part of [low, high) along the joined axis that it covers.
  void forPieces(Value low, Value high, function_ref<void(Value, Value)> emit) {
    Value start = emitter.index(0);
    for (Value operand : pieces) {
      Value stop = emitter.addIndex(start, emitter.size(operand, *joinedAxis));
      piece = {operand, start};
      Value from = emitter.maximumIndex(low, start);
      emit(from, emitter.maximumIndex(from, emitter.minimumIndex(high, stop)));
      start = stop;
    }
  }

  void emitRow(ArrayRef<Value> outer, Value low, Value high) {
    SmallVector<ElementIndex> indices;
    for (Value position : outer)
      indices.push_back({position});
    // Where a row lies is computed once for it: divisions are not moved out of a loop.
    Value operand = piece.operand;
    SmallVector<ElementIndex> source(indices);
    bool isRowJoined = joinedAxis == static_cast<int64_t>(outer.size());
    if (joinedAxis && !isRowJoined)
      source[*joinedAxis].base = emitter.subtractIndex(source[*joinedAxis].base, piece.start);
    source.push_back({low});
    for (RegroupOp regroup; joinedAxis && (regroup = operand.getDefiningOp<RegroupOp>());) {
      source = regroup.emitSource(emitter, source);
      operand = regroup.getX();
    }
    emitter.vectorLoop(low, high, [&](Value position) {
      SmallVector<ElementIndex> all(indices);
      all.push_back({position, 1});
      if (!joinedAxis)
        return emitter.storeResults(all);
      ElementIndex &moved = source.back();
      moved = all.back();
      if (isRowJoined)
        moved.base = emitter.subtractIndex(moved.base, piece.start);
      emitter.storeOutput(0, all, emitter.element(operand, source));
    });
  }

  KernelEmitter &emitter;
  Type type;
  size_t rank;
  int64_t grain, turnedRows, jam;
  bool isAcross;
  std::optional<int64_t> joinedAxis;
  std::optional<unsigned> turned;
  SmallVector<Value> pieces;
  /// The one that is being walked.
  struct {
    Value operand, start;
  } piece;
};

} // namespace

static void emit(KernelEmitter &emitter, Elementwise elementwise) {
  addFramedStage(
      emitter, [=]() mutable { return elementwise.tasks(); },
      [&](Value begin, Value end) { elementwise.emit(begin, end); });
}

void emitElementwise(KernelEmitter &emitter) {
  auto schedule = emitter.schedule<ElementwiseScheduleAttr>();
  emit(emitter, Elementwise(emitter, schedule.getGrain(), /*turnedRows=*/0, schedule.getAcross(),
                            schedule.getJam()));
}

void emitTransposition(KernelEmitter &emitter, int64_t rows) {
  emit(emitter, Elementwise(emitter, /*grain=*/1, rows));
}

} // namespace weft

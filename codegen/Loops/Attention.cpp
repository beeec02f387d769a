// The template of `weft.scaled_dot_product_attention`.
//
// Softmax needs the largest score and the sum of a row before the first weight. Both are kept up to
// date from block to block of keys instead, and what was summed before is scaled when the largest
// score grows (Milakov and Gimelshein, 2018; Rabe and Staats, 2021):
//
//   a task: a block of the queries of one head
//     for a block of 64 keys, as far as one of the queries sees them:
//       copy the keys, turned: [depth][keys], and the values unless they fill whole tiles
//       scores = query keys * scale + mask    a chain of fma in the order of the depth
//       for a row:  largest' = max(largest, scores), factor = exp(largest - largest')
//                   weights = exp(scores - largest')
//                   totals = totals * factor + weights       in 16 lanes, key i in lane i mod 16
//       sums = sums * factor + weights values  a chain of fma in the order of the keys
//     result = sums / total                    the total: a tree of the lanes
//
// The order of all sums is a matter of sizes alone. Keys behind the query count as -inf, and their
// values not at all: a tile goes on to the last key that one of its queries sees, where a finite
// value times a weight of 0 changes no sum (none is -0), and where one is not finite, queries are
// tiles of one. Values that the mask hides are multiplied by 0, as by the definition.
#include "codegen/Loops/Attention.h"
#include "codegen/CPU/CpuTarget.h"
#include "codegen/Loops/MicroKernel.h"
#include "codegen/Loops/TurnedTile.h"
#include "codegen/Templates/SharedChoices.h"
#include "dialects/Weft/IR/ElementBodies.h"
#include "llvm/Support/MathExtras.h"
#include <limits>

using namespace mlir;

namespace weft {

/// The keys of a block: few enough that those of the next queries are hidden as a whole, and enough
/// that sums are seldom scaled.
static constexpr int64_t blockKeys = 64;
/// How many keys ahead of those that are copied memory is asked for.
static constexpr int64_t prefetchedKeys = 16;

static ScaledDotProductAttentionOp attentionOf(KernelOp kernel) {
  return *kernel.getBody().front().getOps<ScaledDotProductAttentionOp>().begin();
}

namespace {

/// A task's block of queries: of which head, the first, how many.
struct QueryBlock {
  Value head, first, count;
  SmallVector<ElementIndex> batch;
};

/// A block of keys: the first, how many.
struct KeyBlock {
  Value first, count;
};

class AttentionTemplate {
public:
  explicit AttentionTemplate(KernelEmitter &emitter);

  void addStage();

private:
  // Sizes.
  Value sizeOf(Value tensor, int64_t fromEnd);
  Value queryCount() { return sizeOf(op.getQuery(), 2); }
  Value keyCount() { return sizeOf(op.getKey(), 2); }
  Value depth() { return sizeOf(op.getQuery(), 1); }
  Value columns() { return sizeOf(op.getValue(), 1); }
  Value heads() { return emitter.product(symbolsOf(op.getQuery().getType()).drop_back(2)); }
  Value blocks() { return emitter.ceilDivideIndex(queryCount(), schedule.getBlock()); }
  Value width();
  Value scratchElements();

  // Scratch memory, all of elements of `computed`, one after the other:
  // turned keys [width][blockKeys], values [blockKeys][width], scores [block][blockKeys],
  // sums [block][width], totals [block][lanes], and a number for each query: largest, next,
  // factors.
  void placeScratch(Value base);
  Value at(Value base, Value place) { return emitter.offset(base, computed, place); }
  Value row(Value base, Value number, Value distance, Value place = {});

  // A task.
  void emitTask(Value task);
  void reset(const QueryBlock &block);
  void copyKeys(const QueryBlock &block, const KeyBlock &keys);
  void turnKeys(const QueryBlock &block, const KeyBlock &keys, Value part, Value position);
  void askAhead(const QueryBlock &block, Value key, Value position);
  void takeValues(const QueryBlock &block, const KeyBlock &keys);
  Value copyValues(const QueryBlock &block, const KeyBlock &keys);
  Value readsDirectly();
  void emitScores(const QueryBlock &block, const KeyBlock &keys);
  void emitWeights(const QueryBlock &block, const KeyBlock &keys);
  void emitLargest(const QueryBlock &block, const KeyBlock &keys, Value line);
  Value largestOf(const QueryBlock &block, const KeyBlock &keys, Value line, Value limit);
  Value masked(const QueryBlock &block, Value line, Value key, Value score);
  void emitFactors(const QueryBlock &block);
  void emitRowWeights(Value line);
  void addValues(const QueryBlock &block, const KeyBlock &keys);
  void finish(const QueryBlock &block);

  /// Emits `body(height, vectors, line)` for tiles that cover the lines of the block: of one line
  /// if there are few, or if `areSingle` (which may be null).
  void forTiles(const QueryBlock &block, Value areSingle,
                function_ref<void(int64_t height, int64_t vectors, Value line)> body);
  /// How many keys the queries [low, high) of the block see at most, of all.
  Value keysBefore(const QueryBlock &block, Value low, Value high);
  /// How many of the block of keys one of the lines [low, high) sees.
  Value keysSeen(const QueryBlock &block, const KeyBlock &keys, Value low, Value high);
  MicroKernel kernelOf(int64_t height, int64_t vectors) {
    return {emitter, op, MicroKernel::Kind::Broadcast, format, height, vectors};
  }

  // Elements.
  Value negated(Value condition);
  Value load(Value address) { return emitter.loadVector(address, computed, lanes); }
  Value loadScalar(Value address) {
    return emitter.splat(emitter.loadVector(address, computed, /*count=*/0));
  }
  Value constant(double value);
  template <typename Op, typename... Operands> Value make(const Operands &...operands) {
    return Op::create(emitter.builder(), emitter.location(), operands...);
  }
  Value exponential(Value nonpositive);
  Value larger(Value x, Value y);
  Value joinLanes(Value vector, function_ref<Value(Value, Value)> join);
  SmallVector<ElementIndex> indices(const QueryBlock &block, ElementIndex row, ElementIndex column);

  KernelEmitter &emitter;
  ScaledDotProductAttentionOp op;
  AttentionScheduleAttr schedule;
  int64_t lanes;
  FloatType computed;
  ContractionFormat format;
  Value turned, values, scores, sums, totals, largest, next, factors;
  /// Of the values of a block of keys: where they are, how far their lines are apart, and, if keys
  /// are hidden, whether one is not finite.
  Value valueLines, valueDistance, areSpecial;
};

} // namespace

AttentionTemplate::AttentionTemplate(KernelEmitter &emitter)
    : emitter(emitter),
      op(attentionOf(emitter.getKernel())),
      schedule(emitter.schedule<AttentionScheduleAttr>()),
      lanes(schedule.getLanes()),
      computed(cast<FloatType>(emitter.computeType(op.getResult()))),
      format{computed, computed, computed, 1} {}

//===----------------------------------------------------------------------===//
// Sizes and memory
//===----------------------------------------------------------------------===//

Value AttentionTemplate::sizeOf(Value tensor, int64_t fromEnd) {
  ArrayRef<int64_t> symbols = symbolsOf(tensor.getType());
  return emitter.symbol(symbols[symbols.size() - fromEnd]);
}

/// What a line of a head has room for: a multiple of the elements of all tiles.
Value AttentionTemplate::width() {
  if (schedule.getWidth() > 0)
    return emitter.index(schedule.getWidth());
  Value most = emitter.maximumIndex(depth(), columns());
  return emitter.multiplyIndex(emitter.ceilDivideIndex(most, blockKeys), emitter.index(blockKeys));
}

/// Tiles reach beyond the block, and vectors beyond the numbers of the queries.
static int64_t roomForQueries(AttentionScheduleAttr schedule) {
  return schedule.getBlock() + std::max(schedule.getRows(), schedule.getLanes());
}

/// Elements for each one of `width`, and the others.
static std::pair<int64_t, int64_t> scratchSize(AttentionScheduleAttr schedule) {
  int64_t rows = roomForQueries(schedule);
  return {2 * blockKeys + rows, rows * (blockKeys + schedule.getLanes() + 3)};
}

Value AttentionTemplate::scratchElements() {
  auto [factor, others] = scratchSize(schedule);
  return emitter.addIndex(emitter.multiplyIndex(width(), emitter.index(factor)),
                          emitter.index(others));
}

void AttentionTemplate::placeScratch(Value base) {
  Value block = emitter.multiplyIndex(width(), emitter.index(blockKeys));
  int64_t rows = roomForQueries(schedule);
  Value end = emitter.index(0);
  auto take = [&](Value elements) {
    Value start = at(base, end);
    end = emitter.addIndex(end, elements);
    return start;
  };
  turned = take(block);
  values = take(block);
  scores = take(emitter.index(rows * blockKeys));
  sums = take(emitter.multiplyIndex(width(), emitter.index(rows)));
  totals = take(emitter.index(rows * lanes));
  largest = take(emitter.index(rows));
  next = take(emitter.index(rows));
  factors = take(emitter.index(rows));
}

/// The address of `place` in a line.
Value AttentionTemplate::row(Value base, Value number, Value distance, Value place) {
  Value offset = emitter.multiplyIndex(number, distance);
  return at(base, place ? emitter.addIndex(offset, place) : offset);
}

Value AttentionTemplate::constant(double value) {
  auto type = VectorType::get({lanes}, computed);
  return make<arith::ConstantOp>(
      DenseElementsAttr::get(type, emitter.builder().getFloatAttr(computed, value).getValue()));
}

Value AttentionTemplate::exponential(Value nonpositive) {
  auto result = math::ExpOp::create(emitter.builder(), emitter.location(), nonpositive);
  result->setAttr(nonpositiveAttribute, emitter.builder().getUnitAttr());
  return result;
}

/// The second where one is no number.
Value AttentionTemplate::larger(Value x, Value y) {
  return make<arith::SelectOp>(make<arith::CmpFOp>(arith::CmpFPredicate::OGT, x, y), x, y);
}

/// A tree of halves; a vector with the result in all lanes.
Value AttentionTemplate::joinLanes(Value vector, function_ref<Value(Value, Value)> join) {
  for (int64_t half = lanes / 2; half > 0; half /= 2) {
    auto low = llvm::to_vector(llvm::seq<int64_t>(0, half));
    auto high = llvm::to_vector(llvm::seq<int64_t>(half, 2 * half));
    vector = join(make<vector::ShuffleOp>(vector, vector, low),
                  make<vector::ShuffleOp>(vector, vector, high));
  }
  return emitter.splat(make<vector::ExtractOp>(vector, int64_t(0)));
}

SmallVector<ElementIndex> AttentionTemplate::indices(const QueryBlock &block, ElementIndex row,
                                                     ElementIndex column) {
  SmallVector<ElementIndex> all = block.batch;
  all.append({row, column});
  return all;
}

//===----------------------------------------------------------------------===//
// Tasks
//===----------------------------------------------------------------------===//

void AttentionTemplate::addStage() {
  std::optional<unsigned> buffer;
  int64_t bytes = computed.getWidth() / 8;
  auto tasks = [*this]() mutable { return emitter.multiplyIndex(heads(), blocks()); };
  if (schedule.getWidth() == 0)
    buffer = emitter.addTemporary([*this, tasks, bytes]() mutable {
      Value elements = emitter.multiplyIndex(tasks(), scratchElements());
      return emitter.multiplyIndex(elements, emitter.index(bytes));
    });
  emitter.addStage(tasks, [&](Value begin, Value end) {
    auto [factor, others] = scratchSize(schedule);
    Value stack =
        buffer ? Value() : emitter.allocate(computed, factor * schedule.getWidth() + others);
    emitter.loop(begin, end, 1, [&](Value task) {
      placeScratch(buffer
                       ? at(emitter.buffer(*buffer), emitter.multiplyIndex(task, scratchElements()))
                       : stack);
      emitTask(task);
    });
  });
}

void AttentionTemplate::emitTask(Value task) {
  SmallVector<Value> parts = emitter.delinearize(task, {heads(), blocks()}), sizes;
  QueryBlock block;
  block.head = parts[0];
  block.first = emitter.multiplyIndex(parts[1], emitter.index(schedule.getBlock()));
  block.count = emitter.minimumIndex(emitter.index(schedule.getBlock()),
                                     emitter.subtractIndex(queryCount(), block.first));
  for (int64_t symbol : symbolsOf(op.getQuery().getType()).drop_back(2))
    sizes.push_back(emitter.symbol(symbol));
  for (Value position : emitter.delinearize(block.head, sizes))
    block.batch.push_back({position});
  reset(block);
  Value end = keysBefore(block, emitter.index(0), block.count);
  emitter.loop(emitter.index(0), end, blockKeys, [&](Value first) {
    KeyBlock keys{first, emitter.minimumIndex(emitter.index(blockKeys),
                                              emitter.subtractIndex(keyCount(), first))};
    copyKeys(block, keys);
    takeValues(block, keys);
    emitScores(block, keys);
    emitWeights(block, keys);
    addValues(block, keys);
  });
  finish(block);
}

/// Nothing is summed yet. Whole tiles, as their lines beyond the block are summed too.
void AttentionTemplate::reset(const QueryBlock &block) {
  Value zero = constant(0.0), lowest = constant(-std::numeric_limits<double>::infinity());
  auto fill = [&](Value base, Value count, Value value) {
    emitter.loop(emitter.index(0), count, lanes,
                 [&](Value place) { emitter.storeVector(value, at(base, place)); });
  };
  Value rows = emitter.index(roomForQueries(schedule) - lanes);
  Value used =
      emitter.minimumIndex(rows, emitter.addIndex(block.count, emitter.index(schedule.getRows())));
  fill(sums, emitter.multiplyIndex(used, width()), zero);
  fill(totals, emitter.multiplyIndex(used, emitter.index(lanes)), zero);
  fill(largest, used, lowest);
}

/// Line `depth` of the copy has an element of each key; the last key is repeated.
void AttentionTemplate::copyKeys(const QueryBlock &block, const KeyBlock &keys) {
  int64_t width = std::min<int64_t>(lanes, computed.getWidth() > 32 ? 4 : 8);
  Value whole = emitter.divideIndex(depth(), emitter.index(lanes));
  Value middle = emitter.multiplyIndex(whole, emitter.index(lanes));
  Value last = emitter.subtractIndex(keyCount(), emitter.index(1));
  emitter.loop(emitter.index(0), keys.count, width, [&](Value part) {
    emitter.loop(emitter.index(0), middle, lanes,
                 [&](Value position) { turnKeys(block, keys, part, position); });
    emitter.loop(middle, depth(), 1, [&](Value position) {
      for (int64_t i = 0; i < width; ++i) {
        Value place = emitter.addIndex(part, emitter.index(i));
        Value key = emitter.minimumIndex(emitter.addIndex(keys.first, place), last);
        Value element = emitter.element(op.getKey(), indices(block, {key}, {position}));
        emitter.storeVector(element, row(turned, position, emitter.index(blockKeys), place));
      }
    });
  });
}

/// Loads a vector along the depth of some keys from `part` on, and stores squares of it, turned.
void AttentionTemplate::turnKeys(const QueryBlock &block, const KeyBlock &keys, Value part,
                                 Value position) {
  int64_t width = std::min<int64_t>(lanes, computed.getWidth() > 32 ? 4 : 8);
  Value last = emitter.subtractIndex(keyCount(), emitter.index(1));
  SmallVector<Value> vectors;
  for (int64_t i = 0; i < width; ++i) {
    Value place = emitter.addIndex(part, emitter.index(i));
    Value key = emitter.minimumIndex(emitter.addIndex(keys.first, place), last);
    vectors.push_back(
        emitter.splat(emitter.element(op.getKey(), indices(block, {key}, {position, 1}))));
    askAhead(block, key, position);
  }
  for (int64_t start = 0; start < lanes; start += width) {
    auto mask = llvm::to_vector(llvm::seq<int64_t>(start, start + width));
    SmallVector<Value> square;
    for (Value vector : vectors)
      square.push_back(make<vector::ShuffleOp>(vector, vector, mask));
    for (auto [i, line] : llvm::enumerate(transposeSquare(emitter, square))) {
      Value number = emitter.addIndex(position, emitter.index(start + i));
      emitter.storeVector(line, row(turned, number, emitter.index(blockKeys), part));
    }
  }
}

/// Few queries are bound by the memory: a line of it of later keys, and one of the values, which
/// are read behind the scores of the block.
void AttentionTemplate::askAhead(const QueryBlock &block, Value key, Value position) {
  Value later = emitter.addIndex(key, emitter.index(prefetchedKeys));
  for (auto [tensor, row] : {std::pair(op.getKey(), later), std::pair(op.getValue(), key)})
    if (auto argument = dyn_cast<BlockArgument>(tensor))
      emitter.prefetch(argument, indices(block, {row}, {position}), /*bytes=*/0);
}

/// Whether the values are read where they are: whole tiles of them. Null: never. What may be hidden
/// is looked through anyway.
Value AttentionTemplate::readsDirectly() {
  Type dtype = getElementTypeOrSelf(op.getValue());
  if (op.getCausal() || KernelEmitter::storedType(dtype) != computed)
    return {};
  Value rest = emitter.remainderIndex(columns(), emitter.index(blockKeys));
  return make<arith::CmpIOp>(arith::CmpIPredicate::eq, rest, emitter.index(0));
}

void AttentionTemplate::takeValues(const QueryBlock &block, const KeyBlock &keys) {
  valueLines = values;
  valueDistance = width();
  Value direct = readsDirectly();
  if (!direct) {
    areSpecial = copyValues(block, keys);
    return;
  }
  emitter.ifTrue(negated(direct), [&] { copyValues(block, keys); });
  unsigned number = cast<BlockArgument>(op.getValue()).getArgNumber();
  Value line = emitter.addIndex(emitter.multiplyIndex(block.head, keyCount()), keys.first);
  Value given = row(emitter.buffer(number), line, columns());
  valueLines = make<arith::SelectOp>(direct, given, valueLines);
  valueDistance = make<arith::SelectOp>(direct, columns(), valueDistance);
}

/// Columns up to the width of a tile are there, whatever they hold: nothing of them is a result.
/// Returns whether a value is not finite, if keys may be hidden.
Value AttentionTemplate::copyValues(const QueryBlock &block, const KeyBlock &keys) {
  Value zero = constant(0.0);
  auto copy = [&](Value line, Value column) {
    Value key = emitter.addIndex(keys.first, line), address = row(values, line, width(), column);
    Value value = emitter.splat(emitter.element(op.getValue(), indices(block, {key}, {column, 1})));
    emitter.withMask(nullptr, [&] { emitter.storeVector(value, address); });
    return value;
  };
  // 0 of what is finite.
  Value special =
      emitter.loop(emitter.index(0), keys.count, 1, {zero}, [&](Value line, ValueRange before) {
        return emitter.vectorLoop(
            emitter.index(0), columns(), before, [&](Value column, ValueRange carried) {
              Value value = copy(line, column);
              Value difference = make<arith::SubFOp>(value, value);
              if (Value mask = emitter.mask())
                difference = make<arith::SelectOp>(mask, difference, zero);
              return SmallVector<Value>{make<arith::AddFOp>(carried[0], difference)};
            });
      })[0];
  if (!op.getCausal())
    return {};
  Value sum = joinLanes(special, [&](Value x, Value y) { return make<arith::AddFOp>(x, y); });
  Value first = make<vector::ExtractOp>(sum, int64_t(0));
  return make<arith::CmpFOp>(arith::CmpFPredicate::UNO, first, first);
}

Value AttentionTemplate::negated(Value condition) {
  Value truth = arith::ConstantIntOp::create(emitter.builder(), emitter.location(), 1, 1);
  return make<arith::XOrIOp>(condition, truth);
}

void AttentionTemplate::forTiles(const QueryBlock &block, Value areSingle,
                                 function_ref<void(int64_t, int64_t, Value)> body) {
  int64_t rows = schedule.getRows();
  Value areFew = emitter.isLess(block.count, emitter.index(rows));
  if (areSingle)
    areFew = make<arith::OrIOp>(areFew, areSingle);
  emitter.ifTrue(areFew, [&] {
    emitter.loop(emitter.index(0), block.count, 1,
                 [&](Value line) { body(1, schedule.getSingle(), line); });
  });
  emitter.ifTrue(negated(areFew), [&] {
    emitter.loop(emitter.index(0), block.count, rows,
                 [&](Value line) { body(rows, schedule.getColumns(), line); });
  });
}

/// A query sees as many keys as its position in its run says; where another run begins before
/// `high`, the last query of one is among them.
Value AttentionTemplate::keysBefore(const QueryBlock &block, Value low, Value high) {
  if (!op.getCausal())
    return keyCount();
  Value first = emitter.addIndex(block.first, low), length = queryCount();
  int64_t groups = op.getGroups();
  if (groups > 1) {
    length = emitter.divideIndex(length, emitter.index(groups));
    first = emitter.remainderIndex(first, length);
  }
  Value end = emitter.addIndex(first, emitter.subtractIndex(high, low));
  if (groups > 1)
    end = emitter.minimumIndex(end, length);
  return emitter.minimumIndex(end, keyCount());
}

Value AttentionTemplate::keysSeen(const QueryBlock &block, const KeyBlock &keys, Value low,
                                  Value high) {
  if (!op.getCausal())
    return keys.count;
  Value seen = emitter.subtractIndex(keysBefore(block, low, high), keys.first);
  return emitter.maximumIndex(emitter.minimumIndex(seen, keys.count), emitter.index(0));
}

void AttentionTemplate::emitScores(const QueryBlock &block, const KeyBlock &keys) {
  unsigned number = cast<BlockArgument>(op.getQuery()).getArgNumber();
  Type dtype = getElementTypeOrSelf(op.getQuery()), stored = KernelEmitter::storedType(dtype);
  Value before = emitter.multiplyIndex(block.head, emitter.multiplyIndex(queryCount(), depth()));
  Value queries = emitter.offset(emitter.buffer(number), stored, before);
  Value last = emitter.subtractIndex(queryCount(), emitter.index(1));
  Value scale = constant(op.getScale().convertToDouble());
  forTiles(block, {}, [&](int64_t height, int64_t vectors, Value line) {
    OperandReader left{queries, {}, emitter.index(1), dtype};
    for (int64_t i = 0; i < height; ++i) {
      Value query = emitter.addIndex(block.first, emitter.addIndex(line, emitter.index(i)));
      left.rowOffsets.push_back(emitter.multiplyIndex(emitter.minimumIndex(query, last), depth()));
    }
    MicroKernel kernel = kernelOf(height, vectors);
    Value end = keysSeen(block, keys, line, emitter.addIndex(line, emitter.index(height)));
    emitter.loop(emitter.index(0), end, vectors * lanes, [&](Value key) {
      OperandReader right{at(turned, key), {}, emitter.index(blockKeys), format.right};
      SmallVector<Value> products =
          kernel.run(left, right, emitter.index(0), depth(), kernel.start());
      for (auto [i, product] : llvm::enumerate(products)) {
        Value query = emitter.addIndex(line, emitter.index(i / vectors));
        Value place = emitter.addIndex(key, emitter.index(i % vectors * lanes));
        emitter.storeVector(make<arith::MulFOp>(product, scale),
                            row(scores, query, emitter.index(blockKeys), place));
      }
    });
  });
}

void AttentionTemplate::emitWeights(const QueryBlock &block, const KeyBlock &keys) {
  emitter.loop(emitter.index(0), block.count, 1,
               [&](Value line) { emitLargest(block, keys, line); });
  emitFactors(block);
  emitter.loop(emitter.index(0), block.count, 1, [&](Value line) { emitRowWeights(line); });
}

/// Finds the largest score that the query sees.
void AttentionTemplate::emitLargest(const QueryBlock &block, const KeyBlock &keys, Value line) {
  Value end = keysBefore(block, line, emitter.addIndex(line, emitter.index(1)));
  Value seen = emitter.subtractIndex(end, keys.first);
  Value areAll = emitter.isLess(emitter.index(blockKeys - 1), seen);
  Value lowest = constant(-std::numeric_limits<double>::infinity());
  auto emit = [&](Value condition, Value otherwise, Value limit) {
    return emitter.ifTrue(condition, {otherwise}, [&] {
      return SmallVector<Value>{largestOf(block, keys, line, limit)};
    })[0];
  };
  Value most = emit(areAll, lowest, {});
  most = emit(negated(areAll), most, seen);
  Value all = joinLanes(most, [&](Value x, Value y) { return larger(x, y); });
  Value former = loadScalar(at(largest, line));
  Value largestSeen = make<vector::ExtractOp>(larger(all, former), int64_t(0));
  emitter.storeVector(largestSeen, at(next, line));
}

/// The largest scores of a line in each lane. Keys from `limit` on (null: none) are hidden.
Value AttentionTemplate::largestOf(const QueryBlock &block, const KeyBlock &keys, Value line,
                                   Value limit) {
  Value lowest = constant(-std::numeric_limits<double>::infinity()), most = lowest;
  for (int64_t key = 0; key < blockKeys; key += lanes) {
    Value address = row(scores, line, emitter.index(blockKeys), emitter.index(key));
    Value score = load(address), isSeen;
    if (limit)
      isSeen = emitter.lanesBelow(emitter.subtractIndex(limit, emitter.index(key)));
    if (op.getMask())
      emitter.withMask(isSeen, [&] {
        score = masked(block, line, emitter.addIndex(keys.first, emitter.index(key)), score);
      });
    if (isSeen)
      score = make<arith::SelectOp>(isSeen, score, lowest);
    if (isSeen || op.getMask())
      emitter.storeVector(score, address);
    most = larger(score, most);
  }
  return most;
}

/// Scores of the keys from `key` on, as the mask lets the query see them.
Value AttentionTemplate::masked(const QueryBlock &block, Value line, Value key, Value score) {
  Value query = emitter.addIndex(block.first, line);
  Value mask = emitter.splat(emitter.element(op.getMask(), indices(block, {query}, {key, 1})));
  if (isa<FloatType>(getElementTypeOrSelf(op.getMask())))
    return make<arith::AddFOp>(score, mask);
  return make<arith::SelectOp>(mask, score, constant(-std::numeric_limits<double>::infinity()));
}

/// What all that was summed so far is multiplied by. Before a key is seen, scores count from 0.
void AttentionTemplate::emitFactors(const QueryBlock &block) {
  Value lowest = constant(-std::numeric_limits<double>::infinity());
  emitter.loop(emitter.index(0), block.count, lanes, [&](Value line) {
    Value former = load(at(largest, line)), latter = load(at(next, line));
    Value isNone = make<arith::CmpFOp>(arith::CmpFPredicate::OEQ, latter, lowest);
    Value from = make<arith::SelectOp>(isNone, constant(0.0), latter);
    emitter.storeVector(latter, at(largest, line));
    emitter.storeVector(from, at(next, line));
    emitter.storeVector(exponential(make<arith::SubFOp>(former, from)), at(factors, line));
  });
}

void AttentionTemplate::emitRowWeights(Value line) {
  Value from = loadScalar(at(next, line)), factor = loadScalar(at(factors, line));
  Value address = row(totals, line, emitter.index(lanes));
  Value total = make<arith::MulFOp>(load(address), factor);
  for (int64_t key = 0; key < blockKeys; key += lanes) {
    Value place = row(scores, line, emitter.index(blockKeys), emitter.index(key));
    Value weight = exponential(make<arith::SubFOp>(load(place), from));
    emitter.storeVector(weight, place);
    total = make<arith::AddFOp>(total, weight);
  }
  emitter.storeVector(total, address);
}

void AttentionTemplate::addValues(const QueryBlock &block, const KeyBlock &keys) {
  Value zero = constant(0.0);
  forTiles(block, areSpecial, [&](int64_t height, int64_t vectors, Value line) {
    OperandReader left{
        row(scores, line, emitter.index(blockKeys)), {}, emitter.index(1), format.packed};
    for (int64_t i = 0; i < height; ++i)
      left.rowOffsets.push_back(emitter.index(i * blockKeys));
    MicroKernel kernel = kernelOf(height, vectors);
    Value end = keysSeen(block, keys, line, emitter.addIndex(line, emitter.index(height)));
    emitter.loop(emitter.index(0), columns(), vectors * lanes, [&](Value column) {
      OperandReader right{at(valueLines, column), {}, valueDistance, format.right};
      SmallVector<Value> places, started;
      for (int64_t i = 0; i < height * vectors; ++i) {
        Value query = emitter.addIndex(line, emitter.index(i / vectors));
        Value place = emitter.addIndex(column, emitter.index(i % vectors * lanes));
        places.push_back(row(sums, query, width(), place));
        // Not -0.
        started.push_back(
            make<math::FmaOp>(load(places.back()), loadScalar(at(factors, query)), zero));
      }
      SmallVector<Value> added = kernel.run(left, right, emitter.index(0), end, started);
      for (auto [sum, place] : llvm::zip_equal(added, places))
        emitter.storeVector(sum, place);
    });
  });
}

/// Where there is no key, or the mask hides all, there is nothing to sum.
void AttentionTemplate::finish(const QueryBlock &block) {
  Value hasNone = make<arith::CmpIOp>(arith::CmpIPredicate::eq, keyCount(), emitter.index(0));
  Type dtype = getElementTypeOrSelf(op.getResult());
  emitter.loop(emitter.index(0), block.count, 1, [&](Value line) {
    Value isEmpty = hasNone;
    if (op.getMask()) {
      Value most = make<vector::ExtractOp>(loadScalar(at(largest, line)), int64_t(0));
      Value lowest =
          make<vector::ExtractOp>(constant(-std::numeric_limits<double>::infinity()), int64_t(0));
      Value isHidden = make<arith::CmpFOp>(arith::CmpFPredicate::OEQ, most, lowest);
      isEmpty = make<arith::OrIOp>(isEmpty, isHidden);
    }
    Value total = joinLanes(load(row(totals, line, emitter.index(lanes))),
                            [&](Value x, Value y) { return make<arith::AddFOp>(x, y); });
    Value query = emitter.addIndex(block.first, line);
    emitter.vectorLoop(emitter.index(0), columns(), [&](Value column) {
      Value sum = load(row(sums, line, width(), column));
      Value mean = make<arith::DivFOp>(sum, total);
      Value result = make<arith::SelectOp>(isEmpty, sum, mean);
      emitter.override(op.getResult(), emitter.roundTo(result, dtype));
      emitter.storeResults(indices(block, {query}, {column, 1}));
      emitter.clearOverrides();
    });
  });
}

void emitAttention(KernelEmitter &emitter) {
  emitter.setLaneCount(emitter.schedule<AttentionScheduleAttr>().getLanes());
  AttentionTemplate(emitter).addStage();
}

//===----------------------------------------------------------------------===//
// The schedule
//===----------------------------------------------------------------------===//

/// A task's scratch memory on the stack has so many bytes at most.
static constexpr int64_t mostStackBytes = 512 << 10;

AttentionScheduleAttr chooseAttentionSchedule(KernelOp kernel, LaunchOp launch,
                                              const CpuTarget &target, int64_t lanes) {
  constexpr int64_t mostQueries = 128, usualHeads = 8, tasksPerCore = 4;
  ScaledDotProductAttentionOp op = attentionOf(kernel);
  auto sizeOf = [&](Value tensor, int64_t fromEnd) {
    ArrayRef<int64_t> symbols = symbolsOf(tensor.getType());
    return knownProduct({symbols[symbols.size() - fromEnd]}, launch);
  };
  int64_t bytes = std::max<int64_t>(4, elementBytes(op.getType()));
  int64_t registers = std::max<int64_t>(1, lanes * bytes / target.registerBytes);
  // The sums, a vector of the right operand, an element of the left one.
  int64_t free = target.vectorRegisters - 1;
  int64_t columns = registers == 1 && target.vectorRegisters > 16 ? 2 : 1;
  int64_t rows = std::clamp<int64_t>((free - columns * registers) / (columns * registers), 1, 12);
  int64_t single =
      llvm::bit_floor<uint64_t>(std::clamp<int64_t>(free / registers, 1, blockKeys / lanes));

  std::optional<int64_t> queries = sizeOf(op.getQuery(), 2);
  std::optional<int64_t> heads =
      knownProduct(symbolsOf(op.getQuery().getType()).drop_back(2), launch);
  int64_t block = mostQueries;
  if (queries) {
    int64_t known = std::max<int64_t>(1, *queries);
    int64_t count = std::max<int64_t>(1, heads.value_or(usualHeads));
    int64_t parts = std::max(llvm::divideCeil(known, mostQueries),
                             llvm::divideCeil(tasksPerCore * target.cores, count));
    block = std::min<int64_t>(mostQueries, llvm::divideCeil(known, parts));
  }
  block = llvm::alignTo(block, rows);

  std::optional<int64_t> depth = sizeOf(op.getQuery(), 1), values = sizeOf(op.getValue(), 1);
  auto schedule = [&](int64_t width) {
    return AttentionScheduleAttr::get(kernel.getContext(), lanes, rows, columns, single, block,
                                      width);
  };
  if (!depth || !values || std::max(*depth, *values) > mostStackBytes)
    return schedule(0);
  int64_t width = llvm::alignTo(std::max<int64_t>({*depth, *values, 1}), blockKeys);
  auto [factor, others] = scratchSize(schedule(width));
  return schedule((factor * width + others) * bytes <= mostStackBytes ? width : 0);
}

LogicalResult verifyAttentionSchedule(KernelOp kernel, AttentionScheduleAttr schedule) {
  constexpr int64_t mostRows = 32, mostBlock = 4096, mostWidth = 1 << 16;
  auto refuse = [&](StringRef what, int64_t is, StringRef must) {
    return kernel.emitOpError() << "has a schedule whose " << what << " is " << is
                                << "; it must be " << must;
  };
  int64_t lanes = schedule.getLanes(), most = blockKeys / std::max<int64_t>(1, lanes);
  if (lanes > blockKeys)
    return refuse("lanes", lanes, "at most the keys of a block, 64");
  if (schedule.getRows() < 1 || schedule.getRows() > mostRows)
    return refuse("rows", schedule.getRows(), "1 to 32");
  for (auto [what, is] :
       {std::pair("columns", schedule.getColumns()), std::pair("single", schedule.getSingle())})
    if (is < 1 || is > most || most % is != 0)
      return refuse(what, is, "a divisor of the vectors of a block of 64 keys");
  if (schedule.getBlock() < 1 || schedule.getBlock() > mostBlock ||
      schedule.getBlock() % schedule.getRows() != 0)
    return refuse("block", schedule.getBlock(), "a multiple of its rows up to 4096");
  if (schedule.getWidth() < 0 || schedule.getWidth() > mostWidth ||
      schedule.getWidth() % blockKeys != 0)
    return refuse("width", schedule.getWidth(), "a multiple of 64 up to 65536");
  return success();
}

} // namespace weft

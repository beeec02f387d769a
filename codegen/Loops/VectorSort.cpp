// Sorting on a processor, in vector registers and without a branch that depends on an element.
//
// What is sorted are signed integers: the keys that the op gives its elements (SortOpInterface),
// and pads, the greatest, up to whole groups. If it is asked where elements were, a place goes with
// each key: below it in one word of 64 bits, or as a second word if the key has as many. So all
// elements are different, and equal ones are in the order of their places. If it is not asked,
// equal words are the same, and no order can be seen; but elements of some keys have several bits
// (zeros, NaN). They are put back as they were at the end, in a walk over the rows that have any.
//
// A block of a row is sorted by one thread: groups of eight vectors in registers (SortNetwork),
// then runs merged two by two from one buffer to the other. Further stages merge the runs of
// blocks; their units are chunks of the output. In a merge (Chhugani et al., "Efficient
// implementation of sorting on multi-core SIMD CPU architecture", 2008) the greater half of all
// vectors read so far is in a register; the next vector comes from the run whose next element is
// less, and of both the lower half is stored. Two merges go on side by side, so that none waits for
// the other:
//
// - Runs of equal length are merged from both ends. Each end makes half of the output, so that none
//   comes to the end of a run.
// - A chunk of the output is made in two parts, which begin where so many vectors have been read:
//   those of the least first elements, found by bisection (merge path: Odeh et al., 2012).
#include "codegen/Loops/SortBlocks.h"
#include "codegen/Loops/SortNetwork.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;

namespace weft {

namespace {

class VectorSort {
public:
  VectorSort(KernelEmitter &emitter, int64_t lanes)
      : emitter(emitter),
        lanes(lanes),
        group(lanes * SortNetwork::rows),
        blocks(emitter, group),
        op(blocks.getOp()),
        network(emitter, lanes),
        hasPlaces(!op->getResult(1).use_empty()) {
    constexpr unsigned narrow = 32, wide = 64;
    bool isNarrow = getElementTypeOrSelf(op.getX()).getIntOrFloatBitWidth() <= narrow;
    wordCount = hasPlaces && !isNarrow ? 2 : 1;
    keyType = IntegerType::get(op->getContext(), isNarrow ? narrow : wide);
    wordType = hasPlaces ? IntegerType::get(op->getContext(), wide) : keyType;
    isInnermost = op.getAxis() + 1 == symbolsOf(op.getX().getType()).size();
  }

  void addStages() {
    for (int64_t number = 0; number < 2 * wordCount; ++number)
      buffers.push_back(emitter.addTemporary([*this]() mutable {
        // The element behind a run is read, though nothing depends on it.
        Value words = emitter.addIndex(emitter.multiplyIndex(blocks.rows(), blocks.length()),
                                       emitter.index(lanes));
        return emitter.multiplyIndex(words, emitter.index(wordType.getWidth() / 8));
      }));
    constexpr unsigned indices = 5;
    mergeHelper = emitter.addHelper(2 * wordCount, indices, [&](ValueRange arguments) {
      ValueRange at = arguments.take_back(indices);
      mergeStretch({at[0], at[1], at[2]}, {at[3], at[4]}, wordsIn(arguments, 0),
                   wordsIn(arguments, 1));
    });
    chunkHelper = emitter.addHelper(2 * wordCount, /*indices=*/2, [&](ValueRange arguments) {
      ValueRange at = arguments.take_back(2);
      mergeChunk(at[0], at[1], wordsIn(arguments, 0), wordsIn(arguments, 1));
    });
    storeHelper = emitter.addHelper(wordCount, /*indices=*/3, [&](ValueRange arguments) {
      ValueRange at = arguments.take_back(3);
      storeStretch(wordsIn(arguments, 0), at[0], {at[1], at[2]});
    });
    if (!op.getSharedKeys().empty() && !op->getResult(0).use_empty())
      restoreHelper = emitter.addHelper(wordCount, /*indices=*/1, [&](ValueRange arguments) {
        restore(wordsIn(arguments, 0), arguments.back());
      });
    addUnits([*this] { return blocks.blockUnits(); },
             [&](Value unit, Value begin) { sortBlock(unit, begin); });
    for (int64_t merge = 0; merge < blocks.merges(); ++merge)
      addUnits([*this, merge] { return blocks.mergeUnits(merge); },
               [&](Value unit, Value) { callChunk(unit, merge); });
    addUnits([*this]() mutable { return unlessStored(blocks.chunkUnits()); },
             [&](Value unit, Value) {
               auto [row, chunk] = blocks.chunkOf(unit);
               callStore(sortedRow(row), row, chunk);
             });
    if (!restoreHelper.empty())
      addUnits([*this]() mutable { return unlessStored(blocks.rows()); },
               [&](Value row, Value) { callRestore(sortedRow(row), row); });
  }

private:
  /// Two runs that follow each other: [start, middle) and [middle, end).
  struct Runs {
    Value start, middle, end;
  };
  /// A merge on its way: the next elements of both runs, and the vector in the register.
  struct Merge {
    Value left, right;
    SortWords rest;
  };
  /// The values of merges that a loop carries, and back.
  static SmallVector<Value> pack(const Merge &first, const Merge &second) {
    SmallVector<Value> values;
    for (const Merge &merge : {first, second}) {
      values.append({merge.left, merge.right});
      values.append(merge.rest);
    }
    return values;
  }
  std::pair<Merge, Merge> unpack(ValueRange values) {
    auto merge = [&](ValueRange part) {
      return Merge{part[0], part[1], SortWords(part.drop_front(2))};
    };
    return {merge(values.drop_back(2 + wordCount)), merge(values.take_back(2 + wordCount))};
  }
  /// The words of list `number` among values that begin with lists.
  SortWords wordsIn(ValueRange values, unsigned number) {
    return SortWords(values.drop_front(number * wordCount).take_front(wordCount));
  }

  /// Adds a stage of units; `body(unit, begin)` emits one, of those of a call from `begin` on.
  void addUnits(std::function<Value()> units, llvm::function_ref<void(Value, Value)> body) {
    emitter.addStage(std::move(units), [&](Value begin, Value end) {
      emitter.loop(begin, end, 1, [&](Value unit) {
        emitter.clearOverrides();
        body(unit, begin);
      });
    });
  }

  //===--------------------------------------------------------------------===//
  // Arithmetic
  //===--------------------------------------------------------------------===//

  template <typename Op> Value apply(Value left, Value right) {
    return Op::create(emitter.builder(), emitter.location(), left, right);
  }
  template <typename Op> Value convert(Value value, Type scalar) {
    auto vector = dyn_cast<VectorType>(value.getType());
    return Op::create(emitter.builder(), emitter.location(), vector ? vector.clone(scalar) : scalar,
                      value);
  }
  /// A number of the type of a value, in all lanes.
  Value number(Value like, int64_t value) {
    TypedAttr attribute = emitter.builder().getIntegerAttr(getElementTypeOrSelf(like), value);
    if (auto vector = dyn_cast<VectorType>(like.getType()))
      attribute = DenseElementsAttr::get(vector, attribute);
    return arith::ConstantOp::create(emitter.builder(), emitter.location(), attribute);
  }
  Value compare(arith::CmpIPredicate predicate, Value left, Value right) {
    return arith::CmpIOp::create(emitter.builder(), emitter.location(), predicate, left, right);
  }
  Value select(Value condition, Value yes, Value no) {
    return arith::SelectOp::create(emitter.builder(), emitter.location(), condition, yes, no);
  }

  // Masks are indices, all of whose bits are set, or none. They are computed without a comparison,
  // from which LLVM would make a branch that nobody can predict.

  /// Set if the index is negative.
  Value isNegative(Value value) { return apply<arith::ShRSIOp>(value, emitter.index(63)); }
  /// Set if one element is less than another.
  Value isLess(const SortWords &left, const SortWords &right) {
    Value less = isLess(left.back(), right.back());
    for (size_t word = left.size() - 1; word-- > 0;) {
      Value isGreater = isLess(right[word], left[word]);
      less = apply<arith::OrIOp>(isLess(left[word], right[word]),
                                 apply<arith::AndIOp>(inverse(isGreater), less));
    }
    return less;
  }
  Value isLess(Value left, Value right) {
    Value difference =
        LLVM::SSubSat::create(emitter.builder(), emitter.location(), wordType, left, right);
    Value sign = apply<arith::ShRSIOp>(difference, number(difference, wordType.getWidth() - 1));
    return convert<arith::IndexCastOp>(sign, emitter.builder().getIndexType());
  }
  Value inverse(Value mask) { return apply<arith::XOrIOp>(mask, emitter.index(-1)); }
  Value choose(Value mask, Value yes, Value no) {
    Value difference = apply<arith::AndIOp>(emitter.subtractIndex(yes, no), mask);
    return emitter.addIndex(no, difference);
  }
  /// A vector's elements if the mask is set, else 0.
  Value stepIf(Value mask) { return apply<arith::AndIOp>(mask, emitter.index(lanes)); }
  Value vectorsOf(Value elements) { return emitter.divideIndex(elements, emitter.index(lanes)); }
  Value elementsOf(Value vectors) { return emitter.multiplyIndex(vectors, emitter.index(lanes)); }

  //===--------------------------------------------------------------------===//
  // Words and memory
  //===--------------------------------------------------------------------===//

  static constexpr int64_t placeBits = 32, placeMask = 0xffffffff;

  SortWords wordsOf(Value element, const ElementIndex &position) {
    Value key = op.emitKey(emitter.builder(), emitter.location(), element);
    if (!hasPlaces)
      return {key};
    if (wordCount > 1)
      return {key, emitter.toInteger(position)};
    Value wide = convert<arith::ExtSIOp>(key, wordType);
    Value high = apply<arith::ShLIOp>(wide, number(wide, placeBits));
    return {apply<arith::OrIOp>(high, emitter.toInteger(position))};
  }
  Value keyOf(const SortWords &words) {
    if (!hasPlaces || wordCount > 1)
      return words[0];
    Value key = apply<arith::ShRSIOp>(words[0], number(words[0], placeBits));
    return convert<arith::TruncIOp>(key, keyType);
  }
  Value placeOf(const SortWords &words) {
    return wordCount > 1 ? words[1] : apply<arith::AndIOp>(words[0], number(words[0], placeMask));
  }

  // A list of elements has an address for each word.

  SortWords at(const SortWords &list, Value place) {
    SortWords moved;
    for (Value words : list)
      moved.push_back(emitter.offset(words, wordType, place));
    return moved;
  }
  /// The first `count` elements, or one if it is 0.
  SortWords load(const SortWords &list, int64_t count) {
    SortWords loaded;
    for (Value words : list)
      loaded.push_back(emitter.loadVector(words, wordType, count));
    return loaded;
  }
  SortWords loadElement(const SortWords &list, Value place) { return load(at(list, place), 0); }
  SortWords loadVector(const SortWords &list, Value place) { return load(at(list, place), lanes); }
  void store(const SortWords &elements, const SortWords &list, Value place) {
    for (auto [word, address] : llvm::zip_equal(elements, at(list, place)))
      emitter.storeVector(word, address);
  }
  SortWords select(Value condition, const SortWords &yes, const SortWords &no) {
    SortWords chosen;
    for (auto [left, right] : llvm::zip_equal(yes, no))
      chosen.push_back(select(condition, left, right));
    return chosen;
  }
  SortWords bufferOf(unsigned number) {
    SortWords list;
    for (int64_t word = 0; word < wordCount; ++word)
      list.push_back(emitter.buffer(buffers[number * wordCount + word]));
    return list;
  }
  SortWords rowOf(unsigned number, Value row) {
    return at(bufferOf(number), emitter.multiplyIndex(row, blocks.length()));
  }
  SortWords sortedRow(Value row) {
    return select(blocks.endsInSecond(), rowOf(1, row), rowOf(0, row));
  }
  SortWords splat(const APInt &value) {
    auto type = VectorType::get({lanes}, wordType);
    Value vector = arith::ConstantOp::create(
        emitter.builder(), emitter.location(),
        DenseElementsAttr::get(type, emitter.builder().getIntegerAttr(wordType, value)));
    return SortWords(wordCount, vector);
  }
  SortWords greatest() { return splat(APInt::getSignedMaxValue(wordType.getWidth())); }
  SortWords least() { return splat(APInt::getSignedMinValue(wordType.getWidth())); }
  /// A vector on the stack.
  SortWords keep(const SortWords &vector) {
    SortWords list;
    for (Value word : vector) {
      list.push_back(emitter.allocate(wordType, lanes));
      emitter.storeVector(word, list.back());
    }
    return list;
  }

  /// Vectors where elements of a row are neighbours, else one by one.
  void forElements(Value low, Value high, llvm::function_ref<void(ElementIndex)> body) {
    if (isInnermost)
      emitter.vectorLoop(low, high, [&](Value position) { body({position, 1}); });
    else
      emitter.loop(low, high, 1, [&](Value position) { body({position}); });
  }

  //===--------------------------------------------------------------------===//
  // Stages
  //===--------------------------------------------------------------------===//

  /// True if a row is one block, which is stored as soon as it is sorted.
  Value isOneBlock() {
    return compare(arith::CmpIPredicate::sge, blocks.blockLength(), blocks.length());
  }
  Value unlessStored(Value units) { return select(isOneBlock(), emitter.index(0), units); }

  /// Sorts one block of a row: it ends in the first buffer. Rows of one block all use the memory of
  /// the first of a call, which so stays in the cache.
  void sortBlock(Value unit, Value begin) {
    auto [row, block] = blocks.blockOf(unit);
    Value home = select(isOneBlock(), begin, row);
    SortWords first = rowOf(0, home), second = rowOf(1, home);
    Value run = emitter.index(lanes * SortNetwork::runVectors);
    Value levels = doublings(emitter.subtractIndex(block.high, block.low), run);
    Value isOdd =
        emitter.isLess(emitter.index(0), emitter.remainderIndex(levels, emitter.index(2)));
    SortWords from = select(isOdd, second, first), to = select(isOdd, first, second);
    readBlock(row, block, from);
    sortGroups(block, from);
    SmallVector<Value> lists(from);
    lists.append(to);
    lists.push_back(run);
    emitter.loop(emitter.index(0), levels, 1, lists, [&](Value, ValueRange carried) {
      SortWords source = wordsIn(carried, 0), target = wordsIn(carried, 1);
      mergeLevel(block, carried.back(), source, target);
      SmallVector<Value> next(target);
      next.append(source);
      next.push_back(emitter.addIndex(carried.back(), carried.back()));
      return next;
    });
    emitter.ifTrue(isOneBlock(), [&] {
      callStore(first, row, block);
      if (!restoreHelper.empty())
        callRestore(first, row);
    });
  }

  void callStore(const SortWords &list, Value row, const Stretch &stretch) {
    SmallVector<Value> arguments(list);
    arguments.append({row, stretch.low, stretch.high});
    emitter.callHelper(storeHelper, arguments);
  }
  void callRestore(const SortWords &list, Value row) {
    SmallVector<Value> arguments(list);
    arguments.push_back(row);
    emitter.callHelper(restoreHelper, arguments);
  }

  /// How often runs are merged two by two until one is left.
  Value doublings(Value size, Value run) {
    Value runs = emitter.divideIndex(
        emitter.subtractIndex(emitter.addIndex(size, run), emitter.index(1)), run);
    Type integer = emitter.builder().getI64Type();
    Value rest =
        convert<arith::IndexCastOp>(emitter.subtractIndex(runs, emitter.index(1)), integer);
    Value zeros = LLVM::CountLeadingZerosOp::create(emitter.builder(), emitter.location(), integer,
                                                    rest, /*is_zero_poison=*/false);
    return emitter.subtractIndex(
        emitter.index(64), convert<arith::IndexCastOp>(zeros, emitter.builder().getIndexType()));
  }

  /// The words of the elements of a block, and pads behind the last of a row.
  void readBlock(Value row, const Stretch &block, const SortWords &list) {
    Value end = emitter.minimumIndex(block.high, blocks.elements());
    emitter.ifTrue(emitter.isLess(end, block.high), [&] {
      Value low = emitter.subtractIndex(block.high, emitter.index(group));
      emitter.loop(low, block.high, lanes, [&](Value place) { store(greatest(), list, place); });
    });
    forElements(block.low, end, [&](ElementIndex position) {
      Value element = emitter.element(op.getX(), blocks.indicesAt(row, position));
      store(wordsOf(element, position), list, position.base);
    });
  }

  void sortGroups(const Stretch &block, const SortWords &list) {
    emitter.loop(block.low, block.high, group, [&](Value start) {
      SmallVector<SortWords> vectors;
      auto place = [&](int64_t number) {
        return emitter.addIndex(start, emitter.index(number * lanes));
      };
      for (int64_t number = 0; number < SortNetwork::rows; ++number)
        vectors.push_back(loadVector(list, place(number)));
      network.sortRows(vectors);
      for (auto [number, vector] : llvm::enumerate(vectors))
        store(vector, list, place(number));
    });
  }

  /// Merges the runs of a block two by two.
  void mergeLevel(const Stretch &block, Value run, const SortWords &from, const SortWords &to) {
    Value pair = emitter.addIndex(run, run);
    Value pairs = emitter.divideIndex(emitter.subtractIndex(block.high, block.low), pair);
    Value rest = emitter.addIndex(block.low, emitter.multiplyIndex(pairs, pair));
    emitter.loop(block.low, rest, pair, [&](Value start) { mergeEqualRuns(start, run, from, to); });
    emitter.ifTrue(emitter.isLess(rest, block.high), [&] {
      Value middle = emitter.minimumIndex(emitter.addIndex(rest, run), block.high);
      merge({rest, middle, block.high}, {rest, block.high}, from, to);
    });
  }

  /// Merges the chunk of the output that a unit is, in a call, as there are many such stages.
  void callChunk(Value unit, int64_t level) {
    SmallVector<Value> arguments(bufferOf(SortBlocks::sourceOf(level)));
    arguments.append(bufferOf(1 - SortBlocks::sourceOf(level)));
    arguments.append({unit, blocks.runLength(level)});
    emitter.callHelper(chunkHelper, arguments);
  }

  void mergeChunk(Value unit, Value run, const SortWords &from, const SortWords &to) {
    auto [row, chunk] = blocks.chunkOf(unit);
    Value pair = emitter.addIndex(run, run);
    Value start = emitter.multiplyIndex(emitter.divideIndex(chunk.low, pair), pair);
    Value middle = emitter.minimumIndex(emitter.addIndex(start, run), blocks.length());
    Value end = emitter.minimumIndex(emitter.addIndex(start, pair), blocks.length());
    Value place = emitter.multiplyIndex(row, blocks.length());
    merge({start, middle, end}, chunk, at(from, place), at(to, place));
  }

  /// Stores the results of a stretch of a sorted row.
  void storeStretch(const SortWords &list, Value row, const Stretch &stretch) {
    Value high = emitter.minimumIndex(stretch.high, blocks.elements());
    forElements(stretch.low, high, [&](ElementIndex position) {
      SortWords words =
          position.isUniform() ? loadElement(list, position.base) : loadVector(list, position.base);
      emitter.clearOverrides();
      emitter.override(op->getResult(0),
                       op.emitElement(emitter.builder(), emitter.location(), keyOf(words)));
      if (hasPlaces)
        emitter.override(op->getResult(1), placeOf(words));
      emitter.storeResults(blocks.indicesAt(row, position));
    });
  }

  /// Elements of different bits that have one key are written once more, as they follow each other
  /// in the operand.
  void restore(const SortWords &list, Value row) {
    for (int64_t key : op.getSharedKeys()) {
      auto isBefore = [&](arith::CmpIPredicate predicate) {
        return [this, key, predicate](const SortWords &words) {
          Value other = keyOf(words);
          return compare(predicate, other, number(other, key));
        };
      };
      Value zero = emitter.index(0), size = blocks.elements();
      Value first = firstPlace(list, {zero, size}, isBefore(arith::CmpIPredicate::slt));
      Value found = keyOf(loadElement(list, first));
      emitter.ifTrue(compare(arith::CmpIPredicate::eq, found, number(found, key)), [&] {
        Value end = firstPlace(list, {first, size}, isBefore(arith::CmpIPredicate::sle));
        copyElements(row, key, {first, end});
      });
    }
  }

  /// Fills a stretch of a row of the result with the elements of a key.
  void copyElements(Value row, int64_t key, const Stretch &stretch) {
    emitter.loopWhile(
        {stretch.low, emitter.index(0)},
        [&](ValueRange carried) { return emitter.isLess(carried[0], stretch.high); },
        [&](ValueRange carried) {
          // What is no such element is written over by the next one.
          Value element = emitter.element(op.getX(), blocks.indicesAt(row, {carried[1]}));
          emitter.clearOverrides();
          emitter.override(op->getResult(0), element);
          emitter.storeResults(blocks.indicesAt(row, {carried[0]}),
                               [&](Value value) { return value == op->getResult(0); });
          Value found = op.emitKey(emitter.builder(), emitter.location(), element);
          Value isSame = compare(arith::CmpIPredicate::eq, found, number(found, key));
          Value count = arith::IndexCastUIOp::create(emitter.builder(), emitter.location(),
                                                     emitter.builder().getIndexType(), isSame);
          return SmallVector<Value>{emitter.addIndex(carried[0], count),
                                    emitter.addIndex(carried[1], emitter.index(1))};
        });
  }

  /// Where the first element of a stretch is that does not come before something.
  Value firstPlace(const SortWords &list, const Stretch &stretch,
                   llvm::function_ref<Value(const SortWords &)> isBefore) {
    return bisect(stretch.low, stretch.high,
                  [&](Value place) { return isBefore(loadElement(list, place)); });
  }

  /// The least place of [low, high) where `isBelow` is false, or `high`.
  Value bisect(Value low, Value high, llvm::function_ref<Value(Value)> isBelow) {
    return emitter.loopWhile(
        {low, high}, [&](ValueRange ends) { return emitter.isLess(ends[0], ends[1]); },
        [&](ValueRange ends) {
          Value half = emitter.divideIndex(emitter.addIndex(ends[0], ends[1]), emitter.index(2));
          Value is = isBelow(half);
          return SmallVector<Value>{select(is, emitter.addIndex(half, emitter.index(1)), ends[0]),
                                    select(is, ends[1], half)};
        })[0];
  }

  //===--------------------------------------------------------------------===//
  // Merging
  //===--------------------------------------------------------------------===//

  /// Merges two runs of `run` elements from `start` on, from both ends.
  void mergeEqualRuns(Value start, Value run, const SortWords &from, const SortWords &to) {
    Value step = emitter.index(lanes), middle = emitter.addIndex(start, run);
    Value end = emitter.addIndex(middle, run);
    Value leftLast = emitter.subtractIndex(middle, step);
    Value rightLast = emitter.subtractIndex(end, step);
    auto lower = network.merge(loadVector(from, start), loadVector(from, middle));
    auto upper = network.merge(loadVector(from, leftLast), loadVector(from, rightLast));
    store(lower.low, to, start);
    store(upper.high, to, rightLast);
    Merge first{emitter.addIndex(start, step), emitter.addIndex(middle, step), lower.high};
    Merge last{emitter.subtractIndex(leftLast, step), emitter.subtractIndex(rightLast, step),
               upper.low};
    emitter.loop(step, run, lanes, pack(first, last), [&](Value done, ValueRange carried) {
      auto [low, high] = unpack(carried);
      low = takeFirst(low, from, to, emitter.addIndex(start, done));
      high = takeLast(high, from, to, emitter.subtractIndex(rightLast, done));
      return pack(low, high);
    });
  }

  Merge takeFirst(const Merge &merge, const SortWords &from, const SortWords &to, Value output) {
    Value isRight = isLess(loadElement(from, merge.right), loadElement(from, merge.left));
    SortWords next = loadVector(from, choose(isRight, merge.right, merge.left));
    auto halves = network.merge(merge.rest, next);
    store(halves.low, to, output);
    return {emitter.addIndex(merge.left, stepIf(inverse(isRight))),
            emitter.addIndex(merge.right, stepIf(isRight)), halves.high};
  }

  /// The same from the end.
  Merge takeLast(const Merge &merge, const SortWords &from, const SortWords &to, Value output) {
    Value last = emitter.index(lanes - 1);
    Value isLeft = isLess(loadElement(from, emitter.addIndex(merge.right, last)),
                          loadElement(from, emitter.addIndex(merge.left, last)));
    SortWords next = loadVector(from, choose(isLeft, merge.left, merge.right));
    auto halves = network.merge(merge.rest, next);
    store(halves.high, to, output);
    return {emitter.subtractIndex(merge.left, stepIf(isLeft)),
            emitter.subtractIndex(merge.right, stepIf(inverse(isLeft))), halves.low};
  }

  /// Makes a stretch of what two runs become: a call, as there are several.
  void merge(const Runs &runs, const Stretch &output, const SortWords &from, const SortWords &to) {
    SmallVector<Value> arguments(from);
    arguments.append(to);
    arguments.append({runs.start, runs.middle, runs.end, output.low, output.high});
    emitter.callHelper(mergeHelper, arguments);
  }

  void mergeStretch(const Runs &runs, const Stretch &output, const SortWords &from,
                    const SortWords &to) {
    leastVector = keep(least());
    greatestVector = keep(greatest());
    Value vectors = vectorsOf(emitter.subtractIndex(output.high, output.low));
    Value half = elementsOf(emitter.divideIndex(vectors, emitter.index(2)));
    Value middle = emitter.addIndex(output.low, half);
    Merge first = begin(runs, output.low, from), second = begin(runs, middle, from);
    SmallVector<Value> ends = emitter.loop(
        emitter.index(0), half, lanes, pack(first, second), [&](Value done, ValueRange carried) {
          auto [low, high] = unpack(carried);
          low = take(low, runs, from, to, emitter.addIndex(output.low, done));
          high = take(high, runs, from, to, emitter.addIndex(middle, done));
          return pack(low, high);
        });
    // One more, if their number is odd.
    emitter.loop(emitter.addIndex(middle, half), output.high, lanes,
                 [&](Value place) { take(unpack(ends).second, runs, from, to, place); });
  }

  /// The merge when all before `output` is done: one vector more than that has been read.
  Merge begin(const Runs &runs, Value output, const SortWords &from) {
    Value one = emitter.index(1), zero = emitter.index(0);
    Value wanted = emitter.addIndex(vectorsOf(emitter.subtractIndex(output, runs.start)), one);
    Value leftCount = vectorsOf(emitter.subtractIndex(runs.middle, runs.start));
    Value rightCount = vectorsOf(emitter.subtractIndex(runs.end, runs.middle));
    Value fewest = emitter.maximumIndex(emitter.subtractIndex(wanted, rightCount), zero);
    Value taken = bisect(fewest, emitter.minimumIndex(wanted, leftCount), [&](Value count) {
      Value other = emitter.subtractIndex(emitter.subtractIndex(wanted, one), count);
      SortWords left = loadElement(from, emitter.addIndex(runs.start, elementsOf(count)));
      SortWords right = loadElement(from, emitter.addIndex(runs.middle, elementsOf(other)));
      return emitter.isLess(emitter.index(-1), isLess(right, left));
    });
    Merge merge;
    merge.left = emitter.addIndex(runs.start, elementsOf(taken));
    merge.right = emitter.addIndex(runs.middle, elementsOf(emitter.subtractIndex(wanted, taken)));
    auto lastBefore = [&](Value next, Value start) {
      SortWords last = at(from, emitter.subtractIndex(next, emitter.index(lanes)));
      return load(select(emitter.isLess(start, next), last, leastVector), lanes);
    };
    SortWords left = lastBefore(merge.left, runs.start);
    merge.rest = network.merge(left, lastBefore(merge.right, runs.middle)).high;
    return merge;
  }

  /// Like `takeFirst`, from runs that may have come to their ends.
  Merge take(const Merge &merge, const Runs &runs, const SortWords &from, const SortWords &to,
             Value output) {
    Value isRight = isLess(loadElement(from, merge.right), loadElement(from, merge.left));
    auto isDone = [&](Value next, Value end) {
      return isNegative(emitter.subtractIndex(emitter.subtractIndex(end, emitter.index(1)), next));
    };
    Value leftDone = isDone(merge.left, runs.middle), rightDone = isDone(merge.right, runs.end);
    isRight = apply<arith::AndIOp>(apply<arith::OrIOp>(isRight, leftDone), inverse(rightDone));
    SortWords address = at(from, choose(isRight, merge.right, merge.left));
    Value bothDone = apply<arith::AndIOp>(leftDone, rightDone);
    address = select(emitter.isLess(bothDone, emitter.index(0)), greatestVector, address);
    auto halves = network.merge(merge.rest, load(address, lanes));
    store(halves.low, to, output);
    return {emitter.addIndex(merge.left, stepIf(inverse(isRight))),
            emitter.addIndex(merge.right, stepIf(isRight)), halves.high};
  }

  KernelEmitter &emitter;
  int64_t lanes, group;
  SortBlocks blocks;
  SortOpInterface op;
  SortNetwork network;
  bool hasPlaces, isInnermost = false;
  IntegerType keyType, wordType;
  int64_t wordCount = 1;
  SmallVector<unsigned> buffers;
  std::string mergeHelper, chunkHelper, storeHelper, restoreHelper;
  /// Vectors of the least element and of the greatest, for what there is none of.
  SortWords leastVector, greatestVector;
};

} // namespace

void emitVectorSort(KernelEmitter &emitter) {
  int64_t lanes = emitter.schedule<SortScheduleAttr>().getLanes();
  emitter.setLaneCount(lanes);
  VectorSort(emitter, lanes).addStages();
}

} // namespace weft

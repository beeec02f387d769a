// Kernels that put the elements along an axis in order, equal ones as they were.
//
// A processor sorts in vector registers (codegen/Loops/VectorSort.cpp). What follows is for GPUs,
// and for rows so long that a place may not be part of a word: it compares elements one by one.
//
// The axis is cut into at most 2^`merges` blocks. The first stage copies each block to a buffer and
// sorts it: eight elements at a time by counting how many come before each, then by merging. Each
// further stage merges neighbouring runs two by two from one buffer to the other; its units are
// stretches of the output, whose first elements are found by bisection (merge path: Odeh, Green,
// Mwassi, Shmueli and Birk, 2012). Stages for which the axis is too short have no units. The last
// stage stores the results. A stable sort has one outcome, so blocks and threads don't matter.
#include "codegen/CPU/CpuTarget.h"
#include "codegen/Loops/SortBlocks.h"
#include "codegen/Loops/SortNetwork.h"
#include "codegen/Templates/ScheduledTemplate.h"
#include "codegen/Templates/SharedChoices.h"
#include "codegen/Templates/UnitStages.h"

using namespace mlir;

namespace weft {
namespace {

class SortLoops {
public:
  explicit SortLoops(KernelEmitter &emitter)
      : emitter(emitter),
        blocks(emitter, /*multiple=*/1),
        op(blocks.getOp()),
        dtype(getElementTypeOrSelf(op.getX())),
        keyType(KernelEmitter::storedType(dtype)),
        hasPlaces(!op->getResult(1).use_empty()) {}

  template <typename Emitter> void addStages(Emitter &stages) {
    for (unsigned &buffer : keyBuffers)
      buffer = addBuffer(keyType);
    if (hasPlaces)
      for (unsigned &buffer : placeBuffers)
        buffer = addBuffer(placeType());
    addUnitStage(
        stages, [*this] { return blocks.blockUnits(); }, [&](Value unit) { sortBlock(unit); });
    for (int64_t number = 0; number < blocks.merges(); ++number)
      addUnitStage(
          stages, [*this, number] { return blocks.mergeUnits(number); },
          [&](Value unit) { mergeChunk(unit, number); });
    addUnitStage(
        stages, [*this] { return blocks.chunkUnits(); }, [&](Value unit) { storeChunk(unit); });
  }

private:
  /// Keys of one buffer and where they were, of one row.
  struct Lists {
    Value keys, places;
  };

  Type placeType() { return emitter.builder().getI64Type(); }

  Value select(Value condition, Value left, Value right) {
    return arith::SelectOp::create(emitter.builder(), emitter.location(), condition, left, right);
  }
  Value both(Value left, Value right) {
    return arith::AndIOp::create(emitter.builder(), emitter.location(), left, right);
  }
  Value negate(Value condition) {
    Value yes = arith::ConstantOp::create(emitter.builder(), emitter.location(),
                                          emitter.builder().getBoolAttr(true));
    return arith::XOrIOp::create(emitter.builder(), emitter.location(), condition, yes);
  }
  /// 1 where the condition is true, else 0, of type index.
  Value count(Value condition) {
    return arith::IndexCastUIOp::create(emitter.builder(), emitter.location(),
                                        emitter.builder().getIndexType(), condition);
  }

  //===--------------------------------------------------------------------===//
  // Memory
  //===--------------------------------------------------------------------===//

  unsigned addBuffer(Type type) {
    return emitter.addTemporary([*this, type]() mutable {
      int64_t bytes = std::max<int64_t>(1, type.getIntOrFloatBitWidth() / 8);
      return emitter.multiplyIndex(emitter.multiplyIndex(blocks.rows(), blocks.length()),
                                   emitter.index(bytes));
    });
  }

  Lists listsOf(Value row, unsigned number) {
    Value start = emitter.multiplyIndex(row, blocks.length());
    Lists lists;
    lists.keys = emitter.offset(emitter.buffer(keyBuffers[number]), keyType, start);
    if (hasPlaces)
      lists.places = emitter.offset(emitter.buffer(placeBuffers[number]), placeType(), start);
    return lists;
  }

  Value loadElement(const Lists &lists, Value at) {
    return emitter.widen(emitter.loadVector(emitter.offset(lists.keys, keyType, at), keyType, 0),
                         dtype);
  }
  /// The integer by which an element is compared.
  Value loadKey(const Lists &lists, Value at) { return keyOf(loadElement(lists, at)); }
  Value loadPlace(const Lists &lists, Value at) {
    return emitter.loadVector(emitter.offset(lists.places, placeType(), at), placeType(), 0);
  }
  void store(const Lists &lists, Value at, Value key, Value place) {
    emitter.storeVector(emitter.narrow(key, dtype), emitter.offset(lists.keys, keyType, at));
    if (hasPlaces)
      emitter.storeVector(place, emitter.offset(lists.places, placeType(), at));
  }

  Value precedes(Value leftKey, Value rightKey) {
    return arith::CmpIOp::create(emitter.builder(), emitter.location(), arith::CmpIPredicate::slt,
                                 leftKey, rightKey);
  }
  Value keyOf(Value element) { return op.emitKey(emitter.builder(), emitter.location(), element); }

  //===--------------------------------------------------------------------===//
  // Stages
  //===--------------------------------------------------------------------===//

  /// Sorts one block of a row: the elements end in the first buffer.
  void sortBlock(Value unit) {
    auto [row, block] = blocks.blockOf(unit);
    Lists first = listsOf(row, 0), second = listsOf(row, 1);
    emitter.loop(block.low, block.high, 1, [&](Value position) {
      Value element = emitter.element(op.getX(), blocks.indicesAt(row, {position}));
      store(second, position, element, toPlace(position));
    });
    emitter.loop(block.low, block.high, group, [&](Value start) {
      Value end = emitter.minimumIndex(emitter.addIndex(start, emitter.index(group)), block.high);
      sortGroup({start, end}, second, first);
    });
    sortRuns(block, first, second);
  }

  Value toPlace(Value position) {
    return arith::IndexCastOp::create(emitter.builder(), emitter.location(), placeType(), position);
  }

  /// Puts each of at most `group` elements where as many come before it.
  void sortGroup(const Stretch &elements, const Lists &from, const Lists &to) {
    Value size = emitter.subtractIndex(elements.high, elements.low);
    Value isWhole = negate(emitter.isLess(size, emitter.index(group)));
    emitter.ifTrue(isWhole, [&] { sortWholeGroup(elements.low, from, to); });
    emitter.ifTrue(negate(isWhole), [&] { sortRest(elements, from, to); });
  }

  void sortWholeGroup(Value start, const Lists &from, const Lists &to) {
    SmallVector<Value> elements, keys, before;
    for (int64_t number = 0; number < group; ++number) {
      elements.push_back(loadElement(from, emitter.addIndex(start, emitter.index(number))));
      keys.push_back(keyOf(elements.back()));
      before.push_back(start);
    }
    for (int64_t late = 1; late < group; ++late)
      for (int64_t early = 0; early < late; ++early) {
        Value isTurned = count(precedes(keys[late], keys[early]));
        before[early] = emitter.addIndex(before[early], isTurned);
        Value stays = emitter.subtractIndex(emitter.index(1), isTurned);
        before[late] = emitter.addIndex(before[late], stays);
      }
    for (int64_t number = 0; number < group; ++number) {
      Value at = emitter.addIndex(start, emitter.index(number));
      store(to, before[number], elements[number], hasPlaces ? loadPlace(from, at) : Value());
    }
  }

  void sortRest(const Stretch &elements, const Lists &from, const Lists &to) {
    emitter.loop(elements.low, elements.high, 1, [&](Value mine) {
      Value element = loadElement(from, mine), key = keyOf(element);
      Value before = emitter.loop(
          elements.low, elements.high, 1, {elements.low}, [&](Value other, ValueRange carried) {
            Value theirs = loadKey(from, other);
            // Of equals the earlier one.
            Value comes = select(emitter.isLess(other, mine), negate(precedes(key, theirs)),
                                 precedes(theirs, key));
            return SmallVector<Value>{emitter.addIndex(carried[0], count(comes))};
          })[0];
      store(to, before, element, hasPlaces ? loadPlace(from, mine) : Value());
    });
  }

  /// Merges runs of a block until it is one, from buffer to buffer and back to the first.
  void sortRuns(const Stretch &block, const Lists &first, const Lists &second) {
    constexpr int64_t mostDoublings = 40;
    Value size = emitter.subtractIndex(block.high, block.low);
    // Two doublings at once, so that the elements are back in the first buffer.
    emitter.loop(emitter.index(0), emitter.index(mostDoublings), 2, {emitter.index(group)},
                 [&](Value, ValueRange carried) {
                   Value run = carried[0], twice = emitter.addIndex(run, run);
                   emitter.ifTrue(emitter.isLess(run, size), [&] {
                     mergeRuns(block, run, first, second);
                     mergeRuns(block, twice, second, first);
                   });
                   return SmallVector<Value>{emitter.addIndex(twice, twice)};
                 });
  }

  /// Merges the runs of a block two by two.
  void mergeRuns(const Stretch &block, Value run, const Lists &from, const Lists &to) {
    Value pair = emitter.addIndex(run, run);
    emitter.loop(block.low, block.high, pair, [&](Value low) {
      Value middle = emitter.minimumIndex(emitter.addIndex(low, run), block.high);
      Value high = emitter.minimumIndex(emitter.addIndex(low, pair), block.high);
      merge({low, middle}, {middle, high}, low, from, to);
    });
  }

  /// Merges two stretches to what begins at `output`, from both ends at once: two chains of
  /// comparisons of which neither waits for the other.
  void merge(const Stretch &left, const Stretch &right, Value output, const Lists &from,
             const Lists &to) {
    Value size = emitter.addIndex(emitter.subtractIndex(left.high, left.low),
                                  emitter.subtractIndex(right.high, right.low));
    Value half = emitter.divideIndex(size, emitter.index(2));
    Value last = emitter.addIndex(output, emitter.subtractIndex(size, emitter.index(1)));
    SmallVector<Value> ends = emitter.loop(
        emitter.index(0), half, 1, {left.low, right.low, left.high, right.high},
        [&](Value step, ValueRange carried) {
          Stretch leftRest{carried[0], carried[2]}, rightRest{carried[1], carried[3]};
          takeFirst(leftRest, rightRest, emitter.addIndex(output, step), from, to);
          takeLast(leftRest, rightRest, emitter.subtractIndex(last, step), from, to);
          return SmallVector<Value>{leftRest.low, rightRest.low, leftRest.high, rightRest.high};
        });
    Value isOdd = emitter.isLess(emitter.addIndex(half, half), size);
    emitter.ifTrue(isOdd, [&] {
      Stretch leftRest{ends[0], ends[2]}, rightRest{ends[1], ends[3]};
      takeFirst(leftRest, rightRest, emitter.addIndex(output, half), from, to);
    });
  }

  /// Stores the first element of two stretches, the left one's if they are equal. Both ends are
  /// read, whether there is an element or not, so that nothing has to be guessed.
  void takeFirst(Stretch &left, Stretch &right, Value output, const Lists &from, const Lists &to) {
    Value last = emitter.subtractIndex(blocks.length(), emitter.index(1));
    Value leftAt = emitter.minimumIndex(left.low, last);
    Value rightAt = emitter.minimumIndex(right.low, last);
    Value leftKey = loadKey(from, leftAt), rightKey = loadKey(from, rightAt);
    Value isRight = isNotEmpty(right);
    isRight = both(isRight, select(isNotEmpty(left), precedes(rightKey, leftKey), isRight));
    copyOne(isRight, leftAt, rightAt, output, from, to);
    Value taken = count(isRight);
    left.low = emitter.addIndex(left.low, emitter.subtractIndex(emitter.index(1), taken));
    right.low = emitter.addIndex(right.low, taken);
  }

  /// The same for the last element, the right one's if they are equal.
  void takeLast(Stretch &left, Stretch &right, Value output, const Lists &from, const Lists &to) {
    auto before = [&](Value end) {
      Value at = emitter.subtractIndex(end, emitter.index(1));
      return emitter.maximumIndex(at, emitter.index(0));
    };
    Value leftAt = before(left.high), rightAt = before(right.high);
    Value leftKey = loadKey(from, leftAt), rightKey = loadKey(from, rightAt);
    Value isLeft = isNotEmpty(left);
    isLeft = both(isLeft, select(isNotEmpty(right), precedes(rightKey, leftKey), isLeft));
    copyOne(isLeft, rightAt, leftAt, output, from, to);
    Value taken = count(isLeft);
    left.high = emitter.subtractIndex(left.high, taken);
    right.high = emitter.subtractIndex(right.high, emitter.subtractIndex(emitter.index(1), taken));
  }

  Value isNotEmpty(const Stretch &stretch) { return emitter.isLess(stretch.low, stretch.high); }

  /// Copies the second of two elements if `isSecond`, else the first. Places are chosen, not keys:
  /// a choice of floats would become a branch that nobody can predict.
  void copyOne(Value isSecond, Value first, Value second, Value output, const Lists &from,
               const Lists &to) {
    Value at = select(isSecond, second, first);
    Value key = emitter.loadVector(emitter.offset(from.keys, keyType, at), keyType, 0);
    emitter.storeVector(key, emitter.offset(to.keys, keyType, output));
    if (hasPlaces)
      emitter.storeVector(loadPlace(from, at), emitter.offset(to.places, placeType(), output));
  }

  void mergeChunk(Value unit, int64_t number) {
    auto [row, chunk] = blocks.chunkOf(unit);
    Value run = blocks.runLength(number), pair = emitter.addIndex(run, run);
    Value start = emitter.multiplyIndex(emitter.divideIndex(chunk.low, pair), pair);
    Value middle = emitter.minimumIndex(emitter.addIndex(start, run), blocks.length());
    Value end = emitter.minimumIndex(emitter.addIndex(start, pair), blocks.length());
    unsigned source = SortBlocks::sourceOf(number);
    Lists from = listsOf(row, source), to = listsOf(row, 1 - source);
    Stretch left{start, middle}, right{middle, end};
    auto split = [&](Value place) {
      Value wanted = emitter.subtractIndex(place, start);
      Value taken = takenFromLeft(left, right, wanted, from);
      return std::pair(emitter.addIndex(start, taken),
                       emitter.addIndex(middle, emitter.subtractIndex(wanted, taken)));
    };
    auto [leftLow, rightLow] = split(chunk.low);
    auto [leftHigh, rightHigh] = split(chunk.high);
    merge({leftLow, leftHigh}, {rightLow, rightHigh}, chunk.low, from, to);
  }

  /// How many of the first `wanted` elements of two runs together are the left one's.
  Value takenFromLeft(const Stretch &left, const Stretch &right, Value wanted, const Lists &lists) {
    constexpr int64_t mostHalvings = 48;
    Value leftSize = emitter.subtractIndex(left.high, left.low);
    Value rightSize = emitter.subtractIndex(right.high, right.low);
    Value least = emitter.maximumIndex(emitter.subtractIndex(wanted, rightSize), emitter.index(0));
    Value most = emitter.minimumIndex(wanted, leftSize);
    return emitter.loop(emitter.index(0), emitter.index(mostHalvings), 1, {least, most},
                        [&](Value, ValueRange carried) {
                          Value low = carried[0], high = carried[1];
                          return emitter.ifTrue(emitter.isLess(low, high), carried, [&] {
                            Value half =
                                emitter.divideIndex(emitter.addIndex(low, high), emitter.index(2));
                            Value other = emitter.subtractIndex(
                                emitter.subtractIndex(wanted, emitter.index(1)), half);
                            Value leftKey = loadKey(lists, emitter.addIndex(left.low, half));
                            Value rightKey = loadKey(lists, emitter.addIndex(right.low, other));
                            Value isTaken = negate(precedes(rightKey, leftKey));
                            return SmallVector<Value>{
                                select(isTaken, emitter.addIndex(half, emitter.index(1)), low),
                                select(isTaken, high, half)};
                          });
                        })[0];
  }

  /// The results are where the last merge that had work left the elements.
  void storeChunk(Value unit) {
    auto [row, chunk] = blocks.chunkOf(unit);
    Value isSecond = blocks.endsInSecond();
    Lists first = listsOf(row, 0), second = listsOf(row, 1);
    Lists from{select(isSecond, second.keys, first.keys),
               hasPlaces ? select(isSecond, second.places, first.places) : Value()};
    emitter.loop(chunk.low, chunk.high, 1, [&](Value position) {
      emitter.clearOverrides();
      emitter.override(op->getResult(0), loadElement(from, position));
      if (hasPlaces)
        emitter.override(op->getResult(1), loadPlace(from, position));
      emitter.storeResults(blocks.indicesAt(row, {position}));
    });
  }

  /// So many elements are sorted by counting.
  static constexpr int64_t group = 8;

  KernelEmitter &emitter;
  SortBlocks blocks;
  SortOpInterface op;
  Type dtype, keyType;
  bool hasPlaces;
  unsigned keyBuffers[2] = {}, placeBuffers[2] = {};
};

class Sort : public ScheduledTemplate<SortScheduleAttr> {
public:
  StringRef name() const override { return "sort"; }
  StringRef reason() const override { return "sorting is a kernel of its own"; }

  bool claims(Operation *op) const override { return isa<SortOpInterface>(op); }
  bool readsMemory(OpOperand &) const override { return true; }

  ScheduleAttrInterface choose(KernelOp kernel, LaunchOp launch,
                               const CpuTarget &target) const override {
    // Where a chunk of a merge begins has to be looked for; vectors are through with one sooner.
    constexpr int64_t block = 2048, vectorBlock = 8192, merges = 6;
    int64_t lanes = lanesOf(kernel, launch, target);
    return SortScheduleAttr::get(kernel.getContext(), lanes > 1 ? vectorBlock : block, merges,
                                 lanes);
  }
  /// Short blocks, as each is one thread's.
  ScheduleAttrInterface choose(KernelOp kernel, LaunchOp, const GpuTarget &) const override {
    constexpr int64_t block = 32, merges = 16;
    return SortScheduleAttr::get(kernel.getContext(), block, merges, /*lanes=*/1);
  }

  void emit(KernelEmitter &emitter) const override {
    if (emitter.schedule<SortScheduleAttr>().getLanes() > 1)
      emitVectorSort(emitter);
    else
      SortLoops(emitter).addStages(emitter);
  }
  void emit(GpuEmitter &emitter) const override { SortLoops(emitter).addStages(emitter); }

  using ScheduledTemplate::verify;
  LogicalResult verify(KernelOp kernel, const CpuTarget &target) const override {
    if (failed(ScheduledTemplate::verify(kernel, target)))
      return failure();
    auto schedule = cast<SortScheduleAttr>(kernel.getScheduleAttr());
    int64_t lanes = schedule.getLanes();
    if (lanes == 1)
      return success();
    if (lanes < leastLanes || lanes > mostLanes || schedule.getBlock() % (lanes * mostLanes) != 0)
      return kernel.emitOpError() << "has a schedule of " << lanes << " lanes and blocks of "
                                  << schedule.getBlock() << " elements; there must be 1 lane, or "
                                  << leastLanes << " to " << mostLanes << " and blocks of "
                                  << mostLanes << " vectors";
    return success();
  }
  LogicalResult verify(KernelOp kernel, const GpuTarget &target) const override {
    auto schedule = dyn_cast<SortScheduleAttr>(kernel.getScheduleAttr());
    if (schedule && schedule.getLanes() != 1)
      return kernel.emitOpError() << "has a schedule of " << schedule.getLanes()
                                  << " lanes; a GPU's threads compare elements one by one";
    return ScheduledTemplate::verify(kernel, target);
  }

private:
  static constexpr int64_t leastLanes = 4, mostLanes = SortNetwork::rows;

  /// Vectors fill a register. Places that are part of a word have 32 bits; where there may be more
  /// places, elements are compared one by one.
  static int64_t lanesOf(KernelOp kernel, LaunchOp launch, const CpuTarget &target) {
    constexpr int64_t narrow = 32, wide = 64, mostPlaces = int64_t(1) << 32;
    SortOpInterface op = sortOf(kernel);
    bool isWide = getElementTypeOrSelf(op.getX()).getIntOrFloatBitWidth() > narrow;
    bool hasPlaces = !op->getResult(1).use_empty();
    if (hasPlaces && !isWide) {
      auto length = knownProduct(symbolsOf(op.getX().getType())[op.getAxis()], launch);
      if (!length || *length > mostPlaces)
        return 1;
    }
    int64_t bits = hasPlaces || isWide ? wide : narrow;
    return std::clamp(target.registerBytes * 8 / bits, leastLanes, mostLanes);
  }

  LogicalResult verifySchedule(KernelOp kernel, SortScheduleAttr schedule) const override {
    constexpr int64_t mostElements = 1 << 20, mostMerges = 24;
    if (schedule.getBlock() < 1 || schedule.getBlock() > mostElements || schedule.getMerges() < 0 ||
        schedule.getMerges() > mostMerges)
      return kernel.emitOpError() << "has a schedule of blocks of " << schedule.getBlock()
                                  << " elements and " << schedule.getMerges()
                                  << " merges; there must be 1 to " << mostElements
                                  << " elements and at most " << mostMerges << " merges";
    return verifySingle(kernel);
  }
};

} // namespace

const KernelTemplate &sortTemplate() {
  static const Sort instance;
  return instance;
}

} // namespace weft

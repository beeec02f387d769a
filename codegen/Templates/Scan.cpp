// Kernels that combine elements along an axis, step by step: cumulative sums and products.
//
// The axis is cut into blocks of 2048 elements. With several of them a first stage computes the
// total of each, and a second one what comes before each, block after block. The last stage
// computes each element within its block and combines it with what comes before. So the order is a
// function of the size along the axis alone, and blocks are shared out among threads.
//
// Where the axis is not the innermost dimension, a unit of work has `lanes` neighbours along that.
#include "codegen/Templates/ScheduledTemplate.h"
#include "codegen/Templates/UnitStages.h"

using namespace mlir;

namespace weft {
namespace {

constexpr int64_t blockElements = 2048;

ScanOpInterface scanOf(KernelOp kernel) {
  return *kernel.getBody().front().getOps<ScanOpInterface>().begin();
}

class ScanLoops {
public:
  ScanLoops(KernelEmitter &emitter, int64_t lanes)
      : emitter(emitter),
        op(scanOf(emitter.getKernel())),
        lanes(lanes),
        type(emitter.computeType(op->getResult(0))) {
    ArrayRef<int64_t> symbols = symbolsOf(op.getX().getType());
    outerSymbols.assign(symbols.begin(), symbols.begin() + op.getAxis());
    innerSymbols.assign(symbols.begin() + op.getAxis() + 1, symbols.end());
  }

  template <typename Emitter> void addStages(Emitter &stages) {
    totals = emitter.addTemporary([*this]() mutable {
      Value bytes = emitter.index(std::max<int64_t>(1, type.getIntOrFloatBitWidth() / 8));
      return ifSeveralBlocks(emitter.multiplyIndex(
          emitter.multiplyIndex(emitter.multiplyIndex(outerSize(), blocks()), innerSize()), bytes));
    });
    addUnitStage(
        stages, [*this]() mutable { return ifSeveralBlocks(units(blocks())); },
        [&](Value unit) {
          forEachPart(unit, blocks(),
                      [&](const Part &part) { storeTotal(part, scanBlock(part, nullptr)); });
        });
    addUnitStage(
        stages, [*this]() mutable { return ifSeveralBlocks(units(emitter.index(1))); },
        [&](Value unit) {
          forEachPart(unit, emitter.index(1), [&](const Part &part) { addUpTotals(part); });
        });
    addUnitStage(
        stages, [*this]() mutable { return units(blocks()); },
        [&](Value unit) {
          forEachPart(unit, blocks(), [&](const Part &part) {
            Value before =
                emitter.ifTrue(emitter.isLess(emitter.index(0), part.block), {identity()}, [&] {
                  Part previous = part;
                  previous.block = emitter.subtractIndex(part.block, emitter.index(1));
                  return SmallVector<Value>{loadTotal(previous)};
                })[0];
            scanBlock(part, before);
          });
        });
  }

private:
  /// Where a unit works: one place outside the axis, or `lanes` neighbours, in one block of it.
  struct Part {
    SmallVector<ElementIndex> outer, inner;
    Value outerNumber, innerNumber, block;
  };

  bool isInnermost() const { return innerSymbols.empty(); }
  Value length() { return emitter.size(op.getX(), op.getAxis()); }
  Value blocks() { return emitter.ceilDivideIndex(length(), blockElements); }
  Value outerSize() { return emitter.product(outerSymbols); }
  Value innerSize() { return emitter.product(innerSymbols); }

  /// `amount`, or 0 where one block is all.
  Value ifSeveralBlocks(Value amount) {
    Value isOne = emitter.isLess(blocks(), emitter.index(2));
    return arith::SelectOp::create(emitter.builder(), emitter.location(), isOne, emitter.index(0),
                                   amount);
  }

  /// What a unit is counted over: places outside, blocks, vectors of places inside.
  SmallVector<Value> unitSizes(Value blockCount) {
    SmallVector<Value> sizes;
    for (int64_t symbol : outerSymbols)
      sizes.push_back(emitter.symbol(symbol));
    sizes.push_back(blockCount);
    for (int64_t symbol : innerSymbols)
      sizes.push_back(emitter.symbol(symbol));
    if (!isInnermost())
      sizes.back() = emitter.ceilDivideIndex(sizes.back(), lanes);
    return sizes;
  }

  Value units(Value blockCount) {
    Value count = emitter.index(1);
    for (Value size : unitSizes(blockCount))
      count = emitter.multiplyIndex(count, size);
    return count;
  }

  Value linear(ArrayRef<Value> at, ArrayRef<int64_t> symbols) {
    Value number = emitter.index(0);
    for (auto [position, symbol] : llvm::zip_equal(at, symbols))
      number = emitter.addIndex(emitter.multiplyIndex(number, emitter.symbol(symbol)), position);
    return number;
  }

  /// Emits `body` for the unit: for whole vectors, and for the last ones under a mask.
  void forEachPart(Value unit, Value blockCount, function_ref<void(const Part &)> body) {
    SmallVector<Value> at = emitter.delinearize(unit, unitSizes(blockCount));
    size_t axis = op.getAxis();
    SmallVector<Value> outer(at.begin(), at.begin() + axis), inner(at.begin() + axis + 1, at.end());
    Part part;
    part.block = at[axis];
    part.outerNumber = linear(outer, outerSymbols);
    for (Value position : outer)
      part.outer.push_back({position});
    auto emitAt = [&](int64_t step) {
      part.inner.clear();
      for (Value position : inner)
        part.inner.push_back({position});
      if (!inner.empty())
        part.inner.back().step = step;
      part.innerNumber = linear(inner, innerSymbols);
      body(part);
    };
    if (isInnermost() || lanes == 1)
      return emitAt(0);
    Value low = emitter.multiplyIndex(inner.back(), emitter.index(lanes));
    Value end = emitter.addIndex(low, emitter.index(lanes));
    Value high = emitter.minimumIndex(end, emitter.symbol(innerSymbols.back()));
    emitter.vectorLoop(low, high, [&](Value position) {
      inner.back() = position;
      emitAt(1);
    });
  }

  Value identity() {
    Type wanted = isInnermost() || lanes == 1 ? type : VectorType::get({lanes}, type);
    return op.emitIdentity(emitter.builder(), emitter.location(), wanted);
  }

  Value combine(Value before, Value next) {
    return op.emitCombine(emitter.builder(), emitter.location(), before, next);
  }

  SmallVector<ElementIndex> indicesAt(const Part &part, Value position) {
    if (op.getReversed())
      position = emitter.subtractIndex(emitter.subtractIndex(length(), emitter.index(1)), position);
    SmallVector<ElementIndex> indices(part.outer);
    indices.push_back({position});
    indices.append(part.inner.begin(), part.inner.end());
    return indices;
  }

  /// Walks over the block. With what comes `before` it, the results are stored; the last value is
  /// that of the block alone.
  Value scanBlock(const Part &part, Value before) {
    Value low = emitter.multiplyIndex(part.block, emitter.index(blockElements));
    Value end = emitter.addIndex(low, emitter.index(blockElements));
    return emitter.loop(low, emitter.minimumIndex(end, length()), 1, {identity()},
                        [&](Value position, ValueRange carried) {
                          SmallVector<ElementIndex> indices = indicesAt(part, position);
                          Value element = emitter.element(op.getX(), indices);
                          Value value = combine(carried[0], element);
                          if (before)
                            store(indices, combine(before, value));
                          return SmallVector<Value>{value};
                        })[0];
  }

  void store(ArrayRef<ElementIndex> indices, Value value) {
    Value result = op->getResult(0);
    emitter.override(result, emitter.roundTo(value, getElementTypeOrSelf(result)));
    emitter.storeResults(indices);
  }

  /// The place of a block's total in [outer][blocks][inner].
  Value totalAddress(const Part &part) {
    Value line = emitter.addIndex(emitter.multiplyIndex(part.outerNumber, blocks()), part.block);
    Value place = emitter.addIndex(emitter.multiplyIndex(line, innerSize()), part.innerNumber);
    return emitter.offset(emitter.buffer(totals), type, place);
  }

  Value loadTotal(const Part &part) {
    return emitter.loadVector(totalAddress(part), type, isInnermost() || lanes == 1 ? 0 : lanes);
  }
  void storeTotal(const Part &part, Value total) { emitter.storeVector(total, totalAddress(part)); }

  /// Replaces the total of each block by that of all blocks up to it.
  void addUpTotals(Part part) {
    emitter.loop(emitter.index(0), blocks(), 1, {identity()}, [&](Value block, ValueRange carried) {
      part.block = block;
      Value total = combine(carried[0], loadTotal(part));
      storeTotal(part, total);
      return SmallVector<Value>{total};
    });
  }

  KernelEmitter &emitter;
  ScanOpInterface op;
  int64_t lanes;
  Type type;
  unsigned totals = 0;
  SmallVector<int64_t> outerSymbols, innerSymbols;
};

class Scan : public ScheduledTemplate<ScanScheduleAttr> {
public:
  StringRef name() const override { return "scan"; }
  StringRef reason() const override {
    return "one pass along an axis, with the elementwise ops on its result";
  }

  bool claims(Operation *op) const override { return isa<ScanOpInterface>(op); }
  bool readsMemory(OpOperand &) const override { return true; }
  bool canLead(Operation *op, const FusionGroup &group) const override {
    return precedesElementwise(op, group);
  }

  ScheduleAttrInterface choose(KernelOp kernel, LaunchOp, const CpuTarget &target) const override {
    ScanOpInterface op = scanOf(kernel);
    bool isInnermost = op.getAxis() + 1 == symbolsOf(op.getX().getType()).size();
    return ScanScheduleAttr::get(kernel.getContext(), isInnermost ? 1 : independentLanes(target));
  }
  ScheduleAttrInterface choose(KernelOp kernel, LaunchOp, const GpuTarget &) const override {
    return ScanScheduleAttr::get(kernel.getContext(), 1);
  }

  using ScheduledTemplate::verify;
  LogicalResult verify(KernelOp kernel, const GpuTarget &target) const override {
    auto schedule = dyn_cast<ScanScheduleAttr>(kernel.getScheduleAttr());
    if (schedule && schedule.getLanes() != 1)
      return kernel.emitOpError() << "has a schedule of " << schedule.getLanes()
                                  << " lanes; a GPU's threads scan one element at a time";
    return ScheduledTemplate::verify(kernel, target);
  }

  void emit(KernelEmitter &emitter) const override {
    int64_t lanes = emitter.schedule<ScanScheduleAttr>().getLanes();
    emitter.setLaneCount(lanes);
    ScanLoops(emitter, lanes).addStages(emitter);
  }
  void emit(GpuEmitter &emitter) const override { ScanLoops(emitter, 1).addStages(emitter); }
};

} // namespace

const KernelTemplate &scanTemplate() {
  static const Scan instance;
  return instance;
}

} // namespace weft

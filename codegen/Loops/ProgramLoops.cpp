// The stages of a user's program, and the ops of its region in their order.
//
// A first stage for each result fills it with its initial value, unless the programs store to all
// of it; the last one runs the programs, each a task. What is computed element by element is so
// where it is needed: a store, reductions or what is kept in memory is one loop over vectors, in
// which all that is read there is computed.
//
// Of a program (weft.program) this is weft.program_store; for all else there are interfaces.
#include "codegen/Loops/ProgramControl.h"
#include "codegen/Loops/ProgramProducts.h"
#include "codegen/Loops/ProgramWalks.h"
#include "codegen/Loops/TurnedTile.h"

using namespace mlir;

namespace weft {

namespace {

class ProgramLoops : ProgramControl {
public:
  explicit ProgramLoops(KernelEmitter &emitter)
      : ProgramControl(emitter, programOf(emitter.getKernel()), ownBlocks),
        ownBlocks(emitter, program),
        walks(emitter, blocks),
        products(emitter, blocks) {}

  void addStages() {
    for (auto [number, value] : llvm::enumerate(emitter.getYield().getValues()))
      addFilling(number, cast<OpResult>(value));
    // The number of tasks is asked for when these loops are gone. Programs in order are one task.
    bool isOrdered = program.isOrdered();
    emitter.addStage(
        [&emitter = emitter, program = program, isOrdered] {
          return isOrdered ? emitter.index(1) : countOf(emitter, program);
        },
        [this, isOrdered](Value begin, Value end) {
          if (isOrdered)
            end = countOf(emitter, program);
          emitter.loop(begin, end, 1, [&](Value place) { emitProgramAt(place); });
        });
  }

private:
  void fill(Value block) override { walks.fill(block); }
  void compute(Value number) override { walks.compute(number); }
  void pass(Operation *op) override { walks.pass(op); }
  void reduce(ReductionOpInterface op) override { walks.reduce(op); }
  void finish() override { walks.finish(); }

  /// A stage that fills an output with zeros, or with the elements of an input.
  void addFilling(unsigned output, OpResult result) {
    constexpr int64_t grain = 1 << 15;
    int64_t initial = program.getInitial()[result.getResultNumber()];
    Type type = emitter.getKernel().getResultTypes()[output];
    Type stored = KernelEmitter::storedType(getElementTypeOrSelf(type));
    auto count = [&emitter = emitter, type] { return emitter.product(symbolsOf(type)); };
    auto vector = VectorType::get({emitter.laneCount()}, stored);
    auto tasks = [&emitter = emitter, program = program, coverages = coverages, result, type,
                  count] {
      Value all = emitter.ceilDivideIndex(count(), grain);
      auto found = coverages->find(result);
      if (found == coverages->end())
        return all;
      Value isWhole = found->second.isWhole(emitter, program, type);
      return Value(arith::SelectOp::create(emitter.builder(), emitter.location(), isWhole,
                                           emitter.index(0), all));
    };
    emitter.addStage(tasks, [&](Value begin, Value end) {
      Value low = emitter.multiplyIndex(begin, emitter.index(grain));
      Value high = emitter.minimumIndex(emitter.multiplyIndex(end, emitter.index(grain)), count());
      emitter.vectorLoop(low, high, [&](Value place) {
        Value elements =
            arith::ConstantOp::create(builder(), emitter.location(), builder().getZeroAttr(vector));
        if (initial >= 0) {
          auto argument = cast<BlockArgument>(program.getInputs()[initial]);
          Value from = emitter.offset(emitter.buffer(argument.getArgNumber()), stored, place);
          elements = emitter.loadVector(from, stored, emitter.laneCount());
        }
        Value to = emitter.offset(emitter.buffer(emitter.outputBuffer(output)), stored, place);
        emitter.storeVector(elements, to);
      });
    });
  }

  void emitProduct(ContractionOpInterface op, Value end) override {
    Value pointer = blocks.allocate(end);
    products.emit(op, end, pointer);
    blocks.keepAt(end, pointer);
  }

  void emitStore(ProgramStoreOp op) override {
    blocks.keep(op.getResult(), emitter.constant(builder().getI64Type(), 0));
    auto result = cast<OpResult>(program.getResult(op.getNumber()));
    std::optional<ProgramCoverage> coverage;
    if (program.getInitial()[result.getResultNumber()] < 0)
      coverage = coverageOf(emitter, blocks, op, places, counters);
    if (coverage)
      coverages->try_emplace(result, *coverage);
    blocks.forEachPlace(ProgramBlocks::shapeOf(op.getValue()), [&](ArrayRef<ElementIndex> indices) {
      blocks.store(op, indices, coverage.has_value());
    });
  }

  using Indices = SmallVector<ElementIndex>;

  void emitScan(ScanOpInterface op) override {
    Value result = op->getResult(0), pointer = blocks.allocate(result);
    ArrayRef<int64_t> shape = ProgramBlocks::shapeOf(op.getX());
    auto rank = static_cast<int64_t>(shape.size()), axis = static_cast<int64_t>(op.getAxis());
    SmallVector<int64_t> others;
    for (int64_t other = 0; other < rank; ++other)
      if (other != axis)
        others.push_back(other);
    Indices indices(rank);
    bool isTurned = axis + 1 == rank && rank > 1 && shape[axis - 1] > 1 && !op.getReversed();
    if (isTurned)
      others.pop_back();
    auto scanAt = [&](ArrayRef<ElementIndex>) {
      if (isTurned)
        scanRows(op, pointer, indices);
      else
        scanEach(op, pointer, indices);
    };
    if (isTurned)
      blocks.forEachPlace(shape, others, indices, scanAt);
    else
      blocks.withinRows([&] { blocks.forEachPlace(shape, others, indices, scanAt); });
    blocks.keepAt(result, pointer);
  }

  void writeScanned(ScanOpInterface op, Value total, Value pointer, const Indices &indices) {
    Type dtype = getElementTypeOrSelf(op->getResult(0));
    Value address = emitter.offset(pointer, KernelEmitter::storedType(dtype),
                                   blocks.offsetIn(ProgramBlocks::shapeOf(op.getX()), indices));
    emitter.storeVector(emitter.narrow(emitter.roundTo(total, dtype), dtype), address);
  }

  /// One element after the other along the axis, or one vector across it.
  void scanEach(ScanOpInterface op, Value pointer, Indices indices) {
    auto axis = static_cast<int64_t>(op.getAxis());
    int64_t size = ProgramBlocks::shapeOf(op.getX())[axis];
    bool isAcross = axis + 1 < static_cast<int64_t>(indices.size());
    Type type = emitter.computeType(op->getResult(0));
    if (isAcross)
      type = VectorType::get({emitter.laneCount()}, type);
    auto step = [&](Value position, ValueRange carried) {
      if (op.getReversed())
        position = emitter.subtractIndex(emitter.index(size - 1), position);
      indices[axis] = {position};
      Value total;
      blocks.apart([&] {
        Value element = blocks.element(op.getX(), indices);
        if (isAcross)
          element = emitter.splat(element);
        total = op.emitCombine(builder(), op->getLoc(), carried[0], element);
      });
      writeScanned(op, total, pointer, indices);
      return SmallVector<Value>{total};
    };
    Value first = op.emitIdentity(builder(), op->getLoc(), type);
    emitter.loop(emitter.index(0), emitter.index(size), 1, {first}, step);
  }

  /// As many rows as a vector has lanes at a time: squares are turned in registers, so that a
  /// vector has an element of each row.
  void scanRows(ScanOpInterface op, Value pointer, Indices &indices) {
    ArrayRef<int64_t> shape = ProgramBlocks::shapeOf(op.getX());
    int64_t lanes = emitter.laneCount(), rows = shape[shape.size() - 2], whole = rows / lanes;
    Type type = VectorType::get({lanes}, emitter.computeType(op->getResult(0)));
    auto scanFrom = [&](Value row, int64_t count) {
      auto setRow = [&](int64_t line) {
        indices[indices.size() - 2] = {emitter.addIndex(row, emitter.index(line))};
      };
      Value first = op.emitIdentity(builder(), op->getLoc(), type);
      auto visit = [&](Value position, ValueRange carried) {
        indices.back() = {position, 1};
        SmallVector<Value> square(lanes, first), totals;
        for (int64_t line = 0; line < count; ++line) {
          setRow(line);
          square[line] = emitter.splat(blocks.element(op.getX(), indices));
        }
        if (blocks.isAsking())
          return SmallVector<Value>(carried);
        Value total = carried[0];
        for (Value column : transposeSquare(emitter, square))
          totals.push_back(total = op.emitCombine(builder(), op->getLoc(), total, column));
        totals = transposeSquare(emitter, totals);
        for (int64_t line = 0; line < count; ++line) {
          setRow(line);
          writeScanned(op, totals[line], pointer, indices);
        }
        return SmallVector<Value>{total};
      };
      // What is checked is so element by element, so that the first one is reported.
      blocks.alongRow(shape.back(), {first}, visit, nullptr, [&] {
        emitter.loop(emitter.index(0), emitter.index(count), 1, [&](Value line) {
          Indices own = indices;
          own[own.size() - 2] = {emitter.addIndex(row, line)};
          scanEach(op, pointer, own);
        });
        return SmallVector<Value>{first};
      });
    };
    emitter.loop(emitter.index(0), emitter.index(whole * lanes), lanes,
                 [&](Value row) { scanFrom(row, lanes); });
    if (rows % lanes != 0)
      scanFrom(emitter.index(whole * lanes), rows % lanes);
  }

  ProgramBlocks ownBlocks;
  ProgramWalks walks;
  ProgramProducts products;
  /// What is known of the stores to results when all is emitted, and asked for after this is gone.
  using Coverages = llvm::DenseMap<Value, ProgramCoverage>;
  std::shared_ptr<Coverages> coverages = std::make_shared<Coverages>();
};

} // namespace

void emitProgram(KernelEmitter &emitter) {
  emitter.setLaneCount(emitter.schedule<ProgramScheduleAttr>().getLanes());
  ProgramLoops(emitter).addStages();
}

} // namespace weft

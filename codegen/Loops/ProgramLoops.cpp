// The stages of a user's program, and the ops of its region in their order.
//
// A first stage for each result fills it with its initial value, unless the programs store to all
// of it; the last one runs the programs, each a task. What is computed element by element is so
// where it is needed: a store, reductions or what is kept in memory is one loop over vectors, in
// which all that is read there is computed.
//
// Of a program (weft.program) these are what it asks (weft.program_id, weft.program_count,
// weft.program_size), what it reads and writes (weft.program_load, weft.program_store), its loops
// (weft.while) and branches (weft.case); for all else there are interfaces.
#include "codegen/Loops/ProgramCoverage.h"
#include "codegen/Loops/ProgramMemory.h"
#include "codegen/Loops/ProgramProducts.h"
#include "codegen/Loops/ProgramWalks.h"
#include "codegen/Loops/TurnedTile.h"

using namespace mlir;

namespace weft {

ProgramOp programOf(KernelOp kernel) {
  return *kernel.getBody().front().getOps<ProgramOp>().begin();
}

//===----------------------------------------------------------------------===//
// Ops in order
//===----------------------------------------------------------------------===//

namespace {

class ProgramLoops {
public:
  explicit ProgramLoops(KernelEmitter &emitter)
      : emitter(emitter),
        program(programOf(emitter.getKernel())),
        blocks(emitter, program),
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
          emitter.loop(begin, end, 1, [&](Value place) {
            blocks.setProgram(place);
            places = emitter.delinearize(place, gridSizes(emitter, program));
            Block &body = program.getBody().front();
            emitBlock(body, ProgramMemory::of(body));
          });
        });
  }

private:
  OpBuilder &builder() { return emitter.builder(); }

  static SmallVector<Value> gridSizes(KernelEmitter &emitter, ProgramOp program) {
    SmallVector<Value> sizes;
    for (int64_t count : program.getGrid())
      sizes.push_back(emitter.numberIndex(count));
    return sizes;
  }

  static Value countOf(KernelEmitter &emitter, ProgramOp program) {
    Value count = emitter.index(1);
    for (Value size : gridSizes(emitter, program))
      count = emitter.multiplyIndex(count, size);
    return count;
  }

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

  void emitBlock(Block &block, const ProgramMemory &memory) {
    for (Operation &op : block.without_terminator())
      emitOp(&op, memory);
    walks.finish();
  }

  Value asInteger(Value index) {
    return arith::IndexCastOp::create(builder(), emitter.location(), builder().getI64Type(), index);
  }

  void emitOp(Operation *op, const ProgramMemory &memory) {
    if (isComputedInPlace(op)) {
      for (Value result : op->getResults())
        emitInPlace(result, memory);
      return;
    }
    if (auto id = dyn_cast<ProgramIdOp>(op))
      return blocks.keep(id.getResult(), asInteger(places[id.getAxis()]));
    if (auto count = dyn_cast<ProgramCountOp>(op))
      return blocks.keep(count.getResult(),
                         asInteger(gridSizes(emitter, program)[count.getAxis()]));
    if (auto size = dyn_cast<ProgramSizeOp>(op))
      return blocks.keep(size.getResult(), asInteger(sizeOf(size)));
    if (auto reduction = dyn_cast<ReductionOpInterface>(op))
      return walks.reduce(reduction);
    walks.finish();
    if (auto store = dyn_cast<ProgramStoreOp>(op))
      return emitStore(store);
    if (auto scan = dyn_cast<ScanOpInterface>(op))
      return emitScan(scan);
    if (auto loop = dyn_cast<WhileOp>(op))
      return emitWhile(loop);
    if (auto choice = dyn_cast<CaseOp>(op))
      return emitCase(choice);
    if (memory.ends.contains(op->getResult(0)))
      emitProduct(cast<ContractionOpInterface>(op), op->getResult(0));
  }

  void emitInPlace(Value result, const ProgramMemory &memory) {
    if (!isBlock(result))
      return walks.compute(result);
    if (Operation *product = memory.ends.lookup(result)) {
      walks.finish();
      return emitProduct(cast<ContractionOpInterface>(product), result);
    }
    if (memory.kept.contains(result))
      return walks.fill(result);
    walks.pass(result.getDefiningOp());
  }

  void emitProduct(ContractionOpInterface op, Value end) {
    Value pointer = blocks.allocate(end);
    products.emit(op, end, pointer);
    blocks.keepAt(end, pointer);
  }

  Value sizeOf(ProgramSizeOp op) {
    auto inputs = static_cast<int64_t>(program.getInputs().size());
    auto number = static_cast<int64_t>(op.getNumber());
    Value tensor = number < inputs ? Value(program.getInputs()[number])
                                   : Value(program.getResult(number - inputs));
    return emitter.size(tensor, op.getDimension());
  }

  void emitStore(ProgramStoreOp op) {
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

  void emitScan(ScanOpInterface op) {
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

  //===--------------------------------------------------------------------===//
  // Loops and branches
  //===--------------------------------------------------------------------===//

  /// What a loop carries: numbers, and for each block where it is and where the next one goes.
  SmallVector<Value> carriedBy(WhileOp op) {
    SmallVector<Value> carried;
    for (Value init : op.getInit()) {
      if (!isBlock(init)) {
        carried.push_back(blocks.number(init));
        continue;
      }
      Value first = blocks.allocate(init), second = blocks.allocate(init);
      blocks.fill(init, first);
      carried.append({first, second});
    }
    return carried;
  }

  void enterRegion(WhileOp op, Block &block, ValueRange carried) {
    size_t next = 0;
    unsigned count = op.getInit().size();
    for (BlockArgument argument : block.getArguments().take_front(count)) {
      if (!isBlock(argument)) {
        blocks.keep(argument, carried[next++]);
        continue;
      }
      blocks.keepAt(argument, carried[next]);
      next += 2;
    }
    captured(block.getArguments().drop_front(count), op.getCaptured());
    ProgramMemory memory = ProgramMemory::of(block);
    if (block.getParent() == &op.getBody())
      placeNext(op, carried, memory);
    emitBlock(block, memory);
  }

  /// Says where the blocks are computed that a loop goes on with: what comes after an argument is
  /// written over it, if nothing else reads that.
  void placeNext(WhileOp op, ValueRange carried, const ProgramMemory &memory) {
    Block &body = op.getBody().front();
    size_t next = 0;
    for (auto [argument, value] : llvm::zip(body.getArguments().take_front(op.getInit().size()),
                                            body.back().getOperands())) {
      if (!isBlock(value)) {
        ++next;
        continue;
      }
      bool isOver = canOverwrite(value, argument, memory);
      if (value.getParentBlock() == &body && value.getDefiningOp())
        blocks.placeAt(value, carried[isOver ? next : next + 1]);
      next += 2;
    }
  }

  void captured(ArrayRef<BlockArgument> arguments, ValueRange values) {
    for (auto [argument, value] : llvm::zip_equal(arguments, values))
      blocks.keepAs(argument, value);
  }

  SmallVector<Value> nextOf(WhileOp op, ValueRange carried) {
    Block &body = op.getBody().front();
    SmallVector<Value> following;
    size_t next = 0;
    for (auto [argument, value] : llvm::zip(body.getArguments().take_front(op.getInit().size()),
                                            body.back().getOperands())) {
      if (!isBlock(value)) {
        following.push_back(blocks.number(value));
        ++next;
        continue;
      }
      Value here = carried[next], other = carried[next + 1];
      next += 2;
      if (value == argument || blocks.pointer(value) == here) {
        following.append({here, other});
        continue;
      }
      if (blocks.pointer(value) != other)
        blocks.fill(value, other);
      following.append({other, here});
    }
    return following;
  }

  /// What the loop counts, if it goes on as long as a number that it carries is below another.
  ProgramCounter counterOf(WhileOp op, Value goesOn, ValueRange asked, ValueRange first,
                           ValueRange values) {
    auto compared = goesOn.getDefiningOp<arith::CmpIOp>();
    if (!compared || compared.getPredicate() != arith::CmpIPredicate::slt)
      return {};
    size_t next = 0;
    for (auto [init, value] : llvm::zip(op.getInit(), op.getBody().front().back().getOperands())) {
      if (!isBlock(init) && asked[next] == compared.getLhs())
        return {values[next], first[next], compared.getRhs(), value};
      next += isBlock(init) ? 2 : 1;
    }
    return {};
  }

  void emitWhile(WhileOp op) {
    blocks.apart([&] {
      SmallVector<Value> carried = carriedBy(op);
      Value goesOn;
      ValueRange asked;
      auto condition = [&](ValueRange values) {
        Block &block = op.getCondition().front();
        blocks.apart([&] {
          enterRegion(op, block, values);
          goesOn = blocks.number(block.back().getOperand(0));
        });
        asked = values;
        return goesOn;
      };
      auto body = [&](ValueRange values) {
        SmallVector<Value> following;
        counters.push_back(counterOf(op, goesOn, asked, carried, values));
        blocks.apart([&] {
          enterRegion(op, op.getBody().front(), values);
          following = nextOf(op, values);
        });
        counters.pop_back();
        return following;
      };
      SmallVector<Value> last = emitter.loopWhile(carried, condition, body);
      size_t next = 0;
      for (Value result : op.getResults()) {
        if (!isBlock(result)) {
          blocks.keep(result, last[next++]);
          continue;
        }
        blocks.keepAt(result, last[next]);
        next += 2;
      }
    });
  }

  void emitCase(CaseOp op) {
    SmallVector<Type> types;
    for (Value result : op.getResults()) {
      if (isBlock(result))
        blocks.keepAt(result, blocks.allocate(result));
      else
        types.push_back(emitter.computeType(result));
    }
    Value index = blocks.number(op.getIndex());
    blocks.apart([&] {
      SmallVector<Value> numbers = branchesFrom(op, 0, index, types);
      size_t next = 0;
      for (Value result : op.getResults())
        if (!isBlock(result))
          blocks.keep(result, numbers[next++]);
    });
  }

  /// The numbers that branch `number` or one behind it gives.
  SmallVector<Value> branchesFrom(CaseOp op, unsigned number, Value index, ArrayRef<Type> types) {
    OpBuilder &b = builder();
    Location location = op.getLoc();
    if (number + 1 == op.getBranches().size())
      return branch(op, number);
    Value limit = emitter.constant(b.getI64Type(), number);
    Value isHere = arith::CmpIOp::create(b, location, arith::CmpIPredicate::sle, index, limit);
    auto choice = scf::IfOp::create(b, location, types, isHere, /*withElseRegion=*/true);
    for (bool isFirst : {true, false}) {
      Block *block = isFirst ? choice.thenBlock() : choice.elseBlock();
      block->clear();
      b.setInsertionPointToEnd(block);
      SmallVector<Value> numbers;
      blocks.apart([&] {
        numbers = isFirst ? branch(op, number) : branchesFrom(op, number + 1, index, types);
      });
      scf::YieldOp::create(b, location, numbers);
    }
    b.setInsertionPointAfter(choice);
    return SmallVector<Value>(choice.getResults());
  }

  SmallVector<Value> branch(CaseOp op, unsigned number) {
    Block &block = op.getBranches()[number].front();
    captured(block.getArguments(), op.getCaptured());
    for (auto [value, result] : llvm::zip_equal(block.back().getOperands(), op.getResults()))
      if (isBlock(value) && value.getDefiningOp())
        blocks.placeAt(value, blocks.pointer(result));
    emitBlock(block, ProgramMemory::of(block));
    SmallVector<Value> numbers;
    for (auto [value, result] : llvm::zip_equal(block.back().getOperands(), op.getResults())) {
      if (isBlock(value) && blocks.pointer(value) != blocks.pointer(result))
        blocks.fill(value, blocks.pointer(result));
      else if (isBlock(value))
        continue;
      else
        numbers.push_back(blocks.number(value));
    }
    return numbers;
  }

  KernelEmitter &emitter;
  ProgramOp program;
  ProgramBlocks blocks;
  ProgramWalks walks;
  ProgramProducts products;
  SmallVector<Value> places;
  /// Of the loops around.
  SmallVector<ProgramCounter> counters;
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

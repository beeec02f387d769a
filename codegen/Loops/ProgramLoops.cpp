// The stages of a user's program, and the ops of its region in their order.
//
// A first stage for each result fills it with its initial value; the last one runs the programs,
// each a task. What is computed element by element is so where it is needed: a store, a reduction
// or what is kept in memory is one loop over vectors, in which all that is read there is computed.
//
// Of a program (weft.program) these are what it asks (weft.program_id, weft.program_count,
// weft.program_size), what it reads and writes (weft.program_load, weft.program_store), its loops
// (weft.while) and branches (weft.case); for all else there are interfaces.
#include "codegen/Loops/ProgramBlocks.h"
#include "codegen/Loops/Reduction.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace weft {

ProgramOp programOf(KernelOp kernel) {
  return *kernel.getBody().front().getOps<ProgramOp>().begin();
}

//===----------------------------------------------------------------------===//
// What is kept in memory
//===----------------------------------------------------------------------===//

static bool isComputedInPlace(Operation *op) {
  return isa<ElementwiseOpInterface, IndexedOpInterface, ReshapeOp, ProgramLoadOp>(op) ||
         matchPattern(op, m_Constant());
}

static bool isBlock(Value value) { return !ProgramBlocks::isNumber(value); }

namespace {

/// Decides for one block, last to first.
class Keeping {
public:
  explicit Keeping(Block &block) {
    for (Operation &op : block.without_terminator())
      addCost(op);
    for (Operation &op : llvm::reverse(block.without_terminator()))
      visit(op);
  }

  llvm::DenseSet<Value> kept;

private:
  /// About how many instructions an element of a value takes.
  void addCost(Operation &op) {
    if (!isComputedInPlace(&op))
      return;
    int64_t cost = isa<ProgramLoadOp>(op) ? dear : 0;
    if (auto elementwise = dyn_cast<ElementwiseOpInterface>(op))
      cost = elementwise.getInstructionCount();
    if (!isa<ProgramLoadOp>(op))
      for (Value operand : op.getOperands())
        cost += costs.lookup(operand);
    for (Value result : op.getResults())
      costs[result] = isBlock(result) ? std::min<int64_t>(cost, 1024) : 0;
  }

  void visit(Operation &op) {
    for (Value result : op.getResults()) {
      if (!isComputedInPlace(&op) || !isBlock(result))
        continue;
      llvm::SmallPtrSet<Operation *, 2> loops;
      bool isMoved = false, isNeeded = false;
      for (OpOperand &use : result.getUses())
        addUse(use, loops, isMoved, isNeeded);
      bool isDear = costs.lookup(result) >= dear;
      if (isNeeded || (isDear && (isMoved || loops.size() > 1)))
        kept.insert(result);
      else if (isMoved)
        moved.insert(result);
      loopsOf[result] = loops;
    }
  }

  void addUse(OpOperand &use, llvm::SmallPtrSet<Operation *, 2> &loops, bool &isMoved,
              bool &isNeeded) {
    Operation *user = use.getOwner();
    isNeeded |= isa<ContractionOpInterface>(user);
    // What a region reads from around it reads again and again.
    isMoved |= user->getNumRegions() > 0 || isa<IndexedOpInterface, ReshapeOp>(user);
    Value through = user->getNumResults() == 1 ? user->getResult(0) : Value();
    bool isInPlace = through && isComputedInPlace(user) && isBlock(through);
    if (!isInPlace || kept.contains(through)) {
      loops.insert(user);
      return;
    }
    isMoved |= moved.contains(through);
    loops.insert(loopsOf[through].begin(), loopsOf[through].end());
  }

  static constexpr int64_t dear = 6;
  llvm::DenseMap<Value, int64_t> costs;
  llvm::DenseMap<Value, llvm::SmallPtrSet<Operation *, 2>> loopsOf;
  llvm::DenseSet<Value> moved;
};

} // namespace

llvm::DenseSet<Value> valuesInMemory(Block &block) { return std::move(Keeping(block).kept); }

/// What walks over the first dimension of an operand.
static Contraction::Kind firstLoop(ContractionOpInterface op, Contraction::Operand operand) {
  Contraction loops = op.getContraction();
  return loops.loops[loops.accesses[operand].front().front().loop].kind;
}

/// Whether the right operand is copied, so that its columns are side by side.
static bool readsTurned(ContractionOpInterface op) {
  return firstLoop(op, Contraction::Rhs) == Contraction::Column;
}

static int64_t paddedBytes(Value value, int64_t lanes) {
  if (!isBlock(value))
    return 0;
  auto type = cast<RankedTensorType>(value.getType());
  Type stored = KernelEmitter::storedType(type.getElementType());
  double bytes = std::max(1u, stored.getIntOrFloatBitWidth() / 8);
  for (int64_t size : type.getShape().drop_back())
    bytes *= double(size);
  bytes *= double(llvm::alignTo(type.getShape().back(), lanes) + lanes);
  return static_cast<int64_t>(std::min(bytes, 0x1p60));
}

int64_t stackBytesOf(ProgramOp program, int64_t lanes) {
  double bytes = 0;
  program.getBody().walk([&](Block *block) {
    for (Value value : valuesInMemory(*block))
      bytes += double(paddedBytes(value, lanes));
    for (Operation &op : *block) {
      if (isComputedInPlace(&op))
        continue;
      for (Value result : op.getResults())
        bytes += (isa<WhileOp>(op) ? 2.0 : 1.0) * double(paddedBytes(result, lanes));
      if (auto product = dyn_cast<ContractionOpInterface>(op); product && readsTurned(product))
        bytes += double(paddedBytes(product->getResult(0), lanes)) /
                 double(std::max<int64_t>(1, ProgramBlocks::shapeOf(product->getResult(0))[0])) *
                 double(ProgramBlocks::shapeOf(op.getOperand(1))[1]);
    }
  });
  return static_cast<int64_t>(std::min(bytes, 0x1p60));
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
        schedule(emitter.schedule<ProgramScheduleAttr>()) {}

  void addStages() {
    for (auto [number, value] : llvm::enumerate(emitter.getYield().getValues()))
      addFilling(number, program.getInitial()[cast<OpResult>(value).getResultNumber()]);
    // The number of tasks is asked for when these loops are gone.
    emitter.addStage([&emitter = emitter, program = program] { return countOf(emitter, program); },
                     [this](Value begin, Value end) {
                       emitter.loop(begin, end, 1, [&](Value place) {
                         blocks.setProgram(place);
                         places = emitter.delinearize(place, gridSizes(emitter, program));
                         emitBlock(program.getBody().front());
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
  void addFilling(unsigned output, int64_t initial) {
    constexpr int64_t grain = 1 << 15;
    Type type = emitter.getKernel().getResultTypes()[output];
    Type stored = KernelEmitter::storedType(getElementTypeOrSelf(type));
    auto count = [&emitter = emitter, type] { return emitter.product(symbolsOf(type)); };
    auto vector = VectorType::get({emitter.laneCount()}, stored);
    emitter.addStage(
        [&emitter = emitter, count] { return emitter.ceilDivideIndex(count(), grain); },
        [&](Value begin, Value end) {
          Value low = emitter.multiplyIndex(begin, emitter.index(grain));
          Value high =
              emitter.minimumIndex(emitter.multiplyIndex(end, emitter.index(grain)), count());
          emitter.vectorLoop(low, high, [&](Value place) {
            Value elements = arith::ConstantOp::create(builder(), emitter.location(),
                                                       builder().getZeroAttr(vector));
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

  void emitBlock(Block &block) {
    llvm::DenseSet<Value> kept = valuesInMemory(block);
    for (Operation &op : block.without_terminator())
      emitOp(&op, kept);
  }

  Value asInteger(Value index) {
    return arith::IndexCastOp::create(builder(), emitter.location(), builder().getI64Type(), index);
  }

  void emitOp(Operation *op, const llvm::DenseSet<Value> &kept) {
    if (isComputedInPlace(op)) {
      for (Value result : op->getResults())
        emitInPlace(result, kept.contains(result));
      return;
    }
    if (auto id = dyn_cast<ProgramIdOp>(op))
      return blocks.keep(id.getResult(), asInteger(places[id.getAxis()]));
    if (auto count = dyn_cast<ProgramCountOp>(op))
      return blocks.keep(count.getResult(),
                         asInteger(gridSizes(emitter, program)[count.getAxis()]));
    if (auto size = dyn_cast<ProgramSizeOp>(op))
      return blocks.keep(size.getResult(), asInteger(sizeOf(size)));
    if (auto store = dyn_cast<ProgramStoreOp>(op))
      return emitStore(store);
    if (auto reduction = dyn_cast<ReductionOpInterface>(op))
      return emitReduction(reduction);
    if (auto scan = dyn_cast<ScanOpInterface>(op))
      return emitScan(scan);
    if (auto loop = dyn_cast<WhileOp>(op))
      return emitWhile(loop);
    if (auto choice = dyn_cast<CaseOp>(op))
      return emitCase(choice);
    emitContraction(cast<ContractionOpInterface>(op));
  }

  void emitInPlace(Value result, bool isKept) {
    if (!isBlock(result))
      return blocks.apart([&] { blocks.keep(result, blocks.number(result)); });
    if (!isKept)
      return;
    Value pointer = blocks.allocate(result);
    blocks.fill(result, pointer);
    blocks.keepAt(result, pointer);
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
    blocks.forEachPlace(ProgramBlocks::shapeOf(op.getValue()),
                        [&](ArrayRef<ElementIndex> indices) { blocks.store(op, indices); });
  }

  //===--------------------------------------------------------------------===//
  // Reductions: of rows in lanes, then by a tree; of columns one row after the other
  //===--------------------------------------------------------------------===//

  using Indices = SmallVector<ElementIndex>;

  void emitReduction(ReductionOpInterface op) {
    Value x = op->getOperand(0), result = op->getResult(0);
    ArrayRef<int64_t> shape = ProgramBlocks::shapeOf(x), reduced = op.getReducedAxes();
    auto rank = static_cast<int64_t>(shape.size());
    SmallVector<int64_t> others;
    for (int64_t axis = 0; axis < rank; ++axis)
      if (!llvm::is_contained(reduced, axis))
        others.push_back(axis);
    bool isOfRows = reduced.empty() ? false : reduced.back() + 1 == rank;
    Value pointer = isBlock(result) ? blocks.allocate(result) : Value();
    Indices indices(rank);
    auto reduceAt = [&](ArrayRef<ElementIndex>) {
      Indices here;
      for (int64_t axis : others)
        here.push_back(indices[axis]);
      Type type = VectorType::get({emitter.laneCount()}, elementType(emitter, op));
      SmallVector<Value> totals = op.emitIdentity(builder(), op->getLoc(), type);
      totals = accumulateAlong(op, reduced, indices, totals);
      if (isOfRows)
        totals = combineLanes(emitter, {op}, totals);
      writeTotal(op, resultOf(emitter, op, totals), pointer, here);
    };
    auto reduceAll = [&] { blocks.forEachPlace(shape, others, indices, reduceAt); };
    // The loops along columns are in those over vectors.
    if (isOfRows)
      reduceAll();
    else
      blocks.withinRows(reduceAll);
    if (pointer)
      blocks.keepAt(result, pointer);
  }

  void writeTotal(ReductionOpInterface op, Value total, Value pointer, const Indices &indices) {
    Value result = op->getResult(0);
    if (!pointer)
      return blocks.keep(result, total);
    Type dtype = getElementTypeOrSelf(result), stored = KernelEmitter::storedType(dtype);
    Value place = blocks.offsetIn(ProgramBlocks::shapeOf(result), indices);
    emitter.storeVector(emitter.narrow(total, dtype), emitter.offset(pointer, stored, place));
  }

  /// The accumulator with all elements along `axes`.
  SmallVector<Value> accumulateAlong(ReductionOpInterface op, ArrayRef<int64_t> axes,
                                     Indices &indices, SmallVector<Value> totals) {
    if (axes.empty())
      return withElement(op, indices, totals);
    Value x = op->getOperand(0);
    int64_t axis = axes.front(), size = ProgramBlocks::shapeOf(x)[axis];
    bool isVector = axis + 1 == static_cast<int64_t>(indices.size());
    auto visit = [&](Value position, ValueRange carried) {
      indices[axis] = {position, isVector ? 1 : 0};
      SmallVector<Value> results;
      blocks.apart([&] {
        results = accumulateAlong(op, axes.drop_front(), indices, SmallVector<Value>(carried));
      });
      return results;
    };
    if (isVector) {
      Type type = totals.front().getType();
      if (op.usesPosition())
        type = VectorType::get({emitter.laneCount()}, elementType(emitter, op));
      auto combine = [&](ValueRange left, ValueRange right) {
        return op.emitCombine(builder(), op->getLoc(), left, right);
      };
      ProgramBlocks::Chains chains{op.emitIdentity(builder(), op->getLoc(), type), combine};
      return blocks.alongRow(size, totals, visit, &chains);
    }
    return emitter.loop(emitter.index(0), emitter.index(size), 1, totals, visit);
  }

  SmallVector<Value> withElement(ReductionOpInterface op, const Indices &indices,
                                 SmallVector<Value> totals) {
    OpBuilder &b = builder();
    Value element = emitter.splat(blocks.element(op->getOperand(0), indices));
    Value position;
    if (op.usesPosition())
      position = emitter.splat(emitter.toInteger(indices[op.getReducedAxes().front()]));
    auto one = op.emitElement(b, op->getLoc(), element, position);
    auto combined = op.emitCombine(b, op->getLoc(), totals, one);
    // Behind the end of a row there is nothing that counts; of columns such lanes are no result's.
    bool isOfRows = op.getReducedAxes().back() + 1 == static_cast<int64_t>(indices.size());
    if (Value tail = blocks.tail(); tail && isOfRows)
      for (auto [value, before] : llvm::zip_equal(combined, totals))
        value = arith::SelectOp::create(b, op->getLoc(), tail, value, before);
    return combined;
  }

  /// One element after the other along the axis, or one vector across it.
  void emitScan(ScanOpInterface op) {
    Value x = op.getX(), result = op->getResult(0), pointer = blocks.allocate(result);
    ArrayRef<int64_t> shape = ProgramBlocks::shapeOf(x);
    auto rank = static_cast<int64_t>(shape.size()), axis = static_cast<int64_t>(op.getAxis());
    SmallVector<int64_t> others;
    for (int64_t other = 0; other < rank; ++other)
      if (other != axis)
        others.push_back(other);
    Type dtype = getElementTypeOrSelf(result), type = emitter.computeType(result);
    if (axis + 1 < rank)
      type = VectorType::get({emitter.laneCount()}, type);
    Indices indices(rank);
    auto step = [&](Value position, ValueRange carried) {
      if (op.getReversed())
        position = emitter.subtractIndex(emitter.index(shape[axis] - 1), position);
      indices[axis] = {position};
      Value total;
      blocks.apart([&] {
        Value element = blocks.element(x, indices);
        if (axis + 1 < rank)
          element = emitter.splat(element);
        total = op.emitCombine(builder(), op->getLoc(), carried[0], element);
      });
      Value address = emitter.offset(pointer, KernelEmitter::storedType(dtype),
                                     blocks.offsetIn(shape, indices));
      emitter.storeVector(emitter.narrow(emitter.roundTo(total, dtype), dtype), address);
      return SmallVector<Value>{total};
    };
    auto scanAt = [&](ArrayRef<ElementIndex>) {
      Value first = op.emitIdentity(builder(), op->getLoc(), type);
      emitter.loop(emitter.index(0), emitter.index(shape[axis]), 1, {first}, step);
    };
    blocks.withinRows([&] { blocks.forEachPlace(shape, others, indices, scanAt); });
    blocks.keepAt(result, pointer);
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
    emitBlock(block);
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
      if (value == argument) {
        following.append({here, other});
        continue;
      }
      blocks.fill(value, other);
      following.append({other, here});
    }
    return following;
  }

  void emitWhile(WhileOp op) {
    blocks.apart([&] {
      SmallVector<Value> carried = carriedBy(op);
      auto condition = [&](ValueRange values) {
        Block &block = op.getCondition().front();
        Value goesOn;
        blocks.apart([&] {
          enterRegion(op, block, values);
          goesOn = blocks.number(block.back().getOperand(0));
        });
        return goesOn;
      };
      auto body = [&](ValueRange values) {
        SmallVector<Value> following;
        blocks.apart([&] {
          enterRegion(op, op.getBody().front(), values);
          following = nextOf(op, values);
        });
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
    emitBlock(block);
    SmallVector<Value> numbers;
    for (auto [value, result] : llvm::zip_equal(block.back().getOperands(), op.getResults())) {
      if (isBlock(value))
        blocks.fill(value, blocks.pointer(result));
      else
        numbers.push_back(blocks.number(value));
    }
    return numbers;
  }

  //===--------------------------------------------------------------------===//
  // Products of blocks: tiles in registers, over all of the depth
  //===--------------------------------------------------------------------===//

  /// Matrices in memory: where, and how far rows are apart.
  struct Matrix {
    Value pointer;
    Type dtype;
    int64_t distance;
    bool isTurned;
  };

  struct Product {
    Matrix left, right, result;
    int64_t rows, columns, depth;
  };

  Matrix matrixOf(Value value, bool isTurned) {
    int64_t distance = llvm::alignTo(ProgramBlocks::shapeOf(value).back(), emitter.laneCount());
    return {blocks.pointer(value), getElementTypeOrSelf(value), distance, isTurned};
  }

  void emitContraction(ContractionOpInterface op) {
    Value result = op->getResult(0);
    Product product;
    product.left =
        matrixOf(op->getOperand(0), firstLoop(op, Contraction::Lhs) == Contraction::Depth);
    product.right = matrixOf(op->getOperand(1), readsTurned(op));
    product.rows = ProgramBlocks::shapeOf(result)[0];
    product.columns = ProgramBlocks::shapeOf(result)[1];
    product.depth = ProgramBlocks::shapeOf(op->getOperand(0))[product.left.isTurned ? 0 : 1];
    if (product.right.isTurned)
      product.right = turned(product.right, product.depth, product.columns);
    blocks.keepAt(result, blocks.allocate(result));
    product.result = matrixOf(result, false);
    int64_t lanes = emitter.laneCount(), width = lanes * schedule.getColumns();
    int64_t vectors = llvm::divideCeil(product.columns, lanes);
    int64_t whole = vectors / schedule.getColumns();
    emitter.loop(emitter.index(0), emitter.index(whole * width), width,
                 [&](Value column) { emitRows(product, column, schedule.getColumns()); });
    if (int64_t rest = vectors % schedule.getColumns())
      emitRows(product, emitter.index(whole * width), rest);
  }

  /// A copy with the columns side by side.
  Matrix turned(const Matrix &from, int64_t depth, int64_t columns) {
    Type stored = KernelEmitter::storedType(from.dtype);
    int64_t lanes = emitter.laneCount();
    int64_t distance = llvm::alignTo(columns, lanes);
    Matrix to{emitter.allocate(stored, depth * distance + lanes), from.dtype, distance, false};
    emitter.loop(emitter.index(0), emitter.index(columns), 1, [&](Value column) {
      emitter.loop(emitter.index(0), emitter.index(depth), 1, [&](Value row) {
        Value element = emitter.loadVector(address(from, column, row), stored, 0);
        emitter.storeVector(element, address(to, row, column));
      });
    });
    return to;
  }

  Value address(const Matrix &matrix, Value row, Value column) {
    Value place = emitter.multiplyIndex(row, emitter.index(matrix.distance));
    return emitter.offset(matrix.pointer, KernelEmitter::storedType(matrix.dtype),
                          emitter.addIndex(place, column));
  }

  void emitRows(const Product &product, Value column, int64_t vectors) {
    int64_t rows = std::min(schedule.getRows(), product.rows), whole = product.rows / rows * rows;
    emitter.loop(emitter.index(0), emitter.index(whole), rows,
                 [&](Value row) { emitTile(product, row, column, rows, vectors); });
    if (whole < product.rows)
      emitTile(product, emitter.index(whole), column, product.rows - whole, vectors);
  }

  void emitTile(const Product &product, Value row, Value column, int64_t rows, int64_t vectors) {
    int64_t lanes = emitter.laneCount();
    Type type = computeTypeOf(product.result.dtype);
    auto vector = VectorType::get({lanes}, type);
    Value zero =
        arith::ConstantOp::create(builder(), emitter.location(), builder().getZeroAttr(vector));
    SmallVector<Value> sums(rows * vectors, zero);
    sums = emitter.loop(
        emitter.index(0), emitter.index(product.depth), 1, sums, [&](Value k, ValueRange carried) {
          SmallVector<Value> next(carried), right;
          for (int64_t v = 0; v < vectors; ++v)
            right.push_back(converted(
                loaded(product.right, k, emitter.addIndex(column, emitter.index(v * lanes)), lanes),
                product.right.dtype, vector));
          for (int64_t r = 0; r < rows; ++r) {
            Value line = emitter.addIndex(row, emitter.index(r));
            Value left = product.left.isTurned ? loaded(product.left, k, line, 0)
                                               : loaded(product.left, line, k, 0);
            left = emitter.splat(converted(left, product.left.dtype, type));
            for (int64_t v = 0; v < vectors; ++v)
              next[r * vectors + v] = multiplyAdd(left, right[v], carried[r * vectors + v]);
          }
          return next;
        });
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t v = 0; v < vectors; ++v) {
        Value place = address(product.result, emitter.addIndex(row, emitter.index(r)),
                              emitter.addIndex(column, emitter.index(v * lanes)));
        Type dtype = product.result.dtype;
        Value rounded = emitter.roundTo(sums[r * vectors + v], dtype);
        emitter.storeVector(emitter.narrow(rounded, dtype), place);
      }
  }

  Type computeTypeOf(Type dtype) {
    return dtype.isIntOrFloat() && dtype.getIntOrFloatBitWidth() <= 16 && isa<FloatType>(dtype)
               ? builder().getF32Type()
               : KernelEmitter::storedType(dtype);
  }

  Value loaded(const Matrix &matrix, Value row, Value column, int64_t count) {
    Type stored = KernelEmitter::storedType(matrix.dtype);
    Value value = emitter.loadVector(address(matrix, row, column), stored, count);
    return emitter.widen(value, matrix.dtype);
  }

  /// An operand may be narrower than the result.
  Value converted(Value value, Type dtype, Type wanted) {
    if (value.getType() == wanted)
      return value;
    if (isa<FloatType>(getElementTypeOrSelf(wanted)))
      return arith::ExtFOp::create(builder(), emitter.location(), wanted, value);
    if (dtype.isUnsignedInteger())
      return arith::ExtUIOp::create(builder(), emitter.location(), wanted, value);
    return arith::ExtSIOp::create(builder(), emitter.location(), wanted, value);
  }

  Value multiplyAdd(Value left, Value right, Value sum) {
    if (isa<FloatType>(getElementTypeOrSelf(sum)))
      return math::FmaOp::create(builder(), emitter.location(), left, right, sum);
    Value product = arith::MulIOp::create(builder(), emitter.location(), left, right);
    return arith::AddIOp::create(builder(), emitter.location(), sum, product);
  }

  KernelEmitter &emitter;
  ProgramOp program;
  ProgramBlocks blocks;
  ProgramScheduleAttr schedule;
  SmallVector<Value> places;
};

} // namespace

void emitProgram(KernelEmitter &emitter) {
  emitter.setLaneCount(emitter.schedule<ProgramScheduleAttr>().getLanes());
  ProgramLoops(emitter).addStages();
}

} // namespace weft

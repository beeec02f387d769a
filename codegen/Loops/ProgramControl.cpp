// The ops of a user's program (weft.program) in their order: its loops (weft.while) and branches
// (weft.case), what it asks (weft.program_id, weft.program_count, weft.program_size), and what of
// these a kind of target computes itself, weft.program_store among them.
#include "codegen/Loops/ProgramControl.h"

using namespace mlir;

namespace weft {

ProgramOp programOf(KernelOp kernel) {
  return *kernel.getBody().front().getOps<ProgramOp>().begin();
}

SmallVector<Value> ProgramControl::gridSizes(KernelEmitter &emitter, ProgramOp program) {
  SmallVector<Value> sizes;
  for (int64_t count : program.getGrid())
    sizes.push_back(emitter.numberIndex(count));
  return sizes;
}

Value ProgramControl::countOf(KernelEmitter &emitter, ProgramOp program) {
  Value count = emitter.index(1);
  for (Value size : gridSizes(emitter, program))
    count = emitter.multiplyIndex(count, size);
  return count;
}

void ProgramControl::emitProgramAt(Value place) {
  blocks.setProgram(place);
  places = emitter.delinearize(place, gridSizes(emitter, program));
  Block &body = program.getBody().front();
  emitBlock(body, ProgramMemory::of(body));
}

void ProgramControl::emitBlock(Block &block, const ProgramMemory &memory) {
  for (Operation &op : block.without_terminator())
    emitOp(&op, memory);
  finish();
}

Value ProgramControl::asInteger(Value index) {
  return arith::IndexCastOp::create(builder(), emitter.location(), builder().getI64Type(), index);
}

void ProgramControl::emitOp(Operation *op, const ProgramMemory &memory) {
  if (isComputedInPlace(op)) {
    for (Value result : op->getResults())
      emitInPlace(result, memory);
    return;
  }
  if (auto id = dyn_cast<ProgramIdOp>(op))
    return blocks.keep(id.getResult(), asInteger(places[id.getAxis()]));
  if (auto count = dyn_cast<ProgramCountOp>(op))
    return blocks.keep(count.getResult(), asInteger(gridSizes(emitter, program)[count.getAxis()]));
  if (auto size = dyn_cast<ProgramSizeOp>(op))
    return blocks.keep(size.getResult(), asInteger(sizeOf(size)));
  if (auto reduction = dyn_cast<ReductionOpInterface>(op))
    return reduce(reduction);
  finish();
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

void ProgramControl::emitInPlace(Value result, const ProgramMemory &memory) {
  if (!isBlock(result))
    return compute(result);
  if (Operation *product = memory.ends.lookup(result)) {
    finish();
    return emitProduct(cast<ContractionOpInterface>(product), result);
  }
  if (memory.kept.contains(result))
    return fill(result);
  pass(result.getDefiningOp());
}

Value ProgramControl::sizeOf(ProgramSizeOp op) {
  auto inputs = static_cast<int64_t>(program.getInputs().size());
  auto number = static_cast<int64_t>(op.getNumber());
  Value tensor = number < inputs ? Value(program.getInputs()[number])
                                 : Value(program.getResult(number - inputs));
  return emitter.size(tensor, op.getDimension());
}

//===----------------------------------------------------------------------===//
// Loops and branches
//===----------------------------------------------------------------------===//

/// What a loop carries: numbers, and for each block where it is and where the next one goes.
SmallVector<Value> ProgramControl::carriedBy(WhileOp op) {
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

void ProgramControl::enterRegion(WhileOp op, Block &block, ValueRange carried) {
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
void ProgramControl::placeNext(WhileOp op, ValueRange carried, const ProgramMemory &memory) {
  Block &body = op.getBody().front();
  size_t next = 0;
  for (auto [argument, value] :
       llvm::zip(body.getArguments().take_front(op.getInit().size()), body.back().getOperands())) {
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

void ProgramControl::captured(ArrayRef<BlockArgument> arguments, ValueRange values) {
  for (auto [argument, value] : llvm::zip_equal(arguments, values))
    blocks.keepAs(argument, value);
}

SmallVector<Value> ProgramControl::nextOf(WhileOp op, ValueRange carried) {
  Block &body = op.getBody().front();
  SmallVector<Value> following;
  size_t next = 0;
  for (auto [argument, value] :
       llvm::zip(body.getArguments().take_front(op.getInit().size()), body.back().getOperands())) {
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
ProgramCounter ProgramControl::counterOf(WhileOp op, Value goesOn, ValueRange asked,
                                         ValueRange first, ValueRange values) {
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

void ProgramControl::emitWhile(WhileOp op) {
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

void ProgramControl::emitCase(CaseOp op) {
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
SmallVector<Value> ProgramControl::branchesFrom(CaseOp op, unsigned number, Value index,
                                                ArrayRef<Type> types) {
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

SmallVector<Value> ProgramControl::branch(CaseOp op, unsigned number) {
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

} // namespace weft

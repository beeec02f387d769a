// Batching of control flow.
//
//   %0 = weft.scan [5] init(%x) over(%s) ... { ... }
//
// becomes for 8 examples of %x
//
//   %0 = weft.scan [5] init(%xs) over(%s) ... { the body of 8 examples }
//
// A carried value is one of each example if it begins so, or if the next one is computed from what
// is. A while loop goes on as long as one example does; the others keep their values.
#include "passes/batching/ControlFlowBatching.h"

#include "dialects/Weft/Rules/Build.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "passes/ControlFlow.h"

using namespace mlir;

namespace weft {
namespace {

RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

void cloneInto(OpBuilder &builder, Block &block, IRMapping &mapping) {
  for (Operation &op : block.without_terminator())
    builder.clone(op, mapping);
}

SmallVector<Value> mapped(IRMapping &mapping, Block &block) {
  return llvm::map_to_vector(block.getTerminator()->getOperands(),
                             [&](Value value) { return mapping.lookup(value); });
}

/// A region of one example, on the way to one of all.
class BatchedRegion {
public:
  /// Begins with arguments like those of `source`; `areBatched` says which are of each example.
  BatchedRegion(Region &source, ArrayRef<bool> areBatched, int64_t count, BuildBatched buildBatched)
      : builder(source.getContext()), source(source), buildBatched(buildBatched), count(count) {
    Block &block = region.emplaceBlock();
    for (auto [argument, isBatched] : llvm::zip_equal(source.getArguments(), areBatched)) {
      Type type = isBatched ? stackedType(typeOf(argument), count) : argument.getType();
      BlockArgument made = block.addArgument(type, argument.getLoc());
      if (isBatched)
        batches.push_back(made);
      else
        mapping.map(argument, made);
    }
    arguments = block.getNumArguments();
    for (auto [argument, isBatched] : llvm::zip_equal(source.getArguments(), areBatched))
      if (isBatched) {
        examples.push_back(block.addArgument(argument.getType(), argument.getLoc()));
        mapping.map(argument, examples.back());
      }
    builder.setInsertionPointToEnd(&block);
  }

  /// What argument `number` is for one example.
  Value example(size_t number) const { return mapping.lookup(source.getArgument(number)); }

  /// The results of a region with the same arguments, for one example.
  SmallVector<Value> inlined(Region &other) {
    IRMapping inner;
    for (auto [from, to] : llvm::zip_equal(other.getArguments(), source.getArguments()))
      inner.map(from, mapping.lookup(to));
    cloneInto(builder, other.front(), inner);
    return mapped(inner, other.front());
  }

  /// Batches `results`, those that are `wanted` so, lets `finish` change them, and ends the region.
  LogicalResult end(ArrayRef<Value> results, ArrayRef<bool> wanted,
                    function_ref<void(OpBuilder &, SmallVectorImpl<Value> &)> finish = {}) {
    FailureOr<SmallVector<Value>> made = buildBatched(builder, results, examples, batches, count);
    if (failed(made))
      return failure();
    builder.setInsertionPointToEnd(&region.front());
    // NOLINTBEGIN(bugprone-unchecked-optional-access): it is checked above
    for (auto [value, result, isWanted] : llvm::zip_equal(*made, results, wanted))
      if (!value)
        value = isWanted ? repeated(result) : result;
    if (finish)
      finish(builder, *made);
    YieldOp::create(builder, source.getLoc(), *made);
    // NOLINTEND(bugprone-unchecked-optional-access)
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(region.front())))
      if (isOpTriviallyDead(&op))
        op.erase();
    region.front().eraseArguments(arguments, region.getNumArguments() - arguments);
    return success();
  }

  Region region;
  OpBuilder builder;

private:
  Value repeated(Value value) {
    auto dimensions = llvm::to_vector(llvm::seq<int64_t>(1, typeOf(value).getRank() + 1));
    return BroadcastOp::create(builder, value.getLoc(), stackedType(typeOf(value), count), value,
                               dimensions);
  }

  Region &source;
  BuildBatched buildBatched;
  int64_t count;
  IRMapping mapping;
  SmallVector<Value> batches, examples;
  unsigned arguments = 0;
};

/// Adds the carried values of a body that depend on examples to what is batched; what it yields.
SmallVector<bool> closeOverBody(Region &body, SmallVectorImpl<bool> &areBatched, size_t carries) {
  SmallVector<bool> yields;
  for (bool grows = true; grows;) {
    grows = false;
    yields = dependentYields(body, areBatched);
    for (size_t carry = 0; carry < carries; ++carry) {
      grows |= yields[carry] && !areBatched[carry];
      areBatched[carry] = areBatched[carry] || yields[carry];
      yields[carry] = areBatched[carry];
    }
  }
  return yields;
}

/// Batches one op.
class ControlFlowBatching {
public:
  ControlFlowBatching(OpBuilder &builder, Operation *op, ArrayRef<Value> batches, int64_t count,
                      BuildBatched buildBatched)
      : builder(builder),
        buildBatched(buildBatched),
        operation(op),
        at(builder, op->getLoc()),
        count(count),
        operands(batches) {
    for (Value batch : batches)
      areBatched.push_back(batch != nullptr);
  }

  FailureOr<SmallVector<Value>> build(CaseOp op);
  FailureOr<SmallVector<Value>> build(ScanOp op);
  FailureOr<SmallVector<Value>> build(WhileOp op);
  FailureOr<SmallVector<Value>> build(CheckpointOp op);
  FailureOr<SmallVector<Value>> build(CustomDerivativeOp op);

private:
  LogicalResult batch(Region &source, ArrayRef<bool> flags, SmallVectorImpl<bool> &yields,
                      Region &made);

  /// An operand as the batched op takes it.
  Value operand(size_t number, bool isBatched) {
    if (operands[number])
      return operands[number];
    Value value = operation->getOperand(number);
    return isBatched ? repeated(value) : value;
  }
  /// The same for each example.
  Value repeated(Value value) {
    auto dimensions = llvm::to_vector(llvm::seq<int64_t>(1, typeOf(value).getRank() + 1));
    return BroadcastOp::create(builder, value.getLoc(), stackedType(typeOf(value), count), value,
                               dimensions);
  }
  SmallVector<Value> operandRange(size_t first, size_t size) {
    SmallVector<Value> range;
    for (size_t number = first; number < first + size; ++number)
      range.push_back(operand(number, areBatched[number]));
    return range;
  }

  /// The first two dimensions change places: examples and slices.
  Value turned(Value value) {
    auto order = llvm::to_vector(llvm::seq<int64_t>(0, typeOf(value).getRank()));
    std::swap(order[0], order[1]);
    return transpose(at(value), order);
  }

  OpBuilder &builder;
  BuildBatched buildBatched;
  Operation *operation;
  Compose at;
  int64_t count;
  ArrayRef<Value> operands;
  SmallVector<bool> areBatched;
};

FailureOr<SmallVector<Value>> ControlFlowBatching::build(CaseOp op) {
  ArrayRef<bool> ofCaptured = ArrayRef(areBatched).drop_front();
  SmallVector<bool> wanted(op.getNumResults());
  for (Region &branch : op.getBranches())
    for (auto [all, own] : llvm::zip_equal(wanted, dependentYields(branch, ofCaptured)))
      all = all || own;
  SmallVector<Type> types;
  for (auto [result, isBatched] : llvm::zip_equal(op.getResults(), wanted))
    types.push_back(isBatched ? stackedType(typeOf(result), count) : typeOf(result));
  auto made = CaseOp::create(builder, op.getLoc(), types, op.getIndex(),
                             operandRange(1, op.getCaptured().size()), op.getBranches().size());
  for (auto [branch, own] : llvm::zip_equal(op.getBranches(), made.getBranches())) {
    BatchedRegion region(branch, ofCaptured, count, buildBatched);
    if (failed(region.end(region.inlined(branch), wanted)))
      return failure();
    own.takeBody(region.region);
  }
  SmallVector<Value> results;
  for (auto [result, isBatched] : llvm::zip_equal(made.getResults(), wanted))
    results.push_back(isBatched ? result : repeated(result));
  return results;
}

FailureOr<SmallVector<Value>> ControlFlowBatching::build(ScanOp op) {
  size_t carries = op.getInit().size(), slices = op.getScanned().size();
  SmallVector<bool> yields = closeOverBody(op.getBody(), areBatched, carries);
  BatchedRegion region(op.getBody(), areBatched, count, buildBatched);
  if (failed(region.end(region.inlined(op.getBody()), yields)))
    return failure();
  SmallVector<Value> scanned = operandRange(carries, slices);
  for (auto [number, value] : llvm::enumerate(scanned))
    if (areBatched[carries + number])
      value = turned(value);
  int64_t iterations = op.getCount().front();
  SmallVector<Type> types;
  for (auto [number, type] : llvm::enumerate(region.region.front().back().getOperandTypes()))
    types.push_back(number < carries ? type
                                     : stackedType(cast<RankedTensorType>(type), iterations));
  auto made = ScanOp::create(builder, op.getLoc(), types, operandRange(0, carries), scanned,
                             operandRange(carries + slices, op.getCaptured().size()), op.getCount(),
                             op.getReverse());
  made.getBody().takeBody(region.region);
  SmallVector<Value> results;
  for (auto [number, result] : llvm::enumerate(made.getResults()))
    results.push_back(!yields[number]    ? repeated(result)
                      : number < carries ? result
                                         : turned(result));
  return results;
}

FailureOr<SmallVector<Value>> ControlFlowBatching::build(WhileOp op) {
  size_t carries = op.getInit().size();
  SmallVector<bool> yields = closeOverBody(op.getBody(), areBatched, carries);
  bool isEach = dependentYields(op.getCondition(), areBatched).front();
  if (isEach) {
    // Each example ends on its own: all that is carried is of each.
    std::fill_n(areBatched.begin(), carries, true);
    yields.assign(carries, true);
  }
  BatchedRegion condition(op.getCondition(), areBatched, count, buildBatched);
  auto anyOf = [&](OpBuilder &inner, SmallVectorImpl<Value> &flags) {
    if (isEach)
      flags[0] = max(Compose(inner, op.getLoc())(flags[0]), {0});
  };
  BatchedRegion body(op.getBody(), areBatched, count, buildBatched);
  SmallVector<Value> next = body.inlined(op.getBody());
  if (isEach) {
    Compose compose(body.builder, op.getLoc());
    Value goesOn = body.inlined(op.getCondition()).front();
    for (auto [number, value] : llvm::enumerate(next))
      value = select(broadcast(compose(goesOn), typeOf(value).getShape(), {}), compose(value),
                     compose(body.example(number)));
  }
  if (failed(condition.end(condition.inlined(op.getCondition()), {isEach}, anyOf)) ||
      failed(body.end(next, yields)))
    return failure();
  SmallVector<Value> init = operandRange(0, carries);
  auto made = WhileOp::create(builder, op.getLoc(), TypeRange(ValueRange(init)), init,
                              operandRange(carries, op.getCaptured().size()));
  made.getCondition().takeBody(condition.region);
  made.getBody().takeBody(body.region);
  SmallVector<Value> results;
  for (auto [result, isBatched] : llvm::zip_equal(made.getResults(), yields))
    results.push_back(isBatched ? result : repeated(result));
  return results;
}

/// A region of all examples, of arguments that are of each where `flags` say so; and which of its
/// yields are: at least those that are marked so.
LogicalResult ControlFlowBatching::batch(Region &source, ArrayRef<bool> flags,
                                         SmallVectorImpl<bool> &yields, Region &made) {
  for (auto [all, own] : llvm::zip_equal(yields, dependentYields(source, flags)))
    all = all || own;
  BatchedRegion region(source, flags, count, buildBatched);
  if (failed(region.end(region.inlined(source), yields)))
    return failure();
  made.takeBody(region.region);
  return success();
}

FailureOr<SmallVector<Value>> ControlFlowBatching::build(CheckpointOp op) {
  Region body;
  SmallVector<bool> yields(op.getNumResults());
  if (failed(batch(op.getBody(), areBatched, yields, body)))
    return failure();
  TypeRange types = body.front().getTerminator()->getOperandTypes();
  auto made = CheckpointOp::create(builder, op.getLoc(), SmallVector<Type>(types),
                                   operandRange(0, op.getCaptured().size()), op.getSavesAttr(),
                                   op.getNamesAttr(), op.getBudgetAttr());
  made.getBody().takeBody(body);
  SmallVector<Value> results;
  for (auto [result, isBatched] : llvm::zip_equal(made.getResults(), yields))
    results.push_back(isBatched ? result : repeated(result));
  return results;
}

/// All inputs and results are of each example, as rules give a gradient of each for an input.
FailureOr<SmallVector<Value>> ControlFlowBatching::build(CustomDerivativeOp op) {
  size_t inputs = op.getInputs().size();
  std::fill_n(areBatched.begin(), inputs, true);
  ArrayRef<bool> ofCaptured = ArrayRef(areBatched).drop_front(inputs);
  SmallVector<Type> types;
  for (Value result : op.getResults())
    types.push_back(stackedType(typeOf(result), count));
  auto made = CustomDerivativeOp::create(
      builder, op.getLoc(), types, op.getName(), operandRange(0, inputs),
      operandRange(inputs, ofCaptured.size()), static_cast<unsigned>(op.getRules().size()));
  if (Attribute mark = op->getAttr(pulledBackName))
    made->setAttr(pulledBackName, mark);
  auto fill = [&](Region &source, Region &own) {
    SmallVector<bool> flags(source.getNumArguments() - ofCaptured.size(), true);
    llvm::append_range(flags, ofCaptured);
    SmallVector<bool> yields(source.front().getTerminator()->getNumOperands(), true);
    return batch(source, flags, yields, own);
  };
  if (failed(fill(op.getBody(), made.getBody())))
    return failure();
  for (auto [source, own] : llvm::zip_equal(op.getRules(), made.getRules()))
    if (failed(fill(source, own)))
      return failure();
  return llvm::to_vector_of<Value>(made.getResults());
}

} // namespace

FailureOr<SmallVector<Value>> buildBatchedControlFlow(OpBuilder &builder, Operation *op,
                                                      ArrayRef<Value> batches, int64_t count,
                                                      BuildBatched buildBatched) {
  ControlFlowBatching batching(builder, op, batches, count, buildBatched);
  if (auto choice = dyn_cast<CaseOp>(op))
    return batching.build(choice);
  if (auto scan = dyn_cast<ScanOp>(op))
    return batching.build(scan);
  if (auto checkpoint = dyn_cast<CheckpointOp>(op))
    return batching.build(checkpoint);
  if (auto custom = dyn_cast<CustomDerivativeOp>(op))
    return batching.build(custom);
  return batching.build(cast<WhileOp>(op));
}

SmallVector<Value> buildChoice(OpBuilder &builder, CaseOp op) {
  Compose at(builder, op.getLoc());
  SmallVector<Value> results;
  for (auto [number, branch] : llvm::enumerate(op.getBranches())) {
    IRMapping mapping;
    for (auto [argument, value] : llvm::zip_equal(branch.getArguments(), op.getCaptured()))
      mapping.map(argument, value);
    cloneInto(builder, branch.front(), mapping);
    SmallVector<Value> own = mapped(mapping, branch.front());
    if (results.empty()) {
      results = std::move(own);
      continue;
    }
    // This one, or one behind it.
    Expression chosen = at(op.getIndex()) >= static_cast<double>(number);
    for (auto [result, value] : llvm::zip_equal(results, own))
      result = select(broadcast(chosen, typeOf(value).getShape(), {}), at(value), at(result));
  }
  return results;
}

} // namespace weft

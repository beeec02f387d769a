// Batching: functions of one example become functions of many.
//
//   %0 = weft.sum %x [0] : tensor<3xf32> -> tensor<f32>
//
// becomes for 8 examples
//
//   %0 = weft.sum %x [1] : tensor<8x3xf32> -> tensor<8xf32>
//
// What has no rule is built example by example: weft.slice, weft.reshape, the op, and
// weft.concatenate; what is the same for all examples is repeated by weft.broadcast.
#include "passes/batching/Batch.h"

#include "dialects/Weft/Rules/Build.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "passes/ControlFlow.h"
#include "passes/Passes.h"
#include "passes/batching/ControlFlowBatching.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace weft {
#define GEN_PASS_DEF_BATCH
#include "passes/Passes.h.inc"

namespace {

/// What is built example by example has at most so many copies.
constexpr int64_t mostCopies = 256;

RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

/// One batching: forwards over the ops that outputs depend on and that depend on examples.
class Batching {
public:
  Batching(OpBuilder &builder, Block &block, ArrayRef<Value> examples, ArrayRef<Value> batches,
           int64_t count)
      : builder(builder), block(block), count(count) {
    for (auto [example, batch] : llvm::zip_equal(examples, batches))
      batched[example] = batch;
  }

  LogicalResult record(ArrayRef<Value> outputs);
  Value batchOf(Value value) const { return batched.lookup(value); }

private:
  LogicalResult visit(Operation *op);
  LogicalResult visitDefinition(Operation *op, function_ref<SmallVector<Value>()> define);
  LogicalResult visitControlFlow(Operation *op);
  bool applyRule(Operation *op);
  bool applyLabels(Operation *op);
  bool joinFirstDimension(Operation *op);
  LogicalResult copyEach(Operation *op);

  RankedTensorType withCount(RankedTensorType type) const;
  Value repeated(Value value);
  void toEnd();

  OpBuilder &builder;
  Block &block;
  int64_t count;
  DenseMap<Value, Value> batched;
};

void Batching::toEnd() {
  if (block.mightHaveTerminator())
    builder.setInsertionPoint(block.getTerminator());
  else
    builder.setInsertionPointToEnd(&block);
}

RankedTensorType Batching::withCount(RankedTensorType type) const {
  SmallVector<int64_t> shape = {count};
  llvm::append_range(shape, type.getShape());
  return RankedTensorType::get(shape, type.getElementType());
}

/// The batch of a value; one that is the same for all examples is repeated.
Value Batching::repeated(Value value) {
  if (Value batch = batched.lookup(value))
    return batch;
  SmallVector<int64_t> dimensions =
      llvm::to_vector(llvm::seq<int64_t>(1, typeOf(value).getRank() + 1));
  return BroadcastOp::create(builder, value.getLoc(), withCount(typeOf(value)), value, dimensions);
}

LogicalResult Batching::record(ArrayRef<Value> outputs) {
  auto isNew = [&](Value value) { return !batched.contains(value); };
  for (Operation *op : opsBehind(block, outputs, isNew))
    if (failed(visit(op)))
      return failure();
  return success();
}

LogicalResult Batching::visit(Operation *op) {
  if (llvm::none_of(op->getOperands(), [&](Value value) { return batched.contains(value); }))
    return success();
  SmallVector<Type> types(op->getOperandTypes());
  llvm::append_range(types, op->getResultTypes());
  for (Type type : types)
    if (!cast<RankedTensorType>(type).hasStaticShape() ||
        cast<RankedTensorType>(type).getEncoding())
      return op->emitOpError() << "cannot be batched with the shape " << shapeText(type)
                               << ", which is not known; trace the function for fixed sizes";
  toEnd();
  if (count == 0) {
    for (Value result : op->getResults())
      batched[result] = Compose(builder, op->getLoc()).constant(withCount(typeOf(result)), 0);
    return success();
  }
  if (applyRule(op) || applyLabels(op) || joinFirstDimension(op))
    return success();
  if (isControlFlow(op))
    return visitControlFlow(op);
  if (auto composite = dyn_cast<DecompositionOpInterface>(op))
    return visitDefinition(op, [&]() mutable { return composite.decompose(builder); });
  return copyEach(op);
}

/// By the op's own rule.
bool Batching::applyRule(Operation *op) {
  auto rule = dyn_cast<BatchOpInterface>(op);
  if (!rule)
    return false;
  SmallVector<Value> operands;
  SmallVector<bool> areBatched;
  for (Value operand : op->getOperands()) {
    Value batch = batched.lookup(operand);
    areBatched.push_back(batch != nullptr);
    operands.push_back(batch ? batch : operand);
  }
  Value result = rule.buildBatched(builder, operands, areBatched, count);
  if (result)
    batched[op->getResult(0)] = result;
  return result != nullptr;
}

/// By one more dimension, which all operands and results have in front.
bool Batching::applyLabels(Operation *op) {
  auto dimensions = dyn_cast<DimensionOpInterface>(op);
  if (!dimensions)
    return false;
  SmallVector<SmallVector<int64_t>> labels = dimensions.getDimensionLabels();
  int64_t fresh = 0;
  for (ArrayRef<int64_t> list : labels)
    for (int64_t label : list)
      fresh = std::max(fresh, label + 1);
  for (SmallVector<int64_t> &list : labels)
    list.insert(list.begin(), fresh);
  Operation *last =
      builder.getInsertionBlock()->empty() ? nullptr : &*std::prev(builder.getInsertionPoint());
  SmallVector<Value> operands =
      llvm::map_to_vector(op->getOperands(), [&](Value value) { return repeated(value); });
  SmallVector<Type> types;
  for (Value result : op->getResults())
    types.push_back(withCount(typeOf(result)));
  Operation *copy = dimensions.rebuildWithLabels(builder, operands, types, labels);
  if (!copy) {
    while (&*std::prev(builder.getInsertionPoint()) != last)
      std::prev(builder.getInsertionPoint())->erase();
    return false;
  }
  for (auto [result, batch] : llvm::zip_equal(op->getResults(), copy->getResults()))
    batched[result] = batch;
  return true;
}

/// By a longer first dimension: all batched operands and all results begin with the same one, which
/// the others do not have, and the examples are put one after the other in it.
bool Batching::joinFirstDimension(Operation *op) {
  auto dimensions = dyn_cast<DimensionOpInterface>(op);
  if (!dimensions)
    return false;
  SmallVector<SmallVector<int64_t>> labels = dimensions.getDimensionLabels();
  ArrayRef<int64_t> ofResult = labels[op->getNumOperands()];
  if (ofResult.empty() || ofResult.front() < 0)
    return false;
  int64_t label = ofResult.front();
  for (auto [number, list] : llvm::enumerate(labels)) {
    bool hasBatch = number >= op->getNumOperands() || batched.contains(op->getOperand(number));
    bool fits = hasBatch ? !list.empty() && list.front() == label && llvm::count(list, label) == 1
                         : !llvm::is_contained(list, label);
    if (!fits)
      return false;
  }
  auto joined = [&](RankedTensorType type) {
    SmallVector<int64_t> shape(type.getShape());
    shape.front() *= count;
    return RankedTensorType::get(shape, type.getElementType());
  };
  SmallVector<Value> operands;
  for (Value operand : op->getOperands()) {
    Value batch = batched.lookup(operand);
    operands.push_back(
        batch ? ReshapeOp::create(builder, op->getLoc(), joined(typeOf(operand)), batch).getResult()
              : operand);
  }
  SmallVector<Type> types;
  for (Value result : op->getResults())
    types.push_back(joined(typeOf(result)));
  Operation *copy = rebuild(builder, op, operands, types);
  for (auto [result, batch] : llvm::zip_equal(op->getResults(), copy->getResults()))
    batched[result] = ReshapeOp::create(builder, op->getLoc(), withCount(typeOf(result)), batch);
  return true;
}

LogicalResult Batching::visitControlFlow(Operation *op) {
  if (auto choice = dyn_cast<CaseOp>(op); choice && batched.contains(choice.getIndex()))
    return visitDefinition(op, [&] { return buildChoice(builder, choice); });
  SmallVector<Value> batches = llvm::map_to_vector(
      op->getOperands(), [&](Value operand) { return batched.lookup(operand); });
  FailureOr<SmallVector<Value>> results =
      buildBatchedControlFlow(builder, op, batches, count, buildBatched);
  if (failed(results))
    return failure();
  // NOLINTNEXTLINE(bugprone-unchecked-optional-access): it is checked above
  for (auto [result, batch] : llvm::zip_equal(op->getResults(), *results))
    batched[result] = batch;
  return success();
}

/// By other ops, which `define` builds.
LogicalResult Batching::visitDefinition(Operation *op, function_ref<SmallVector<Value>()> define) {
  Operation *previous = op->getPrevNode();
  builder.setInsertionPoint(op);
  SmallVector<Value> definition = define();
  if (definition.empty())
    return failure();
  for (Operation *part = previous ? previous->getNextNode() : &block.front(); part != op;
       part = part->getNextNode())
    if (failed(visit(part)))
      return failure();
  toEnd();
  for (auto [result, value] : llvm::zip_equal(op->getResults(), definition))
    batched[result] = repeated(value);
  return success();
}

/// Example by example.
LogicalResult Batching::copyEach(Operation *op) {
  if (count > mostCopies)
    return op->emitOpError() << "has no batching rule for these operands, and is built example by "
                                "example for at most "
                             << mostCopies << " of them, not for " << count;
  SmallVector<SmallVector<Value>> parts(op->getNumResults());
  for (int64_t example = 0; example < count; ++example) {
    IRMapping mapping;
    for (Value operand : op->getOperands())
      if (Value batch = batched.lookup(operand)) {
        Expression whole = Compose(builder, op->getLoc())(batch);
        mapping.map(operand,
                    reshape(sliceAlong(whole, 0, example, 1), typeOf(operand).getShape()).value());
      }
    Operation *copy = builder.clone(*op, mapping);
    for (auto [list, result] : llvm::zip_equal(parts, copy->getResults())) {
      SmallVector<int64_t> shape = {1};
      llvm::append_range(shape, typeOf(result).getShape());
      list.push_back(reshape(Compose(builder, op->getLoc())(result), shape));
    }
  }
  for (auto [result, list] : llvm::zip_equal(op->getResults(), parts))
    batched[result] = concatenate(list, 0, Compose(builder, op->getLoc()));
  return success();
}

} // namespace

Value buildExample(OpBuilder &builder, Location location, Value batch) {
  Compose at(builder, location);
  Expression all = at(batch);
  ArrayRef<int64_t> shape = all.type().getShape().drop_front();
  // Of none there is no first one: any value of the shape does.
  if (all.size(0) == 0)
    return at.constant(RankedTensorType::get(shape, all.element()), 0);
  return reshape(sliceAlong(all, 0, 0, 1), shape);
}

FailureOr<SmallVector<Value>> buildBatched(OpBuilder &builder, ArrayRef<Value> outputs,
                                           ArrayRef<Value> examples, ArrayRef<Value> batches,
                                           int64_t count) {
  if (outputs.empty())
    return SmallVector<Value>();
  Value first = outputs.front();
  Batching batching(builder, *first.getParentBlock(), examples, batches, count);
  if (failed(batching.record(outputs)))
    return failure();
  return llvm::map_to_vector(outputs, [&](Value output) { return batching.batchOf(output); });
}

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

namespace {

constexpr StringLiteral requestName = "weft.batch";

LogicalResult batch(func::FuncOp function) {
  auto count = dyn_cast<IntegerAttr>(function->getAttr(requestName));
  if (!count || count.getInt() < 0)
    return function.emitOpError() << requestName << " must be a number of examples";
  if (!function.getBody().hasOneBlock())
    return function.emitOpError() << "must have one block to be batched";
  Block &block = function.getBody().front();
  Operation *terminator = block.getTerminator();
  SmallVector<Value> examples(block.getArguments()), outputs(terminator->getOperands()), batches;
  for (Value example : examples) {
    auto type = dyn_cast<RankedTensorType>(example.getType());
    if (!type || !type.hasStaticShape() || type.getEncoding())
      return function.emitOpError() << "has an argument of type " << example.getType()
                                    << "; tensors of static shape can be batched";
    SmallVector<int64_t> shape = {count.getInt()};
    llvm::append_range(shape, type.getShape());
    batches.push_back(
        block.addArgument(RankedTensorType::get(shape, type.getElementType()), example.getLoc()));
  }
  OpBuilder builder(terminator);
  FailureOr<SmallVector<Value>> built =
      buildBatched(builder, outputs, examples, batches, count.getInt());
  if (failed(built))
    return failure();
  // NOLINTNEXTLINE(bugprone-unchecked-optional-access): clang-tidy does not know failed()
  SmallVector<Value> results = *std::move(built);
  if (llvm::is_contained(results, Value()))
    return function.emitOpError() << "returns a value that no example has part in";
  terminator->setOperands(results);
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
    if (&op != terminator && isOpTriviallyDead(&op))
      op.erase();
  block.eraseArguments(0, examples.size());
  function.setFunctionType(FunctionType::get(function.getContext(), block.getArgumentTypes(),
                                             terminator->getOperandTypes()));
  function->removeAttr(requestName);
  return success();
}

struct Batch : impl::BatchBase<Batch> {
  void runOnOperation() override {
    for (func::FuncOp function : getOperation().getOps<func::FuncOp>())
      if (function->hasAttr(requestName) && failed(batch(function)))
        return signalPassFailure();
  }
};

} // namespace
} // namespace weft

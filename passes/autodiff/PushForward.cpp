// Forward-mode differentiation: of values in a block, and of functions that ask for it.
//
// The rule of an op follows from what it declares. One that is linear in its operands is applied to
// their tangents; a contraction is so in each operand. The Jacobian of an elementwise op is
// diagonal, and so its own transpose: its gradient rule, given a tangent, is its rule here. The
// gradients of any other op are linear in the cotangents, and the transpose of that is its rule.
#include "passes/autodiff/PushForward.h"

#include "dialects/Weft/Rules/Build.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/ControlFlow.h"
#include "passes/Passes.h"
#include "passes/autodiff/ControlFlowTangents.h"
#include "passes/autodiff/Differentiate.h"
#include "passes/autodiff/Pullback.h"

// NOLINTBEGIN(bugprone-unchecked-optional-access): clang-tidy does not know failed()

using namespace mlir;

namespace weft {
#define GEN_PASS_DEF_PUSHFORWARD
#include "passes/Passes.h.inc"

namespace {

/// One differentiation: forwards over the ops that outputs depend on.
class ForwardMode {
public:
  ForwardMode(OpBuilder &builder, Block &block, DenseMap<Value, Value> &replaced)
      : builder(builder), block(block), replaced(replaced) {}

  LogicalResult run(ArrayRef<Value> outputs, ArrayRef<Value> inputs, ArrayRef<Value> seeds);
  Value tangentOf(Value value) const { return tangents.lookup(value); }

private:
  bool isActive(Operation *op) const {
    return llvm::any_of(op->getOperands(), [&](Value value) { return tangents.contains(value); });
  }
  bool areBefore(ArrayRef<Value> seeds, Operation *first) const;
  void moveBehind(Operation *op);
  LogicalResult visit(Operation *op);
  LogicalResult visitDefinition(Operation *op);
  LogicalResult visitControlFlow(Operation *op);
  void applyLinear(Operation *op);
  void applyToEach(Operation *op);
  void applyDiagonal(Operation *op);
  LogicalResult applyTransposed(Operation *op);
  void add(Value result, Value tangent);

  OpBuilder &builder;
  Block &block;
  DenseMap<Value, Value> &replaced;
  DenseMap<Value, Value> tangents;
  DenseSet<Value> outputs;
  /// Whether tangents are built behind the ops that they belong to.
  bool isInPlace = true;
};

LogicalResult ForwardMode::run(ArrayRef<Value> wanted, ArrayRef<Value> inputs,
                               ArrayRef<Value> seeds) {
  outputs.insert(wanted.begin(), wanted.end());
  for (auto [input, seed] : llvm::zip_equal(inputs, seeds)) {
    if (!seed)
      continue;
    if (!isInexact(input) || seed.getType() != input.getType())
      return emitError(input.getLoc())
             << "a value of type " << input.getType() << " cannot have a tangent of type "
             << seed.getType() << "; both must have the same floating type";
    add(input, seed);
  }
  auto isDifferentiable = [](Value value) {
    return !value.getDefiningOp()->hasTrait<trait::NotDifferentiable>();
  };
  SmallVector<Operation *> ops = opsBehind(block, wanted, isDifferentiable);
  auto first = llvm::find_if(ops, [&](Operation *op) { return isActive(op); });
  isInPlace = first == ops.end() || areBefore(seeds, *first);
  for (Operation *op : llvm::make_range(first, ops.end()))
    if (failed(visit(op)))
      return failure();
  return success();
}

bool ForwardMode::areBefore(ArrayRef<Value> seeds, Operation *first) const {
  return llvm::all_of(seeds, [&](Value seed) {
    Operation *op = seed ? seed.getDefiningOp() : nullptr;
    return !op || op->getBlock() != &block || op->isBeforeInBlock(first);
  });
}

void ForwardMode::moveBehind(Operation *op) {
  if (isInPlace)
    builder.setInsertionPointAfter(op);
  else if (block.mightHaveTerminator())
    builder.setInsertionPoint(block.getTerminator());
  else
    builder.setInsertionPointToEnd(&block);
}

void ForwardMode::add(Value result, Value tangent) {
  Value &total = tangents[result];
  total = total ? AddOp::create(builder, tangent.getLoc(), total, tangent).getResult() : tangent;
}

LogicalResult ForwardMode::visit(Operation *op) {
  if (!isActive(op) || op->hasTrait<trait::NotDifferentiable>() ||
      llvm::none_of(op->getResults(), [](Value result) { return isInexact(result); }))
    return success();
  moveBehind(op);
  if (isControlFlow(op))
    return visitControlFlow(op);
  if (op->hasTrait<trait::Linear>()) {
    applyLinear(op);
    return success();
  }
  if (isa<ContractionOpInterface>(op)) {
    applyToEach(op);
    return success();
  }
  if (isa<GradientOpInterface>(op)) {
    if (failed(requireStaticShapes(op)))
      return failure();
    if (!isa<ElementwiseOpInterface>(op))
      return applyTransposed(op);
    applyDiagonal(op);
    return success();
  }
  if (hasDefinition(op))
    return visitDefinition(op);
  return op->emitOpError() << "cannot be differentiated: it has neither a gradient rule nor a "
                              "definition by other ops; give what calls it a derivative by "
                              "weft.custom_vjp or weft.custom_jvp";
}

/// The op itself, on tangents.
void ForwardMode::applyLinear(Operation *op) {
  SmallVector<Value> operands;
  for (Value value : op->getOperands())
    operands.push_back(isInexact(value)
                           ? orZeros(builder, op->getLoc(), tangentOf(value), value.getType())
                           : value);
  Operation *along = rebuild(builder, op, operands, op->getResultTypes());
  for (auto [result, tangent] : llvm::zip_equal(op->getResults(), along->getResults()))
    add(result, tangent);
}

/// The sum of the op with the tangent of each operand in its place.
void ForwardMode::applyToEach(Operation *op) {
  for (OpOperand &operand : op->getOpOperands())
    if (Value tangent = tangentOf(operand.get())) {
      SmallVector<Value> operands(op->getOperands());
      operands[operand.getOperandNumber()] = tangent;
      Operation *along = rebuild(builder, op, operands, op->getResultTypes());
      add(op->getResult(0), along->getResult(0));
    }
}

/// The sum of what the gradient rule makes of the tangent of each operand.
void ForwardMode::applyDiagonal(Operation *op) {
  for (OpOperand &operand : op->getOpOperands())
    if (Value tangent = tangentOf(operand.get())) {
      SmallVector<Value> slots(op->getNumOperands());
      SmallVector<bool> wanted(op->getNumOperands(), false);
      wanted[operand.getOperandNumber()] = true;
      cast<GradientOpInterface>(op).buildGradient(builder, tangent, wanted, slots);
      if (Value along = slots[operand.getOperandNumber()])
        add(op->getResult(0), along);
    }
}

/// The transpose of the gradients, as a function of the cotangents.
LogicalResult ForwardMode::applyTransposed(Operation *op) {
  SmallVector<Value> results, along;
  SmallVector<Type> types;
  for (Value result : op->getResults())
    if (isInexact(result) && (!result.use_empty() || outputs.contains(result))) {
      results.push_back(result);
      types.push_back(result.getType());
    }
  SmallVector<bool> wanted;
  for (Value operand : op->getOperands()) {
    along.push_back(tangentOf(operand));
    wanted.push_back(along.back() != nullptr);
  }
  auto pull = [&](OpBuilder &inner, ArrayRef<Value> inputs) {
    SmallVector<Value> cotangents;
    for (Value result : op->getResults()) {
      auto found = llvm::find(results, result);
      cotangents.push_back(found == results.end() ? Value() : inputs[found - results.begin()]);
    }
    return buildPullback(inner, op, cotangents, wanted);
  };
  auto gradientsOf = [](OpBuilder &inner, ArrayRef<Value> outputs, ArrayRef<Value> cotangents,
                        ArrayRef<Value> inputs) {
    return buildGradients(inner, outputs, cotangents, inputs);
  };
  FailureOr<SmallVector<Value>> found =
      buildTransposed(builder, op, types, pull, along, gradientsOf);
  if (failed(found))
    return failure();
  for (auto [result, tangent] : llvm::zip_equal(results, *found))
    if (tangent)
      add(result, tangent);
  return success();
}

LogicalResult ForwardMode::visitDefinition(Operation *op) {
  Operation *previous = op->getPrevNode();
  builder.setInsertionPoint(op);
  SmallVector<Value> definition = buildDefinition(op, builder);
  if (definition.empty())
    return failure();
  SmallVector<Operation *> parts;
  for (Operation *part = previous ? previous->getNextNode() : &block.front(); part != op;
       part = part->getNextNode())
    parts.push_back(part);
  outputs.insert(definition.begin(), definition.end());
  for (Operation *part : parts)
    if (failed(visit(part)))
      return failure();
  for (auto [result, value] : llvm::zip_equal(op->getResults(), definition))
    if (Value tangent = tangentOf(value))
      add(result, tangent);
  return success();
}

LogicalResult ForwardMode::visitControlFlow(Operation *op) {
  SmallVector<Value> along =
      llvm::map_to_vector(op->getOperands(), [&](Value value) { return tangentOf(value); });
  FailureOr<ResultsWithTangents> made = buildControlFlowTangents(builder, op, along, buildTangents);
  if (failed(made))
    return failure();
  for (auto [result, tangent] : llvm::zip_equal(op->getResults(), made->tangents))
    if (tangent)
      tangents[result] = tangent;
  if (!isInPlace)
    return success();
  for (auto [result, other] : llvm::zip(op->getResults(), made->results)) {
    if (Value tangent = tangentOf(result))
      tangents[other] = tangent;
    result.replaceAllUsesWith(other);
    replaced[result] = other;
  }
  return success();
}

} // namespace

FailureOr<SmallVector<Value>> buildTangents(OpBuilder &builder, ArrayRef<Value> outputs,
                                            ArrayRef<Value> inputs, ArrayRef<Value> tangents,
                                            DenseMap<Value, Value> &replaced) {
  if (outputs.empty())
    return SmallVector<Value>();
  Value first = outputs.front();
  ForwardMode forward(builder, *first.getParentBlock(), replaced);
  if (failed(forward.run(outputs, inputs, tangents)))
    return failure();
  return llvm::map_to_vector(outputs, [&](Value output) { return forward.tangentOf(output); });
}

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

namespace {

constexpr StringLiteral requestName = "weft.push_forward";

LogicalResult pushForward(func::FuncOp function) {
  FailureOr<SmallVector<Value>> arguments = requestedArguments(function, requestName);
  if (failed(arguments))
    return failure();
  Block &block = function.getBody().front();
  Operation *terminator = block.getTerminator();
  SmallVector<Value> along, outputs;
  for (Value argument : *arguments) {
    unsigned number = function.getNumArguments();
    if (failed(function.insertArgument(number, argument.getType(), {}, argument.getLoc())))
      return failure();
    along.push_back(function.getArgument(number));
  }
  llvm::copy_if(terminator->getOperands(), std::back_inserter(outputs),
                [](Value value) { return isInexact(value); });
  OpBuilder builder(terminator);
  DenseMap<Value, Value> replaced;
  FailureOr<SmallVector<Value>> found =
      buildTangents(builder, outputs, *arguments, along, replaced);
  if (failed(found))
    return failure();
  builder.setInsertionPoint(terminator);
  for (auto [output, tangent] : llvm::zip_equal(outputs, *found))
    tangent = orZeros(builder, function.getLoc(), tangent, output.getType());
  terminator->insertOperands(terminator->getNumOperands(), *found);
  function.setType(
      builder.getFunctionType(block.getArgumentTypes(), terminator->getOperandTypes()));
  function->removeAttr(requestName);
  return success();
}

struct PushForward : impl::PushForwardBase<PushForward> {
  using PushForwardBase::PushForwardBase;

  void runOnOperation() override {
    for (func::FuncOp function : getOperation().getOps<func::FuncOp>())
      if (function->hasAttr(requestName) && failed(pushForward(function)))
        return signalPassFailure();
  }
};

} // namespace
} // namespace weft

// NOLINTEND(bugprone-unchecked-optional-access)

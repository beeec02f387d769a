// Reverse-mode differentiation: of values in a block, and of functions that ask for it.
#include "passes/autodiff/Differentiate.h"
#include "dialects/Weft/IR/ElementTypes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/ControlFlow.h"
#include "passes/Passes.h"
#include "passes/autodiff/ControlFlowGradient.h"
#include "passes/autodiff/Pullback.h"

// NOLINTBEGIN(bugprone-unchecked-optional-access): clang-tidy does not know failed()

using namespace mlir;

namespace weft {
#define GEN_PASS_DEF_DIFFERENTIATE
#include "passes/Passes.h.inc"

namespace {

//===----------------------------------------------------------------------===//
// Values in a block
//===----------------------------------------------------------------------===//

/// One differentiation: forwards over the ops that outputs depend on, noting those that depend on
/// inputs, then backwards over these, adding up gradients.
class Differentiation {
public:
  Differentiation(OpBuilder &builder, Block &block, ArrayRef<Value> inputs,
                  DenseMap<Value, Value> &replaced)
      : builder(builder), block(block), replaced(replaced) {
    for (Value input : inputs)
      if (hasInexactElements(input.getType()))
        active.insert(input);
  }

  LogicalResult record(ArrayRef<Value> outputs);
  LogicalResult seed(ArrayRef<Value> outputs, ArrayRef<Value> cotangents);
  LogicalResult reverse();
  Value gradientOf(Value value) const { return gradients.lookup(value); }

private:
  LogicalResult visit(Operation *op);
  LogicalResult visitDefinition(Operation *op);
  LogicalResult applyRule(Operation *op, ArrayRef<Value> cotangents);
  void accumulate(Value value, Value gradient);

  OpBuilder &builder;
  Block &block;
  /// The results of loops, and of those that took their place.
  DenseMap<Value, Value> &replaced;
  /// Floating values that depend on an input.
  DenseSet<Value> active;
  /// The ops with an active result, in order.
  SmallVector<Operation *> tape;
  /// For a composite on the tape the results of its definition.
  DenseMap<Operation *, SmallVector<Value>> definitions;
  DenseMap<Value, Value> gradients;
};

LogicalResult Differentiation::record(ArrayRef<Value> outputs) {
  auto isDifferentiable = [](Value value) {
    return !value.getDefiningOp()->hasTrait<trait::NotDifferentiable>();
  };
  for (Operation *op : opsBehind(block, outputs, isDifferentiable))
    if (failed(visit(op)))
      return failure();
  return success();
}

LogicalResult Differentiation::visit(Operation *op) {
  auto isActive = [&](Value value) { return active.contains(value); };
  bool depends = llvm::any_of(op->getOperands(), isActive);
  if (!depends || op->hasTrait<trait::NotDifferentiable>() ||
      llvm::none_of(op->getResultTypes(), hasInexactElements))
    return success();
  if (isa<GradientOpInterface>(op) || isControlFlow(op)) {
    for (Value result : op->getResults())
      if (hasInexactElements(result.getType()))
        active.insert(result);
    tape.push_back(op);
    return success();
  }
  if (hasDefinition(op))
    return visitDefinition(op);
  return op->emitOpError() << "cannot be differentiated: it has neither a gradient rule nor a "
                              "definition by other ops; give what calls it a derivative by "
                              "weft.custom_vjp or weft.custom_jvp";
}

LogicalResult Differentiation::visitDefinition(Operation *op) {
  Operation *previous = op->getPrevNode();
  builder.setInsertionPoint(op);
  SmallVector<Value> definition = buildDefinition(op, builder);
  if (definition.empty())
    return failure();
  for (Operation *part = previous ? previous->getNextNode() : &block.front(); part != op;
       part = part->getNextNode())
    if (failed(visit(part)))
      return failure();
  for (auto [result, value] : llvm::zip_equal(op->getResults(), definition))
    if (active.contains(value))
      active.insert(result);
  definitions[op] = std::move(definition);
  tape.push_back(op);
  return success();
}

LogicalResult Differentiation::seed(ArrayRef<Value> outputs, ArrayRef<Value> cotangents) {
  if (block.mightHaveTerminator())
    builder.setInsertionPoint(block.getTerminator());
  else
    builder.setInsertionPointToEnd(&block);
  for (auto [output, cotangent] : llvm::zip_equal(outputs, cotangents)) {
    if (!cotangent)
      continue;
    if (!hasInexactElements(output.getType()) || cotangent.getType() != output.getType())
      return emitError(output.getLoc())
             << "the gradient of a value of type " << output.getType()
             << " cannot be weighted with a value of type " << cotangent.getType()
             << "; both must have the same floating type";
    accumulate(output, cotangent);
  }
  return success();
}

LogicalResult Differentiation::reverse() {
  for (Operation *op : llvm::reverse(tape)) {
    SmallVector<Value> cotangents;
    for (Value result : op->getResults())
      cotangents.push_back(gradients.lookup(result));
    if (llvm::none_of(cotangents, [](Value cotangent) { return cotangent != nullptr; }))
      continue;
    if (auto definition = definitions.find(op); definition != definitions.end()) {
      for (auto [value, cotangent] : llvm::zip_equal(definition->second, cotangents))
        if (cotangent)
          accumulate(value, cotangent);
    } else if (failed(applyRule(op, cotangents))) {
      return failure();
    }
  }
  return success();
}

/// Gradients in the body of a loop or branch.
static FailureOr<SmallVector<Value>> gradientsInside(OpBuilder &builder, ArrayRef<Value> outputs,
                                                     ArrayRef<Value> cotangents,
                                                     ArrayRef<Value> inputs) {
  return buildGradients(builder, outputs, cotangents, inputs);
}

LogicalResult Differentiation::applyRule(Operation *op, ArrayRef<Value> cotangents) {
  if (failed(requireStaticShapes(op)))
    return failure();
  SmallVector<bool> wanted;
  for (Value operand : op->getOperands())
    wanted.push_back(active.contains(operand));
  SmallVector<Value> slots(op->getNumOperands());
  if (isa<GradientOpInterface>(op))
    slots = buildPullback(builder, op, cotangents, wanted);
  else if (failed(buildControlFlowGradient(builder, op, cotangents, wanted, slots, replaced,
                                           gradientsInside)))
    return failure();
  auto numbers = llvm::to_vector(llvm::seq<unsigned>(op->getNumOperands()));
  // A body that runs op by op reads what it captures after what it begins with.
  if (isControlFlow(op))
    std::ranges::reverse(numbers);
  for (unsigned number : numbers)
    if (wanted[number] && slots[number])
      accumulate(op->getOperand(number), slots[number]);
  return success();
}

void Differentiation::accumulate(Value value, Value gradient) {
  Value &total = gradients[value];
  total = total ? AddOp::create(builder, gradient.getLoc(), total, gradient).getResult() : gradient;
}

} // namespace

FailureOr<SmallVector<Value>> buildGradients(OpBuilder &builder, ArrayRef<Value> outputs,
                                             ArrayRef<Value> cotangents, ArrayRef<Value> inputs,
                                             DenseMap<Value, Value> *replaced) {
  if (outputs.empty())
    return SmallVector<Value>(inputs.size());
  Value first = outputs.front();
  DenseMap<Value, Value> own;
  Differentiation differentiation(builder, *first.getParentBlock(), inputs,
                                  replaced ? *replaced : own);
  if (failed(differentiation.record(outputs)) ||
      failed(differentiation.seed(outputs, cotangents)) || failed(differentiation.reverse()))
    return failure();
  return llvm::map_to_vector(inputs,
                             [&](Value input) { return differentiation.gradientOf(input); });
}

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

FailureOr<SmallVector<Value>> requestedArguments(func::FuncOp function, StringRef requestName) {
  auto numbers = dyn_cast<ArrayAttr>(function->getAttr(requestName));
  if (!numbers)
    return function.emitOpError() << requestName << " must be a list of argument numbers";
  SmallVector<Value> arguments;
  for (Attribute attribute : numbers) {
    auto number = dyn_cast<IntegerAttr>(attribute);
    if (!number || number.getInt() < 0 || number.getInt() >= function.getNumArguments())
      return function.emitOpError() << requestName << " names argument " << attribute
                                    << ", but the function has " << function.getNumArguments();
    Value argument = function.getArgument(number.getInt());
    auto type = dyn_cast<RankedTensorType>(argument.getType());
    if (!type || !hasInexactElements(type) || !type.hasStaticShape())
      return function.emitOpError()
             << "argument #" << number.getInt() << " has type " << argument.getType()
             << "; gradients are for floating tensors of static shape";
    arguments.push_back(argument);
  }
  if (!function.getBody().hasOneBlock())
    return function.emitOpError() << "must have one block to be differentiated";
  return arguments;
}

namespace {

constexpr StringLiteral requestName = "weft.differentiate";

/// The value that gradients are of.
FailureOr<Value> differentiatedResult(func::FuncOp function) {
  Operation *terminator = function.getBody().front().getTerminator();
  if (terminator->getNumOperands() == 0)
    return function.emitOpError() << "returns nothing that could be differentiated";
  Value result = terminator->getOperand(0);
  auto type = dyn_cast<RankedTensorType>(result.getType());
  if (type && type.getRank() == 0 && isa<FloatType>(type.getElementType()))
    return result;
  return function.emitOpError() << "the first result has type " << result.getType()
                                << "; only a floating tensor of rank 0 has a gradient, so reduce "
                                   "it first, as by weft.sum";
}

LogicalResult differentiate(func::FuncOp function) {
  FailureOr<SmallVector<Value>> arguments = requestedArguments(function, requestName);
  if (failed(arguments))
    return failure();
  FailureOr<Value> result = differentiatedResult(function);
  if (failed(result))
    return failure();
  Operation *terminator = function.getBody().front().getTerminator();
  OpBuilder builder(terminator);
  Value one = buildFilled(builder, result->getLoc(), result->getType(), 1.0);
  FailureOr<SmallVector<Value>> gradients = buildGradients(builder, *result, one, *arguments);
  if (failed(gradients))
    return failure();
  for (auto [argument, gradient] : llvm::zip_equal(*arguments, *gradients))
    if (!gradient)
      gradient = buildFilled(builder, function.getLoc(), argument.getType(), 0.0);
  size_t count = gradients->size();
  if (failed(function.insertResults(SmallVector<unsigned>(count, function.getNumResults()),
                                    TypeRange(ValueRange(*arguments)),
                                    SmallVector<DictionaryAttr>(count))))
    return failure();
  terminator->insertOperands(terminator->getNumOperands(), *gradients);
  function->removeAttr(requestName);
  return success();
}

struct Differentiate : impl::DifferentiateBase<Differentiate> {
  void runOnOperation() override {
    for (func::FuncOp function : getOperation().getOps<func::FuncOp>())
      if (function->hasAttr(requestName) && failed(differentiate(function)))
        return signalPassFailure();
  }
};

} // namespace
} // namespace weft

// NOLINTEND(bugprone-unchecked-optional-access)

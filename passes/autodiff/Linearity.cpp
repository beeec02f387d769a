// Whether values are linear in others.
//
// An op that is linear in its operands together has to depend on the inputs by all of them; a
// contraction by one. Of any other the Jacobian has to be the same whatever the inputs are, and
// zero has to become zero: an elementwise op of one such operand is its own derivative along it.
#include "passes/autodiff/Linearity.h"

#include "dialects/Weft/IR/ComplexParts.h"
#include "dialects/Weft/IR/Weft.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/Diagnostics.h"
#include "passes/ControlFlow.h"
#include "passes/autodiff/LaterPart.h"
#include "passes/autodiff/Pullback.h"

using namespace mlir;

namespace weft {
namespace {

bool isZero(Value value) {
  Operation *definition = value.getDefiningOp();
  if (!definition)
    return false;
  if (auto constant = dyn_cast<ConstantOp>(definition)) {
    auto elements = dyn_cast<DenseElementsAttr>(constant.getValue());
    if (!elements || !elements.isSplat())
      return false;
    if (isa<FloatType>(elements.getElementType()))
      return elements.getSplatValue<APFloat>().isZero();
    if (isa<ComplexType>(elements.getElementType())) {
      auto number = elements.getSplatValue<std::complex<APFloat>>();
      return number.real().isZero() && number.imag().isZero();
    }
    return elements.getSplatValue<APInt>().isZero();
  }
  return definition->hasTrait<trait::Linear>() && definition->getNumOperands() == 1 &&
         isZero(definition->getOperand(0));
}

std::string lineOf(Operation *op) {
  auto line = op->getLoc()->findInstanceOf<FileLineColLoc>();
  return line ? " (" + line.getFilename().str() + ":" + std::to_string(line.getLine()) + ")" : "";
}

class Linearity {
public:
  LogicalResult check(Block &block, ArrayRef<Value> outputs, ArrayRef<Value> inputs);

private:
  LogicalResult visit(Operation *op, DenseSet<Value> &dependent);
  LogicalResult visitControlFlow(Operation *op, DenseSet<Value> &dependent);
  LogicalResult visitDefinition(Operation *op, DenseSet<Value> &dependent);
  LogicalResult checkRegion(Region &region, ArrayRef<bool> arguments);
  LogicalResult checkJacobian(Operation *op, const DenseSet<Value> &dependent);
  bool isOwnDerivative(Operation *op, unsigned operand);
  static LogicalResult refuse(Operation *op, const Twine &why) {
    return op->emitOpError() << "is not linear" << lineOf(op) << ": " << why.str();
  }
};

LogicalResult Linearity::check(Block &block, ArrayRef<Value> outputs, ArrayRef<Value> inputs) {
  DenseSet<Value> dependent(inputs.begin(), inputs.end());
  for (Operation *op : opsBehind(block, outputs, [](Value) { return true; }))
    if (failed(visit(op, dependent)))
      return failure();
  return success();
}

LogicalResult Linearity::visit(Operation *op, DenseSet<Value> &dependent) {
  SmallVector<unsigned> active;
  bool areOthersZero = true;
  for (auto [number, operand] : llvm::enumerate(op->getOperands()))
    if (dependent.contains(operand))
      active.push_back(number);
    else if (isInexact(operand))
      areOthersZero = areOthersZero && isZero(operand);
  if (active.empty())
    return success();
  if (isControlFlow(op))
    return visitControlFlow(op, dependent);
  dependent.insert(op->result_begin(), op->result_end());
  if (llvm::none_of(op->getResults(), [](Value result) { return isInexact(result); }))
    return success();
  if (op->hasTrait<trait::NotDifferentiable>())
    return refuse(op, "it has no derivative");
  if (llvm::any_of(active, [&](unsigned number) { return !isInexact(op->getOperand(number)); }))
    return refuse(op, "what it decides by depends on the inputs");
  if (op->hasTrait<trait::Linear>())
    return areOthersZero ? success() : refuse(op, "it puts in what does not depend on the inputs");
  if (isa<ContractionOpInterface>(op))
    return active.size() == 1 ? success()
                              : refuse(op, "it multiplies what depends on the inputs by another "
                                           "that does");
  if (!isa<GradientOpInterface>(op))
    return visitDefinition(op, dependent);
  if (failed(checkJacobian(op, dependent)))
    return failure();
  if (areOthersZero || (active.size() == 1 && isOwnDerivative(op, active.front())))
    return success();
  return refuse(op, "it puts in what does not depend on the inputs");
}

/// Through its parts, which are built before it.
LogicalResult Linearity::visitDefinition(Operation *op, DenseSet<Value> &dependent) {
  if (!hasDefinition(op))
    return refuse(op, "it has no derivative");
  Operation *previous = op->getPrevNode();
  OpBuilder builder(op);
  if (buildDefinition(op, builder).empty())
    return failure();
  for (Operation *part = previous ? previous->getNextNode() : &op->getBlock()->front(); part != op;
       part = part->getNextNode())
    if (failed(visit(part, dependent)))
      return failure();
  return success();
}

LogicalResult Linearity::checkRegion(Region &region, ArrayRef<bool> arguments) {
  SmallVector<Value> inputs;
  for (auto [argument, isMarked] : llvm::zip_equal(region.getArguments(), arguments))
    if (isMarked)
      inputs.push_back(argument);
  return check(region.front(), SmallVector<Value>(region.front().getTerminator()->getOperands()),
               inputs);
}

LogicalResult Linearity::visitControlFlow(Operation *op, DenseSet<Value> &dependent) {
  SmallVector<bool> operands = llvm::map_to_vector(
      op->getOperands(), [&](Value operand) { return dependent.contains(operand); });
  SmallVector<bool> results = laterResults(op, operands);
  for (auto [result, depends] : llvm::zip_equal(op->getResults(), results))
    if (depends)
      dependent.insert(result);
  auto choice = dyn_cast<CaseOp>(op);
  if (choice && operands[0])
    return refuse(op, "what it decides by depends on the inputs");
  if (auto loop = dyn_cast<WhileOp>(op);
      loop && dependentYields(loop.getCondition(), operands).front())
    return refuse(op, "what it decides by depends on the inputs");
  Region *body = isa<WhileOp>(op) ? &op->getRegion(1) : &op->getRegion(0);
  if (!choice)
    return checkRegion(*body, operands);
  for (Region &branch : choice.getBranches())
    if (failed(checkRegion(branch, ArrayRef(operands).drop_front())))
      return failure();
  return success();
}

/// That what the gradient rule makes of cotangents does not depend on the inputs.
LogicalResult Linearity::checkJacobian(Operation *op, const DenseSet<Value> &dependent) {
  Block scratch;
  OpBuilder inner(op->getContext());
  inner.setInsertionPointToEnd(&scratch);
  SmallVector<Value> cotangents;
  for (Value result : op->getResults())
    cotangents.push_back(isInexact(result) ? scratch.addArgument(result.getType(), op->getLoc())
                                           : Value());
  SmallVector<bool> wanted = llvm::map_to_vector(
      op->getOperands(), [&](Value operand) { return dependent.contains(operand); });
  SmallVector<Value> found = buildPullback(inner, op, cotangents, wanted);
  for (auto [gradient, isWanted] : llvm::zip_equal(found, wanted))
    if (isWanted && !gradient)
      return refuse(op, "its derivative is zero");
  eraseUnread(scratch, found);
  for (Operation &part : scratch)
    if (llvm::any_of(part.getOperands(), [&](Value v) { return dependent.contains(v); }))
      return refuse(op, "its derivative depends on the inputs");
  return success();
}

/// Whether the derivative along an operand, where the tangent is the operand, is the op.
bool Linearity::isOwnDerivative(Operation *op, unsigned operand) {
  if (!isa<ElementwiseOpInterface>(op))
    return false;
  Block scratch;
  OpBuilder inner(op->getContext());
  inner.setInsertionPointToEnd(&scratch);
  SmallVector<Value> slots(op->getNumOperands());
  SmallVector<bool> wanted(op->getNumOperands(), false);
  wanted[operand] = true;
  cast<GradientOpInterface>(op).buildGradient(inner, op->getOperand(operand), wanted, slots);
  Operation *along = slots[operand] ? slots[operand].getDefiningOp() : nullptr;
  return along && along->getBlock() == &scratch && along->getName() == op->getName() &&
         along->getAttrDictionary() == op->getAttrDictionary() &&
         std::is_permutation(along->operand_begin(), along->operand_end(), op->operand_begin(),
                             op->operand_end());
}

} // namespace

LogicalResult requireLinear(Block &block, ArrayRef<Value> outputs, ArrayRef<Value> inputs) {
  if (failed(Linearity().check(block, outputs, inputs)))
    return failure();
  DenseSet<Value> dependent = laterValues(block, inputs);
  for (Value output : outputs) {
    if (dependent.contains(output) || isZero(output))
      continue;
    if (Operation *definition = output.getDefiningOp())
      return definition->emitOpError()
             << "is not linear" << lineOf(definition) << ": a result does not depend on the inputs";
    return emitError(output.getLoc()) << "a result is not linear: it does not depend on the inputs";
  }
  return success();
}

} // namespace weft

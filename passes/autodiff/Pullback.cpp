// The gradients of one op as a linear function of cotangents, and transposes of such functions.
#include "passes/autodiff/Pullback.h"

#include "dialects/Weft/IR/Weft.h"
#include "passes/ControlFlow.h"

// NOLINTBEGIN(bugprone-unchecked-optional-access): clang-tidy does not know failed()

using namespace mlir;

namespace weft {

LogicalResult requireStaticShapes(Operation *op) {
  SmallVector<Type> types(op->getOperandTypes());
  llvm::append_range(types, op->getResultTypes());
  for (Type type : types)
    if (!cast<RankedTensorType>(type).hasStaticShape())
      return op->emitOpError() << "cannot be differentiated with the dynamic shape "
                               << shapeText(type) << "; trace the function for fixed sizes";
  return success();
}

SmallVector<Value> buildPullback(OpBuilder &builder, Operation *op, ArrayRef<Value> cotangents,
                                 ArrayRef<bool> wanted) {
  bool isAnalytic = isa<ComplexOpInterface>(op);
  auto conjugated = [&](Value value) {
    return isAnalytic ? buildConjugate(builder, value) : value;
  };
  SmallVector<Value> slots(op->getNumOperands());
  cast<GradientOpInterface>(op).buildGradient(builder, llvm::map_to_vector(cotangents, conjugated),
                                              wanted, slots);
  // Rules leave out what no element has part in; an operand of it still has a gradient, of zeros.
  bool isEmptied = llvm::all_of(op->getResultTypes(), [](Type type) { return isEmpty(type); });
  for (auto [operand, gradient, needed] : llvm::zip_equal(op->getOperands(), slots, wanted)) {
    if (needed && !gradient && isEmptied)
      gradient = buildFilled(builder, op->getLoc(), operand.getType(), 0.0);
    gradient = needed && gradient ? conjugated(gradient) : Value();
  }
  return slots;
}

FailureOr<SmallVector<Value>> buildTransposed(OpBuilder &builder, Operation *op, TypeRange types,
                                              LinearFunction build, ArrayRef<Value> cotangents,
                                              BuildGradients buildGradients) {
  Block scratch;
  SmallVector<Location> locations(types.size(), op->getLoc());
  scratch.addArguments(types, locations);
  SmallVector<Value> inputs(scratch.getArguments().begin(), scratch.getArguments().end());
  OpBuilder inner(op->getContext());
  inner.setInsertionPointToEnd(&scratch);
  SmallVector<Value> outputs, seeds;
  for (auto [value, cotangent] : llvm::zip_equal(build(inner, inputs), cotangents))
    if (value && cotangent && value.getParentBlock() == &scratch) {
      outputs.push_back(value);
      seeds.push_back(cotangent);
    }
  FailureOr<SmallVector<Value>> found = buildGradients(inner, outputs, seeds, inputs);
  if (failed(found))
    return failure();
  eraseUnread(scratch, *found);
  if (llvm::any_of(inputs, [](Value input) { return !input.use_empty(); }))
    return op->emitOpError() << "cannot be differentiated: its rule is not linear in what it gets";
  builder.getInsertionBlock()->getOperations().splice(builder.getInsertionPoint(),
                                                      scratch.getOperations());
  return found;
}

} // namespace weft

// NOLINTEND(bugprone-unchecked-optional-access)

// Derivatives as functions of their own: along tangents, and the transposes of linear ones.
//
//   %y = weft.sin %x
//
// becomes
//
//   %y = weft.sin %x
//   %kept = weft.cos %x
//   func.func @main(%kept, %t) { %u = weft.multiply %t, %kept  return %u }
#include "passes/autodiff/Linearize.h"

#include "dialects/Weft/IR/Weft.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "passes/ControlFlow.h"
#include "passes/autodiff/Differentiate.h"
#include "passes/autodiff/LaterPart.h"
#include "passes/autodiff/Linearity.h"
#include "passes/autodiff/PushForward.h"
#include "passes/fusion/FusionGroup.h"

// NOLINTBEGIN(bugprone-unchecked-optional-access): clang-tidy does not know failed()

using namespace mlir;

namespace weft {
namespace {

/// A function that is cut out of a block: what depends on its arguments.
class Cutting {
public:
  Cutting(Block &source, MLIRContext *context, ValueRange like) : source(source), builder(context) {
    module = ModuleOp::create(builder.getUnknownLoc());
    builder.setInsertionPointToEnd(module->getBody());
    auto type = builder.getFunctionType(like.getTypes(), {});
    function = func::FuncOp::create(builder, builder.getUnknownLoc(), "main", type);
    block = function.addEntryBlock();
    builder.setInsertionPointToEnd(block);
  }

  SmallVector<Value> arguments() const {
    return SmallVector<Value>(block->args_begin(), block->args_end());
  }
  LinearFunction finish(ArrayRef<Value> results, ValueRange like, DenseMap<Value, Value> &replaced);
  void undo(const DenseMap<Value, Value> &replaced);

private:
  void split(DenseMap<Value, Value> &replaced);
  Value inside(Value value);

  Block &source;
  OpBuilder builder;
  OwningOpRef<ModuleOp> module;
  func::FuncOp function;
  Block *block = nullptr;
  SmallVector<Value> kept;
  DenseMap<Value, Value> known;
};

/// Moves what depends on the arguments into the function. The values that `replaced` names are
/// followed through ops that are built anew.
void Cutting::split(DenseMap<Value, Value> &replaced) {
  SmallVector<Value> names, values;
  for (auto [former, other] : replaced) {
    names.push_back(former);
    values.push_back(other);
  }
  Block scratch;
  OpBuilder follower(builder.getContext());
  follower.setInsertionPointToEnd(&scratch);
  auto followed = YieldOp::create(follower, builder.getUnknownLoc(), values);
  SmallVector<Value> first = arguments();
  DenseSet<Value> later(first.begin(), first.end());
  splitBlock(source, later);
  for (auto [former, other] : llvm::zip_equal(names, followed->getOperands()))
    replaced[former] = other;
  for (Operation &op : llvm::make_early_inc_range(source))
    if (llvm::any_of(op.getResults(), [&](Value result) { return later.contains(result); }))
      op.moveBefore(&block->back());
}

/// A value of the source as the function has it: what is made of nothing, or only repeats
/// something, is made there, and else it is kept.
Value Cutting::inside(Value value) {
  if (value.getParentBlock() == block)
    return value;
  if (Value found = known.lookup(value))
    return found;
  Operation *definition = value.getDefiningOp();
  auto isSmaller = [&](Value operand) {
    return elementCount(operand.getType()).value_or(0) <= elementCount(value.getType()).value_or(0);
  };
  // A reshape may stand for an input of another derivative, or an example: it is kept.
  if (definition && isFree(definition) && llvm::all_of(definition->getOperands(), isSmaller)) {
    IRMapping mapping;
    for (Value operand : definition->getOperands())
      mapping.map(operand, inside(operand));
    OpBuilder::InsertionGuard guard(builder);
    Operation *copy = builder.clone(*definition, mapping);
    for (auto [result, other] : llvm::zip_equal(definition->getResults(), copy->getResults()))
      known[result] = other;
    return known.lookup(value);
  }
  unsigned number = kept.size();
  kept.push_back(value);
  return known[value] = block->insertArgument(number, value.getType(), value.getLoc());
}

LinearFunction Cutting::finish(ArrayRef<Value> results, ValueRange like,
                               DenseMap<Value, Value> &replaced) {
  SmallVector<Value> returned;
  for (auto [result, other] : llvm::zip_equal(results, like))
    returned.push_back(orZeros(builder, other.getLoc(), result, other.getType()));
  auto end = func::ReturnOp::create(builder, builder.getUnknownLoc(), returned);
  split(replaced);
  eraseUnread(*block);
  for (Operation &op : llvm::make_early_inc_range(*block)) {
    builder.setInsertionPoint(&op);
    for (OpOperand &operand : op.getOpOperands())
      operand.set(inside(operand.get()));
  }
  function.setFunctionType(
      builder.getFunctionType(block->getArgumentTypes(), end.getOperandTypes()));
  return {std::move(module), std::move(kept)};
}

/// Takes back what was built, as far as it depends on the arguments.
void Cutting::undo(const DenseMap<Value, Value> &replaced) {
  for (auto [former, other] : replaced)
    other.replaceAllUsesWith(former);
  DenseSet<Value> later = dependentsOf(source, arguments());
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(source)))
    if (llvm::any_of(op.getResults(), [&](Value result) { return later.contains(result); })) {
      op.dropAllUses();
      op.erase();
    }
}

/// The numbers of the values that are computed in a block and have a derivative: those of around
/// depend on nothing in it.
SmallVector<size_t> computedIn(Block &block, ArrayRef<Value> values) {
  SmallVector<size_t> numbers;
  for (size_t number = 0; number < values.size(); ++number)
    if (Value value = values[number]; value.getParentBlock() == &block && isInexact(value))
      numbers.push_back(number);
  return numbers;
}

SmallVector<Value> chosen(ArrayRef<Value> values, ArrayRef<size_t> numbers) {
  return llvm::map_to_vector(numbers, [&](size_t number) { return values[number]; });
}

} // namespace

FailureOr<LinearFunction> buildLinearized(OpBuilder &builder, ArrayRef<Value> outputs,
                                          ArrayRef<Value> inputs,
                                          DenseMap<Value, Value> &replaced) {
  Block &block = *builder.getInsertionBlock();
  SmallVector<size_t> numbers = computedIn(block, outputs);
  Cutting cutting(block, builder.getContext(), inputs);
  FailureOr<SmallVector<Value>> found =
      buildTangents(builder, chosen(outputs, numbers), inputs, cutting.arguments(), replaced);
  if (failed(found)) {
    cutting.undo(replaced);
    replaced.clear();
    return failure();
  }
  SmallVector<Value> results(outputs.size());
  for (auto [number, tangent] : llvm::zip_equal(numbers, *found))
    results[number] = tangent;
  return cutting.finish(results, outputs, replaced);
}

FailureOr<LinearFunction> buildTransposedFunction(OpBuilder &builder, ArrayRef<Value> outputs,
                                                  ArrayRef<Value> inputs,
                                                  DenseMap<Value, Value> &replaced) {
  Block &block = *builder.getInsertionBlock();
  if (failed(requireLinear(block, outputs, inputs)))
    return failure();
  SmallVector<size_t> numbers = computedIn(block, outputs);
  Cutting cutting(block, builder.getContext(), outputs);
  FailureOr<SmallVector<Value>> found = buildGradients(
      builder, chosen(outputs, numbers), chosen(cutting.arguments(), numbers), inputs, &replaced);
  if (failed(found)) {
    cutting.undo(replaced);
    replaced.clear();
    return failure();
  }
  return cutting.finish(*found, inputs, replaced);
}

} // namespace weft

// NOLINTEND(bugprone-unchecked-optional-access)

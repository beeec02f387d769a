// Gradients of checkpoints: what is kept of them, and what is computed again.
//
// The body is copied behind the forward pass, on operands behind barriers, and its gradient built
// there. What the checkpoint's policy keeps, as %y = weft.barrier %x named "n", becomes one more
// result of it, and takes, behind a barrier too, the place of its copy.
#include "passes/autodiff/CheckpointGradient.h"

#include "mlir/IR/IRMapping.h"
#include "passes/ControlFlow.h"
#include "passes/fusion/FusionGroup.h"

// NOLINTBEGIN(bugprone-unchecked-optional-access): clang-tidy does not know failed()

using namespace mlir;

namespace weft {
namespace {

/// Costs nothing to compute again.
bool isFreeAgain(Operation *op) { return isFree(op) || isa<ReshapeOp>(op); }

int64_t elementsOf(Value value) { return elementCount(value.getType()).value_or(0); }

int64_t bytesOf(Value value) {
  Type element = cast<RankedTensorType>(value.getType()).getElementType();
  auto complex = dyn_cast<ComplexType>(element);
  int64_t bits = complex ? 2 * complex.getElementType().getIntOrFloatBitWidth()
                         : element.getIntOrFloatBitWidth();
  return elementsOf(value) * std::max<int64_t>(1, bits / 8);
}

bool hasBatchDimensions(ContractionOpInterface op) {
  return llvm::any_of(op.getContraction().loops,
                      [](auto &loop) { return loop.kind == Contraction::Batch; });
}

/// About how many instructions the results take.
int64_t workOf(Operation *op) {
  int64_t work = instructionCount(op);
  auto contraction = dyn_cast<ContractionOpInterface>(op);
  if (!contraction) {
    int64_t most = 0;
    for (Value value : op->getOperands())
      most = std::max(most, elementsOf(value));
    for (Value value : op->getResults())
      most = std::max(most, elementsOf(value));
    return most * std::max<int64_t>(1, work);
  }
  work = 2;
  for (const Contraction::Loop &loop : contraction.getContraction().loops) {
    Value of = loop.sizeOperand == Contraction::Result ? Value(op->getResult(0))
                                                       : op->getOperand(loop.sizeOperand);
    work *= cast<RankedTensorType>(of.getType()).getDimSize(loop.sizeDimension);
  }
  return work;
}

/// Which values of a checkpoint are kept.
class Policy {
public:
  explicit Policy(CheckpointOp op) : op(op), saves(op.getSaves()) {}

  bool keepsNothing() { return !saves && !op.getBudget(); }
  bool keeps(Value value);

private:
  bool isNamed(StringRef name) {
    return op.getNames() && llvm::any_of(op.getNamesAttr().getAsValueRange<StringAttr>(),
                                         [&](StringRef own) { return own == name; });
  }

  CheckpointOp op;
  std::optional<StringRef> saves;
};

bool Policy::keeps(Value value) {
  Operation *definition = value.getDefiningOp();
  if (isFreeAgain(definition))
    return false;
  if (!saves || *saves == "everything")
    return true;
  auto contraction = dyn_cast<ContractionOpInterface>(definition);
  if (*saves == "contractions")
    return bool(contraction);
  if (*saves == "unbatched_contractions")
    return contraction && !hasBatchDimensions(contraction);
  auto barrier = dyn_cast<BarrierOp>(definition);
  std::optional<StringRef> name = barrier ? barrier.getName() : std::nullopt;
  if (*saves == "all_but_names")
    return !name || !isNamed(*name);
  return name && isNamed(*name) == (*saves == "names");
}

/// The gradient of one checkpoint.
class CheckpointGradient {
public:
  CheckpointGradient(OpBuilder &builder, CheckpointOp op, DenseMap<Value, Value> &replaced)
      : builder(builder), op(op), replaced(replaced) {}

  LogicalResult build(ArrayRef<Value> cotangents, ArrayRef<bool> wanted,
                      MutableArrayRef<Value> gradients, BuildGradients buildGradients);

private:
  void copyBody();
  SmallVector<Value> needed(function_ref<bool(Value)> keeps) const;
  DenseSet<Value> withinBudget(ArrayRef<Value> candidates);
  void keep(ArrayRef<Value> values, MutableArrayRef<Value> gradients);

  OpBuilder &builder;
  CheckpointOp op;
  DenseMap<Value, Value> &replaced;
  /// From the body to its copy.
  IRMapping mapping;
  SmallVector<Value> again;
  SmallVector<std::pair<Operation *, Operation *>> copies;
};

void CheckpointGradient::copyBody() {
  for (Value value : op.getCaptured())
    again.push_back(BarrierOp::create(builder, op.getLoc(), value.getType(), value));
  mapping.map(op.getBody().getArguments(), again);
  for (Operation &part : op.getBody().front().without_terminator())
    copies.emplace_back(&part, builder.clone(part, mapping));
}

/// What of the body has to be there for the gradient: what is kept of it, from the last value up.
SmallVector<Value> CheckpointGradient::needed(function_ref<bool(Value)> keeps) const {
  DenseSet<Operation *> all, computed;
  for (auto [part, copy] : copies)
    all.insert(copy);
  SmallVector<Value> kept;
  for (auto [part, copy] : llvm::reverse(copies)) {
    bool isComputed = false;
    for (auto [value, other] : llvm::zip_equal(part->getResults(), copy->getResults())) {
      bool isRead = llvm::any_of(other.getUsers(), [&](Operation *user) {
        return !all.contains(user) || computed.contains(user);
      });
      if (isRead && keeps(value))
        kept.push_back(value);
      else
        isComputed |= isRead;
    }
    if (isComputed)
      computed.insert(copy);
  }
  return kept;
}

/// Those that spare the most work for each byte, as long as they fit.
DenseSet<Value> CheckpointGradient::withinBudget(ArrayRef<Value> candidates) {
  SmallVector<Value> order(candidates);
  auto worth = [](Value value) {
    return double(workOf(value.getDefiningOp())) / double(std::max<int64_t>(1, bytesOf(value)));
  };
  llvm::stable_sort(order, [&](Value left, Value right) { return worth(left) > worth(right); });
  auto left = static_cast<int64_t>(*op.getBudget());
  DenseSet<Value> chosen;
  for (Value value : order)
    if (bytesOf(value) <= left) {
      left -= bytesOf(value);
      chosen.insert(value);
    }
  return chosen;
}

/// The checkpoint again, with these values of its body as more results, which take the place of
/// their copies.
void CheckpointGradient::keep(ArrayRef<Value> values, MutableArrayRef<Value> gradients) {
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointAfter(op);
  SmallVector<Type> types(op.getResultTypes());
  llvm::append_range(types, ValueRange(values).getTypes());
  auto forward = CheckpointOp::create(builder, op.getLoc(), types, op.getCaptured(),
                                      op.getSavesAttr(), op.getNamesAttr(), op.getBudgetAttr());
  IRMapping inside;
  op.getBody().cloneInto(&forward.getBody(), inside);
  for (Value value : values)
    forward.getBody().front().getTerminator()->insertOperands(
        forward.getBody().front().getTerminator()->getNumOperands(), inside.lookup(value));
  for (auto [former, result] : llvm::zip(op.getOutputs(), forward.getOutputs())) {
    former.replaceAllUsesWith(result);
    replaced[former] = result;
  }
  builder.setInsertionPoint(copies.front().second);
  for (auto [value, result] :
       llvm::zip_equal(values, forward.getOutputs().drop_front(op.getNumResults()))) {
    Value kept = BarrierOp::create(builder, op.getLoc(), result.getType(), result);
    Value copy = mapping.lookup(value);
    copy.replaceAllUsesWith(kept);
    llvm::replace(gradients, copy, kept);
  }
}

LogicalResult CheckpointGradient::build(ArrayRef<Value> cotangents, ArrayRef<bool> wanted,
                                        MutableArrayRef<Value> gradients,
                                        BuildGradients buildGradients) {
  copyBody();
  SmallVector<Value> outputs, seeds, inputs;
  for (auto [value, cotangent] :
       llvm::zip_equal(op.getBody().front().getTerminator()->getOperands(), cotangents))
    if (cotangent) {
      outputs.push_back(mapping.lookup(value));
      seeds.push_back(cotangent);
    }
  SmallVector<size_t> numbers;
  for (auto [number, value] : llvm::enumerate(again))
    if (wanted[number] && isInexact(value)) {
      numbers.push_back(number);
      inputs.push_back(value);
    }
  FailureOr<SmallVector<Value>> found = buildGradients(builder, outputs, seeds, inputs);
  if (failed(found))
    return failure();
  for (auto [number, gradient] : llvm::zip_equal(numbers, *found))
    gradients[number] = gradient;
  Policy policy(op);
  if (policy.keepsNothing())
    return success();
  SmallVector<Value> kept = needed([&](Value value) { return policy.keeps(value); });
  if (op.getBudget()) {
    // Of the values that the policy allows those that would be read if none were kept.
    DenseSet<Value> chosen;
    SmallVector<Value> candidates;
    needed([&](Value value) {
      if (policy.keeps(value))
        candidates.push_back(value);
      return false;
    });
    chosen = withinBudget(candidates);
    kept = needed([&](Value value) { return chosen.contains(value); });
  }
  if (!kept.empty())
    keep(kept, gradients);
  return success();
}

} // namespace

LogicalResult buildCheckpointGradient(OpBuilder &builder, CheckpointOp op,
                                      ArrayRef<Value> cotangents, ArrayRef<bool> wanted,
                                      MutableArrayRef<Value> gradients,
                                      DenseMap<Value, Value> &replaced,
                                      BuildGradients buildGradients) {
  return CheckpointGradient(builder, op, replaced)
      .build(cotangents, wanted, gradients, buildGradients);
}

} // namespace weft

// NOLINTEND(bugprone-unchecked-optional-access)

// Gradients of control flow.
//
//   %c, %y = weft.scan [n] init(%a) over(%x) with(%w) { ... }
//
// becomes, where gradients of %a, %x and %w are wanted,
//
//   %c, %y, %kept = weft.scan [n] init(%a) over(%x) with(%w) { ... and what the backward reads }
//   %da, %dw, %dx = weft.scan [n] init(%dc, 0) over(%kept, %x, %dy) with(%w) reverse { ... }
//
// The backward body is the gradient of the body: that of the carried values is carried backwards,
// that of what is captured is added up, that of slices is stacked. What it reads of the forward
// body is kept for each iteration, but for what costs nothing to compute again.
#include "passes/autodiff/ControlFlowGradient.h"

#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "passes/ControlFlow.h"
#include "passes/autodiff/CheckpointGradient.h"
#include "passes/autodiff/LaterPart.h"
#include "llvm/ADT/SetVector.h"

// NOLINTBEGIN(bugprone-unchecked-optional-access): clang-tidy does not know failed()

using namespace mlir;

namespace weft {
namespace {

void cloneInto(OpBuilder &builder, Block &block, IRMapping &mapping) {
  for (Operation &op : block.without_terminator())
    builder.clone(op, mapping);
}

//===----------------------------------------------------------------------===//
// Loops
//===----------------------------------------------------------------------===//

/// The gradient of one scan.
class ScanGradient {
public:
  ScanGradient(OpBuilder &builder, ScanOp op, ArrayRef<Value> cotangents, ArrayRef<bool> wanted,
               DenseMap<Value, Value> &replaced, BuildGradients buildGradients)
      : builder(builder),
        buildGradients(buildGradients),
        inner(op.getContext()),
        op(op),
        location(op.getLoc()),
        body(op.getBody().front()),
        cotangents(cotangents),
        replaced(replaced),
        carries(op.getInit().size()),
        slices(op.getScanned().size()) {
    for (auto [number, isWanted] : llvm::enumerate(wanted))
      if (isWanted && hasInexactElements(op->getOperand(number).getType()))
        active.insert(number);
    findActiveCarries(wanted);
  }

  LogicalResult build(MutableArrayRef<Value> gradients);

private:
  void findActiveCarries(ArrayRef<bool> wanted);
  LogicalResult differentiate();
  void takeFound(ArrayRef<Value> gradients);
  Operation *rebuildForward();
  /// The operands of the loop backwards, and what the values of `work` are in its body.
  struct Backward {
    SmallVector<Value> init, scanned, captured;
    SmallVector<BlockArgument> sums;
    IRMapping mapping;
  };
  void addArguments(Backward &backward, Block &block);
  void fillBackward(Backward &backward, Block &block);
  Operation *buildBackward();

  bool isCarry(size_t number) const { return number < carries; }
  bool isSlice(size_t number) const { return number >= carries && number < carries + slices; }

  OpBuilder &builder;
  BuildGradients buildGradients;
  /// In the body of the gradient.
  OpBuilder inner;
  ScanOp op;
  Location location;
  Block &body;
  ArrayRef<Value> cotangents;
  DenseMap<Value, Value> &replaced;
  size_t carries, slices;
  /// Operands with a gradient, and carried values that depend on one, by their numbers.
  llvm::SmallSetVector<size_t, 8> active;
  /// The forward body, then its gradient; its arguments are those of the forward body, then
  /// cotangents. From here both bodies are made.
  Region work;
  SmallVector<Value> yielded;
  /// The cotangents of results, by their numbers; gradients of active operands.
  SmallVector<std::pair<size_t, BlockArgument>> given;
  SmallVector<Value> found;
  /// Carried values that nothing in an iteration is computed from.
  DenseSet<size_t> unreached;
  /// What of the forward body the gradient reads and does not compute.
  llvm::SetVector<Value> kept;
  /// What depends on cotangents.
  DenseSet<Value> backward;
  SmallVector<Value> stackedKept;
};

/// A carried value is active if it begins so, or if the next one depends on an active value.
void ScanGradient::findActiveCarries(ArrayRef<bool> wanted) {
  Operation *yield = body.getTerminator();
  for (bool grows = true; grows;) {
    SmallVector<Value> values = llvm::map_to_vector(
        active, [&](size_t number) -> Value { return body.getArgument(number); });
    DenseSet<Value> dependent = dependentsOf(body, values);
    grows = false;
    for (size_t carry = 0; carry < carries; ++carry)
      if (Value next = yield->getOperand(carry);
          dependent.contains(next) && hasInexactElements(next.getType()))
        grows |= active.insert(carry);
  }
}

/// Builds the gradient of the body behind it.
LogicalResult ScanGradient::differentiate() {
  Block &block = work.emplaceBlock();
  IRMapping mapping;
  for (BlockArgument argument : body.getArguments())
    mapping.map(argument, block.addArgument(argument.getType(), location));
  inner.setInsertionPointToEnd(&block);
  cloneInto(inner, body, mapping);
  yielded = llvm::map_to_vector(body.getTerminator()->getOperands(),
                                [&](Value value) { return mapping.lookup(value); });
  SmallVector<Value> outputs, seeds, inputs;
  for (auto [number, value] : llvm::enumerate(yielded)) {
    bool counts = isCarry(number) ? active.contains(number) : cotangents[number] != nullptr;
    if (!counts || !hasInexactElements(value.getType()))
      continue;
    given.emplace_back(number, block.addArgument(value.getType(), location));
    outputs.push_back(value);
    seeds.push_back(given.back().second);
  }
  for (size_t number : active)
    inputs.push_back(block.getArgument(number));
  FailureOr<SmallVector<Value>> gradients = buildGradients(inner, outputs, seeds, inputs);
  if (failed(gradients))
    return failure();
  inner.setInsertionPointToEnd(&block);
  takeFound(*gradients);
  backward = dependentsOf(block, seeds);
  return success();
}

/// Operands that no result depends on have no gradient, which is not one of zeros: these become NaN
/// where they meet an infinite derivative. Carried values have one from the iteration behind.
void ScanGradient::takeFound(ArrayRef<Value> gradients) {
  SmallVector<size_t> numbers = active.takeVector();
  for (auto [number, value] : llvm::zip_equal(numbers, gradients)) {
    bool passes = isCarry(number) && op.getCount().front() == 0;
    if (!value && isCarry(number) && !passes)
      unreached.insert(number);
    if (!value && !isCarry(number))
      continue;
    active.insert(number);
    found.push_back(orZeros(inner, location, value, work.getArgument(number).getType()));
  }
}

/// The scan again, with what is kept as more results.
Operation *ScanGradient::rebuildForward() {
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointAfter(op);
  SmallVector<Type> types(op.getResultTypes());
  int64_t count = op.getCount().front();
  for (Value value : kept)
    types.push_back(stackedType(cast<RankedTensorType>(value.getType()), count));
  auto forward = ScanOp::create(builder, location, types, op.getInit(), op.getScanned(),
                                op.getCaptured(), op.getCount(), op.getReverse());
  Block &block = forward.getBody().emplaceBlock();
  IRMapping mapping;
  for (BlockArgument argument : body.getArguments())
    mapping.map(work.getArgument(argument.getArgNumber()),
                block.addArgument(argument.getType(), argument.getLoc()));
  inner.setInsertionPointToEnd(&block);
  for (Operation &part : work.front())
    if (part.getNumResults() == 0 || !backward.contains(part.getResult(0)))
      inner.clone(part, mapping);
  SmallVector<Value> results(yielded);
  results.append(kept.begin(), kept.end());
  for (Value &value : results)
    value = mapping.lookup(value);
  YieldOp::create(inner, location, results);
  eraseUnread(block);
  for (auto [former, result] : llvm::zip(op.getOutputs(), forward.getOutputs())) {
    former.replaceAllUsesWith(result);
    replaced[former] = result;
  }
  stackedKept = llvm::to_vector_of<Value>(forward.getOutputs().drop_front(op.getNumResults()));
  return forward;
}

/// The arguments of the loop backwards: carried are the cotangents of carried values, and sums for
/// what is captured; slices are what is kept, slices of the loop, and cotangents of its slices.
void ScanGradient::addArguments(Backward &backward, Block &block) {
  auto add = [&](Value inside, SmallVectorImpl<Value> &operands, Value operand) {
    backward.mapping.map(inside, block.addArgument(inside.getType(), location));
    operands.push_back(operand);
  };
  auto cotangentOf = [&](size_t number) {
    return llvm::find_if(given, [&](auto &entry) { return entry.first == number; })->second;
  };
  for (size_t number : active) {
    Type type = work.getArgument(number).getType();
    if (isCarry(number)) {
      add(cotangentOf(number), backward.init, orZeros(builder, location, cotangents[number], type));
    } else if (!isSlice(number)) {
      backward.sums.push_back(block.addArgument(type, location));
      backward.init.push_back(buildFilled(builder, location, type, 0.0));
    }
  }
  for (auto [value, stacked] : llvm::zip_equal(kept, stackedKept))
    add(value, backward.scanned, stacked);
  for (size_t number = carries; number < carries + slices; ++number)
    add(work.getArgument(number), backward.scanned, op->getOperand(number));
  for (auto [number, seed] : given)
    if (!isCarry(number))
      add(seed, backward.scanned, cotangents[number]);
  for (size_t number = carries + slices; number < op->getNumOperands(); ++number)
    add(work.getArgument(number), backward.captured, op->getOperand(number));
}

/// Its body: what is not kept is computed again, and mostly unread. Yields carried values, then
/// slices.
void ScanGradient::fillBackward(Backward &backward, Block &block) {
  inner.setInsertionPointToEnd(&block);
  auto isThere = [&](Value result) { return backward.mapping.contains(result); };
  for (Operation &part : work.front())
    if (llvm::none_of(part.getResults(), isThere))
      inner.clone(part, backward.mapping);
  SmallVector<Value> carried, stacked;
  size_t sum = 0;
  for (auto [number, gradient] : llvm::zip_equal(active, found)) {
    Value value = backward.mapping.lookup(gradient);
    if (isSlice(number))
      stacked.push_back(value);
    else if (isCarry(number))
      carried.push_back(value);
    else
      carried.push_back(AddOp::create(inner, location, backward.sums[sum++], value));
  }
  carried.append(stacked);
  YieldOp::create(inner, location, carried);
  eraseUnread(block);
}

Operation *ScanGradient::buildBackward() {
  Region region;
  Block &block = region.emplaceBlock();
  Backward backward;
  addArguments(backward, block);
  fillBackward(backward, block);
  SmallVector<Type> types;
  int64_t count = op.getCount().front();
  for (auto [number, type] : llvm::enumerate(block.getTerminator()->getOperandTypes()))
    types.push_back(
        number < backward.init.size() ? type : stackedType(cast<RankedTensorType>(type), count));
  auto result = ScanOp::create(builder, location, types, backward.init, backward.scanned,
                               backward.captured, op.getCount(), !op.getReverse());
  result.getBody().takeBody(region);
  return result;
}

LogicalResult ScanGradient::build(MutableArrayRef<Value> gradients) {
  if (active.empty())
    return success();
  if (failed(differentiate()))
    return failure();
  kept = keptOfBody(work.front(), backward, found, carries, slices);
  rebuildForward();
  Operation *backwards = buildBackward();
  size_t carried = 0;
  size_t stacked = llvm::count_if(active, [&](size_t number) { return !isSlice(number); });
  for (size_t number : active) {
    Value gradient = backwards->getResult(isSlice(number) ? stacked++ : carried++);
    if (!unreached.contains(number))
      gradients[number] = gradient;
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Branches
//===----------------------------------------------------------------------===//

/// The gradients of one branch, null where there is none, at the end of a block that takes what the
/// branch takes, then cotangents. The branch is computed again.
FailureOr<SmallVector<Value>> buildBranchGradient(Region &branch, ArrayRef<Value> cotangents,
                                                  ArrayRef<size_t> wanted, Region &made,
                                                  BuildGradients buildGradients) {
  Block &block = made.emplaceBlock();
  Location location = branch.getLoc();
  OpBuilder inner(branch.getContext());
  inner.setInsertionPointToEnd(&block);
  IRMapping mapping;
  for (BlockArgument argument : branch.getArguments())
    mapping.map(argument, block.addArgument(argument.getType(), location));
  cloneInto(inner, branch.front(), mapping);
  SmallVector<Value> outputs, seeds, inputs;
  for (auto [value, cotangent] :
       llvm::zip_equal(branch.front().getTerminator()->getOperands(), cotangents))
    if (cotangent) {
      outputs.push_back(mapping.lookup(value));
      seeds.push_back(block.addArgument(cotangent.getType(), location));
    }
  for (size_t number : wanted)
    inputs.push_back(block.getArgument(number));
  return buildGradients(inner, outputs, seeds, inputs);
}

LogicalResult buildCaseGradient(OpBuilder &builder, CaseOp op, ArrayRef<Value> cotangents,
                                ArrayRef<bool> wanted, MutableArrayRef<Value> gradients,
                                BuildGradients buildGradients) {
  SmallVector<size_t> numbers;
  for (auto [number, value] : llvm::enumerate(op.getCaptured()))
    if (wanted[number + 1] && hasInexactElements(value.getType()))
      numbers.push_back(number);
  SmallVector<std::unique_ptr<Region>> made;
  SmallVector<SmallVector<Value>> found;
  for (Region &branch : op.getBranches()) {
    made.push_back(std::make_unique<Region>());
    auto inBranch = buildBranchGradient(branch, cotangents, numbers, *made.back(), buildGradients);
    if (failed(inBranch))
      return failure();
    found.push_back(std::move(*inBranch));
  }
  // What no branch has a gradient for has none; see ScanGradient::takeFound.
  auto isReached = [&](size_t place) {
    return llvm::any_of(found, [&](ArrayRef<Value> values) { return values[place] != nullptr; });
  };
  auto reached = llvm::filter_to_vector(llvm::seq<size_t>(numbers.size()), isReached);
  auto types = llvm::map_to_vector(
      reached, [&](size_t place) { return op.getCaptured()[numbers[place]].getType(); });
  for (auto [region, values] : llvm::zip_equal(made, found)) {
    OpBuilder inner(op.getContext());
    inner.setInsertionPointToEnd(&region->front());
    auto yielded = llvm::map_to_vector(llvm::zip_equal(reached, types), [&](auto entry) {
      auto [place, type] = entry;
      return orZeros(inner, op.getLoc(), values[place], type);
    });
    YieldOp::create(inner, op.getLoc(), yielded);
    eraseUnread(region->front());
  }
  if (reached.empty())
    return success();
  SmallVector<Value> captured(op.getCaptured());
  llvm::copy_if(cotangents, std::back_inserter(captured),
                [](Value cotangent) { return cotangent != nullptr; });
  auto backward = CaseOp::create(builder, op.getLoc(), types, op.getIndex(), captured, made.size());
  for (auto [region, branch] : llvm::zip_equal(made, backward.getBranches()))
    branch.takeBody(*region);
  for (auto [place, result] : llvm::zip_equal(reached, backward.getOutputs()))
    gradients[numbers[place] + 1] = result;
  return success();
}

//===----------------------------------------------------------------------===//
// Functions with derivatives of their own
//===----------------------------------------------------------------------===//

/// The cotangents of the floating results, zeros where there are none.
SmallVector<Value> inexactCotangents(OpBuilder &builder, CustomDerivativeOp op,
                                     ArrayRef<Value> cotangents) {
  SmallVector<Value> chosen;
  for (auto [result, cotangent] : llvm::zip_equal(op.getOutputs(), cotangents))
    if (isInexact(result))
      chosen.push_back(orZeros(builder, op.getLoc(), cotangent, result.getType()));
  return chosen;
}

/// The gradients of the floating inputs, by both passes, or by the transpose of the rule along
/// tangents.
FailureOr<SmallVector<Value>> gradientsByRule(OpBuilder &builder, CustomDerivativeOp op,
                                              ArrayRef<Value> cotangents,
                                              BuildGradients buildGradients) {
  SmallVector<Value> given(op->getOperands()), seeds = inexactCotangents(builder, op, cotangents);
  if (!op.isAlongTangents()) {
    SmallVector<Value> made = buildInlined(builder, op.getRules()[0], given);
    SmallVector<Value> takes(llvm::drop_begin(made, op.getNumResults()));
    llvm::append_range(takes, seeds);
    llvm::append_range(takes, op.getCaptured());
    return buildInlined(builder, op.getRules()[1], takes);
  }
  SmallVector<Type> types;
  for (Value input : op.getInputs())
    if (isInexact(input))
      types.push_back(input.getType());
  auto push = [&](OpBuilder &inner, ArrayRef<Value> tangents) {
    SmallVector<Value> made = buildInlined(inner, op.getRules()[0], takenAlong(op, tangents));
    return SmallVector<Value>(llvm::drop_begin(made, op.getNumResults()));
  };
  return buildTransposed(builder, op, types, push, seeds, buildGradients);
}

LogicalResult buildCustomGradient(OpBuilder &builder, CustomDerivativeOp op,
                                  ArrayRef<Value> cotangents, ArrayRef<bool> wanted,
                                  MutableArrayRef<Value> gradients, BuildGradients buildGradients) {
  size_t inputs = op.getInputs().size();
  if (failed(requireRule(op, wanted)))
    return failure();
  FailureOr<SmallVector<Value>> found = gradientsByRule(builder, op, cotangents, buildGradients);
  if (failed(found))
    return failure();
  size_t next = 0;
  for (size_t number = 0; number < inputs; ++number)
    if (isInexact(op->getOperand(number)))
      gradients[number] = (*found)[next++];
  return success();
}

} // namespace

SmallVector<Value> takenAlong(CustomDerivativeOp op, ArrayRef<Value> tangents) {
  SmallVector<Value> takes(op.getInputs());
  llvm::append_range(takes, tangents);
  llvm::append_range(takes, op.getCaptured());
  return takes;
}

LogicalResult requireRule(CustomDerivativeOp op, ArrayRef<bool> active) {
  if (op.getRules().empty())
    return op->emitOpError()
           << "of " << op.getName()
           << " has no derivative here: it has none at all, is a backward pass that "
              "is differentiable once, or its rule calls the function itself, "
              "which is traced for derivatives of up to third order; detach() "
              "what needs no gradient";
  if (llvm::none_of(active.drop_front(op.getInputs().size()), [](bool is) { return is; }))
    return success();
  return op->emitOpError() << "of " << op.getName()
                           << " cannot be differentiated for a tensor that the function reads from "
                              "outside: its rule knows nothing of it; give it as an argument";
}

LogicalResult buildControlFlowGradient(OpBuilder &builder, Operation *op,
                                       ArrayRef<Value> cotangents, ArrayRef<bool> wanted,
                                       MutableArrayRef<Value> gradients,
                                       DenseMap<Value, Value> &replaced,
                                       BuildGradients buildGradients) {
  op->walk([](CustomDerivativeOp custom) {
    if (custom.getRules().size() == 2)
      custom->setAttr(pulledBackName, UnitAttr::get(custom.getContext()));
  });
  if (auto choice = dyn_cast<CaseOp>(op))
    return buildCaseGradient(builder, choice, cotangents, wanted, gradients, buildGradients);
  if (auto scan = dyn_cast<ScanOp>(op))
    return ScanGradient(builder, scan, cotangents, wanted, replaced, buildGradients)
        .build(gradients);
  if (auto checkpoint = dyn_cast<CheckpointOp>(op))
    return buildCheckpointGradient(builder, checkpoint, cotangents, wanted, gradients, replaced,
                                   buildGradients);
  if (auto custom = dyn_cast<CustomDerivativeOp>(op))
    return buildCustomGradient(builder, custom, cotangents, wanted, gradients, buildGradients);
  return op->emitOpError()
         << "cannot be differentiated: how many iterations there are is not known; "
            "give weft.while_loop max_iterations, or use weft.scan";
}

} // namespace weft

// NOLINTEND(bugprone-unchecked-optional-access)

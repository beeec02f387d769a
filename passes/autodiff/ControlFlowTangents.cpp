// Tangents of control flow.
//
//   %c, %y = weft.scan [n] init(%a) over(%x) with(%w) { ... }
//
// becomes, where %a and %x have the tangents %ta and %tx,
//
//   %c, %tc, %y, %ty = weft.scan [n] init(%a, %ta) over(%x, %tx) with(%w) { ... and its tangents }
//
// and so does a weft.while, whose number of iterations nobody needs to know here. Values of each
// group, as carried values, slices and what is captured, come before the tangents of that group.
#include "passes/autodiff/ControlFlowTangents.h"

#include "passes/autodiff/ControlFlowGradient.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace weft {
namespace {

/// Values of a region or an op by groups, and which of them have a tangent.
struct Groups {
  SmallVector<size_t> sizes;
  SmallVector<bool> active;

  /// `items`, and behind each group what `tangentOf` gives for the active ones in it.
  template <typename Item>
  SmallVector<Item> withTangents(ArrayRef<Item> items, function_ref<Item(size_t)> tangentOf) const {
    SmallVector<Item> all;
    size_t first = 0;
    for (size_t size : sizes) {
      llvm::append_range(all, items.slice(first, size));
      for (size_t number = first; number < first + size; ++number)
        if (active[number])
          all.push_back(tangentOf(number));
      first += size;
    }
    return all;
  }
};

/// The tangents of one op with regions.
class FlowTangents {
public:
  FlowTangents(OpBuilder &builder, Operation *op, ArrayRef<Value> tangents,
               BuildTangents buildTangents)
      : builder(builder),
        op(op),
        location(op->getLoc()),
        tangents(tangents),
        buildTangents(buildTangents) {}

  FailureOr<ResultsWithTangents> build(CaseOp op);
  FailureOr<ResultsWithTangents> build(WhileOp op);
  FailureOr<ResultsWithTangents> build(ScanOp op);
  FailureOr<ResultsWithTangents> build(CheckpointOp op);
  FailureOr<ResultsWithTangents> build(CustomDerivativeOp op);

private:
  FailureOr<ResultsWithTangents> buildThroughForwardPass(CustomDerivativeOp op);
  /// Operands from `first` on, in groups of these sizes.
  Groups operandGroups(size_t first, ArrayRef<size_t> sizes) const;
  /// Adds the carried values that depend on an active one.
  static void closeOverBody(Region &body, Groups &takes, size_t carries);
  /// Marks the floating yields that depend on active arguments.
  static void markYields(Region &region, const Groups &takes, Groups &yields);
  LogicalResult addTangents(Region &source, const Groups &takes, const Groups &yields,
                            Region &made);
  SmallVector<Value> operands(size_t first, const Groups &groups) const;
  /// What the results of `made` are.
  static ResultsWithTangents resultsOf(Operation *made, const Groups &yields);

  OpBuilder &builder;
  Operation *op;
  Location location;
  ArrayRef<Value> tangents;
  BuildTangents buildTangents;
};

Groups FlowTangents::operandGroups(size_t first, ArrayRef<size_t> sizes) const {
  Groups groups{SmallVector<size_t>(sizes), {}};
  for (Value tangent : tangents.drop_front(first))
    groups.active.push_back(tangent != nullptr);
  return groups;
}

void FlowTangents::closeOverBody(Region &body, Groups &takes, size_t carries) {
  Operation *yield = body.front().getTerminator();
  for (bool grows = true; grows;) {
    grows = false;
    SmallVector<bool> dependent = dependentYields(body, takes.active);
    for (size_t carry = 0; carry < carries; ++carry)
      if (dependent[carry] && !takes.active[carry] && isInexact(yield->getOperand(carry)))
        grows = takes.active[carry] = true;
  }
}

void FlowTangents::markYields(Region &region, const Groups &takes, Groups &yields) {
  Operation *yield = region.front().getTerminator();
  yields.active.resize(yield->getNumOperands());
  for (auto [number, depends] : llvm::enumerate(dependentYields(region, takes.active)))
    if (depends && isInexact(yield->getOperand(number)))
      yields.active[number] = true;
}

/// `source` with tangents among its arguments and yields.
LogicalResult FlowTangents::addTangents(Region &source, const Groups &takes, const Groups &yields,
                                        Region &made) {
  Block &block = made.emplaceBlock();
  OpBuilder inner(op->getContext());
  inner.setInsertionPointToEnd(&block);
  SmallVector<Value> sources(source.getArguments()), values, inputs, along, outputs;
  IRMapping mapping;
  size_t first = 0;
  for (size_t size : takes.sizes) {
    for (Value argument : ArrayRef(sources).slice(first, size))
      values.push_back(block.addArgument(argument.getType(), location));
    for (size_t number = first; number < first + size; ++number)
      if (takes.active[number]) {
        inputs.push_back(values[number]);
        along.push_back(block.addArgument(values[number].getType(), location));
      }
    first += size;
  }
  SmallVector<Value> results = buildInlined(inner, source, values);
  for (auto [number, result] : llvm::enumerate(results))
    if (yields.active[number])
      outputs.push_back(result);
  DenseMap<Value, Value> replaced;
  FailureOr<SmallVector<Value>> found = buildTangents(inner, outputs, inputs, along, replaced);
  if (failed(found))
    return failure();
  inner.setInsertionPointToEnd(&block);
  for (Value &result : results)
    if (Value other = replaced.lookup(result))
      result = other;
  size_t next = 0;
  auto tangentOf = [&](size_t number) {
    return orZeros(inner, location, (*found)[next++], results[number].getType());
  };
  SmallVector<Value> all = yields.withTangents<Value>(results, tangentOf);
  YieldOp::create(inner, location, all);
  eraseUnread(block);
  return success();
}

/// The operands from `first` on, with tangents.
SmallVector<Value> FlowTangents::operands(size_t first, const Groups &groups) const {
  SmallVector<Value> values(op->getOperands().drop_front(first));
  return groups.withTangents<Value>(values, [&](size_t number) {
    return orZeros(builder, location, tangents[first + number], values[number].getType());
  });
}

ResultsWithTangents FlowTangents::resultsOf(Operation *made, const Groups &yields) {
  ResultsWithTangents all;
  all.tangents.resize(yields.active.size());
  size_t first = 0, next = 0;
  for (size_t size : yields.sizes) {
    for (size_t number = 0; number < size; ++number)
      all.results.push_back(made->getResult(next++));
    for (size_t number = first; number < first + size; ++number)
      if (yields.active[number])
        all.tangents[number] = made->getResult(next++);
    first += size;
  }
  return all;
}

SmallVector<Type> typesWithTangents(Operation *op, const Groups &yields) {
  SmallVector<Type> types(op->getResultTypes());
  return yields.withTangents<Type>(types, [&](size_t number) { return types[number]; });
}

FailureOr<ResultsWithTangents> FlowTangents::build(CaseOp op) {
  Groups takes = operandGroups(1, {op.getCaptured().size()}), yields{{op.getNumResults()}, {}};
  for (Region &branch : op.getBranches())
    markYields(branch, takes, yields);
  auto made = CaseOp::create(builder, location, typesWithTangents(op, yields), op.getIndex(),
                             operands(1, takes), op.getBranches().size());
  for (auto [branch, own] : llvm::zip_equal(op.getBranches(), made.getBranches()))
    if (failed(addTangents(branch, takes, yields, own)))
      return failure();
  return resultsOf(made, yields);
}

FailureOr<ResultsWithTangents> FlowTangents::build(CheckpointOp op) {
  Groups takes = operandGroups(0, {op.getCaptured().size()}), yields{{op.getNumResults()}, {}};
  markYields(op.getBody(), takes, yields);
  auto made =
      CheckpointOp::create(builder, location, typesWithTangents(op, yields), operands(0, takes),
                           op.getSavesAttr(), op.getNamesAttr(), op.getBudgetAttr());
  if (failed(addTangents(op.getBody(), takes, yields, made.getBody())))
    return failure();
  return resultsOf(made, yields);
}

FailureOr<ResultsWithTangents> FlowTangents::build(WhileOp op) {
  size_t carries = op.getInit().size();
  Groups takes = operandGroups(0, {carries, op.getCaptured().size()});
  closeOverBody(op.getBody(), takes, carries);
  Groups yields{{carries}, SmallVector<bool>(ArrayRef(takes.active).take_front(carries))};
  SmallVector<Value> all = operands(0, takes);
  size_t carried = carries + llvm::count(yields.active, true);
  auto made = WhileOp::create(builder, location, typesWithTangents(op, yields),
                              ArrayRef(all).take_front(carried), ArrayRef(all).drop_front(carried));
  Groups decision{{1}, {false}};
  if (failed(addTangents(op.getCondition(), takes, decision, made.getCondition())) ||
      failed(addTangents(op.getBody(), takes, yields, made.getBody())))
    return failure();
  return resultsOf(made, yields);
}

FailureOr<ResultsWithTangents> FlowTangents::build(ScanOp op) {
  size_t carries = op.getInit().size(), slices = op.getScanned().size();
  Groups takes = operandGroups(0, {carries, slices, op.getCaptured().size()});
  closeOverBody(op.getBody(), takes, carries);
  Groups yields{{carries, op.getNumResults() - carries}, {}};
  markYields(op.getBody(), takes, yields);
  std::copy_n(takes.active.begin(), carries, yields.active.begin());
  SmallVector<Value> all = operands(0, takes);
  auto activeIn = [&](size_t first, size_t size) {
    return llvm::count(ArrayRef(takes.active).slice(first, size), true);
  };
  size_t carried = carries + activeIn(0, carries);
  size_t scanned = slices + activeIn(carries, slices);
  ArrayRef<Value> behind = ArrayRef(all).drop_front(carried);
  auto made = ScanOp::create(builder, location, typesWithTangents(op, yields),
                             ArrayRef(all).take_front(carried), behind.take_front(scanned),
                             behind.drop_front(scanned), op.getCount(), op.getReverse());
  if (failed(addTangents(op.getBody(), takes, yields, made.getBody())))
    return failure();
  return resultsOf(made, yields);
}

/// Through the ops of its forward pass, which a backward pass goes with.
FailureOr<ResultsWithTangents> FlowTangents::buildThroughForwardPass(CustomDerivativeOp op) {
  Region &forward = op.getRules()[0];
  Groups takes = operandGroups(0, {op->getNumOperands()});
  Groups yields{{forward.front().getTerminator()->getNumOperands()}, {}};
  markYields(forward, takes, yields);
  std::fill(yields.active.begin() + op.getNumResults(), yields.active.end(), false);
  Region made;
  if (failed(addTangents(forward, takes, yields, made)))
    return failure();
  SmallVector<Value> values = buildInlined(builder, made, operands(0, takes));
  ResultsWithTangents all;
  size_t next = yields.active.size();
  for (size_t number = 0; number < op.getNumResults(); ++number)
    all.tangents.push_back(yields.active[number] ? values[next++] : Value());
  return all;
}

/// By its rule.
FailureOr<ResultsWithTangents> FlowTangents::build(CustomDerivativeOp op) {
  if (op->hasAttr(pulledBackName))
    return buildThroughForwardPass(op);
  SmallVector<bool> active = llvm::map_to_vector(tangents, [](Value t) { return t != nullptr; });
  if (failed(requireRule(op, active)))
    return failure();
  if (!op.isAlongTangents())
    return op->emitOpError() << "of " << op.getName()
                             << " has a rule for gradients only (custom_vjp), so it has no "
                                "derivative along tangents; give it one by weft.custom_jvp";
  SmallVector<Value> along;
  for (auto [input, tangent] : llvm::zip(op.getInputs(), tangents))
    if (isInexact(input))
      along.push_back(orZeros(builder, location, tangent, input.getType()));
  SmallVector<Value> made = buildInlined(builder, op.getRules()[0], takenAlong(op, along));
  ResultsWithTangents all;
  size_t next = op.getNumResults();
  for (Value result : op.getResults())
    all.tangents.push_back(isInexact(result) ? made[next++] : Value());
  return all;
}

} // namespace

FailureOr<ResultsWithTangents> buildControlFlowTangents(OpBuilder &builder, Operation *op,
                                                        ArrayRef<Value> tangents,
                                                        BuildTangents buildTangents) {
  FlowTangents flow(builder, op, tangents, buildTangents);
  return llvm::TypeSwitch<Operation *, FailureOr<ResultsWithTangents>>(op)
      .Case<CaseOp, WhileOp, ScanOp, CheckpointOp, CustomDerivativeOp>(
          [&](auto part) { return flow.build(part); });
}

} // namespace weft

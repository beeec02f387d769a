// Parts of a block, and of the ops with regions in it, that depend on some values.
//
//   %c, %tc = weft.scan [n] init(%a, %ta) with(%w) { ... }
//
// of which %tc depends on %ta and %c does not, is split into
//
//   %c, %kept = weft.scan [n] init(%a) with(%w) { ... and what the second one reads }
//   %tc = weft.scan [n] init(%ta) over(%kept) with(%w) { ... }
//
// What comes behind %b = weft.barrier %x in a body is not kept: it is there to be computed again.
#include "passes/autodiff/LaterPart.h"

#include "mlir/IR/IRMapping.h"
#include "passes/ControlFlow.h"
#include "passes/fusion/FusionGroup.h"

using namespace mlir;

namespace weft {
namespace {

SmallVector<bool> marksOf(ValueRange values, const DenseSet<Value> &marked) {
  return llvm::map_to_vector(values, [&](Value value) { return marked.contains(value); });
}

bool any(ArrayRef<bool> marks) {
  return llvm::any_of(marks, [](bool mark) { return mark; });
}

/// Which yields of a region depend on the arguments that are marked.
SmallVector<bool> laterYields(Region &region, ArrayRef<bool> marks) {
  SmallVector<Value> arguments;
  for (auto [argument, isMarked] : llvm::zip_equal(region.getArguments(), marks))
    if (isMarked)
      arguments.push_back(argument);
  return marksOf(region.front().getTerminator()->getOperands(),
                 laterValues(region.front(), arguments));
}

/// The same for the body of a loop, whose carried values may come to depend on them.
SmallVector<bool> laterYieldsOfLoop(Region &body, SmallVectorImpl<bool> &marks, size_t carries) {
  for (;;) {
    SmallVector<bool> yields = laterYields(body, marks);
    bool grows = false;
    for (size_t carry = 0; carry < carries; ++carry) {
      grows |= yields[carry] && !marks[carry];
      yields[carry] = marks[carry] = marks[carry] || yields[carry];
    }
    if (!grows)
      return yields;
  }
}

} // namespace

SmallVector<bool> laterResults(Operation *op, SmallVectorImpl<bool> &operands) {
  if (auto scan = dyn_cast<ScanOp>(op))
    return laterYieldsOfLoop(scan.getBody(), operands, scan.getInit().size());
  if (auto loop = dyn_cast<WhileOp>(op)) {
    SmallVector<bool> yields = laterYieldsOfLoop(loop.getBody(), operands, loop.getInit().size());
    if (laterYields(loop.getCondition(), operands).front())
      std::fill_n(operands.begin(), yields.size(), true);
    return SmallVector<bool>(ArrayRef(operands).take_front(yields.size()));
  }
  SmallVector<bool> results(op->getNumResults(), false);
  auto choice = dyn_cast<CaseOp>(op);
  if (choice && operands[0])
    results.assign(results.size(), true);
  MutableArrayRef<Region> regions = choice ? op->getRegions() : op->getRegions().take_front(1);
  for (Region &region : regions)
    for (auto [all, own] : llvm::zip_equal(
             results, laterYields(region, ArrayRef(operands).drop_front(choice ? 1 : 0))))
      all = all || own;
  return results;
}

DenseSet<Value> laterValues(Block &block, ArrayRef<Value> values) {
  DenseSet<Value> later(values.begin(), values.end());
  for (Operation &op : block) {
    SmallVector<bool> operands = marksOf(op.getOperands(), later);
    if (!any(operands))
      continue;
    SmallVector<bool> results(op.getNumResults(), true);
    if (isControlFlow(&op))
      results = laterResults(&op, operands);
    for (auto [result, isLater] : llvm::zip_equal(op.getResults(), results))
      if (isLater)
        later.insert(result);
  }
  return later;
}

//===----------------------------------------------------------------------===//
// What is kept of a loop
//===----------------------------------------------------------------------===//

namespace {

class Keeping {
public:
  Keeping(Block &body, const DenseSet<Value> &later, size_t perIteration)
      : later(later),
        varying(dependentsOf(
            body, llvm::to_vector_of<Value>(body.getArguments().take_front(perIteration)))) {
    SmallVector<Value> barriers;
    for (auto barrier : body.getOps<BarrierOp>())
      if (!barrier.getName())
        barriers.push_back(barrier);
    if (!barriers.empty())
      again = dependentsOf(body, barriers);
  }

  void keep(Value value) {
    if (later.contains(value) || kept.contains(value) || !seen.insert(value).second)
      return;
    Operation *definition = value.getDefiningOp();
    bool isFree = definition && (weft::isFree(definition) || isa<ReshapeOp>(definition));
    if (!definition || (varying.contains(value) && !isFree && !again.contains(value)))
      kept.insert(value);
    else
      for (Value operand : definition->getOperands())
        keep(operand);
  }

  llvm::SetVector<Value> kept;

private:
  const DenseSet<Value> &later;
  DenseSet<Value> varying, again, seen;
};

} // namespace

llvm::SetVector<Value> keptOfBody(Block &body, const DenseSet<Value> &later, ArrayRef<Value> read,
                                  size_t carries, size_t slices) {
  Keeping keeping(body, later, carries + slices);
  for (Operation &part : body.without_terminator())
    if (llvm::any_of(part.getResults(), [&](Value result) { return later.contains(result); }))
      for (Value operand : part.getOperands())
        keeping.keep(operand);
  for (Value value : read)
    keeping.keep(value);
  keeping.kept.remove_if([&](Value value) {
    auto argument = dyn_cast<BlockArgument>(value);
    return argument && argument.getArgNumber() >= carries;
  });
  return std::move(keeping.kept);
}

//===----------------------------------------------------------------------===//
// Splitting
//===----------------------------------------------------------------------===//

namespace {

/// A region that takes some arguments of another, and yields some of its values.
void fillPart(Region &made, Block &source, ArrayRef<size_t> takes, ArrayRef<Value> yields) {
  Block &block = made.emplaceBlock();
  IRMapping mapping;
  for (size_t number : takes) {
    BlockArgument argument = source.getArgument(number);
    mapping.map(argument, block.addArgument(argument.getType(), argument.getLoc()));
  }
  OpBuilder inner = OpBuilder::atBlockEnd(&block);
  for (Operation *op : opsBehind(source, yields, [](Value) { return true; }))
    inner.clone(*op, mapping);
  YieldOp::create(inner, source.getParentOp()->getLoc(),
                  llvm::map_to_vector(yields, [&](Value v) { return mapping.lookup(v); }));
}

/// One op with regions, in two.
class Splitting {
public:
  Splitting(Operation *op, SmallVector<bool> operands, SmallVector<bool> results)
      : builder(op),
        op(op),
        location(op->getLoc()),
        later(std::move(operands)),
        isLater(std::move(results)) {}

  /// The second op; null if there is none.
  Operation *run() {
    if (auto scan = dyn_cast<ScanOp>(op))
      return split(scan);
    if (llvm::all_of(isLater, [](bool is) { return is; }))
      return op;
    if (auto loop = dyn_cast<WhileOp>(op))
      split(loop);
    else if (auto choice = dyn_cast<CaseOp>(op))
      split(choice);
    else if (auto checkpoint = dyn_cast<CheckpointOp>(op))
      split(checkpoint);
    return op;
  }

private:
  Operation *split(ScanOp scan);
  void split(WhileOp loop);
  void split(CaseOp choice);
  void split(CheckpointOp checkpoint);
  void hoistInvariants(ScanOp scan);
  ScanOp buildFirst(ScanOp scan, ArrayRef<Value> kept);
  ScanOp buildSecond(ScanOp scan, ArrayRef<Value> kept, ValueRange stacked);

  /// The numbers from `first` on, `count` of them, of which the marks are so.
  static SmallVector<size_t> numbersOf(ArrayRef<bool> marks, bool are, size_t first, size_t count) {
    SmallVector<size_t> numbers;
    for (size_t number = first; number < first + count; ++number)
      if (marks[number] == are)
        numbers.push_back(number);
    return numbers;
  }
  SmallVector<Value> operandsAt(ArrayRef<size_t> numbers) const {
    return llvm::map_to_vector(numbers, [&](size_t number) { return op->getOperand(number); });
  }
  SmallVector<Type> typesAt(ArrayRef<size_t> numbers) const {
    return llvm::map_to_vector(numbers,
                               [&](size_t number) { return op->getResult(number).getType(); });
  }
  static SmallVector<Value> yieldsAt(Block &body, ArrayRef<size_t> numbers) {
    return llvm::map_to_vector(
        numbers, [&](size_t number) { return body.getTerminator()->getOperand(number); });
  }
  void replace(ArrayRef<size_t> numbers, ValueRange values) {
    for (auto [number, value] : llvm::zip_first(numbers, values))
      op->getResult(number).replaceAllUsesWith(value);
  }

  OpBuilder builder;
  Operation *op;
  Location location;
  SmallVector<bool> later, isLater;
};

/// What is the same in all iterations is computed before the loop.
void Splitting::hoistInvariants(ScanOp scan) {
  Block &body = scan.getBody().front();
  size_t perIteration = scan.getInit().size() + scan.getScanned().size();
  SmallVector<Value> varying(body.getArguments().take_front(perIteration));
  for (size_t number = perIteration; number < later.size(); ++number)
    if (later[number])
      varying.push_back(body.getArgument(number));
  DenseSet<Value> inside = dependentsOf(body, varying);
  IRMapping outside;
  for (size_t number = perIteration; number < later.size(); ++number)
    outside.map(body.getArgument(number), op->getOperand(number));
  for (Operation &part : llvm::make_early_inc_range(body.without_terminator())) {
    auto stays = [&](Value result) { return inside.contains(result); };
    if (llvm::any_of(part.getResults(), stays) || part.getNumRegions() > 0)
      continue;
    if (!llvm::all_of(part.getOperands(), [&](Value v) { return outside.contains(v); }))
      continue;
    Operation *copy = builder.clone(part, outside);
    if (isFree(&part) || isa<ReshapeOp>(part))
      continue;
    for (auto [result, value] : llvm::zip_equal(part.getResults(), copy->getResults())) {
      scan.getCapturedMutable().append(value);
      BlockArgument argument = body.addArgument(value.getType(), location);
      later.push_back(false);
      result.replaceAllUsesWith(argument);
      outside.map(argument, value);
    }
    part.erase();
  }
}

ScanOp Splitting::buildFirst(ScanOp scan, ArrayRef<Value> kept) {
  size_t carries = scan.getInit().size(), slices = scan.getScanned().size();
  SmallVector<size_t> init = numbersOf(later, false, 0, carries);
  SmallVector<size_t> over = numbersOf(later, false, carries, slices);
  SmallVector<size_t> with = numbersOf(later, false, carries + slices, scan.getCaptured().size());
  SmallVector<size_t> numbers = numbersOf(isLater, false, 0, isLater.size());
  SmallVector<Type> types = typesAt(numbers);
  for (Value value : kept)
    types.push_back(stackedType(cast<RankedTensorType>(value.getType()), scan.getCount().front()));
  auto made = ScanOp::create(builder, location, types, operandsAt(init), operandsAt(over),
                             operandsAt(with), scan.getCount(), scan.getReverse());
  Block &body = scan.getBody().front();
  SmallVector<Value> yields = yieldsAt(body, numbers);
  llvm::append_range(yields, kept);
  SmallVector<size_t> takes = init;
  llvm::append_range(takes, over);
  llvm::append_range(takes, with);
  fillPart(made.getBody(), body, takes, yields);
  return made;
}

/// Reads what is kept as slices.
ScanOp Splitting::buildSecond(ScanOp scan, ArrayRef<Value> kept, ValueRange stacked) {
  size_t carries = scan.getInit().size(), slices = scan.getScanned().size();
  SmallVector<size_t> init = numbersOf(later, true, 0, carries);
  SmallVector<size_t> numbers = numbersOf(isLater, true, 0, isLater.size());
  Region region;
  Block &block = region.emplaceBlock(), &body = scan.getBody().front();
  IRMapping mapping;
  auto take = [&](Value inside) {
    mapping.map(inside, block.addArgument(inside.getType(), location));
  };
  for (size_t number : init)
    take(body.getArgument(number));
  for (Value value : body.getArguments().slice(carries, slices))
    take(value);
  llvm::for_each(kept, take);
  for (Value value : body.getArguments().drop_front(carries + slices))
    take(value);
  SmallVector<Value> over(scan.getScanned());
  llvm::append_range(over, stacked);
  OpBuilder inner(op->getContext());
  inner.setInsertionPointToEnd(&block);
  auto isThere = [&](Value value) { return mapping.contains(value); };
  for (Operation &part : body.without_terminator())
    if (llvm::none_of(part.getResults(), isThere) && llvm::all_of(part.getOperands(), isThere))
      inner.clone(part, mapping);
  YieldOp::create(inner, location, llvm::map_to_vector(yieldsAt(body, numbers), [&](Value value) {
                    return mapping.lookup(value);
                  }));
  eraseUnread(block);
  auto made = ScanOp::create(builder, location, typesAt(numbers), operandsAt(init), over,
                             scan.getCaptured(), scan.getCount(), scan.getReverse());
  made.getBody().takeBody(region);
  return made;
}

Operation *Splitting::split(ScanOp scan) {
  hoistInvariants(scan);
  Block &body = scan.getBody().front();
  DenseSet<Value> inside;
  for (auto [argument, mark] : llvm::zip_equal(body.getArguments(), later))
    if (mark)
      inside.insert(argument);
  splitBlock(body, inside);
  SmallVector<size_t> ofSecond = numbersOf(isLater, true, 0, isLater.size());
  SmallVector<size_t> ofFirst = numbersOf(isLater, false, 0, isLater.size());
  llvm::SetVector<Value> kept = keptOfBody(body, inside, yieldsAt(body, ofSecond),
                                           scan.getInit().size(), scan.getScanned().size());
  ScanOp first = buildFirst(scan, kept.getArrayRef());
  replace(ofFirst, first->getResults());
  Operation *second = nullptr;
  if (!ofSecond.empty()) {
    second = buildSecond(scan, kept.getArrayRef(), first->getResults().drop_front(ofFirst.size()));
    replace(ofSecond, second->getResults());
  }
  op->erase();
  return second;
}

/// The second loop is the whole one.
void Splitting::split(WhileOp loop) {
  size_t carries = loop.getInit().size();
  SmallVector<size_t> init = numbersOf(later, false, 0, carries);
  SmallVector<size_t> takes = init;
  SmallVector<size_t> with = numbersOf(later, false, carries, loop.getCaptured().size());
  llvm::append_range(takes, with);
  auto first =
      WhileOp::create(builder, location, typesAt(init), operandsAt(init), operandsAt(with));
  Block &condition = loop.getCondition().front(), &body = loop.getBody().front();
  fillPart(first.getCondition(), condition, takes, yieldsAt(condition, {0}));
  fillPart(first.getBody(), body, takes, yieldsAt(body, init));
  replace(init, first->getResults());
}

void Splitting::split(CaseOp choice) {
  SmallVector<size_t> numbers = numbersOf(isLater, false, 0, isLater.size());
  SmallVector<size_t> with = numbersOf(later, false, 1, choice.getCaptured().size());
  auto first = CaseOp::create(builder, location, typesAt(numbers), choice.getIndex(),
                              operandsAt(with), choice.getBranches().size());
  for (size_t &number : with)
    --number;
  for (auto [branch, made] : llvm::zip_equal(choice.getBranches(), first.getBranches()))
    fillPart(made, branch.front(), with, yieldsAt(branch.front(), numbers));
  replace(numbers, first->getResults());
}

void Splitting::split(CheckpointOp checkpoint) {
  SmallVector<size_t> numbers = numbersOf(isLater, false, 0, isLater.size());
  SmallVector<size_t> with = numbersOf(later, false, 0, later.size());
  auto first = CheckpointOp::create(builder, location, typesAt(numbers), operandsAt(with),
                                    checkpoint.getSavesAttr(), checkpoint.getNamesAttr(),
                                    checkpoint.getBudgetAttr());
  Block &body = checkpoint.getBody().front();
  fillPart(first.getBody(), body, with, yieldsAt(body, numbers));
  replace(numbers, first->getResults());
}

} // namespace

void splitBlock(Block &block, DenseSet<Value> &later) {
  for (Operation *op = block.empty() ? nullptr : &block.front(), *next; op; op = next) {
    next = op->getNextNode();
    SmallVector<bool> operands = marksOf(op->getOperands(), later);
    if (!any(operands) || op->hasTrait<OpTrait::IsTerminator>())
      continue;
    Operation *second = op;
    if (isControlFlow(op)) {
      SmallVector<bool> results = laterResults(op, operands);
      second = Splitting(op, std::move(operands), std::move(results)).run();
    }
    if (second)
      later.insert(second->result_begin(), second->result_end());
  }
}

} // namespace weft

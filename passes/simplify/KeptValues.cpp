// Which of the values that are known early are worth keeping.
#include "passes/simplify/KeptValues.h"
#include "passes/fusion/FusionGroup.h"

using namespace mlir;

namespace weft {

/// From so many instructions for an element on it costs more to compute it than to load it.
static constexpr int64_t costlyInstructions = 16;
/// What is prepared may be so many times as large as what it is made of.
static constexpr int64_t mostGrowth = 2;
/// Unless it is costly; then it may be so large.
static constexpr int64_t mostGrownBytes = int64_t(16) << 20;

static int64_t bytesOf(Value value) {
  std::optional<int64_t> count = elementCount(value.getType());
  int64_t bytes = std::max(1u, getElementTypeOrSelf(value).getIntOrFloatBitWidth() / 8);
  return count && *count <= (int64_t(1) << 50) ? *count * bytes : int64_t(1) << 60;
}

/// True if a value with these readers is computed where it is read, and needs no memory: fusion
/// computes once what several ops read.
static bool isComputedInPlace(ArrayRef<Operation *> readers) {
  return readers.size() == 1 &&
         isa<ElementwiseOpInterface, IndexedOpInterface, ReductionOpInterface>(readers.front());
}

/// True if the op only names the elements of its operand: a view, or the same element many times.
static bool isView(Operation *op) { return isFree(op) || isa<ReshapeOp>(op); }

/// True if the op only puts elements elsewhere.
static bool isMovement(Operation *op) {
  auto indexed = dyn_cast<IndexedOpInterface>(op);
  return indexed && op->getNumOperands() > 0 && indexed.readsOnce(0);
}

/// True for a constant that is the number of a symbolic size.
static bool readsSize(Operation *op) {
  return llvm::any_of(op->getAttrs(), [](NamedAttribute attribute) {
    return isa<SymbolicSizeAttr>(attribute.getValue());
  });
}

static int64_t instructionsOf(Operation *op) {
  if (auto elementwise = dyn_cast<ElementwiseOpInterface>(op))
    return elementwise.getInstructionCount();
  if (auto indexed = dyn_cast<IndexedOpInterface>(op))
    return indexed.getInstructionCount();
  return costlyInstructions;
}

KeptValues::KeptValues(Block &body, function_ref<bool(BlockArgument)> isKnown) : body(body) {
  for (BlockArgument argument : body.getArguments())
    if (isKnown(argument))
      facts[argument] = {bytesOf(argument), 0};
  for (Operation &op : body)
    if (canKeep(&op))
      addOp(&op);
}

bool KeptValues::canKeep(Operation *op) const {
  return isa_and_nonnull<WeftDialect>(op->getDialect()) && isPure(op) && op->getNumResults() == 1 &&
         !isa<PrepareOp>(op) && !op->hasTrait<trait::PlannedStep>() &&
         !hasSymbolicSize(op->getResult(0).getType()) && !readsSize(op) &&
         llvm::all_of(op->getOperands(), [&](Value operand) { return contains(operand); });
}

void KeptValues::addOp(Operation *op) {
  Value value = op->getResult(0);
  Fact fact;
  for (Value operand : op->getOperands()) {
    const Fact &source = facts.at(operand);
    fact.sourceBytes = std::min(fact.sourceBytes + source.sourceBytes, int64_t(1) << 60);
    fact.instructions = std::min(fact.instructions + source.instructions, int64_t(1) << 30);
  }
  auto constant = dyn_cast<ConstantOp>(op);
  if (constant && !isa<SplatElementsAttr>(constant.getValue()))
    fact.sourceBytes = bytesOf(value);
  if (!isView(op)) {
    fact.instructions += instructionsOf(op);
    // From here on it may as well be in memory.
    if (bytesOf(value) <= mostGrowth * fact.sourceBytes)
      fact = {std::min(fact.sourceBytes, bytesOf(value)), std::min<int64_t>(1, fact.instructions)};
  }
  facts[value] = fact;
}

/// True if it pays to keep the op's value for those of its readers that run in each call.
bool KeptValues::isWorthwhile(Operation *op, ArrayRef<Operation *> readers) const {
  if (isView(op))
    return false;
  Value value = op->getResult(0);
  bool isFused = isComputedInPlace(readers);
  int64_t bytes = bytesOf(value);
  const Fact &fact = facts.at(value);
  bool isCostly = fact.instructions >= costlyInstructions;
  // A number that is converted or scaled, as a learning rate, costs less than to look it up.
  if (elementCount(value.getType()) == 1 && !isCostly && isFused)
    return false;
  // Part of what is in memory anyway is read there.
  if (isFused && isMovement(op) && bytes < bytesOf(op->getOperand(0)) &&
      facts.lookup(op->getOperand(0)).instructions == 0)
    return false;
  if (bytes <= mostGrowth * fact.sourceBytes)
    return true;
  return bytes <= mostGrownBytes && (!isFused || isCostly);
}

/// Finds the values to keep, from the last op up: those that each call needs and that are worth
/// it. What is needed and not worth it is computed in each call.
llvm::SmallSetVector<Operation *, 8> KeptValues::findKept() {
  llvm::SmallSetVector<Operation *, 8> kept;
  for (Operation &op : llvm::reverse(body)) {
    if (!contains(&op))
      continue;
    llvm::SmallSetVector<Operation *, 4> readers;
    addReaders(&op, readers);
    if (readers.empty())
      continue;
    if (isWorthwhile(&op, readers.getArrayRef()))
      kept.insert(&op);
    else
      inCalls.insert(&op);
  }
  return kept;
}

/// Adds the ops of each call that read the op's value; what is free is read through.
void KeptValues::addReaders(Operation *op, llvm::SmallSetVector<Operation *, 4> &readers) const {
  for (Operation *user : op->getUsers()) {
    if (contains(user) && inCalls.contains(user) && isView(user))
      addReaders(user, readers);
    else if (!contains(user) || inCalls.contains(user))
      readers.insert(user);
  }
}

} // namespace weft

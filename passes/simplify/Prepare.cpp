// Splits off what depends on hidden inputs and constants alone.
//
//   func.func @f(%x, %w {weft.hidden})           func.func @f(%x, %w {weft.hidden}) {
//       attributes {weft.prepare = ""} {           %0 = weft.prepare @f_prepare_0(%w)
//     %0 = weft.transpose %w [1, 0]         ->     %1 = weft.matmul %x, %0
//     %1 = weft.matmul %x, %0                      return %1
//     return %1                                  }
//   }                                            func.func private @f_prepare_0(%w) { ... }
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "passes/Passes.h"
#include "passes/fusion/FusionGroup.h"
#include "llvm/ADT/EquivalenceClasses.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace weft {

#define GEN_PASS_DEF_PREPARE
#include "passes/Passes.h.inc"

namespace {

/// From so many instructions for an element on it costs more to compute it than to load it.
constexpr int64_t costlyInstructions = 16;
/// What is prepared may be so many times as large as what it is made of.
constexpr int64_t mostGrowth = 2;
/// Unless it is costly; then it may be so large.
constexpr int64_t mostGrownBytes = int64_t(16) << 20;

int64_t bytesOf(Value value) {
  std::optional<int64_t> count = elementCount(value.getType());
  int64_t bytes = std::max(1u, getElementTypeOrSelf(value).getIntOrFloatBitWidth() / 8);
  return count && *count <= (int64_t(1) << 50) ? *count * bytes : int64_t(1) << 60;
}

/// True if a value with these readers is computed where it is read, and needs no memory: fusion
/// computes once what several ops read.
bool isComputedInPlace(ArrayRef<Operation *> readers) {
  return readers.size() == 1 &&
         isa<ElementwiseOpInterface, IndexedOpInterface, ReductionOpInterface>(readers.front());
}

/// True if the op only names the elements of its operand: a view, or the same element many times.
bool isView(Operation *op) { return isFree(op) || isa<ReshapeOp>(op); }

/// True if the op only puts elements elsewhere.
bool isMovement(Operation *op) {
  auto indexed = dyn_cast<IndexedOpInterface>(op);
  return indexed && op->getNumOperands() > 0 && indexed.readsOnce(0);
}

/// What can be known of a function's values before it is called.
class Known {
public:
  explicit Known(func::FuncOp function) {
    for (BlockArgument argument : function.getArguments())
      if (function.getArgAttr(argument.getArgNumber(), "weft.hidden") &&
          !function.getArgAttr(argument.getArgNumber(), "weft.donated"))
        facts[argument] = {bytesOf(argument), 0};
    for (Operation &op : function.getBody().front())
      if (canPrepare(&op))
        addOp(&op);
  }

  bool contains(Value value) const { return facts.contains(value); }
  bool contains(Operation *op) const {
    return op->getNumResults() > 0 && contains(op->getResult(0));
  }

  /// True if it pays to keep the op's value for those of its readers that run in each call.
  bool isWorthwhile(Operation *op, ArrayRef<Operation *> readers) const {
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

private:
  struct Fact {
    /// What is read to compute the value, if no more than what pays is kept.
    int64_t sourceBytes = 0;
    /// How many instructions an element takes then.
    int64_t instructions = 0;
  };

  bool canPrepare(Operation *op) const {
    return isa_and_nonnull<WeftDialect>(op->getDialect()) && isPure(op) &&
           op->getNumResults() == 1 && !isa<PrepareOp>(op) && !op->hasTrait<trait::PlannedStep>() &&
           !hasSymbolicSize(op->getResult(0).getType()) && !readsSize(op) &&
           llvm::all_of(op->getOperands(), [&](Value operand) { return contains(operand); });
  }

  /// True for a constant that is the number of a symbolic size.
  static bool readsSize(Operation *op) {
    return llvm::any_of(op->getAttrs(), [](NamedAttribute attribute) {
      return isa<SymbolicSizeAttr>(attribute.getValue());
    });
  }

  void addOp(Operation *op) {
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
        fact = {std::min(fact.sourceBytes, bytesOf(value)),
                std::min<int64_t>(1, fact.instructions)};
    }
    facts[value] = fact;
  }

  static int64_t instructionsOf(Operation *op) {
    if (auto elementwise = dyn_cast<ElementwiseOpInterface>(op))
      return elementwise.getInstructionCount();
    if (auto indexed = dyn_cast<IndexedOpInterface>(op))
      return indexed.getInstructionCount();
    return costlyInstructions;
  }

  llvm::DenseMap<Value, Fact> facts;
};

/// Divides one function.
class Preparation {
public:
  explicit Preparation(func::FuncOp function)
      : function(function),
        body(function.getBody().front()),
        first(&body.front()),
        known(function) {}

  void run() {
    findKept();
    collectParts();
    for (auto &[leader, part] : parts)
      outline(part);
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(body)))
      if (isOpTriviallyDead(&op))
        op.erase();
  }

private:
  /// Ops that share work, in the order of the program, and those whose values are kept.
  struct Part {
    SmallVector<Operation *> ops, kept;
  };

  /// Finds the values to keep, from the last op up: those that each call needs and that are worth
  /// it. What is needed and not worth it is computed in each call.
  void findKept() {
    for (Operation &op : llvm::reverse(body)) {
      if (!known.contains(&op))
        continue;
      llvm::SmallSetVector<Operation *, 4> readers;
      addReaders(&op, readers);
      if (readers.empty())
        continue;
      if (known.isWorthwhile(&op, readers.getArrayRef()))
        kept.insert(&op);
      else
        inCalls.insert(&op);
    }
  }

  /// Adds the ops of each call that read the op's value; what is free is read through.
  void addReaders(Operation *op, llvm::SmallSetVector<Operation *, 4> &readers) const {
    for (Operation *user : op->getUsers()) {
      if (known.contains(user) && inCalls.contains(user) && isView(user))
        addReaders(user, readers);
      else if (!known.contains(user) || inCalls.contains(user))
        readers.insert(user);
    }
  }

  /// Finds what the kept values depend on, and puts together what shares an op.
  void collectParts() {
    llvm::EquivalenceClasses<Operation *> classes;
    llvm::DenseSet<Operation *> needed;
    SmallVector<Operation *> pending(kept.begin(), kept.end());
    while (!pending.empty()) {
      Operation *op = pending.pop_back_val();
      if (!needed.insert(op).second)
        continue;
      classes.insert(op);
      for (Value operand : op->getOperands())
        if (Operation *definition = operand.getDefiningOp();
            definition && definition->getNumOperands() > 0) {
          classes.unionSets(op, definition);
          pending.push_back(definition);
        }
    }
    for (Operation &op : body)
      if (needed.contains(&op)) {
        Part &part = parts[classes.getLeaderValue(&op)];
        part.ops.push_back(&op);
        if (kept.contains(&op))
          part.kept.push_back(&op);
      }
  }

  void outline(const Part &part) {
    llvm::SmallSetVector<Value, 4> inputs;
    SmallVector<Value> results;
    SmallVector<Location> locations;
    for (Operation *op : part.ops) {
      locations.push_back(op->getLoc());
      for (Value operand : op->getOperands())
        if (isa<BlockArgument>(operand))
          inputs.insert(operand);
    }
    for (Operation *op : part.kept)
      results.push_back(op->getResult(0));
    Location location = FusedLoc::get(function.getContext(), locations);
    std::string name = (function.getSymName() + "_prepare_" + Twine(count++)).str();
    SmallVector<Type> types =
        llvm::map_to_vector(results, [](Value result) -> Type { return result.getType(); });
    OpBuilder builder(function->getContext());
    builder.setInsertionPointToEnd(function->getBlock());
    auto prepared = func::FuncOp::create(
        builder, location, name, builder.getFunctionType(TypeRange(inputs.getArrayRef()), types));
    prepared.setPrivate();
    fillBody(prepared, part, inputs.getArrayRef(), results);
    builder.setInsertionPoint(first);
    auto call = PrepareOp::create(builder, location, types, name, inputs.getArrayRef());
    for (auto [result, value] : llvm::zip_equal(results, call.getOutputs()))
      result.replaceAllUsesWith(value);
  }

  static void fillBody(func::FuncOp prepared, const Part &part, ArrayRef<Value> inputs,
                       ArrayRef<Value> results) {
    IRMapping mapping;
    OpBuilder builder = OpBuilder::atBlockEnd(prepared.addEntryBlock());
    for (auto [input, argument] : llvm::zip_equal(inputs, prepared.getArguments()))
      mapping.map(input, argument);
    for (Operation *op : part.ops) {
      for (Value operand : op->getOperands())
        if (!mapping.contains(operand))
          builder.clone(*operand.getDefiningOp(), mapping);
      builder.clone(*op, mapping);
    }
    auto returned =
        llvm::map_to_vector(results, [&](Value result) { return mapping.lookup(result); });
    func::ReturnOp::create(builder, prepared.getLoc(), returned);
  }

  func::FuncOp function;
  Block &body;
  /// Calls come before it.
  Operation *first;
  Known known;
  llvm::SmallSetVector<Operation *, 8> kept;
  /// Known ops that are computed in each call.
  llvm::DenseSet<Operation *> inCalls;
  llvm::MapVector<Operation *, Part> parts;
  int64_t count = 0;
};

struct Prepare : impl::PrepareBase<Prepare> {
  using PrepareBase::PrepareBase;

  void runOnOperation() override {
    for (auto function : llvm::to_vector(getOperation().getOps<func::FuncOp>())) {
      auto asked = function->getAttrOfType<StringAttr>("weft.prepare");
      if (function.isDeclaration() || !asked)
        continue;
      function->removeAttr("weft.prepare");
      if (asked == "arranged")
        arrangeRightOperands(function);
      Preparation(function).run();
    }
  }

private:
  static void arrangeRightOperands(func::FuncOp function) {
    Known known(function);
    SmallVector<ContractionOpInterface> contractions;
    for (auto op : function.getBody().front().getOps<ContractionOpInterface>())
      if (known.contains(op->getOperand(1)) && !known.contains(op))
        contractions.push_back(op);
    for (ContractionOpInterface op : contractions) {
      OpBuilder builder(op);
      op.arrangeRightOperand(builder);
    }
  }
};

} // namespace
} // namespace weft

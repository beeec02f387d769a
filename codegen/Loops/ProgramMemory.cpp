// Which blocks of a program (weft.program) are in memory.
//
// What weft.program_load gives takes time, and reports what is not there in the order of the ops.
#include "codegen/Loops/ProgramMemory.h"
#include "codegen/Loops/ProgramProducts.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace weft {

bool isComputedInPlace(Operation *op) {
  return isa<ElementwiseOpInterface, IndexedOpInterface, ReshapeOp, ProgramLoadOp>(op) ||
         matchPattern(op, m_Constant());
}

/// The elementwise op that alone reads `value`, and makes a block of its shape; null if none does.
static Operation *onlyReader(Value value) {
  if (!value.hasOneUse())
    return nullptr;
  Operation *user = *value.user_begin();
  bool isAlike = isa<ElementwiseOpInterface>(user) && user->getNumResults() == 1 &&
                 user->getBlock() == value.getParentBlock() &&
                 ProgramBlocks::shapeOf(user->getResult(0)) == ProgramBlocks::shapeOf(value);
  return isAlike ? user : nullptr;
}

bool canOverwrite(Value value, BlockArgument argument, const ProgramMemory &memory) {
  if (!memory.kept.contains(value) || value.getType() != argument.getType())
    return false;
  Operation *reader = onlyReader(argument);
  while (reader && reader->getResult(0) != value)
    reader =
        memory.kept.contains(reader->getResult(0)) ? nullptr : onlyReader(reader->getResult(0));
  return reader != nullptr;
}

/// The arguments that have the value of an operand in the regions of an op.
static SmallVector<Value> argumentsOf(OpOperand &use) {
  SmallVector<Value> arguments;
  Operation *op = use.getOwner();
  auto loop = dyn_cast<WhileOp>(op);
  auto choice = dyn_cast<CaseOp>(op);
  if (!loop && !choice)
    return arguments;
  OperandRange captured = loop ? loop.getCaptured() : choice.getCaptured();
  // An empty range has no first operand to ask.
  if (captured.empty())
    return arguments;
  auto first = captured.getBeginOperandIndex();
  if (use.getOperandNumber() < first || use.getOperandNumber() >= first + captured.size())
    return arguments;
  for (Region &region : op->getRegions())
    arguments.push_back(
        region.getArgument((loop ? loop.getInit().size() : 0) + use.getOperandNumber() - first));
  return arguments;
}

/// Whether the operand is multiplied, there or in a region.
static bool isMultiplied(OpOperand &use) {
  return isa<ContractionOpInterface>(use.getOwner()) ||
         llvm::any_of(argumentsOf(use), [](Value argument) {
           return llvm::any_of(argument.getUses(), isMultiplied);
         });
}

namespace {

/// Decides for one block, last to first.
class Keeping {
public:
  explicit Keeping(Block &block) : block(block) {
    for (Operation &op : block.without_terminator())
      addCost(op);
    for (Operation &op : block.without_terminator())
      if (isa<ContractionOpInterface>(op))
        addEnd(&op);
    decide();
    costs.clear();
    for (Operation &op : block.without_terminator())
      addCost(op);
    decide();
  }

  ProgramMemory memory;

private:
  void decide() {
    memory.kept.clear();
    loopsOf.clear();
    moved.clear();
    for (Operation &op : llvm::reverse(block.without_terminator()))
      visit(op);
  }

  /// About how many instructions an element of a value takes.
  void addCost(Operation &op) {
    if (!isComputedInPlace(&op))
      return;
    bool isLoad = isa<ProgramLoadOp>(op);
    reads[&op] = isLoad;
    int64_t cost = isLoad ? dear : 0;
    if (auto elementwise = dyn_cast<ElementwiseOpInterface>(op))
      cost = elementwise.getInstructionCount();
    for (Value operand : op.getOperands()) {
      // What is in memory already is cheap to read.
      cost += isLoad ? 0 : memory.kept.contains(operand) ? 1 : costs.lookup(operand);
      reads[&op] |= reads.lookup(operand.getDefiningOp());
    }
    for (Value result : op.getResults())
      costs[result] = isBlock(result) ? std::min<int64_t>(cost, 1024) : 0;
  }

  /// Follows what alone is computed of a product, as long as it loads nothing: what is reported of
  /// loads comes in the order of the ops.
  void addEnd(Operation *product) {
    Value end = product->getResult(0);
    while (Operation *user = onlyReader(end)) {
      Value next = user->getResult(0);
      // What two products meet in is computed of the first; the other one is in memory by then.
      if (reads.lookup(user) || !followed.insert(next).second)
        break;
      end = next;
    }
    memory.ends[end] = product;
    memory.products.insert(product);
  }

  void visit(Operation &op) {
    for (Value result : op.getResults()) {
      if (memory.ends.contains(result))
        memory.kept.insert(result);
      if (!isComputedInPlace(&op) || !isBlock(result))
        continue;
      llvm::SmallPtrSet<Operation *, 2> loops;
      bool isMoved = false, isNeeded = memory.ends.contains(result);
      for (OpOperand &use : result.getUses())
        addUse(use, loops, isMoved, isNeeded);
      bool isDear = costs.lookup(result) >= dear;
      if (isNeeded || (isDear && (isMoved || loops.size() > 1)))
        memory.kept.insert(result);
      else if (isMoved)
        moved.insert(result);
      loopsOf[result] = loops;
    }
  }

  void addUse(OpOperand &use, llvm::SmallPtrSet<Operation *, 2> &loops, bool &isMoved,
              bool &isNeeded) {
    Operation *user = use.getOwner();
    isNeeded |= isMultiplied(use);
    // What a region reads from around it reads again and again.
    isMoved |= user->getNumRegions() > 0 || isa<IndexedOpInterface, ReshapeOp>(user);
    Value through = user->getNumResults() == 1 ? user->getResult(0) : Value();
    bool isInPlace = through && isComputedInPlace(user) && isBlock(through);
    if (!isInPlace || memory.kept.contains(through)) {
      loops.insert(user);
      return;
    }
    isMoved |= moved.contains(through);
    loops.insert(loopsOf[through].begin(), loopsOf[through].end());
  }

  static constexpr int64_t dear = 6;
  Block &block;
  llvm::DenseMap<Value, int64_t> costs;
  llvm::DenseMap<Operation *, bool> reads;
  llvm::DenseMap<Value, llvm::SmallPtrSet<Operation *, 2>> loopsOf;
  llvm::DenseSet<Value> moved;
  /// What is computed of a product along with it.
  llvm::DenseSet<Value> followed;
};

} // namespace

ProgramMemory ProgramMemory::of(Block &block) { return std::move(Keeping(block).memory); }

int64_t bytesOfProgram(ProgramOp program, function_ref<double(Value)> bytesOf,
                       function_ref<double(Operation *)> scratchOf) {
  double bytes = 0;
  program.getBody().walk([&](Block *block) {
    ProgramMemory memory = ProgramMemory::of(*block);
    for (Value value : memory.kept)
      bytes += bytesOf(value);
    for (Operation &op : *block) {
      if (isComputedInPlace(&op))
        continue;
      for (Value result : op.getResults())
        if (!memory.products.contains(&op))
          bytes += (isa<WhileOp>(op) ? 2.0 : 1.0) * bytesOf(result);
      bytes += scratchOf(&op);
    }
  });
  return static_cast<int64_t>(std::min(bytes, 0x1p60));
}

int64_t stackBytesOf(ProgramOp program, int64_t lanes) {
  auto bytesOf = [&](Value value) {
    return isBlock(value) ? ProgramBlocks::bytesOf(value, lanes) : 0.0;
  };
  auto scratchOf = [&](Operation *op) {
    if (auto product = dyn_cast<ContractionOpInterface>(op))
      return bytesOfCopies(product, lanes);
    // The lanes of as many rows, twice where they have positions.
    return isa<ReductionOpInterface>(op) ? 2.0 * double(sizeof(double)) * double(lanes * lanes)
                                         : 0.0;
  };
  return bytesOfProgram(program, bytesOf, scratchOf);
}

} // namespace weft

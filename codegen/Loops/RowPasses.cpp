// Passes over a row: which reductions each computes, and which values are kept from one to the
// next.
#include "codegen/Loops/RowPasses.h"
#include "codegen/CPU/CpuTarget.h"
#include "codegen/Loops/RowWalk.h"
#include "codegen/Templates/SharedChoices.h"
#include "dialects/Weft/IR/ElementTypes.h"
#include "passes/fusion/FusionGroup.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/bit.h"

using namespace mlir;

namespace weft {

/// What costs more instructions is dear: to store a vector and to load it again costs less, and
/// sums of it wait for its computation, not for each other.
static constexpr int64_t dearInstructions = 10;

RowSymbols::RowSymbols(KernelOp kernel) {
  ReductionOpInterface first = reductionsOf(kernel).front();
  ArrayRef<int64_t> symbols = symbolsOf(first->getOperand(0).getType());
  size_t reduced = first.getReducedAxes().size();
  outer.assign(symbols.begin(), symbols.end() - reduced);
  row.assign(symbols.end() - reduced, symbols.end());
}

unsigned RowPass::accumulators() const {
  unsigned count = 0;
  for (ReductionOpInterface op : reductions)
    count += accumulatorWidth(op);
  return count;
}

namespace {

/// Finds what each pass computes, keeps and reads.
class PassAnalysis {
public:
  PassAnalysis(KernelOp kernel, bool keepsValues, SmallVectorImpl<RowPass> &passes)
      : kernel(kernel), symbols(kernel), keepsValues(keepsValues), passes(passes) {
    // Vectors of kept values lie at the positions of the row, which has one dimension.
    if (symbols.row.size() != 1)
      this->keepsValues = false;
  }

  void run() {
    SmallVector<ReductionOpInterface> reductions = reductionsOf(kernel);
    for (size_t done = 0; done < reductions.size();) {
      size_t count = independentFrom(reductions, done);
      RowPass pass;
      pass.reductions.assign(reductions.begin() + done, reductions.begin() + done + count);
      add(std::move(pass));
      done += count;
    }
    if (!llvm::all_of(kernel.getYield().getValues(), [&](Value v) { return symbols.isOfRow(v); }))
      add({});
  }

private:
  void add(RowPass pass) {
    passes.push_back(std::move(pass));
    visited.clear();
    if (passes.back().reductions.empty()) {
      for (Value value : kernel.getYield().getValues())
        visit(value, /*isInPlace=*/true);
      return;
    }
    for (ReductionOpInterface op : passes.back().reductions)
      visit(op->getOperand(0), /*isInPlace=*/true);
    // A combination of values and positions is a dozen instructions, of values some.
    unsigned width = passes.back().accumulators();
    unsigned count = passes.back().reductions.size();
    passes.back().instructions += width == count ? count : 6 * width;
  }

  /// What the current pass computes for `value`; `isInPlace`: at the elements that it walks.
  void visit(Value value, bool isInPlace) {
    Operation *op = value.getDefiningOp();
    if (!op || isa<ReductionOpInterface>(op) || symbols.isOfRow(value) ||
        !visited.insert(value).second)
      return;
    unsigned number = passes.size() - 1;
    auto [known, isNew] = firstPass.try_emplace(value, number);
    if (!isNew && known->second < number && keepsValues && isInPlace && canKeep(value)) {
      llvm::SmallVectorImpl<Value> &keeps = passes[known->second].keeps;
      if (!llvm::is_contained(keeps, value))
        keeps.push_back(value);
      passes.back().reads.push_back(value);
      return;
    }
    passes.back().instructions += instructionCount(op);
    for (OpOperand &operand : op->getOpOperands())
      visit(operand.get(), isInPlace && readsInPlace(op, operand.getOperandNumber()));
  }

  /// True if the value is dear, as long as the row, and all its readers read it where it is
  /// computed.
  bool canKeep(Value value) const {
    SmallVector<int64_t> all(symbols.outer);
    llvm::append_range(all, symbols.row);
    llvm::DenseSet<Operation *> seen;
    return symbolsOf(value.getType()) == ArrayRef<int64_t>(all) &&
           costOf(value, seen) >= dearInstructions &&
           llvm::all_of(value.getUses(), [](OpOperand &use) {
             return isa<ReductionOpInterface, YieldOp>(use.getOwner()) ||
                    readsInPlace(use.getOwner(), use.getOperandNumber());
           });
  }

  /// The instructions that compute it, but for what is of the whole row.
  int64_t costOf(Value value, llvm::DenseSet<Operation *> &seen) const {
    Operation *op = value.getDefiningOp();
    if (!op || isa<ReductionOpInterface>(op) || symbols.isOfRow(value) || !seen.insert(op).second)
      return 0;
    int64_t cost = instructionCount(op);
    for (Value operand : op->getOperands())
      cost += costOf(operand, seen);
    return cost;
  }

  KernelOp kernel;
  RowSymbols symbols;
  bool keepsValues;
  SmallVectorImpl<RowPass> &passes;
  llvm::DenseMap<Value, unsigned> firstPass;
  llvm::DenseSet<Value> visited;
};

} // namespace

RowPasses::RowPasses(KernelOp kernel, bool keepsValues) {
  PassAnalysis(kernel, keepsValues, passes).run();
  auto isShort = [](const RowPass &pass) {
    return !pass.reductions.empty() && pass.keeps.empty() && pass.reads.empty() &&
           pass.instructions < dearInstructions;
  };
  while (shortPasses < passes.size() && isShort(passes[shortPasses]))
    ++shortPasses;
}

SmallVector<Value> RowPasses::kept() const {
  SmallVector<Value> values;
  for (const RowPass &pass : passes)
    llvm::append_range(values, pass.keeps);
  return values;
}

/// The bytes of an element of what is kept of, or accumulated from, values of a tensor.
static int64_t computedBytes(Value tensor) {
  Type type = getElementTypeOrSelf(tensor);
  return isNarrowFloat(type) ? 4 : elementBytes(tensor.getType());
}

/// How many rows side by side fill the time that a sum takes, as far as registers allow. Of rows
/// shorter than a page one: a processor overlaps them by itself, and what it fetches ahead from
/// memory is for one that is walked from its start to its end.
static int64_t chainsOf(const RowPasses &plan, std::optional<int64_t> length,
                        const CpuTarget &target, int64_t lanes) {
  constexpr int64_t most = 4, pageBytes = 4096;
  auto registersOf = [&](int64_t bytes) {
    return std::max<int64_t>(1, lanes * bytes / target.registerBytes);
  };
  int64_t wanted = 1, possible = most;
  for (const RowPass &pass : ArrayRef(plan.passes).take_front(plan.shortPasses)) {
    int64_t bytes = 0, widest = 0;
    for (ReductionOpInterface op : pass.reductions) {
      if (length && *length * elementBytes(op->getOperand(0).getType()) < pageBytes)
        return 1;
      int64_t ofValue = computedBytes(op->getOperand(0)), ofPosition = op.usesPosition() ? 8 : 0;
      bytes += ofValue + ofPosition;
      widest = std::max({widest, ofValue, ofPosition});
    }
    double instructions = static_cast<double>(pass.instructions) / target.core.instructions;
    double cycles =
        static_cast<double>(registersOf(widest)) * std::max(1 / target.core.loads, instructions);
    wanted = std::max(wanted, static_cast<int64_t>(target.core.latency / cycles));
    possible = std::min(possible, target.vectorRegisters / 2 / registersOf(bytes));
  }
  return static_cast<int64_t>(
      llvm::bit_floor<uint64_t>(std::max<int64_t>(1, std::min(wanted, possible))));
}

/// Vectors of each kept value, so that all of them lie in the nearest cache; none if the row is
/// longer.
static int64_t keptVectors(const RowPasses &plan, std::optional<int64_t> length,
                           const CpuTarget &target, int64_t lanes) {
  int64_t bytes = 0;
  for (Value value : plan.kept())
    bytes += computedBytes(value);
  if (bytes == 0)
    return 0;
  auto elements = llvm::bit_floor<uint64_t>(target.caches.level1Data / bytes);
  elements = std::max<uint64_t>(elements, RowWalk::blockElements);
  if (length && *length > static_cast<int64_t>(elements))
    return 0;
  return static_cast<int64_t>(elements) / lanes;
}

/// Whether rows are so long and so few that tasks of a row each would leave more than a quarter of
/// the cores idle.
static bool leavesCoresIdle(const RowSymbols &symbols, std::optional<int64_t> length,
                            LaunchOp launch, const CpuTarget &target) {
  constexpr int64_t fewBlocks = 32;
  if (length && *length < fewBlocks * RowWalk::blockElements)
    return false;
  std::optional<int64_t> rows = symbols.outer.empty() ? 1 : knownProduct(symbols.outer, launch);
  if (!rows)
    return false;
  int64_t rounds = std::max<int64_t>(1, (*rows + target.cores - 1) / target.cores);
  return 4 * *rows < 3 * rounds * target.cores;
}

/// Whether rows lie across memory: of all that is read element by element, neighbours are those of
/// neighbouring rows.
static bool liesAcross(KernelOp kernel, const RowSymbols &symbols, LaunchOp launch, int64_t lanes) {
  if (symbols.outer.empty() || !llvm::all_of(kernel.getYield().getValues(),
                                             [&](Value value) { return symbols.isOfRow(value); }))
    return false;
  int64_t along = symbols.outer.back();
  if (knownProduct({along}, launch).value_or(0) < lanes)
    return false;
  // What has one element for each row, or is the same for all rows, is read quickly as it lies.
  auto isOfPart = [](ArrayRef<int64_t> part, ArrayRef<int64_t> whole) {
    return llvm::all_of(part, [&](int64_t symbol) { return llvm::is_contained(whole, symbol); });
  };
  bool isAcross = false;
  for (Type type : kernel.getArgumentTypes()) {
    ArrayRef<int64_t> own = symbolsOf(type);
    if (isOfPart(own, symbols.outer) || isOfPart(own, symbols.row))
      continue;
    if (own.back() != along)
      return false;
    isAcross = true;
  }
  return isAcross;
}

RowsScheduleAttr chooseRowSchedule(KernelOp kernel, LaunchOp launch, const CpuTarget &target,
                                   int64_t lanes) {
  constexpr int64_t blocksInTask = 4;
  RowSymbols symbols(kernel);
  std::optional<int64_t> length = knownProduct(symbols.row, launch);
  bool isSplit = leavesCoresIdle(symbols, length, launch, target);
  if (!isSplit && liesAcross(kernel, symbols, launch, lanes))
    return RowsScheduleAttr::get(kernel.getContext(), lanes, /*kept=*/0, /*chains=*/1,
                                 /*blocks=*/0, /*across=*/true);
  RowPasses plan(kernel, /*keepsValues=*/!isSplit);
  int64_t kept = keptVectors(plan, length, target, lanes);
  if (kept == 0)
    plan = RowPasses(kernel, /*keepsValues=*/false);
  return RowsScheduleAttr::get(kernel.getContext(), lanes, kept,
                               chainsOf(plan, length, target, lanes), isSplit ? blocksInTask : 0,
                               /*across=*/false);
}

} // namespace weft

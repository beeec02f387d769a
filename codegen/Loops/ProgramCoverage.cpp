// Whether the programs of a grid (weft.program) store to every element of a result, each to its
// own.
//
// The arithmetic that computes the indices of a weft.program_store shows it: each index is the
// place of the program along an axis, times the size of a block, plus the place in that block, or a
// count of a loop plus that. If no two indices share any of these, no two stores share an element.
//
// No other op may name the result by its number; weft.program_load and weft.program_size have the
// numbers of operands.
#include "codegen/Loops/ProgramCoverage.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace weft {
namespace {

/// A sum of values, each times a number, and a number.
struct Linear {
  llvm::MapVector<Value, int64_t> factors;
  int64_t constant = 0;

  void add(const Linear &other, int64_t factor) {
    for (auto [value, times] : other.factors)
      if ((factors[value] += factor * times) == 0)
        factors.erase(value);
    constant += factor * other.constant;
  }
};

Linear linearOf(Value integer) {
  Operation *op = integer.getDefiningOp();
  Linear sum;
  Attribute number;
  if (op && matchPattern(op, m_Constant(&number)) && isa<IntegerAttr>(number)) {
    sum.constant = cast<IntegerAttr>(number).getInt();
    return sum;
  }
  if (isa_and_nonnull<arith::IndexCastOp>(op))
    return linearOf(op->getOperand(0));
  if (isa_and_nonnull<arith::AddIOp, arith::SubIOp>(op)) {
    sum.add(linearOf(op->getOperand(0)), 1);
    sum.add(linearOf(op->getOperand(1)), isa<arith::AddIOp>(op) ? 1 : -1);
    return sum;
  }
  if (isa_and_nonnull<arith::MulIOp>(op)) {
    Linear left = linearOf(op->getOperand(0)), right = linearOf(op->getOperand(1));
    if (!left.factors.empty())
      std::swap(left, right);
    if (left.factors.empty()) {
      sum.add(right, left.constant);
      return sum;
    }
  }
  sum.factors[integer] = 1;
  return sum;
}

/// Matches the indices of one store.
class Covering {
public:
  Covering(KernelEmitter &emitter, ProgramOp program, ValueRange places,
           ArrayRef<ProgramCounter> counters, ValueRange markers, ArrayRef<int64_t> shape)
      : emitter(emitter), program(program), counters(counters) {
    for (auto [axis, place] : llvm::enumerate(places))
      parts[place] = {Part::Axis, static_cast<int64_t>(axis)};
    for (auto [number, counter] : llvm::enumerate(counters))
      parts[counter.count] = {Part::Loop, static_cast<int64_t>(number)};
    for (auto [marker, size] : llvm::zip_equal(markers, shape))
      if (size != 1)
        parts[marker] = {Part::Block, size};
      else
        ones.insert(marker);
  }

  /// How far an index goes; each part is in one index alone.
  std::optional<ProgramCoverage::Extent> extentOf(Value integer) {
    Linear sum = linearOf(integer);
    for (Value marker : ones)
      sum.factors.erase(marker);
    std::optional<int64_t> width;
    ProgramCoverage::Extent extent;
    const Part *outer = nullptr;
    int64_t times = 1;
    for (auto [value, factor] : sum.factors) {
      auto found = parts.find(value);
      if (found == parts.end() || !used.insert(value).second)
        return std::nullopt;
      const Part &part = found->second;
      if (part.kind == Part::Block && factor == 1 && !width) {
        width = part.number;
        continue;
      }
      if (part.kind == Part::Block || outer)
        return std::nullopt;
      outer = &part;
      times = factor;
    }
    extent.factor = width.value_or(1);
    if (sum.constant != 0)
      return std::nullopt;
    if (!outer)
      return extent;
    if (outer->kind == Part::Axis) {
      extent.axis = outer->number;
      return times == extent.factor ? std::optional(extent) : std::nullopt;
    }
    const ProgramCounter &counter = counters[outer->number];
    return times == 1 && stepOf(counter) == extent.factor ? boundOf(counter.bound) : std::nullopt;
  }

  bool hasUsedAll() const { return used.size() == parts.size(); }

private:
  struct Part {
    enum Kind { Axis, Loop, Block } kind;
    /// Of an axis or a loop, or how many elements.
    int64_t number;
  };

  /// How far a count goes on; 0 if that is not known.
  static int64_t stepOf(const ProgramCounter &counter) {
    Linear sum = linearOf(counter.next);
    return sum.factors.size() == 1 && sum.factors.lookup(counter.count) == 1 ? sum.constant : 0;
  }

  std::optional<ProgramCoverage::Extent> boundOf(Value bound) {
    Linear sum = linearOf(bound);
    ProgramCoverage::Extent extent;
    if (sum.factors.empty()) {
      extent.factor = sum.constant;
      return extent;
    }
    auto [size, factor] = *sum.factors.begin();
    if (sum.factors.size() != 1 || sum.constant != 0 || factor != 1)
      return std::nullopt;
    for (Value input : program.getInputs())
      for (int64_t symbol : symbolsOf(input.getType()))
        if (emitter.symbol(symbol) == size)
          extent.symbol = symbol;
    return extent.symbol ? std::optional(extent) : std::nullopt;
  }

  KernelEmitter &emitter;
  ProgramOp program;
  llvm::DenseMap<Value, Part> parts;
  ArrayRef<ProgramCounter> counters;
  llvm::DenseSet<Value> used, ones;
};

} // namespace

Value ProgramCoverage::isWhole(KernelEmitter &emitter, ProgramOp program, Type result) const {
  OpBuilder &b = emitter.builder();
  ArrayRef<int64_t> symbols = symbolsOf(result);
  Value whole = arith::ConstantIntOp::create(b, emitter.location(), 1, 1);
  for (auto [d, extent] : llvm::enumerate(extents)) {
    Value size = d + 1 < extents.size() ? emitter.symbol(symbols[d])
                                        : emitter.product(symbols.drop_front(d));
    Value end = emitter.index(extent.factor);
    if (extent.axis)
      end = emitter.multiplyIndex(emitter.numberIndex(program.getGrid()[*extent.axis]), end);
    if (extent.symbol)
      end = emitter.symbol(*extent.symbol);
    Value isThere =
        arith::CmpIOp::create(b, emitter.location(), arith::CmpIPredicate::sle, size, end);
    whole = arith::AndIOp::create(b, emitter.location(), whole, isThere);
  }
  return whole;
}

std::optional<ProgramCoverage> coverageOf(KernelEmitter &emitter, ProgramBlocks &blocks,
                                          ProgramStoreOp op, ValueRange places,
                                          ArrayRef<ProgramCounter> counters) {
  // What combines reads the element that it writes.
  if (op.getCombine())
    return std::nullopt;
  auto program = op->getParentOfType<ProgramOp>();
  size_t loops = 0;
  for (Operation *parent = op->getParentOp(); parent != program; parent = parent->getParentOp()) {
    if (!isa<WhileOp>(parent))
      return std::nullopt;
    ++loops;
  }
  // Loads and sizes have the numbers of operands.
  bool isOnlyOne = true;
  program.getBody().walk([&](Operation *other) {
    auto number = other->getAttrOfType<IntegerAttr>(op.getNumberAttrName());
    bool isOfResult = number && !isa<ProgramLoadOp, ProgramSizeOp>(other);
    isOnlyOne &= other == op || !isOfResult || number != op.getNumberAttr();
  });
  if (!isOnlyOne || loops != counters.size())
    return std::nullopt;
  SmallVector<ProgramCounter> known(counters);
  for (ProgramCounter &counter : known) {
    if (!counter.count || !matchPattern(counter.first, m_Zero()))
      return std::nullopt;
    counter.next = blocks.knownNumber(counter.next);
    if (!counter.next)
      return std::nullopt;
  }
  // Emitted apart, for an element anywhere in the block, and never run.
  OpBuilder &b = emitter.builder();
  OpBuilder::InsertionGuard guard(b);
  ArrayRef<int64_t> shape = ProgramBlocks::shapeOf(op.getValue());
  Block scratch;
  SmallVector<ElementIndex> indices;
  for (size_t d = 0; d < shape.size(); ++d)
    indices.push_back({scratch.addArgument(b.getIndexType(), op.getLoc())});
  b.setInsertionPointToEnd(&scratch);
  ProgramCoverage coverage;
  Covering covering(emitter, program, places, known, scratch.getArguments(), shape);
  bool isKnown = true;
  blocks.apart([&] {
    for (Value index : op.getIndices()) {
      auto extent = covering.extentOf(blocks.element(index, indices));
      isKnown &= extent.has_value();
      coverage.extents.push_back(extent.value_or(ProgramCoverage::Extent{}));
    }
  });
  return isKnown && covering.hasUsedAll() ? std::optional(coverage) : std::nullopt;
}

} // namespace weft

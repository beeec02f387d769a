// Merges dimensions of kernels that are always walked together.
//
//   weft.kernel @k(%x: tensor<?x?xf32, #weft.sizes<[0, 1]>>) -> ... {
//     %0 = weft.exp %x : tensor<?x?xf32, #weft.sizes<[0, 1]>>
//     ...
//   weft.launch @k(%a) sizes [4, 8] : ...
// becomes
//   weft.kernel @k(%x: tensor<?xf32, #weft.sizes<[0]>>) -> ... {
//     %0 = weft.exp %x : tensor<?xf32, #weft.sizes<[0]>>
//     ...
//   weft.launch @k(%a) sizes [32] : ...
//
// So an elementwise kernel has rank 1 whatever the rank of its operands, and is compiled once.
#include "passes/Passes.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"

using namespace mlir;

namespace weft {

#define GEN_PASS_DEF_COLLAPSEDIMENSIONS
#include "passes/Passes.h.inc"

namespace {

ArrayRef<int64_t> symbolsOf(Type type) {
  return cast<SizesAttr>(cast<RankedTensorType>(type).getEncoding()).getSymbols();
}

/// Finds which sizes of a kernel follow each other in every tensor that has one of them.
class Adjacency {
public:
  explicit Adjacency(KernelOp kernel) {
    for (BlockArgument argument : kernel.getBody().getArguments())
      addTensor(symbolsOf(argument.getType()));
    for (Operation &op : kernel.getBody().front().without_terminator())
      addOp(&op);
  }

  /// The symbol that always follows `symbol`, or -1.
  int64_t next(int64_t symbol) const {
    auto found = following.find(symbol);
    if (found == following.end() || found->second < 0 || pinned.contains(symbol))
      return -1;
    int64_t other = found->second;
    auto back = preceding.find(other);
    return !pinned.contains(other) && back != preceding.end() && back->second == symbol ? other
                                                                                        : -1;
  }

private:
  static constexpr int64_t conflict = -2;

  void note(llvm::DenseMap<int64_t, int64_t> &map, int64_t symbol, int64_t neighbour) {
    auto [found, isNew] = map.try_emplace(symbol, neighbour);
    if (!isNew && found->second != neighbour)
      found->second = conflict;
  }

  void addTensor(ArrayRef<int64_t> symbols) {
    llvm::SmallDenseSet<int64_t> seen;
    for (auto [d, symbol] : llvm::enumerate(symbols)) {
      if (!seen.insert(symbol).second)
        pinned.insert(symbol);
      note(following, symbol, d + 1 < symbols.size() ? symbols[d + 1] : conflict);
      note(preceding, symbol, d > 0 ? symbols[d - 1] : conflict);
    }
  }

  void addOp(Operation *op) {
    for (Type type : op->getResultTypes())
      addTensor(symbolsOf(type));
    SmallVector<Value> values(op->getOperands());
    llvm::append_range(values, op->getResults());
    auto pin = [&](Value value, int64_t d) { pinned.insert(symbolsOf(value.getType())[d]); };
    // An op that can't be rebuilt over fewer dimensions keeps them all.
    auto dimensions = dyn_cast<DimensionOpInterface>(op);
    auto labels = dimensions ? dimensions.getDimensionLabels()
                             : SmallVector<SmallVector<int64_t>>(values.size());
    bool rebuilds = dimensions && canRebuild(dimensions, labels);
    for (auto [value, list] : llvm::zip_equal(values, labels))
      for (int64_t d = 0, rank = symbolsOf(value.getType()).size(); d < rank; ++d)
        if (!rebuilds || list[d] < 0)
          pin(value, d);
  }

  static bool canRebuild(DimensionOpInterface op, ArrayRef<SmallVector<int64_t>> labels) {
    OpBuilder builder(op->getContext());
    Operation *copy =
        op.rebuildWithLabels(builder, op->getOperands(), op->getResultTypes(), labels);
    if (!copy)
      return false;
    copy->erase();
    return true;
  }

  llvm::DenseMap<int64_t, int64_t> following, preceding;
  llvm::DenseSet<int64_t> pinned;
};

/// Rewrites one kernel.
class Collapse {
public:
  explicit Collapse(KernelOp kernel) : kernel(kernel) {
    Adjacency adjacency(kernel);
    int64_t count = kernel.getSizeCount();
    llvm::SmallDenseSet<int64_t> merged;
    for (int64_t symbol = 0; symbol < count; ++symbol)
      if (int64_t other = adjacency.next(symbol); other >= 0)
        merged.insert(other);
    for (int64_t symbol = 0; symbol < count; ++symbol) {
      if (merged.contains(symbol))
        continue;
      SmallVector<int64_t> &group = groups.emplace_back();
      for (int64_t member = symbol; member >= 0; member = adjacency.next(member))
        group.push_back(member);
      renumbered[symbol] = groups.size() - 1;
    }
    changes = !merged.empty() || static_cast<int64_t>(groups.size()) != count;
  }

  bool isNeeded() const { return changes; }

  /// The sizes of a launch, which may be symbolic; nothing if a product overflows.
  std::optional<SmallVector<int64_t>> collapseSizes(ArrayRef<int64_t> sizes) const {
    SmallVector<int64_t> result;
    for (ArrayRef<int64_t> group : groups) {
      auto members = llvm::map_to_vector(group, [&](int64_t symbol) { return sizes[symbol]; });
      std::optional<int64_t> product = productOf(members);
      if (!product)
        return std::nullopt;
      result.push_back(*product);
    }
    return result;
  }

  void run() {
    Block &body = kernel.getBody().front();
    for (Operation &op : body.without_terminator())
      if (auto dimensions = dyn_cast<DimensionOpInterface>(op))
        oldLabels[&op] = dimensions.getDimensionLabels();
    for (BlockArgument argument : body.getArguments()) {
      oldTypes[argument] = argument.getType();
      argument.setType(collapseType(argument.getType()));
    }
    for (Operation &op : llvm::make_early_inc_range(body.without_terminator()))
      rebuildOp(&op);
    SmallVector<Type> results(kernel.getYield().getOperandTypes());
    kernel.setFunctionType(
        FunctionType::get(kernel.getContext(), body.getArgumentTypes(), results));
  }

private:
  bool isKept(int64_t symbol) const { return renumbered.contains(symbol); }

  Type collapseType(Type type) const {
    auto tensor = cast<RankedTensorType>(type);
    SmallVector<int64_t> symbols;
    for (int64_t symbol : symbolsOf(type))
      if (isKept(symbol))
        symbols.push_back(renumbered.lookup(symbol));
    return RankedTensorType::get(SmallVector<int64_t>(symbols.size(), ShapedType::kDynamic),
                                 tensor.getElementType(),
                                 SizesAttr::get(type.getContext(), symbols));
  }

  void rebuildOp(Operation *op) {
    OpBuilder builder(op);
    SmallVector<Type> types;
    for (Type type : op->getResultTypes())
      types.push_back(collapseType(type));
    auto dimensions = dyn_cast<DimensionOpInterface>(op);
    Operation *copy = nullptr;
    if (dimensions) {
      SmallVector<SmallVector<int64_t>> labels = oldLabels.lookup(op);
      for (auto [number, list] : llvm::enumerate(labels))
        list = keptLabels(list, typeBefore(op, number));
      copy = dimensions.rebuildWithLabels(builder, op->getOperands(), types, labels);
    }
    if (!copy)
      copy = rebuild(builder, op, op->getOperands(), types);
    for (auto [old, result] : llvm::zip_equal(op->getResults(), copy->getResults())) {
      oldTypes[result] = old.getType();
      old.replaceAllUsesWith(result);
    }
    op->erase();
  }

  /// The type that operand or result `number` of `op` had before the change.
  Type typeBefore(Operation *op, size_t number) const {
    if (number < op->getNumOperands())
      return oldTypes.lookup(op->getOperand(number));
    return op->getResult(number - op->getNumOperands()).getType();
  }

  SmallVector<int64_t> keptLabels(ArrayRef<int64_t> labels, Type type) const {
    SmallVector<int64_t> kept;
    for (auto [label, symbol] : llvm::zip_equal(labels, symbolsOf(type)))
      if (isKept(symbol))
        kept.push_back(label);
    return kept;
  }

  KernelOp kernel;
  SmallVector<SmallVector<int64_t>> groups;
  llvm::DenseMap<int64_t, int64_t> renumbered;
  // As they were before the change: ops can't be asked once their operands are collapsed.
  llvm::DenseMap<Value, Type> oldTypes;
  llvm::DenseMap<Operation *, SmallVector<SmallVector<int64_t>>> oldLabels;
  bool changes = false;
};

struct CollapseDimensions : impl::CollapseDimensionsBase<CollapseDimensions> {
  using CollapseDimensionsBase::CollapseDimensionsBase;

  void runOnOperation() override {
    llvm::DenseMap<StringRef, SmallVector<LaunchOp>> launches;
    getOperation().walk([&](LaunchOp launch) { launches[launch.getKernel()].push_back(launch); });
    for (KernelOp kernel : getOperation().getOps<KernelOp>()) {
      Collapse collapse(kernel);
      if (!collapse.isNeeded())
        continue;
      for (LaunchOp launch : launches[kernel.getSymName()]) {
        auto sizes = collapse.collapseSizes(launch.getSizes());
        if (!sizes) {
          launch.emitOpError() << "has sizes " << textOfSizes(launch.getSizes())
                               << " whose products overflow 64 bits";
          return signalPassFailure();
        }
        launch.setSizes(*sizes);
      }
      collapse.run();
    }
  }
};

} // namespace
} // namespace weft

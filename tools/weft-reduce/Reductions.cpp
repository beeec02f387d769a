// Removes functions, operations, results, arguments, attributes, values and sizes.
#include "tools/weft-reduce/Reductions.h"
#include "dialects/Weft/IR/Weft.h"
#include "lib/Support/SymbolicSize.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/AttrTypeSubElements.h"

#include <set>

using namespace mlir;

namespace weft {

/// Calls `change` with the chosen ones of `places`, and returns how many there are.
template <typename Place, typename Change>
static size_t changeChosen(const std::vector<Place> &places, Places chosen, Change change) {
  for (auto [number, place] : llvm::enumerate(places))
    if (chosen.contains(number))
      change(place);
  return places.size();
}

/// The operations that `wanted` accepts, users before what they use: the end of a program goes
/// first.
template <typename Predicate>
static std::vector<Operation *> operations(ModuleOp module, Predicate wanted) {
  std::vector<Operation *> found;
  module.walk([&](Operation *op) {
    if (op != module && wanted(op))
      found.push_back(op);
  });
  std::reverse(found.begin(), found.end());
  return found;
}

static size_t eraseSymbols(ModuleOp module, Places chosen) {
  std::vector<Operation *> symbols;
  for (Operation &op : *module.getBody())
    symbols.push_back(&op);
  return changeChosen(symbols, chosen, [](Operation *op) {
    op->dropAllUses();
    op->erase();
  });
}

/// The number of the first operand from `begin` in steps of `step` that has the result's type.
static std::optional<unsigned> operandLikeResult(Operation *op, bool fromEnd) {
  if (op->getNumResults() != 1)
    return std::nullopt;
  unsigned count = op->getNumOperands();
  for (unsigned number = 0; number < count; ++number) {
    unsigned operand = fromEnd ? count - 1 - number : number;
    if (op->getOperand(operand).getType() == op->getResult(0).getType())
      return operand;
  }
  return std::nullopt;
}

template <bool fromEnd> static size_t replaceByOperand(ModuleOp module, Places chosen) {
  auto wanted = [](Operation *op) { return operandLikeResult(op, fromEnd).has_value(); };
  return changeChosen(operations(module, wanted), chosen, [](Operation *op) {
    op->getResult(0).replaceAllUsesWith(op->getOperand(*operandLikeResult(op, fromEnd)));
    op->erase();
  });
}

/// What computes an operation's operands goes away with it.
static size_t replaceByArgument(ModuleOp module, Places chosen) {
  auto wanted = [](Operation *op) {
    return op->getNumResults() > 0 && isa_and_nonnull<func::FuncOp>(op->getParentOp());
  };
  return changeChosen(operations(module, wanted), chosen, [](Operation *op) {
    auto function = cast<func::FuncOp>(op->getParentOp());
    for (Value result : op->getResults()) {
      if (failed(function.insertArgument(function.getNumArguments(), result.getType(), {},
                                         op->getLoc())))
        return;
      result.replaceAllUsesWith(function.getArguments().back());
    }
    op->erase();
  });
}

/// A function and the number of one of its results or arguments, the last first: the numbers before
/// it stay as they are.
using Member = std::pair<func::FuncOp, unsigned>;

static size_t dropResults(ModuleOp module, Places chosen) {
  std::vector<Member> results;
  for (auto function : module.getOps<func::FuncOp>())
    if (!function.isDeclaration() && llvm::hasSingleElement(function.getBody()))
      for (unsigned number = function.getNumResults(); number-- > 0;)
        results.emplace_back(function, number);
  return changeChosen(results, chosen, [](Member result) {
    auto [function, number] = result;
    if (succeeded(function.eraseResult(number)))
      function.getBody().front().getTerminator()->eraseOperand(number);
  });
}

static size_t dropArguments(ModuleOp module, Places chosen) {
  std::vector<Member> arguments;
  for (auto function : module.getOps<func::FuncOp>())
    if (!function.isDeclaration())
      for (unsigned number = function.getNumArguments(); number-- > 0;)
        if (function.getArgument(number).use_empty())
          arguments.emplace_back(function, number);
  return changeChosen(arguments, chosen,
                      [](Member argument) { (void)argument.first.eraseArgument(argument.second); });
}

static size_t dropAttributes(ModuleOp module, Places chosen) {
  std::vector<std::pair<Operation *, StringAttr>> attributes;
  module->walk([&](Operation *op) {
    for (NamedAttribute attribute : op->getDiscardableAttrs())
      attributes.emplace_back(op, attribute.getName());
  });
  return changeChosen(attributes, chosen, [](auto attribute) {
    attribute.first->removeDiscardableAttr(attribute.second);
  });
}

/// All elements become equal to the first; to zero where the values are not at hand.
static size_t equalizeElements(ModuleOp module, Places chosen) {
  std::vector<std::pair<Operation *, NamedAttribute>> values;
  module.walk([&](Operation *op) {
    for (NamedAttribute attribute : op->getAttrs())
      if (auto elements = dyn_cast<ElementsAttr>(attribute.getValue()))
        if (elements.getNumElements() > 1 && !elements.isSplat())
          values.emplace_back(op, attribute);
  });
  return changeChosen(values, chosen, [](auto value) {
    auto elements = cast<ElementsAttr>(value.second.getValue());
    Attribute first;
    if (auto dense = dyn_cast<DenseElementsAttr>(elements))
      first = DenseElementsAttr::get(dense.getType(), *dense.template value_begin<Attribute>());
    else
      first = Builder(value.first->getContext()).getZeroAttr(elements.getShapedType());
    if (first)
      value.first->setAttr(value.second.getName(), first);
  });
}

/// The known sizes above `least` in the types of `module`.
static std::set<int64_t> sizesAbove(int64_t least, ModuleOp module) {
  std::set<int64_t> sizes;
  auto collect = [&](Type type) {
    if (auto tensor = dyn_cast<RankedTensorType>(type))
      for (int64_t size : tensor.getShape())
        if (size > least && !isSymbolicSize(size))
          sizes.insert(size);
  };
  module.walk([&](Operation *op) {
    llvm::for_each(op->getResultTypes(), collect);
    for (Region &region : op->getRegions())
      for (Block &block : region)
        llvm::for_each(block.getArgumentTypes(), collect);
  });
  return sizes;
}

/// Wherever a type has one of the chosen sizes, it has size `least` instead.
template <int64_t least> static size_t shrinkSizes(ModuleOp module, Places chosen) {
  std::set<int64_t> found = sizesAbove(least, module), shrunk;
  std::vector<int64_t> sizes(found.rbegin(), found.rend());
  changeChosen(sizes, chosen, [&](int64_t size) { shrunk.insert(size); });
  if (shrunk.empty())
    return sizes.size();

  AttrTypeReplacer replacer;
  replacer.addReplacement([&](RankedTensorType type) {
    SmallVector<int64_t> shape(type.getShape());
    for (int64_t &size : shape)
      size = shrunk.count(size) ? least : size;
    return RankedTensorType::get(shape, type.getElementType(), type.getEncoding());
  });
  replacer.addReplacement([&](DenseElementsAttr elements) -> std::optional<Attribute> {
    auto type = dyn_cast<RankedTensorType>(elements.getType());
    if (!type || !elements.isSplat())
      return std::nullopt;
    return elements.resizeSplat(cast<ShapedType>(replacer.replace(Type(type))));
  });
  replacer.recursivelyReplaceElementsIn(module, /*replaceAttrs=*/true, /*replaceLocs=*/false,
                                        /*replaceTypes=*/true);
  return sizes.size();
}

ArrayRef<Reduction> reductions() {
  static constexpr Reduction all[] = {
      eraseSymbols,   replaceByArgument, replaceByOperand<false>, replaceByOperand<true>,
      dropResults,    dropArguments,     dropAttributes,          equalizeElements,
      shrinkSizes<1>, shrinkSizes<2>,    shrinkSizes<8>};
  return all;
}

} // namespace weft

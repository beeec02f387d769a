// From a program with symbolic sizes to one for given sizes.
#include "lib/Compiler/Instantiate.h"
#include "dialects/Weft/IR/Require.h"
#include "lib/Compiler/Diagnostics.h"
#include "lib/Support/SymbolicSize.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/AttrTypeSubElements.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/Verifier.h"
#include "passes/plan/LaunchArguments.h"

using namespace mlir;

namespace weft {
namespace {

/// Replaces sizes; an error is kept until MLIR, which knows no exceptions, has returned.
class Instantiation {
public:
  explicit Instantiation(const SizeBindings &bindings) : bindings(bindings) {}

  void run(ModuleOp module) {
    AttrTypeReplacer replacer;
    replacer.addReplacement([this](RankedTensorType type) -> Type {
      if (!hasSymbolicSize(type))
        return type;
      return RankedTensorType::get(numbersOf(type.getShape()), type.getElementType(),
                                   type.getEncoding());
    });
    replacer.addReplacement([this](DenseElementsAttr elements) {
      return std::pair<Attribute, WalkResult>(withNumbers(elements), WalkResult::skip());
    });
    replacer.addReplacement([this](SymbolicSizeAttr size) {
      auto number = SymbolicSizeAttr::get(
          size.getContext(), evaluated(size.getSize(), evaluateCount), size.getElement());
      return std::pair<Attribute, WalkResult>(number, WalkResult::skip());
    });
    replacer.addReplacement([this](ShapeAttr shape) {
      auto numbers = ShapeAttr::get(shape.getContext(), numbersOf(shape.getSizes()));
      return std::pair<Attribute, WalkResult>(numbers, WalkResult::skip());
    });
    replacer.recursivelyReplaceElementsIn(module, /*replaceAttrs=*/true, /*replaceLocs=*/false,
                                          /*replaceTypes=*/true);
    if (error)
      std::rethrow_exception(error);
  }

private:
  std::optional<int64_t> valueOf(std::string_view symbol) const {
    auto found = bindings.find(symbol);
    return found == bindings.end() ? std::nullopt : std::optional(found->second);
  }

  /// The number of a size, or 0 after an error.
  int64_t evaluated(int64_t size, decltype(evaluateSize) evaluate) {
    if (!isSymbolicSize(size))
      return size;
    try {
      return evaluate(size, [this](std::string_view symbol) { return valueOf(symbol); });
    } catch (const Error &) {
      if (!error)
        error = std::current_exception();
      return 0;
    }
  }

  SmallVector<int64_t> numbersOf(ArrayRef<int64_t> sizes) {
    return llvm::map_to_vector(sizes,
                               [this](int64_t size) { return evaluated(size, evaluateSize); });
  }

  Attribute withNumbers(DenseElementsAttr elements) {
    if (!hasSymbolicSize(elements.getType()))
      return elements;
    auto type =
        RankedTensorType::get(numbersOf(elements.getType().getShape()), elements.getElementType());
    return DenseElementsAttr::get(type, elements.getSplatValue<Attribute>());
  }

  const SizeBindings &bindings;
  std::exception_ptr error;
};

} // namespace

/// Makes constants of sizes, which are known now, as a trace would have.
static void foldSizes(ModuleOp module) {
  SmallVector<SizeOp> sizes;
  module.walk([&](SizeOp op) { sizes.push_back(op); });
  for (SizeOp op : sizes) {
    OpBuilder builder(op);
    ElementsAttr value;
    matchPattern(op.getResult(), m_Constant(&value));
    op.replaceAllUsesWith(
        ConstantOp::create(builder, op.getLoc(), op.getType(), value).getResult());
    op->erase();
  }
}

/// Whether a size would be negative.
static bool isRefused(int64_t size, const SizeBindings &bindings) {
  if (!isSymbolicSize(size))
    return size < 0;
  auto valueOf = [&](std::string_view symbol) -> std::optional<int64_t> {
    auto found = bindings.find(symbol);
    return found == bindings.end() ? std::nullopt : std::optional(found->second);
  };
  // One more, of which 0 is left where the size is negative.
  return evaluateCount(addSizes(size, 1), valueOf) == 0;
}

/// Throws if a size would be negative that the program asks not to be.
static void checkConditions(ModuleOp module, const SizeBindings &bindings) {
  for (auto function : module.getOps<func::FuncOp>()) {
    auto errors = function->getAttrOfType<ArrayAttr>("weft.errors");
    if (!errors)
      continue;
    for (auto [size, error] :
         llvm::zip(sizeConditions(function), errors.getAsValueRange<StringAttr>()))
      if (isRefused(size, bindings))
        throw Error(Error::Kind::Value, error.str());
  }
}

/// Leaves of what regions require only what does not hold, without the size.
static void resolveRequirements(ModuleOp module, const SizeBindings &bindings) {
  SmallVector<RequireOp> ops;
  module.walk([&](RequireOp op) { ops.push_back(op); });
  for (RequireOp op : ops) {
    ShapeAttr size = op.getSizeAttr();
    if (!size)
      continue;
    if (llvm::any_of(size.getSizes(), [&](int64_t each) { return isRefused(each, bindings); }))
      op.removeSizeAttr();
    else
      op.erase();
  }
}

OwningOpRef<ModuleOp> instantiate(ModuleOp module, const SizeBindings &bindings) {
  checkConditions(module, bindings);
  OwningOpRef<ModuleOp> copy = module.clone();
  resolveRequirements(*copy, bindings);
  Instantiation(bindings).run(*copy);
  foldSizes(*copy);
  DiagnosticCollector diagnostics(*module.getContext());
  if (failed(verify(*copy)))
    throw Error(Error::Kind::Value, diagnostics.text("the program is not defined for these sizes"));
  return copy;
}

} // namespace weft

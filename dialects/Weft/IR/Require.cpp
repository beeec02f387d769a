// What functions say of the sizes for which they are not defined, of weft.require in them.
#include "dialects/Weft/IR/Require.h"

using namespace mlir;

namespace weft {

static constexpr StringLiteral requiredName = "weft.required";

SmallVector<Requirement> requirementsOf(func::FuncOp function) {
  SmallVector<Requirement> requirements;
  if (auto required = function->getAttrOfType<ArrayAttr>(requiredName))
    for (auto each : required.getAsRange<DictionaryAttr>()) {
      auto size = each.getAs<ShapeAttr>("size");
      auto error = each.getAs<StringAttr>("error");
      StringRef text = error ? error.getValue() : "";
      if (!size)
        requirements.push_back({std::nullopt, text});
      else
        for (int64_t number : size.getSizes())
          requirements.push_back({number, text});
    }
  return requirements;
}

void collectRequirements(func::FuncOp function) {
  SmallVector<Attribute> required;
  if (auto before = function->getAttrOfType<ArrayAttr>(requiredName))
    llvm::append_range(required, before);
  for (RequireOp op : llvm::make_early_inc_range(function.getOps<RequireOp>())) {
    NamedAttrList each;
    each.set("error", op.getErrorAttr());
    if (ShapeAttr size = op.getSizeAttr())
      each.set("size", size);
    required.push_back(each.getDictionary(function.getContext()));
    op.erase();
  }
  if (!required.empty())
    function->setAttr(requiredName, ArrayAttr::get(function.getContext(), required));
}

} // namespace weft

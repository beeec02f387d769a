// Writes symbolic sizes by name, the inverse of weft-resolve-sizes.
//
//   tensor<1152921504607458929x784xf32>   ->   tensor<?x784xf32, #weft.shape<["n", 784]>>
#include "lib/Support/SymbolicSize.h"
#include "mlir/IR/AttrTypeSubElements.h"
#include "passes/Passes.h"

using namespace mlir;

namespace weft {

#define GEN_PASS_DEF_NAMESIZES
#include "passes/Passes.h.inc"

namespace {

Type withNames(RankedTensorType type) {
  if (!hasSymbolicSize(type))
    return type;
  SmallVector<int64_t> shape(type.getShape());
  for (int64_t &size : shape)
    if (isSymbolicSize(size))
      size = ShapedType::kDynamic;
  return RankedTensorType::get(shape, type.getElementType(),
                               ShapeAttr::get(type.getContext(), type.getShape()));
}

/// MLIR writes no dense attribute of a dynamic shape: the sizes are those of the constant's type,
/// and the value is one element.
Attribute withoutShape(DenseElementsAttr elements) {
  if (!hasSymbolicSize(elements.getType()))
    return elements;
  auto scalar = RankedTensorType::get({}, elements.getElementType());
  return DenseElementsAttr::get(scalar, elements.getSplatValue<Attribute>());
}

struct NameSizes : impl::NameSizesBase<NameSizes> {
  using NameSizesBase::NameSizesBase;

  void runOnOperation() override {
    AttrTypeReplacer replacer;
    replacer.addReplacement([](RankedTensorType type) { return withNames(type); });
    replacer.addReplacement([](DenseElementsAttr elements) {
      return std::pair(withoutShape(elements), WalkResult::skip());
    });
    replacer.recursivelyReplaceElementsIn(getOperation(), /*replaceAttrs=*/true,
                                          /*replaceLocs=*/false, /*replaceTypes=*/true);
  }
};

} // namespace
} // namespace weft

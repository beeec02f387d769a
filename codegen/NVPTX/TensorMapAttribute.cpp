#include "codegen/NVPTX/TensorMapAttribute.h"
#include "mlir/IR/Builders.h"

using namespace mlir;

namespace weft {

static DenseI64ArrayAttr productAttribute(Builder &builder, const SizeProduct &product) {
  SmallVector<int64_t> numbers = {product.factor};
  llvm::append_range(numbers, product.sizes);
  return builder.getDenseI64ArrayAttr(numbers);
}

static SizeProduct productOf(Attribute attribute) {
  ArrayRef<int64_t> numbers = cast<DenseI64ArrayAttr>(attribute).asArrayRef();
  return {numbers.front(), numbers.drop_front().vec()};
}

static Type elementTypeOf(Builder &builder, DType element) {
  return element == DType::Float16 ? builder.getF16Type() : builder.getBF16Type();
}

static DictionaryAttr tensorMapAttribute(Builder &builder, const TensorMapShape &shape) {
  SmallVector<Attribute> sizes, strides;
  SmallVector<int64_t> box;
  for (const TensorMapShape::Dimension &dimension : shape.dimensions) {
    sizes.push_back(productAttribute(builder, dimension.size));
    strides.push_back(productAttribute(builder, dimension.stride));
    box.push_back(dimension.box);
  }
  auto named = [&](StringRef name, Attribute value) { return builder.getNamedAttr(name, value); };
  return builder.getDictionaryAttr(
      {named("buffer", builder.getI64IntegerAttr(shape.buffer)),
       named("element", TypeAttr::get(elementTypeOf(builder, shape.element))),
       named("sizes", builder.getArrayAttr(sizes)), named("strides", builder.getArrayAttr(strides)),
       named("box", builder.getDenseI64ArrayAttr(box)),
       named("swizzle", builder.getI64IntegerAttr(shape.swizzleBytes))});
}

ArrayAttr tensorMapsAttribute(MLIRContext *context, ArrayRef<TensorMapShape> shapes) {
  Builder builder(context);
  return builder.getArrayAttr(
      llvm::map_to_vector(shapes, [&](const TensorMapShape &shape) -> Attribute {
        return tensorMapAttribute(builder, shape);
      }));
}

std::vector<TensorMapShape> tensorMapsOf(ArrayAttr attribute) {
  std::vector<TensorMapShape> shapes;
  if (!attribute)
    return shapes;
  for (auto map : attribute.getAsRange<DictionaryAttr>()) {
    TensorMapShape &shape = shapes.emplace_back();
    shape.buffer = map.getAs<IntegerAttr>("buffer").getInt();
    bool isHalf = map.getAs<TypeAttr>("element").getValue().isF16();
    shape.element = isHalf ? DType::Float16 : DType::BFloat16;
    shape.swizzleBytes = map.getAs<IntegerAttr>("swizzle").getInt();
    for (auto [size, stride, box] :
         llvm::zip_equal(map.getAs<ArrayAttr>("sizes"), map.getAs<ArrayAttr>("strides"),
                         map.getAs<DenseI64ArrayAttr>("box").asArrayRef()))
      shape.dimensions.push_back({productOf(size), productOf(stride), static_cast<uint32_t>(box)});
  }
  return shapes;
}

} // namespace weft

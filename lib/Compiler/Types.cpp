// Between MLIR's types and attributes and the runtime's.
#include "lib/Compiler/Types.h"
#include "lib/Support/Error.h"
#include <cstring>

using namespace mlir;

namespace weft {

DType dtypeOf(Type element) {
  if (element.isF32())
    return DType::Float32;
  if (element.isF64())
    return DType::Float64;
  if (element.isF16())
    return DType::Float16;
  if (element.isBF16())
    return DType::BFloat16;
  auto integer = cast<IntegerType>(element);
  switch (integer.getWidth()) {
  case 1:
    return DType::Bool;
  case 8:
    return integer.isUnsigned() ? DType::UInt8 : DType::Int8;
  case 16:
    return DType::Int16;
  case 32:
    return DType::Int32;
  case 64:
    return DType::Int64;
  default:
    throw Error(Error::Kind::Type, "no dtype has " + std::to_string(integer.getWidth()) + " bits");
  }
}

Type elementTypeOf(MLIRContext *context, DType dtype) {
  Builder builder(context);
  switch (dtype) {
  case DType::Bool:
    return builder.getI1Type();
  case DType::Int8:
    return builder.getI8Type();
  case DType::Int16:
    return builder.getI16Type();
  case DType::Int32:
    return builder.getI32Type();
  case DType::Int64:
    return builder.getI64Type();
  case DType::UInt8:
    return builder.getIntegerType(8, /*isSigned=*/false);
  case DType::Float16:
    return builder.getF16Type();
  case DType::BFloat16:
    return builder.getBF16Type();
  case DType::Float32:
    return builder.getF32Type();
  case DType::Float64:
    return builder.getF64Type();
  }
  llvm_unreachable("all dtypes have an element type");
}

TensorSignature signatureOf(Type tensor) {
  auto type = cast<RankedTensorType>(tensor);
  return {dtypeOf(type.getElementType()), std::vector<int64_t>(type.getShape())};
}

void copyElements(DenseElementsAttr elements, void *target) {
  if (elements.getElementType().isInteger(1)) {
    auto *bytes = static_cast<uint8_t *>(target);
    for (bool value : elements.getValues<bool>())
      *bytes++ = value;
    return;
  }
  ArrayRef<char> raw = elements.getRawData();
  int64_t count = elements.isSplat() ? elements.getNumElements() : 1;
  for (int64_t i = 0; i < count; ++i)
    std::memcpy(static_cast<char *>(target) + i * raw.size(), raw.data(), raw.size());
}

} // namespace weft

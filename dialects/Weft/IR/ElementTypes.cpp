// Between MLIR's element types and dtypes, and the bytes of constants.
#include "dialects/Weft/IR/ElementTypes.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/IR/TypeUtilities.h"
#include <cstring>

using namespace mlir;

namespace weft {

static std::optional<DType> findIntegerDType(IntegerType integer) {
  switch (integer.getWidth()) {
  case 1:
    return DType::Bool;
  case 8:
    return integer.isUnsigned() ? DType::UInt8 : DType::Int8;
  case 16:
    return integer.isUnsigned() ? DType::UInt16 : DType::Int16;
  case 32:
    return integer.isUnsigned() ? DType::UInt32 : DType::Int32;
  case 64:
    return integer.isUnsigned() ? DType::UInt64 : DType::Int64;
  default:
    return std::nullopt;
  }
}

std::optional<DType> findDType(Type element) {
  if (element.isF32())
    return DType::Float32;
  if (element.isF64())
    return DType::Float64;
  if (element.isF16())
    return DType::Float16;
  if (element.isBF16())
    return DType::BFloat16;
  if (isa<Float8E4M3FNType>(element))
    return DType::Float8E4M3FN;
  if (isa<Float8E5M2Type>(element))
    return DType::Float8E5M2;
  if (auto complex = dyn_cast<ComplexType>(element)) {
    Type part = complex.getElementType();
    return part.isF32()   ? std::optional(DType::Complex64)
           : part.isF64() ? std::optional(DType::Complex128)
                          : std::nullopt;
  }
  auto integer = dyn_cast<IntegerType>(element);
  return integer ? findIntegerDType(integer) : std::nullopt;
}

bool hasInexactElements(Type type) {
  std::optional<DType> dtype = findDType(getElementTypeOrSelf(type));
  return dtype && isInexact(*dtype);
}

bool isNarrowFloat(Type element) {
  return isa<FloatType>(element) && element.getIntOrFloatBitWidth() < 32;
}

static uint64_t bytesOfElement(Type element) {
  if (auto complex = dyn_cast<ComplexType>(element))
    return 2 * bytesOfElement(complex.getElementType());
  return std::max(1u, element.getIntOrFloatBitWidth() / 8);
}

uint64_t bytesOfElements(ElementsAttr elements) {
  return elements.getNumElements() * bytesOfElement(elements.getElementType());
}

static void copyDense(DenseElementsAttr elements, void *target) {
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

LogicalResult copyElementBytes(ElementsAttr elements, void *target) {
  if (auto dense = dyn_cast<DenseElementsAttr>(elements)) {
    copyDense(dense, target);
    return success();
  }
  auto resource = dyn_cast<DenseResourceElementsAttr>(elements);
  AsmResourceBlob *blob = resource ? resource.getRawHandle().getBlob() : nullptr;
  if (!blob || blob->getData().size() != bytesOfElements(elements))
    return failure();
  if (!blob->getData().empty())
    std::memcpy(target, blob->getData().data(), blob->getData().size());
  return success();
}

} // namespace weft

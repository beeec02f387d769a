// Between MLIR's types and attributes and the runtime's.
#include "lib/Compiler/Types.h"
#include "dialects/Weft/IR/ElementTypes.h"
#include "lib/Support/Error.h"

using namespace mlir;

namespace weft {

DType dtypeOf(Type element) {
  if (std::optional<DType> dtype = findDType(element))
    return *dtype;
  std::string text;
  llvm::raw_string_ostream(text) << element;
  throw Error(Error::Kind::Type, "no dtype has elements of type " + text);
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
  case DType::UInt16:
  case DType::UInt32:
  case DType::UInt64:
    return builder.getIntegerType(8 * dtypeSize(dtype), /*isSigned=*/false);
  case DType::Float16:
    return builder.getF16Type();
  case DType::BFloat16:
    return builder.getBF16Type();
  case DType::Float32:
    return builder.getF32Type();
  case DType::Float64:
    return builder.getF64Type();
  case DType::Float8E4M3FN:
    return Float8E4M3FNType::get(context);
  case DType::Float8E5M2:
    return Float8E5M2Type::get(context);
  case DType::Complex64:
  case DType::Complex128:
    return ComplexType::get(elementTypeOf(context, partDType(dtype)));
  }
  llvm_unreachable("all dtypes have an element type");
}

TensorSignature signatureOf(Type tensor) {
  auto type = cast<RankedTensorType>(tensor);
  return {dtypeOf(type.getElementType()), std::vector<int64_t>(type.getShape())};
}

void copyElements(ElementsAttr elements, void *target) {
  if (failed(copyElementBytes(elements, target)))
    throw Error(Error::Kind::Value, "the data of a constant is missing from the module");
}

} // namespace weft

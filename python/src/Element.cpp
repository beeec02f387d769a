// Reading single elements.
#include "python/src/Element.h"

#include "python/src/Conversion.h"
#include "python/src/Errors.h"
#include "python/src/TraceScope.h"
#include "python/src/state/Handle.h"

#include "llvm/ADT/APFloat.h"

#include <cstring>
#include <type_traits>

using namespace weft;

static double readFloat(const void *place, DType dtype) {
  switch (dtype) {
  case DType::Float64: {
    double value;
    std::memcpy(&value, place, sizeof(value));
    return value;
  }
  case DType::Float32: {
    float value;
    std::memcpy(&value, place, sizeof(value));
    return value;
  }
  default:
    uint16_t word = 0;
    std::memcpy(&word, place, dtypeSize(dtype));
    llvm::APInt bits(unsigned(8 * dtypeSize(dtype)), word);
    return llvm::APFloat(semanticsOf(dtype), bits).convertToDouble();
  }
}

template <typename T> static PyObject *readInteger(const void *place) {
  T value;
  std::memcpy(&value, place, sizeof(value));
  if constexpr (std::is_unsigned_v<T>)
    return PyLong_FromUnsignedLongLong(value);
  return PyLong_FromLongLong(value);
}

static PyObject *readElement(const void *place, DType dtype) {
  if (isComplex(dtype)) {
    DType part = partDType(dtype);
    const char *imaginary = static_cast<const char *>(place) + dtypeSize(part);
    return PyComplex_FromDoubles(readFloat(place, part), readFloat(imaginary, part));
  }
  if (isFloating(dtype))
    return PyFloat_FromDouble(readFloat(place, dtype));
  switch (dtype) {
  case DType::Bool:
    return PyBool_FromLong(*static_cast<const uint8_t *>(place));
  case DType::Int8:
    return readInteger<int8_t>(place);
  case DType::UInt8:
    return readInteger<uint8_t>(place);
  case DType::Int16:
    return readInteger<int16_t>(place);
  case DType::UInt16:
    return readInteger<uint16_t>(place);
  case DType::Int32:
    return readInteger<int32_t>(place);
  case DType::UInt32:
    return readInteger<uint32_t>(place);
  case DType::UInt64:
    return readInteger<uint64_t>(place);
  default:
    return readInteger<int64_t>(place);
  }
}

PyRef weft::elementAt(const void *place, DType dtype) { return checked(readElement(place, dtype)); }

PyRef weft::elementOf(TensorObject *tensor, const char *action) {
  tensor = current(tensor);
  const TensorValue &value = tensor->value;
  if (value.isTracer() && value.scope.get() == currentScope)
    if (PyRef scalar = currentScope->specialize(value.id))
      return scalar;
  if (elementCount(value.shape) != 1)
    throwError("ShapeError", std::string(action) + " needs a tensor of one element, not of shape " +
                                 shapeTuple(value.shape) + "; reduce it by any(), all() or sum()");
  Array elements = elementsOf(tensor, action);
  return elementAt(elements.storage->data(), elements.dtype);
}

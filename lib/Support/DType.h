// The element types of tensors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weft {

enum class DType : uint8_t {
  Bool,
  Int8,
  Int16,
  Int32,
  Int64,
  UInt8,
  Float16,
  BFloat16,
  Float32,
  Float64,
  // Behind the others, whose numbers are in files.
  UInt16,
  UInt32,
  UInt64,
  // A real part, then an imaginary part.
  Complex64,
  Complex128,
  // Kept and converted only: no arithmetic is done on them.
  Float8E4M3FN,
  Float8E5M2,
};

inline constexpr size_t dtypeCount = 17;

/// Bytes of one element; a bool takes one byte, 0 or 1.
constexpr size_t dtypeSize(DType dtype) {
  constexpr size_t sizes[dtypeCount] = {1, 1, 2, 4, 8, 1, 2, 2, 4, 8, 2, 4, 8, 8, 16, 1, 1};
  return sizes[static_cast<size_t>(dtype)];
}

/// The array API's name: "float32", "bool", ...
constexpr std::string_view dtypeName(DType dtype) {
  constexpr std::string_view names[dtypeCount] = {
      "bool",    "int8",      "int16",      "int32",         "int64",      "uint8",
      "float16", "bfloat16",  "float32",    "float64",       "uint16",     "uint32",
      "uint64",  "complex64", "complex128", "float8_e4m3fn", "float8_e5m2"};
  return names[static_cast<size_t>(dtype)];
}

/// Floats of a byte: values to keep and to convert.
constexpr bool isFloat8(DType dtype) { return dtype >= DType::Float8E4M3FN; }
constexpr bool isFloating(DType dtype) {
  return (dtype >= DType::Float16 && dtype <= DType::Float64) || isFloat8(dtype);
}
constexpr bool isComplex(DType dtype) {
  return dtype == DType::Complex64 || dtype == DType::Complex128;
}
/// Floating or complex, and computed with: what gradients are of.
constexpr bool isInexact(DType dtype) {
  return (isFloating(dtype) && !isFloat8(dtype)) || isComplex(dtype);
}
/// The dtype of the parts of a complex one; others are their own.
constexpr DType partDType(DType dtype) {
  return dtype == DType::Complex64    ? DType::Float32
         : dtype == DType::Complex128 ? DType::Float64
                                      : dtype;
}
constexpr bool isUnsignedInteger(DType dtype) {
  return dtype == DType::UInt8 || (dtype >= DType::UInt16 && dtype <= DType::UInt64);
}
constexpr bool isInteger(DType dtype) {
  return (dtype >= DType::Int8 && dtype <= DType::Int64) || isUnsignedInteger(dtype);
}

} // namespace weft

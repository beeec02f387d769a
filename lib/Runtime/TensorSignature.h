// What is known of a tensor before it has memory.
#pragma once

#include "lib/Support/DType.h"

#include <cstdint>
#include <string>
#include <vector>

namespace weft {

/// The element type and the shape of a dense row-major tensor.
struct TensorSignature {
  DType dtype = DType::Float32;
  std::vector<int64_t> shape;

  /// The bytes that the tensor's elements take. Throws weft::Error when a dimension is negative or
  /// when the number of bytes does not fit 63 bits.
  uint64_t bytes() const;

  /// For messages: "float32(2, 3)".
  std::string toString() const;

  bool operator==(const TensorSignature &) const = default;
};

} // namespace weft

#include "lib/Runtime/TensorSignature.h"

#include "lib/Support/Error.h"

#include <algorithm>

namespace weft {

std::string TensorSignature::toString() const {
  std::string text(dtypeName(dtype));
  text += '(';
  for (size_t axis = 0; axis < shape.size(); ++axis)
    text += (axis ? ", " : "") + std::to_string(shape[axis]);
  return text + ')';
}

uint64_t TensorSignature::bytes() const {
  int64_t product = static_cast<int64_t>(dtypeSize(dtype));
  bool overflow = false;
  for (int64_t extent : shape) {
    if (extent < 0)
      throw Error(Error::Kind::Value, "a tensor " + toString() + " has a negative dimension");
    overflow |= __builtin_mul_overflow(product, extent, &product);
  }
  // A zero anywhere makes the tensor empty, however large the other dimensions are.
  if (overflow && std::find(shape.begin(), shape.end(), 0) == shape.end())
    throw Error(Error::Kind::Memory, "a tensor " + toString() +
                                         " is larger than any memory: its bytes overflow 63 bits");
  return overflow ? 0 : static_cast<uint64_t>(product);
}

} // namespace weft

// Type promotion and broadcasting, by the rules of the Python array API standard.
#pragma once

#include "lib/Trace/Array.h"
#include "lib/Trace/OpTable.h"

#include <optional>

namespace weft {

/// What promotion knows of an operand.
struct OperandType {
  DType dtype;
  llvm::ArrayRef<int64_t> shape;
  /// A Python scalar, or computed from such alone: its dtype gives way to that of real tensors.
  bool weak = false;
  /// The value of a Python integer.
  std::optional<int64_t> number = {};
};

struct Promoted {
  /// For each operand what it has to be converted to.
  llvm::SmallVector<DType, 3> dtypes;
  /// What all operands have to be broadcast to.
  Shape shape;
  /// All promoted operands were weak, and so is the result.
  bool weak = false;
};

/// The smallest dtype that both convert to: within integers and within floats the array API's
/// table; an integer with a float gives the float; a bool gives way; float16 with bfloat16 gives
/// float32; an unsigned integer with a signed one gives the signed one that holds both, which
/// uint64 with a signed one has not; nor has a float of a byte with any other dtype.
std::optional<DType> findCommonDType(DType left, DType right);

/// The same; throws weft::Error (Type), naming `user`, where there is none.
DType commonDType(DType left, DType right, const std::string &user);

/// The dtype that a weakly typed value takes when nothing stronger decides: float32, int64, bool.
DType defaultDType(DType weak);

/// True if an element of an integer dtype can have the value `number`.
bool fits(int64_t number, DType dtype);

/// What the operands of `op` become. A comparison with an integer that the dtype can't hold is made
/// in int64. Throws weft::Error, naming the op: Range if another op has such an operand, Value,
/// with both shapes, if they do not broadcast.
Promoted promote(const OpInfo &op, llvm::ArrayRef<OperandType> operands);

} // namespace weft

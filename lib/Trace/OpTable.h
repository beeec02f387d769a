// What the front end knows of each op, from the op records.
#pragma once

#include "lib/Support/DType.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <cstdint>

namespace weft {

/// How an op's operands are made alike before it is built: taken as they are; converted to their
/// common dtype and broadcast to their common shape; the same, and integers and bools become
/// float32.
enum class Promotion : uint8_t { None, Common, Float };

/// What autocast makes of floating operands of at most 32 bits: nothing, its dtype, float32.
enum class Autocast : uint8_t { None, Low, Wide };

/// The classes of dtypes that an operand accepts, as bits.
inline constexpr uint8_t acceptsFloat = 1, acceptsInteger = 2, acceptsBool = 4, acceptsComplex = 8,
                         acceptsFloat8 = 16;

struct OpInfo {
  /// The op's full name: "weft.add".
  llvm::StringRef name;
  /// The name that users know the op by, for messages: "add".
  llvm::StringRef pythonName;
  /// -1: any number.
  int operandCount;
  Promotion promotion;
  Autocast autocast;
  /// The result type is given by the caller, not inferred.
  bool explicitResult;
  bool differentiable;
  /// A comparison: with a number that a dtype can't hold it is still defined.
  bool compares;
  /// For each operand (for a variadic op: for all) a union of the bits above.
  llvm::ArrayRef<uint8_t> acceptances;
  /// Leading operands that promotion does not convert, only broadcast: the condition of a select.
  unsigned unpromotedOperands;

  /// True if operand `number` may have this dtype.
  bool accepts(unsigned number, DType dtype) const {
    uint8_t bit = isFloat8(dtype)     ? acceptsFloat8
                  : isFloating(dtype) ? acceptsFloat
                  : isComplex(dtype)  ? acceptsComplex
                  : isInteger(dtype)  ? acceptsInteger
                                      : acceptsBool;
    return acceptances[operandCount < 0 ? 0 : number] & bit;
  }
};

/// The op with this name ("weft.add" or "add"); null if there is none.
const OpInfo *findOp(llvm::StringRef name);

/// The same for a name that the program itself writes; aborts if there is none.
const OpInfo &requireOp(llvm::StringRef name);

} // namespace weft

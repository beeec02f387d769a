// The promotion lattice.
#include "lib/Trace/Promotion.h"

#include "lib/Support/Error.h"

#include <algorithm>

using namespace weft;

/// 0: bool, 1: integer, 2: floating, 3: complex.
static int category(DType dtype) {
  return isComplex(dtype) ? 3 : isFloating(dtype) ? 2 : isInteger(dtype) ? 1 : 0;
}

/// The signed integer of 2, 4 or 8 bytes.
static DType signedInteger(size_t bytes) {
  return bytes == 2 ? DType::Int16 : bytes == 4 ? DType::Int32 : DType::Int64;
}

/// A signed one holds an unsigned one if it is wider; nothing is wider than uint64.
static std::optional<DType> commonInteger(DType left, DType right) {
  if (isUnsignedInteger(left) == isUnsignedInteger(right))
    return dtypeSize(left) >= dtypeSize(right) ? left : right;
  if (isUnsignedInteger(right))
    std::swap(left, right);
  size_t bytes = std::max(2 * dtypeSize(left), dtypeSize(right));
  return bytes <= dtypeSize(DType::Int64) ? std::optional(signedInteger(bytes)) : std::nullopt;
}

static DType commonFloat(DType left, DType right) {
  bool halves = left <= DType::BFloat16 && right <= DType::BFloat16;
  return halves && left != right ? DType::Float32 : std::max(left, right);
}

/// As precise as both.
static DType commonComplex(DType left, DType right) {
  bool isDouble = partDType(left) == DType::Float64 || partDType(right) == DType::Float64;
  return isDouble ? DType::Complex128 : DType::Complex64;
}

std::optional<DType> weft::findCommonDType(DType left, DType right) {
  if (isFloat8(left) || isFloat8(right))
    return left == right ? std::optional(left) : std::nullopt;
  if (isComplex(left) || isComplex(right))
    return commonComplex(left, right);
  int leftCategory = category(left), rightCategory = category(right);
  if (leftCategory != rightCategory)
    return leftCategory > rightCategory ? left : right;
  if (leftCategory == 0)
    return DType::Bool;
  return leftCategory == 1 ? commonInteger(left, right) : commonFloat(left, right);
}

DType weft::commonDType(DType left, DType right, const std::string &user) {
  if (auto common = findCommonDType(left, right))
    return *common;
  bool isWithFloat8 = isFloat8(left) || isFloat8(right);
  throw Error(Error::Kind::Type,
              user + ": " + std::string(dtypeName(left)) + " and " + std::string(dtypeName(right)) +
                  " have no common dtype; convert " +
                  (isWithFloat8 ? "float8 by .astype(weft.float32)" : "one of them by astype"));
}

DType weft::defaultDType(DType weak) {
  return isComplex(weak)    ? DType::Complex64
         : isFloating(weak) ? DType::Float32
         : isInteger(weak)  ? DType::Int64
                            : DType::Bool;
}

bool weft::fits(int64_t number, DType dtype) {
  int64_t bits = 8 * int64_t(dtypeSize(dtype));
  if (isUnsignedInteger(dtype))
    return number >= 0 && (bits == 64 || number < int64_t(1) << bits);
  int64_t limit = bits < 64 ? int64_t(1) << (bits - 1) : 0;
  return bits == 64 || (number >= -limit && number < limit);
}

/// The dtype in which all Python integers among the operands have their values.
static DType holdingNumbers(const OpInfo &op, llvm::ArrayRef<OperandType> operands, DType dtype) {
  if (!isInteger(dtype))
    return dtype;
  for (const OperandType &operand : operands) {
    if (!operand.weak || !operand.number || fits(*operand.number, dtype))
      continue;
    if (!op.compares || dtype == DType::UInt64)
      throw Error(Error::Kind::Range, op.pythonName.str() + ": " + std::to_string(*operand.number) +
                                          " does not fit into " + std::string(dtypeName(dtype)) +
                                          "; convert the tensor by astype");
    return DType::Int64;
  }
  return dtype;
}

static DType promotedDType(const OpInfo &op, llvm::ArrayRef<OperandType> operands, bool &weak) {
  std::optional<DType> strong, weakest;
  for (const OperandType &operand : operands) {
    std::optional<DType> &slot = operand.weak ? weakest : strong;
    slot = commonDType(slot.value_or(operand.dtype), operand.dtype, op.pythonName.str());
  }
  weak = !strong;
  DType result = strong ? *strong : weakest.value_or(DType::Bool);
  if (strong && weakest && category(*weakest) > category(*strong))
    result = defaultDType(*weakest);
  if (op.promotion == Promotion::Float && !isFloating(result) && !isComplex(result))
    result = weak ? DType::Float64 : DType::Float32;
  return result;
}

static void broadcastInto(const OpInfo &op, Shape &shape, llvm::ArrayRef<int64_t> other,
                          llvm::ArrayRef<int64_t> original) {
  if (other.size() > shape.size())
    shape.insert(shape.begin(), other.size() - shape.size(), 1);
  size_t offset = shape.size() - other.size();
  for (size_t i = 0; i < other.size(); ++i) {
    int64_t &dimension = shape[offset + i];
    if (dimension == other[i] || other[i] == 1)
      continue;
    if (dimension != 1)
      throw Error(Error::Kind::Value, op.pythonName.str() + ": shapes " + shapeTuple(original) +
                                          " and " + shapeTuple(other) +
                                          " do not broadcast: dimension " +
                                          std::to_string(int64_t(i) - int64_t(other.size())) +
                                          " is " + sizeText(dimension) + " and " +
                                          sizeText(other[i]) + "; sizes must be equal or 1");
    dimension = other[i];
  }
}

Promoted weft::promote(const OpInfo &op, llvm::ArrayRef<OperandType> operands) {
  Promoted result;
  auto promoted = operands.drop_front(op.unpromotedOperands);
  DType dtype = holdingNumbers(op, promoted, promotedDType(op, promoted, result.weak));
  for (size_t i = 0; i < operands.size(); ++i) {
    result.dtypes.push_back(i < op.unpromotedOperands ? operands[i].dtype : dtype);
    Shape before = result.shape;
    broadcastInto(op, result.shape, operands[i].shape, before);
  }
  return result;
}

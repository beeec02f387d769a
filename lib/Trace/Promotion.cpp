// The promotion lattice.
#include "lib/Trace/Promotion.h"

#include "lib/Support/Error.h"

#include <algorithm>

using namespace weft;

/// 0: bool, 1: integer, 2: floating.
static int category(DType dtype) { return isFloating(dtype) ? 2 : isInteger(dtype) ? 1 : 0; }

static DType commonInteger(DType left, DType right) {
  if (left == right)
    return left;
  if (left == DType::UInt8 || right == DType::UInt8)
    return std::max({left == DType::UInt8 ? right : left, DType::Int16});
  return std::max(left, right);
}

static DType commonFloat(DType left, DType right) {
  bool halves = left <= DType::BFloat16 && right <= DType::BFloat16;
  return halves && left != right ? DType::Float32 : std::max(left, right);
}

DType weft::commonDType(DType left, DType right) {
  int leftCategory = category(left), rightCategory = category(right);
  if (leftCategory != rightCategory)
    return leftCategory > rightCategory ? left : right;
  if (leftCategory == 0)
    return DType::Bool;
  return leftCategory == 1 ? commonInteger(left, right) : commonFloat(left, right);
}

DType weft::defaultDType(DType weak) {
  return isFloating(weak) ? DType::Float32 : isInteger(weak) ? DType::Int64 : DType::Bool;
}

bool weft::fits(int64_t number, DType dtype) {
  int64_t bits = 8 * int64_t(dtypeSize(dtype));
  if (dtype == DType::UInt8)
    return number >= 0 && number < 256;
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
    if (!op.compares)
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
    slot = slot ? commonDType(*slot, operand.dtype) : operand.dtype;
  }
  weak = !strong;
  DType result = strong ? *strong : *weakest;
  if (strong && weakest && category(*weakest) > category(*strong))
    result = defaultDType(*weakest);
  if (op.promotion == Promotion::Float && !isFloating(result))
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

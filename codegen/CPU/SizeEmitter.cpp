// Code that computes sizes from the values of symbols.
#include "codegen/CPU/SizeEmitter.h"
#include "lib/Support/SymbolicSize.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace weft {

std::optional<int64_t> SizeEmitter::knownValue(Value value) {
  auto constant = value.getDefiningOp<LLVM::ConstantOp>();
  auto integer = constant ? dyn_cast<IntegerAttr>(constant.getValue()) : IntegerAttr();
  return integer ? std::optional<int64_t>(integer.getInt()) : std::nullopt;
}

void SizeEmitter::note(Value &flag, Value condition) {
  flag = flag ? LLVM::OrOp::create(builder, location, flag, condition) : condition;
}

void SizeEmitter::requireCount(Value size) {
  if (std::optional<int64_t> known = knownValue(size); !checked || (known && *known >= 0))
    return;
  note(negative,
       LLVM::ICmpOp::create(builder, location, LLVM::ICmpPredicate::slt, size, constant(0)));
}

void SizeEmitter::requireAtMost(Value value, int64_t bound) {
  if (std::optional<int64_t> known = knownValue(value); !checked || (known && *known <= bound))
    return;
  note(overflow,
       LLVM::ICmpOp::create(builder, location, LLVM::ICmpPredicate::sgt, value, constant(bound)));
}

template <typename Checked, typename Plain> Value SizeEmitter::compute(Value left, Value right) {
  if (!checked)
    return Plain::create(builder, location, left, right);
  Type integer = builder.getI64Type();
  auto pair =
      LLVM::LLVMStructType::getLiteral(builder.getContext(), {integer, builder.getI1Type()});
  Value both = Checked::create(builder, location, pair, left, right);
  note(overflow, LLVM::ExtractValueOp::create(builder, location, both, int64_t(1)));
  return LLVM::ExtractValueOp::create(builder, location, both, int64_t(0));
}

Value SizeEmitter::add(Value left, Value right) {
  std::optional<int64_t> x = knownValue(left), y = knownValue(right);
  int64_t sum;
  if (x && y && !__builtin_add_overflow(*x, *y, &sum))
    return constant(sum);
  if (x == 0)
    return right;
  return y == 0 ? left : compute<LLVM::SAddWithOverflowOp, LLVM::AddOp>(left, right);
}

Value SizeEmitter::multiply(Value left, Value right) {
  std::optional<int64_t> x = knownValue(left), y = knownValue(right);
  int64_t product;
  if (x && y && !__builtin_mul_overflow(*x, *y, &product))
    return constant(product);
  if (x == 1)
    return right;
  return y == 1 ? left : compute<LLVM::SMulWithOverflowOp, LLVM::MulOp>(left, right);
}

Value SizeEmitter::divide(Value dividend, int64_t divisor) {
  if (std::optional<int64_t> known = knownValue(dividend))
    return constant(*known / divisor);
  return LLVM::SDivOp::create(builder, location, dividend, constant(divisor));
}

Value SizeEmitter::align(Value bytes) {
  if (std::optional<int64_t> known = knownValue(bytes))
    return constant((*known + 63) / 64 * 64);
  Value sum = LLVM::AddOp::create(builder, location, bytes, constant(63));
  return LLVM::AndOp::create(builder, location, sum, constant(-64));
}

Value SizeEmitter::maximum(Value left, Value right) {
  std::optional<int64_t> x = knownValue(left), y = knownValue(right);
  if (x && y)
    return constant(std::max(*x, *y));
  return LLVM::SMaxOp::create(builder, location, left, right);
}

Value SizeEmitter::minimum(Value left, Value right) {
  std::optional<int64_t> x = knownValue(left), y = knownValue(right);
  if (x && y)
    return constant(std::min(*x, *y));
  return LLVM::SMinOp::create(builder, location, left, right);
}

Value SizeEmitter::symbol(StringRef name) {
  Value &value = values[name];
  if (value)
    return value;
  int64_t number = llvm::find(names, name) - names.begin();
  Type integer = builder.getI64Type();
  Value address = LLVM::GEPOp::create(builder, location, symbols.getType(), integer, symbols,
                                      ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(number)});
  return value = LLVM::LoadOp::create(builder, location, integer, address, 8);
}

/// Rounded down, below zero too.
Value SizeEmitter::floorDivide(Value dividend, Value divisor) {
  Value quotient = LLVM::SDivOp::create(builder, location, dividend, divisor);
  Value rest = LLVM::SRemOp::create(builder, location, dividend, divisor);
  Value isBelow =
      LLVM::ICmpOp::create(builder, location, LLVM::ICmpPredicate::slt, rest, constant(0));
  Value below = LLVM::SExtOp::create(builder, location, builder.getI64Type(), isBelow);
  return LLVM::AddOp::create(builder, location, quotient, below);
}

Value SizeEmitter::size(int64_t size) {
  if (!isSymbolicSize(size))
    return constant(size);
  if (auto known = sizes.find(size); known != sizes.end())
    return known->second;
  Value sum = constant(0);
  for (const auto &[factors, coefficient] : expressionOf(size)) {
    Value term = constant(coefficient);
    for (const SizeFactor &factor : factors)
      term = multiply(term, factor.symbol.empty()
                                ? floorDivide(this->size(factor.dividend), constant(factor.divisor))
                                : symbol(factor.symbol));
    sum = add(sum, term);
  }
  return sizes[size] = sum;
}

} // namespace weft

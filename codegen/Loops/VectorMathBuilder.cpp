//===- VectorMathBuilder.cpp - Formulas on lanes --------------------------===//

#include "codegen/Loops/VectorMathBuilder.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/Sequence.h"
#include "llvm/Support/FormatVariadic.h"

namespace weft::vectormath {

namespace {

/// `like` with its element type replaced.
mlir::Type withElement(mlir::Type like, mlir::Type element) {
  if (auto vector = mlir::dyn_cast<mlir::VectorType>(like))
    return vector.clone(element);
  return element;
}

Real real(Lanes like, mlir::Value value) { return {{like.builder, value}}; }
Integer integer(Lanes like, mlir::Value value) { return {{like.builder, value}}; }
Mask mask(Lanes like, mlir::Value value) { return {{like.builder, value}}; }

template <typename Op> Real binary(Real a, Real b) { return real(a, a.builder->create<Op>(a, b)); }
template <typename Op> Integer binary(Integer a, Integer b) {
  return integer(a, a.builder->create<Op>(a, b));
}

Mask compare(mlir::arith::CmpFPredicate predicate, Real a, Real b) {
  return mask(a, mlir::arith::CmpFOp::create(a.builder->base(), a.builder->loc(), predicate,
                                             a.value, b.value));
}
Mask compare(mlir::arith::CmpIPredicate predicate, Integer a, Integer b) {
  return mask(a, mlir::arith::CmpIOp::create(a.builder->base(), a.builder->loc(), predicate,
                                             a.value, b.value));
}

} // namespace

VectorBuilder::VectorBuilder(mlir::Operation *anchor, bool canScale)
    : builder(anchor),
      location(anchor->getLoc()),
      block(anchor->getBlock()),
      canScale(canScale),
      lastConstant(anchor->getPrevNode()) {}

mlir::Value VectorBuilder::materialise(mlir::Type type, uint64_t bits) {
  mlir::Value &known = constants[{type, bits}];
  if (known)
    return known;
  mlir::OpBuilder::InsertionGuard guard(builder);
  if (lastConstant)
    builder.setInsertionPointAfter(lastConstant);
  else
    builder.setInsertionPointToStart(block);
  mlir::Type element = mlir::getElementTypeOrSelf(type);
  unsigned width = element.getIntOrFloatBitWidth();
  llvm::APInt pattern(width, bits);
  mlir::TypedAttr attribute;
  if (auto floating = mlir::dyn_cast<mlir::FloatType>(element))
    attribute =
        builder.getFloatAttr(floating, llvm::APFloat(floating.getFloatSemantics(), pattern));
  else
    attribute = builder.getIntegerAttr(element, pattern);
  if (auto vector = mlir::dyn_cast<mlir::VectorType>(type))
    attribute = mlir::DenseElementsAttr::get(vector, mlir::Attribute(attribute));
  auto constant = mlir::arith::ConstantOp::create(builder, location, attribute);
  lastConstant = constant;
  return known = constant;
}

mlir::Value VectorBuilder::constant(mlir::Type type, double value) {
  llvm::APFloat number(value);
  bool inexact = false;
  number.convert(mlir::cast<mlir::FloatType>(mlir::getElementTypeOrSelf(type)).getFloatSemantics(),
                 llvm::APFloat::rmNearestTiesToEven, &inexact);
  return materialise(type, number.bitcastToAPInt().getZExtValue());
}

mlir::Value VectorBuilder::constant(mlir::Type type, int64_t value) {
  unsigned width = mlir::getElementTypeOrSelf(type).getIntOrFloatBitWidth();
  return materialise(type, width == 64 ? uint64_t(value)
                                       : uint64_t(value) & ((uint64_t(1) << width) - 1));
}

namespace {
constexpr int64_t leastRegisterBits = 128, registerBits = 512;
}

mlir::Value VectorBuilder::scaled(Real x, Real n) {
  auto type = mlir::dyn_cast<mlir::VectorType>(x.value.getType());
  int64_t bits = type ? type.getNumElements() * x.width() : 0;
  if (!canScale || bits < leastRegisterBits || !llvm::isPowerOf2_64(bits))
    return {};
  return scaledRegisters(x.value, n.value);
}

mlir::Value VectorBuilder::scaledRegisters(mlir::Value x, mlir::Value n) {
  auto type = mlir::cast<mlir::VectorType>(x.getType());
  int64_t lanes = type.getNumElements(), bits = lanes * type.getElementTypeBitWidth();
  auto shuffle = [&](mlir::Value left, mlir::Value right, int64_t first, int64_t count) {
    auto places = llvm::to_vector(llvm::seq(first, first + count));
    return mlir::vector::ShuffleOp::create(builder, location, left, right, places);
  };
  if (bits > registerBits) {
    mlir::Value halves[2];
    for (int64_t half : {0, 1}) {
      int64_t first = half * lanes / 2;
      halves[half] =
          scaledRegisters(shuffle(x, x, first, lanes / 2), shuffle(n, n, first, lanes / 2));
    }
    return shuffle(halves[0], halves[1], 0, lanes);
  }
  auto all = builder.getIntegerType(unsigned(std::max<int64_t>(lanes, 8)));
  llvm::SmallVector<mlir::Value> operands = {x, n, x, constant(all, int64_t(-1))};
  // The rounding mode is that of the processor: to nearest.
  if (bits == registerBits)
    operands.push_back(constant(builder.getI32Type(), int64_t(4)));
  std::string name = llvm::formatv("llvm.x86.avx512.mask.scalef.p{0}.{1}",
                                   type.getElementType().isF64() ? 'd' : 's', bits);
  return mlir::LLVM::CallIntrinsicOp::create(builder, location, type, builder.getStringAttr(name),
                                             operands)
      .getResult(0);
}

Real VectorBuilder::extend(Real value) {
  mlir::Type type = withElement(value.value.getType(), builder.getF64Type());
  return real(mlir::arith::ExtFOp::create(builder, location, type, value.value));
}

Real VectorBuilder::truncate(Real value) {
  mlir::Type type = withElement(value.value.getType(), builder.getF32Type());
  return real(mlir::arith::TruncFOp::create(builder, location, type, value.value));
}

llvm::SmallVector<mlir::Value>
VectorBuilder::rarely(Mask rare, llvm::ArrayRef<mlir::Value> usual,
                      llvm::function_ref<llvm::SmallVector<mlir::Value>()> compute) {
  mlir::Value any = rare.value;
  if (mlir::isa<mlir::VectorType>(any.getType()))
    any =
        mlir::vector::ReductionOp::create(builder, location, mlir::vector::CombiningKind::OR, any);
  auto branch = mlir::scf::IfOp::create(builder, location, mlir::TypeRange(usual), any,
                                        /*withElseRegion=*/true);
  mlir::OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(branch.thenBlock());
  mlir::scf::YieldOp::create(builder, location, compute());
  builder.setInsertionPointToStart(branch.elseBlock());
  mlir::scf::YieldOp::create(builder, location, usual);
  return llvm::to_vector_of<mlir::Value>(branch.getResults());
}

Real Real::like(double constant) const {
  return real(*this, builder->constant(value.getType(), constant));
}

unsigned Real::width() const {
  return mlir::getElementTypeOrSelf(value.getType()).getIntOrFloatBitWidth();
}

Integer Real::bits() const {
  mlir::OpBuilder &base = builder->base();
  mlir::Type type = withElement(value.getType(), base.getIntegerType(width()));
  return integer(*this, mlir::arith::BitcastOp::create(base, builder->loc(), type, value));
}

Integer Integer::like(int64_t constant) const {
  return integer(*this, builder->constant(value.getType(), constant));
}

Real asReal(Integer bits) {
  mlir::OpBuilder &base = bits.builder->base();
  mlir::Type type = bits.value.getType();
  bool wide = mlir::getElementTypeOrSelf(type).getIntOrFloatBitWidth() == 64;
  mlir::Type element = wide ? mlir::Type(base.getF64Type()) : mlir::Type(base.getF32Type());
  return real(bits, mlir::arith::BitcastOp::create(base, bits.builder->loc(),
                                                   withElement(type, element), bits.value));
}

Real operator+(Real a, Real b) { return binary<mlir::arith::AddFOp>(a, b); }
Real operator-(Real a, Real b) { return binary<mlir::arith::SubFOp>(a, b); }
Real operator*(Real a, Real b) { return binary<mlir::arith::MulFOp>(a, b); }
Real operator/(Real a, Real b) { return binary<mlir::arith::DivFOp>(a, b); }
Real operator-(Real a) { return real(a, a.builder->create<mlir::arith::NegFOp>(a)); }
Real fma(Real a, Real b, Real c) { return real(a, a.builder->create<mlir::math::FmaOp>(a, b, c)); }
Real sqrt(Real a) { return real(a, a.builder->create<mlir::math::SqrtOp>(a)); }
Real abs(Real a) { return real(a, a.builder->create<mlir::math::AbsFOp>(a)); }
Real trunc(Real a) { return real(a, a.builder->create<mlir::math::TruncOp>(a)); }
Real copysign(Real magnitude, Real sign) {
  // As bits: LLVM 22.1.8 rounds the sign of a copysign whose result becomes a half to a half as
  // well, by a call of __truncdfhf2.
  int64_t least = magnitude.isDouble() ? std::numeric_limits<int64_t>::min()
                                       : std::numeric_limits<int32_t>::min();
  return asReal(magnitude.bits() ^ (sign.bits() & least));
}

Mask operator<(Real a, Real b) { return compare(mlir::arith::CmpFPredicate::OLT, a, b); }
Mask operator==(Real a, Real b) { return compare(mlir::arith::CmpFPredicate::OEQ, a, b); }
Mask operator!=(Real a, Real b) { return compare(mlir::arith::CmpFPredicate::UNE, a, b); }
Mask isNaN(Real a) { return compare(mlir::arith::CmpFPredicate::UNO, a, a); }

Mask operator&(Mask a, Mask b) { return mask(a, a.builder->create<mlir::arith::AndIOp>(a, b)); }
Mask operator|(Mask a, Mask b) { return mask(a, a.builder->create<mlir::arith::OrIOp>(a, b)); }
Mask operator^(Mask a, Mask b) { return mask(a, a.builder->create<mlir::arith::XOrIOp>(a, b)); }

Integer operator+(Integer a, Integer b) { return binary<mlir::arith::AddIOp>(a, b); }
Integer operator-(Integer a, Integer b) { return binary<mlir::arith::SubIOp>(a, b); }
Integer operator*(Integer a, Integer b) { return binary<mlir::arith::MulIOp>(a, b); }
Integer operator&(Integer a, Integer b) { return binary<mlir::arith::AndIOp>(a, b); }
Integer operator|(Integer a, Integer b) { return binary<mlir::arith::OrIOp>(a, b); }
Integer operator^(Integer a, Integer b) { return binary<mlir::arith::XOrIOp>(a, b); }
Integer operator<<(Integer a, Integer b) { return binary<mlir::arith::ShLIOp>(a, b); }
Integer operator>>(Integer a, Integer b) { return binary<mlir::arith::ShRUIOp>(a, b); }
Mask operator==(Integer a, int64_t b) {
  return compare(mlir::arith::CmpIPredicate::eq, a, a.like(b));
}
Mask operator!=(Integer a, int64_t b) {
  return compare(mlir::arith::CmpIPredicate::ne, a, a.like(b));
}
Mask isNegative(Integer a) { return compare(mlir::arith::CmpIPredicate::slt, a, a.like(0)); }

Real select(Mask condition, Real yes, Real no) {
  return real(yes, yes.builder->create<mlir::arith::SelectOp>(condition, yes, no));
}
Integer select(Mask condition, Integer yes, Integer no) {
  return integer(yes, yes.builder->create<mlir::arith::SelectOp>(condition, yes, no));
}

Real atMost(Real x, double bound) { return select(x > bound, bound, x); }
Real atLeast(Real x, double bound) { return select(x < bound, bound, x); }

Real polynomial(Real x, llvm::ArrayRef<double> coefficients) {
  Real sum = x.like(coefficients.back());
  for (double coefficient : llvm::reverse(coefficients.drop_back()))
    sum = fma(sum, x, coefficient);
  return sum;
}

Rounded roundScaled(Real x, double scale, int64_t more) {
  double magic = (x.isDouble() ? 0x1.8p52 : 0x1.8p23) + double(more);
  Real shifted = fma(x, x.like(scale), magic);
  return {shifted - magic, shifted.bits()};
}

} // namespace weft::vectormath

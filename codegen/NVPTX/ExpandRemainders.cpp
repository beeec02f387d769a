// Replaces remainders of floats, for which a GPU has neither an instruction nor a library.
//
//   %r = arith.remf %x, %y : f32
// becomes a long division of the significands, whose bits are shifted in by as many at once as a
// word of 64 bits has room for:
//   %first = arith.remui %significand_x, %significand_y : i64
//   %rest:2 = scf.while (%r = %first, %left = %exponents_apart) ...
//     %shifted = arith.shli %r, %step : i64
//     %next = arith.remui %shifted, %significand_y : i64
//
// What NVPTX makes of `frem` by itself, x - y * trunc(x / y), is only right where the quotient is
// small.
#include "codegen/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

using namespace mlir;
using arith::CmpIPredicate;

namespace weft {

#define GEN_PASS_DEF_EXPANDREMAINDERS
#include "codegen/Passes.h.inc"

namespace {

/// The remainder of two numbers of one floating-point format, with the sign of the first: exact, as
/// C's fmod. Bits are words of 64 bits, those of shorter formats with zeros in front.
class Remainder {
public:
  Remainder(ImplicitLocOpBuilder &builder, FloatType type)
      : builder(builder),
        type(type),
        width(type.getWidth()),
        // Without the bit that is not stored.
        fraction(type.getFPMantissaWidth() - 1) {}

  Value of(Value x, Value y) {
    Value bits = bitsOf(x), signless = word(llvm::maxUIntN(width - 1));
    Value sign = binary<arith::AndIOp>(bits, word(uint64_t(1) << (width - 1)));
    Value left = binary<arith::AndIOp>(bits, signless);
    Value right = binary<arith::AndIOp>(bitsOf(y), signless);
    Value isDivided = compare(CmpIPredicate::uge, left, right);
    Value isNumber = isDefined(left, right);
    auto divides = scf::IfOp::create(
        builder, binary<arith::AndIOp>(isDivided, isNumber),
        [&](OpBuilder &, Location) { scf::YieldOp::create(builder, divided(left, right)); },
        [&](OpBuilder &, Location) { scf::YieldOp::create(builder, left); });
    Value signedBits = binary<arith::OrIOp>(divides.getResult(0), sign);
    Value nan = arith::ConstantOp::create(
        builder, builder.getFloatAttr(type, APFloat::getQNaN(type.getFloatSemantics())));
    return arith::SelectOp::create(builder, isNumber, fromBits(signedBits), nan);
  }

private:
  template <typename Op> Value binary(Value left, Value right) {
    return Op::create(builder, left, right);
  }
  Value compare(CmpIPredicate predicate, Value left, Value right) {
    return arith::CmpIOp::create(builder, predicate, left, right);
  }
  Value word(uint64_t number) {
    return arith::ConstantOp::create(builder,
                                     builder.getI64IntegerAttr(static_cast<int64_t>(number)));
  }

  Value bitsOf(Value number) {
    Value bits = arith::BitcastOp::create(builder, builder.getIntegerType(width), number);
    return width == 64 ? bits : arith::ExtUIOp::create(builder, builder.getI64Type(), bits);
  }
  Value fromBits(Value bits) {
    if (width != 64)
      bits = arith::TruncIOp::create(builder, builder.getIntegerType(width), bits);
    return arith::BitcastOp::create(builder, type, bits);
  }

  /// Of a finite number by one that is neither 0 nor NaN.
  Value isDefined(Value left, Value right) {
    Value infinity =
        word(APFloat::getInf(type.getFloatSemantics()).bitcastToAPInt().getZExtValue());
    Value isFinite = compare(CmpIPredicate::ult, left, infinity);
    Value isNoNan = compare(CmpIPredicate::ule, right, infinity);
    Value isNotZero = compare(CmpIPredicate::ne, right, word(0));
    return binary<arith::AndIOp>(binary<arith::AndIOp>(isFinite, isNoNan), isNotZero);
  }

  /// The exponent as it is stored; subnormal numbers have that of the smallest normal ones.
  Value exponentOf(Value bits) {
    return binary<arith::MaxUIOp>(binary<arith::ShRUIOp>(bits, word(fraction)), word(1));
  }
  /// The bits of a number 2^(1 - `exponent`) times as large, which are its significand.
  Value significandOf(Value bits, Value exponent) {
    Value steps = binary<arith::SubIOp>(exponent, word(1));
    return binary<arith::SubIOp>(bits, binary<arith::ShLIOp>(steps, word(fraction)));
  }

  /// The bits of the remainder of finite numbers, the first one not less than the second.
  Value divided(Value left, Value right) {
    Value exponent = exponentOf(right), divisor = significandOf(right, exponent);
    Value larger = exponentOf(left);
    Value first = binary<arith::RemUIOp>(significandOf(left, larger), divisor);
    Value apart = binary<arith::SubIOp>(larger, exponent);
    auto loop = scf::WhileOp::create(
        builder, TypeRange{first.getType(), apart.getType()}, ValueRange{first, apart},
        [&](OpBuilder &, Location, ValueRange carried) {
          Value goesOn = binary<arith::AndIOp>(compare(CmpIPredicate::ne, carried[0], word(0)),
                                               compare(CmpIPredicate::ne, carried[1], word(0)));
          scf::ConditionOp::create(builder, goesOn, carried);
        },
        [&](OpBuilder &, Location, ValueRange carried) {
          // The remainder is shorter than the divisor, which leaves so many bits free.
          Value step = binary<arith::MinUIOp>(carried[1], word(63 - fraction));
          Value shifted = binary<arith::ShLIOp>(carried[0], step);
          Value left = binary<arith::SubIOp>(carried[1], step);
          scf::YieldOp::create(builder, ValueRange{binary<arith::RemUIOp>(shifted, divisor), left});
        });
    return normalized(loop.getResult(0), exponent);
  }

  /// The bits of significand * 2^(exponent - 1) units of the smallest number.
  Value normalized(Value significand, Value exponent) {
    Value zeros = LLVM::CountLeadingZerosOp::create(builder, significand.getType(), significand,
                                                    /*is_zero_poison=*/false);
    Value room = binary<arith::SubIOp>(exponent, word(1));
    Value shift = binary<arith::MinUIOp>(binary<arith::SubIOp>(zeros, word(63 - fraction)), room);
    Value shifted = binary<arith::ShLIOp>(significand, shift);
    Value steps = binary<arith::SubIOp>(room, shift);
    Value bits = binary<arith::AddIOp>(shifted, binary<arith::ShLIOp>(steps, word(fraction)));
    Value isZero = compare(CmpIPredicate::eq, significand, word(0));
    return arith::SelectOp::create(builder, isZero, significand, bits);
  }

  ImplicitLocOpBuilder &builder;
  FloatType type;
  unsigned width;
  uint64_t fraction;
};

/// Code is emitted for each lane.
constexpr int64_t mostLanes = 64;

Value remainderOf(ImplicitLocOpBuilder &builder, Value x, Value y) {
  auto vector = dyn_cast<VectorType>(x.getType());
  Remainder remainder(builder, cast<FloatType>(getElementTypeOrSelf(x)));
  if (!vector)
    return remainder.of(x, y);
  Value result = x;
  for (int64_t lane = 0; lane < vector.getNumElements(); ++lane) {
    Value element = remainder.of(vector::ExtractOp::create(builder, x, lane),
                                 vector::ExtractOp::create(builder, y, lane));
    result = vector::InsertOp::create(builder, element, result, lane);
  }
  return result;
}

struct ExpandRemainders : impl::ExpandRemaindersBase<ExpandRemainders> {
  using ExpandRemaindersBase::ExpandRemaindersBase;

  void runOnOperation() override {
    SmallVector<arith::RemFOp> remainders;
    getOperation().walk([&](arith::RemFOp op) { remainders.push_back(op); });
    for (arith::RemFOp op : remainders) {
      auto vector = dyn_cast<VectorType>(op.getType());
      if (vector &&
          (vector.getRank() != 1 || vector.isScalable() || vector.getNumElements() > mostLanes)) {
        op.emitOpError() << "is of " << vector << "; vectors of one dimension of up to "
                         << mostLanes << " elements are expanded";
        return signalPassFailure();
      }
      ImplicitLocOpBuilder builder(op.getLoc(), op);
      op.replaceAllUsesWith(remainderOf(builder, op.getLhs(), op.getRhs()));
      op.erase();
    }
  }
};

} // namespace
} // namespace weft

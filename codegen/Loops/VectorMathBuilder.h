//===- VectorMathBuilder.h - Formulas on lanes --------------------*- C++ -*-===//
//
// A small expression builder: `Real`, `Integer` and `Mask` are MLIR values of
// scalar or 1-D vector type with the C++ operators, so that an expansion reads
// like its formula. Nothing here carries fast-math flags: what is written is
// what is computed, on any number of lanes.
//
//===----------------------------------------------------------------------===//

#ifndef WEFT_CODEGEN_LOOPS_VECTORMATHBUILDER_H
#define WEFT_CODEGEN_LOOPS_VECTORMATHBUILDER_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/SmallVector.h"
#include <cstdint>

namespace weft::vectormath {

class VectorBuilder;

/// What all lane values share: the value and the builder that computes on it.
struct Lanes {
  VectorBuilder *builder = nullptr;
  mlir::Value value;
};

/// i1 lanes.
struct Mask : Lanes {};

/// Integer lanes as wide as the floats they came from, wrapping around.
struct Integer : Lanes {
  /// Lanes of the same type that all hold `constant`.
  Integer like(int64_t constant) const;
};

/// f32 or f64 lanes.
struct Real : Lanes {
  /// Lanes of the same type that all hold `constant`, rounded to it.
  Real like(double constant) const;
  /// The lanes' bits as integers.
  Integer bits() const;
  /// 64 for f64 lanes, 32 for f32 lanes.
  unsigned width() const;
  bool isDouble() const { return width() == 64; }
  /// Stored bits of the significand: 52 or 23.
  unsigned mantissaBits() const { return isDouble() ? 52 : 23; }
  /// Exponent bias: 1023 or 127.
  int64_t bias() const { return isDouble() ? 1023 : 127; }
};

/// Builds the operations of one expansion before `anchor`. Each constant is made once, ahead of
/// everything else, so that nested regions may share it.
class VectorBuilder {
public:
  /// `canScale`: the processor is an x86 that multiplies lanes by powers of two in one instruction.
  VectorBuilder(mlir::Operation *anchor, bool canScale);

  mlir::OpBuilder &base() { return builder; }
  mlir::Location loc() const { return location; }

  Real real(mlir::Value value) { return {{this, value}}; }
  /// The lanes of `value` converted to f64, or to f32.
  Real extend(Real value);
  Real truncate(Real value);

  /// A splat of `type`, a scalar or vector of floats or integers.
  mlir::Value constant(mlir::Type type, double value);
  mlir::Value constant(mlir::Type type, int64_t value);

  /// Builds `Op` on lane values of the first operand's type.
  template <typename Op, typename... Operands> mlir::Value create(Operands... operands) {
    return Op::create(builder, location, operands.value...);
  }

  /// x * 2^n for integers n, rounded once, by an instruction; null if there is none for the lanes.
  mlir::Value scaled(Real x, Real n);

  /// `usual`, or if any lane of `rare` is set, the values that `compute` builds instead; its code
  /// is jumped over where no lane is. Both must agree in number and types.
  llvm::SmallVector<mlir::Value>
  rarely(Mask rare, llvm::ArrayRef<mlir::Value> usual,
         llvm::function_ref<llvm::SmallVector<mlir::Value>()> compute);

private:
  mlir::Value materialise(mlir::Type type, uint64_t bits);
  mlir::Value scaledRegisters(mlir::Value x, mlir::Value n);

  mlir::OpBuilder builder;
  mlir::Location location;
  mlir::Block *block;
  bool canScale;
  /// The last constant made, or the operation before the expansion; null at the block's start.
  mlir::Operation *lastConstant;
  llvm::DenseMap<std::pair<mlir::Type, uint64_t>, mlir::Value> constants;
};

Real operator+(Real a, Real b);
Real operator-(Real a, Real b);
Real operator*(Real a, Real b);
Real operator/(Real a, Real b);
inline Real operator+(Real a, double b) { return a + a.like(b); }
inline Real operator-(Real a, double b) { return a - a.like(b); }
inline Real operator*(Real a, double b) { return a * a.like(b); }
inline Real operator+(double a, Real b) { return b.like(a) + b; }
inline Real operator-(double a, Real b) { return b.like(a) - b; }
inline Real operator*(double a, Real b) { return b.like(a) * b; }
inline Real operator/(double a, Real b) { return b.like(a) / b; }
Real operator-(Real a);

/// a * b + c, rounded once.
Real fma(Real a, Real b, Real c);
inline Real fma(Real a, double b, Real c) { return fma(a, a.like(b), c); }
inline Real fma(Real a, Real b, double c) { return fma(a, b, a.like(c)); }
Real sqrt(Real a);
Real abs(Real a);
Real trunc(Real a);
/// `magnitude`, whose sign bit is not set, with the sign bit of `sign`.
Real copysign(Real magnitude, Real sign);

/// Ordered comparisons: false on NaN.
Mask operator<(Real a, Real b);
Mask operator==(Real a, Real b);
/// True on NaN: the opposite of ==.
Mask operator!=(Real a, Real b);
inline Mask operator<(Real a, double b) { return a < a.like(b); }
inline Mask operator>(Real a, double b) { return a.like(b) < a; }
inline Mask operator==(Real a, double b) { return a == a.like(b); }
Mask isNaN(Real a);

Mask operator&(Mask a, Mask b);
Mask operator|(Mask a, Mask b);
Mask operator^(Mask a, Mask b);

Integer operator+(Integer a, Integer b);
Integer operator-(Integer a, Integer b);
Integer operator*(Integer a, Integer b);
Integer operator&(Integer a, Integer b);
Integer operator|(Integer a, Integer b);
Integer operator^(Integer a, Integer b);
Integer operator<<(Integer a, Integer b);
/// Logical shift.
Integer operator>>(Integer a, Integer b);
inline Integer operator+(Integer a, int64_t b) { return a + a.like(b); }
inline Integer operator-(Integer a, int64_t b) { return a - a.like(b); }
inline Integer operator-(int64_t a, Integer b) { return b.like(a) - b; }
inline Integer operator&(Integer a, int64_t b) { return a & a.like(b); }
inline Integer operator|(Integer a, int64_t b) { return a | a.like(b); }
inline Integer operator<<(Integer a, int64_t b) { return a << a.like(b); }
inline Integer operator>>(Integer a, int64_t b) { return a >> a.like(b); }
Mask operator==(Integer a, int64_t b);
Mask operator!=(Integer a, int64_t b);
/// Signed a < 0.
Mask isNegative(Integer a);
/// The floats with these bits.
Real asReal(Integer bits);

Real select(Mask condition, Real yes, Real no);
Integer select(Mask condition, Integer yes, Integer no);
inline Real select(Mask condition, double yes, Real no) {
  return select(condition, no.like(yes), no);
}
inline Real select(Mask condition, Real yes, double no) {
  return select(condition, yes, yes.like(no));
}

/// `x` held between the bounds; NaN stays NaN. One instruction per bound.
Real atMost(Real x, double bound);
Real atLeast(Real x, double bound);

/// The polynomial by Horner's rule, lowest coefficient first.
Real polynomial(Real x, llvm::ArrayRef<double> coefficients);

/// x rounded to an integer: as a float, and as `bits` whose low bits hold it in two's complement
/// (the trick of adding 1.5 * 2^mantissaBits), plus an even number `more`. For
/// |x * scale| < 2^(mantissaBits - 2).
struct Rounded {
  Real value;
  Integer bits;
};
Rounded roundScaled(Real x, double scale, int64_t more = 0);

} // namespace weft::vectormath

#endif // WEFT_CODEGEN_LOOPS_VECTORMATHBUILDER_H

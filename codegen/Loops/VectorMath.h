//===- VectorMath.h - Elementary functions in arith -------------*- C++ -*-===//
//
// Weft's own elementary functions, written with IEEE add, multiply, divide,
// square root, fma, integer operations and selects only, so that a result has
// the same bits on every vector width and target (x * 2^n has an instruction on
// one of them, with these bits). Accuracy: docs/numerics.md.
//
//===----------------------------------------------------------------------===//

#ifndef WEFT_CODEGEN_LOOPS_VECTORMATH_H
#define WEFT_CODEGEN_LOOPS_VECTORMATH_H

#include "codegen/Loops/VectorMathBuilder.h"
#include "mlir/IR/Operation.h"
#include <utility>

namespace weft::vectormath {

/// How a function is computed.
enum class Precision {
  Float,    ///< f32 arithmetic, f32 result: the functions that models spend their time in.
  Extended, ///< f64 arithmetic of about 2^-33 relative error, to be rounded to f32.
  Double,   ///< f64 arithmetic, f64 result.
};

/// The one of three coefficient tables for `precision`.
inline llvm::ArrayRef<double> choose(Precision precision, llvm::ArrayRef<double> forFloat,
                                     llvm::ArrayRef<double> forExtended,
                                     llvm::ArrayRef<double> forDouble) {
  if (precision == Precision::Float)
    return forFloat;
  return precision == Precision::Extended ? forExtended : forDouble;
}

// The functions, by family. `exp`, `exp2`, `log`, `log2`, `log10`, `tanh` and `erf` take Float or
// Double, all others Extended or Double.

Real expandExp(Real x, Precision precision);
/// e^x where x is not positive; 0 where it would be too small for a normal number.
Real expandExpOfNonpositive(Real x, Precision precision);
Real expandExp2(Real x, Precision precision);
Real expandExpM1(Real x, Precision precision);

Real expandLog(Real x, Precision precision);
Real expandLog2(Real x, Precision precision);
Real expandLog10(Real x, Precision precision);
Real expandLog1p(Real x, Precision precision);

Real expandSin(Real x, Precision precision);
Real expandCos(Real x, Precision precision);
Real expandTan(Real x, Precision precision);

Real expandAsin(Real x, Precision precision);
Real expandAcos(Real x, Precision precision);
Real expandAtan(Real x, Precision precision);
Real expandAtan2(Real y, Real x, Precision precision);

Real expandTanh(Real x, Precision precision);
Real expandSinh(Real x, Precision precision);
Real expandCosh(Real x, Precision precision);
Real expandAsinh(Real x, Precision precision);
Real expandAcosh(Real x, Precision precision);
Real expandAtanh(Real x, Precision precision);

Real expandErf(Real x, Precision precision);

Real expandPow(Real x, Real y, Precision precision);
Real expandCbrt(Real x, Precision precision);
Real expandRsqrt(Real x, Precision precision);

// What the families share.

/// e^x = 2^n (1 + y) with |y| < 0.42; the low bits of `n` hold n, which is `exponent` as a float.
struct SplitExp {
  Real y;
  Integer n;
  Real exponent;
};
/// `low` is added to x, if given, and `more` to the integer n, an even number. For |x| below about
/// 1500 (Double) or 170 (Float).
SplitExp splitExp(Real x, Precision precision, const Real *low = nullptr, int64_t more = 0);

/// 2^(n + offset) for the low bits of n, which must give a normal number, in the type of `like`.
Real powerOfTwo(Integer n, Real like, int64_t offset = 0);

/// 2^n (1 + y), in two steps so that results may overflow or underflow gradually. The integer has
/// to be n plus `twoBiases`.
Real scaleGradually(SplitExp parts);
inline int64_t twoBiases(Real like) { return 2 * like.bias(); }

/// x = 2^exponent (1 + fraction), 1 + fraction in [sqrt(1/2), sqrt(2)), or [2/3, 4/3) for f32, for
/// x > 0.
struct SplitLog {
  Real exponent, fraction;
  /// The exponent plus a constant, as an integer, and that constant.
  Integer biased;
  int64_t bias;
};
SplitLog splitLog(Real x, bool mayBeDenormal);

/// log(1 + f) - f for such f.
Real logTail(Real f, Precision precision);

/// log(2^doublings * (high + low)) with |low| at most about an ulp of `high`; zero, infinity and
/// NaN as `high` are treated as by log. `doublings` and `low` may be null.
Real logOfSum(Real high, const Real *low, const Real *doublings, Precision precision);

/// high + low = a + b, for any a and b.
std::pair<Real, Real> twoSum(Real a, Real b);

/// Builds the expansion of a `math` operation before it and returns the value to put in its place;
/// null, and nothing is built, if it is none of the above or of neither f32 nor f64. `canScale` is
/// that of VectorBuilder.
mlir::Value expandMathOperation(mlir::Operation *operation, bool canScale);

} // namespace weft::vectormath

#endif // WEFT_CODEGEN_LOOPS_VECTORMATH_H

// Arithmetic on elements that more than one op, or more than one room, is about.
#pragma once

#include "mlir/IR/Builders.h"

namespace weft {

/// Says of an exponential, of this dialect or of math, that no operand is positive, and that
/// results that are no normal numbers may be 0: those are the weights of a softmax, of which one
/// is 1.
inline constexpr llvm::StringLiteral nonpositiveAttribute = "weft.nonpositive";

/// x + y, of integers or of floats, scalars or vectors.
mlir::Value emitSum(mlir::OpBuilder &builder, mlir::Location location, mlir::Value x,
                    mlir::Value y);

/// True if powers with `exponent` of elements of type `element` are products, a quotient or a root:
/// those of `weft.fixed_pow`.
bool isFixedExponent(double exponent, mlir::Type element);

} // namespace weft

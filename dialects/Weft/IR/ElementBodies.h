// Arithmetic on elements that more than one op, or more than one room, is about.
#pragma once

#include "mlir/IR/Builders.h"

namespace weft {

/// x + y, of integers or of floats, scalars or vectors.
mlir::Value emitSum(mlir::OpBuilder &builder, mlir::Location location, mlir::Value x,
                    mlir::Value y);

/// True if powers with `exponent` of elements of type `element` are products, a quotient or a root:
/// those of `weft.fixed_pow`.
bool isFixedExponent(double exponent, mlir::Type element);

} // namespace weft

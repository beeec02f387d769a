// The floats that processors do not compute in, as bits: bfloat16 and those of one byte.
#pragma once

#include "mlir/IR/Builders.h"
#include "llvm/ADT/APFloat.h"

namespace weft {

/// True for the floats that kernels keep as integers of their size.
bool isKeptAsBits(mlir::Type dtype);

/// `scalar`, or a vector of it as long as `like`.
mlir::Type typeLike(mlir::Value like, mlir::Type scalar);

// All of scalars or vectors; `dtype` is one that is kept as bits. Each is a few operations without
// branches, the same on every processor.

/// The f32 that has these bits in `dtype`.
mlir::Value emitFloatOfBits(mlir::OpBuilder &builder, mlir::Location location, mlir::Value bits,
                            mlir::Type dtype);
/// The bits of an f32 whose value `dtype` has.
mlir::Value emitBitsOfFloat(mlir::OpBuilder &builder, mlir::Location location, mlir::Value x,
                            mlir::Type dtype);
/// The f32 nearest to x that `dtype` has, ties to even. Beyond its largest lies infinity; where it
/// has none, its largest is as near as it gets.
mlir::Value emitRounded(mlir::OpBuilder &builder, mlir::Location location, mlir::Value x,
                        mlir::Type dtype);

/// The same of a constant: the number of a format that is nearest to a value.
llvm::APFloat roundedTo(llvm::APFloat value, const llvm::fltSemantics &semantics);

} // namespace weft

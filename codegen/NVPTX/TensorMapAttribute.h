// Tensor maps of a stage, in the IR.
#pragma once

#include "lib/Support/TensorMapShape.h"
#include "mlir/IR/BuiltinAttributes.h"

namespace weft {

/// The attribute of a stage that lists its tensor maps.
inline constexpr llvm::StringLiteral tensorMapsName = "weft.tensor_maps";

/// One dictionary for each map; a product of sizes is [factor, numbers of the sizes...]:
///
///   {box = array<i64: 64, 128>, buffer = 0 : i64, element = bf16,
///    sizes = [array<i64: 1, 2>, array<i64: 1, 0>],
///    strides = [array<i64: 2>, array<i64: 2, 2>], swizzle = 128 : i64}
mlir::ArrayAttr tensorMapsAttribute(mlir::MLIRContext *context,
                                    llvm::ArrayRef<TensorMapShape> shapes);
/// The list again; empty for null.
std::vector<TensorMapShape> tensorMapsOf(mlir::ArrayAttr attribute);

} // namespace weft

// Between MLIR's types and attributes and the runtime's.
#pragma once

#include "lib/Runtime/TensorSignature.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"

namespace weft {

/// The dtype of an element type of the dialect.
DType dtypeOf(mlir::Type element);
/// The element type of a dtype.
mlir::Type elementTypeOf(mlir::MLIRContext *context, DType dtype);
/// The dtype and shape of a static tensor type.
TensorSignature signatureOf(mlir::Type tensor);
/// Copies the elements of a constant (dense or a dense resource), row-major, to `target`.
void copyElements(mlir::ElementsAttr elements, void *target);

} // namespace weft

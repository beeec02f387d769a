// Between MLIR's element types and dtypes, and the bytes of constants.
#pragma once

#include "lib/Support/DType.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include <optional>

namespace weft {

/// The dtype of an element type of the dialect; nothing for other types.
std::optional<DType> findDType(mlir::Type element);
/// True if gradients are of such elements, or of a tensor of them (see DType.h).
bool hasInexactElements(mlir::Type type);
/// True for the floats that are computed in float32: those of two bytes and of one.
bool isNarrowFloat(mlir::Type element);
/// Bytes of the elements of a constant: a bool is one byte.
uint64_t bytesOfElements(mlir::ElementsAttr elements);
/// Copies the elements of a constant, row-major, to `target`. Fails if their data is not there: a
/// resource without its blob, or one of another length.
llvm::LogicalResult copyElementBytes(mlir::ElementsAttr elements, void *target);

} // namespace weft

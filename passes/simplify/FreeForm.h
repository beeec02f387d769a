// Values that can be had in another arrangement without moving data.
#pragma once

#include "dialects/Weft/IR/Weft.h"

namespace weft {

/// How a value is had in another shape or order of dimensions: it exists already, is another
/// view of a value in memory, a constant with equal elements, or a broadcast to other dimensions.
///
/// Deciding and building are apart, so that a pattern builds nothing unless it matches as a whole.
struct FreeForm {
  mlir::RankedTensorType type;
  mlir::Value existing = {};
  mlir::Value viewed = {};
  mlir::Attribute element = {};
  BroadcastOp broadcast = {};
  llvm::SmallVector<int64_t> dimensions = {};

  mlir::Value build(mlir::OpBuilder &builder, mlir::Location location) const;
};

/// The element of `value` if it is a constant with equal elements, else null.
mlir::Attribute splatElement(mlir::Value value);

} // namespace weft

// Values that can be had in another arrangement without moving data: as views, or by
// weft.broadcast.
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

/// A copy of the elementwise `op` over other forms of its operands, with a result of shape `shape`;
/// null, with nothing built, if an operand has no form.
mlir::Operation *rebuildOver(mlir::Operation *op, llvm::ArrayRef<int64_t> shape,
                             mlir::OpBuilder &builder,
                             llvm::function_ref<std::optional<FreeForm>(mlir::Value)> formOf);

/// The element of `value` if it is a constant with equal elements: a number, or a SymbolicSizeAttr;
/// else null.
mlir::Attribute splatElement(mlir::Value value);

} // namespace weft

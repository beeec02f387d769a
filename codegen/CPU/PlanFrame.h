// What a function with steps shares while it is emitted.
#pragma once

#include "codegen/CPU/PlanEmitter.h"

namespace weft {

struct PlanEmitter::Frame {
  SizeEmitter sizes;
  mlir::Value symbols;
  /// Memory for the pointers, sizes and set-up results of one step after the other.
  mlir::Value pointers, sizeList, setup;
  mlir::Value workspace, context, planned;
  /// The least of what functions of steps say of their workspaces: an error if it is negative.
  mlir::Value worst;
  llvm::SmallVector<mlir::Value> buffers, slots;
};

} // namespace weft

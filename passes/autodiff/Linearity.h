// Whether values are linear in others.
#pragma once

#include "mlir/IR/Block.h"
#include "mlir/IR/Value.h"
#include "llvm/ADT/ArrayRef.h"

namespace weft {

/// Fails, with an error that names the op and its line, unless `outputs` are linear in `inputs`,
/// values of one block, by what the ops between them declare.
llvm::LogicalResult requireLinear(mlir::Block &block, llvm::ArrayRef<mlir::Value> outputs,
                                  llvm::ArrayRef<mlir::Value> inputs);

} // namespace weft

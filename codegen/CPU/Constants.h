// Integer constants of a function, each written once, where the function begins.
#pragma once

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/DenseMap.h"

namespace weft {

class Constants {
public:
  explicit Constants(mlir::OpBuilder &builder) : builder(builder) {}

  /// Starts anew in the block of the builder, which dominates what is emitted from now on.
  void enter() {
    entry = builder.getInsertionBlock();
    last = nullptr;
    values.clear();
  }

  mlir::Value get(mlir::Location location, int64_t number) {
    mlir::Value &value = values[number];
    if (value)
      return value;
    mlir::OpBuilder::InsertionGuard guard(builder);
    if (last)
      builder.setInsertionPointAfter(last);
    else
      builder.setInsertionPointToStart(entry);
    value = mlir::LLVM::ConstantOp::create(builder, location, builder.getI64IntegerAttr(number));
    last = value.getDefiningOp();
    return value;
  }

private:
  mlir::OpBuilder &builder;
  mlir::Block *entry = nullptr;
  mlir::Operation *last = nullptr;
  llvm::DenseMap<int64_t, mlir::Value> values;
};

} // namespace weft

// What passes ask of the ops that have regions.
#pragma once

#include "dialects/Weft/IR/ElementTypes.h"
#include "dialects/Weft/IR/Weft.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/SetVector.h"

namespace weft {

/// True for branches and loops whose bodies are regions, and for functions kept whole.
inline bool isControlFlow(mlir::Operation *op) {
  return mlir::isa<CaseOp, WhileOp, ScanOp, CheckpointOp, CustomDerivativeOp>(op);
}

/// What marks a custom_derivative of two passes once a gradient went through it: derivatives of
/// that, also along tangents, go through the ops of both passes.
inline constexpr llvm::StringLiteral pulledBackName = "weft.pulled_back";

/// All values of the block that depend on `values`, themselves included.
inline llvm::DenseSet<mlir::Value> dependentsOf(mlir::Block &block,
                                                llvm::ArrayRef<mlir::Value> values) {
  llvm::DenseSet<mlir::Value> found(values.begin(), values.end());
  mlir::Operation *first = nullptr;
  for (mlir::Value value : values)
    if (mlir::Operation *op = value.getDefiningOp(); op && (!first || op->isBeforeInBlock(first)))
      first = op;
  if (!first && !block.empty())
    first = &block.front();
  for (mlir::Operation *op = first; op; op = op->getNextNode())
    if (llvm::any_of(op->getOperands(), [&](mlir::Value value) { return found.contains(value); }))
      found.insert(op->result_begin(), op->result_end());
  return found;
}

/// Marks the values that a region yields that depend on the arguments that are `marked`.
inline llvm::SmallVector<bool> dependentYields(mlir::Region &region, llvm::ArrayRef<bool> marked) {
  llvm::SmallVector<mlir::Value> arguments;
  for (auto [argument, isMarked] : llvm::zip_equal(region.getArguments(), marked))
    if (isMarked)
      arguments.push_back(argument);
  llvm::DenseSet<mlir::Value> dependent = dependentsOf(region.front(), arguments);
  return llvm::map_to_vector(region.front().getTerminator()->getOperands(),
                             [&](mlir::Value value) { return dependent.contains(value); });
}

/// The ops of the block that `values` depend on, in order; `follows` says through which values.
inline llvm::SmallVector<mlir::Operation *>
opsBehind(mlir::Block &block, mlir::ValueRange values,
          llvm::function_ref<bool(mlir::Value)> follows) {
  llvm::SetVector<mlir::Operation *> ops;
  auto follow = [&](mlir::ValueRange next) {
    for (mlir::Value value : next)
      if (mlir::Operation *op = value.getDefiningOp();
          op && op->getBlock() == &block && follows(value))
        ops.insert(op);
  };
  follow(values);
  for (size_t next = 0; next < ops.size(); ++next)
    follow(ops[next]->getOperands());
  llvm::SmallVector<mlir::Operation *> order = ops.takeVector();
  llvm::sort(order, [](mlir::Operation *left, mlir::Operation *right) {
    return left->isBeforeInBlock(right);
  });
  return order;
}

/// What `region` yields where its arguments are `values`: its ops are built anew where `builder`
/// is.
inline llvm::SmallVector<mlir::Value> buildInlined(mlir::OpBuilder &builder, mlir::Region &region,
                                                   mlir::ValueRange values) {
  mlir::IRMapping mapping;
  mapping.map(region.getArguments(), values);
  for (mlir::Operation &op : region.front().without_terminator())
    builder.clone(op, mapping);
  return llvm::map_to_vector(region.front().getTerminator()->getOperands(),
                             [&](mlir::Value value) { return mapping.lookupOrDefault(value); });
}

/// Erases the ops of a block that nobody reads, but for those of values to `keep`.
inline void eraseUnread(mlir::Block &block, llvm::ArrayRef<mlir::Value> keep = {}) {
  for (mlir::Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
    if (mlir::isOpTriviallyDead(&op) && llvm::none_of(op.getResults(), [&](mlir::Value result) {
          return llvm::is_contained(keep, result);
        }))
      op.erase();
}

/// What has derivatives: floating and complex numbers.
inline bool isInexact(mlir::Value value) { return hasInexactElements(value.getType()); }

/// `value`, or zeros of the type if it is null.
inline mlir::Value orZeros(mlir::OpBuilder &builder, mlir::Location location, mlir::Value value,
                           mlir::Type type) {
  return value ? value : buildFilled(builder, location, type, 0.0);
}

} // namespace weft

// What passes ask of the ops that have regions.
#pragma once

#include "dialects/Weft/IR/Weft.h"
#include "llvm/ADT/DenseSet.h"

namespace weft {

/// What marks a custom_derivative of two passes once a gradient went through it: derivatives of
/// that, also along tangents, go through the ops of both passes.
inline constexpr llvm::StringLiteral pulledBackName = "weft.pulled_back";

/// True for branches and loops whose bodies are regions, and for functions kept whole.
bool isControlFlow(mlir::Operation *op);

/// All values of the block that depend on `values`, themselves included.
llvm::DenseSet<mlir::Value> dependentsOf(mlir::Block &block, llvm::ArrayRef<mlir::Value> values);

/// Marks the values that a region yields that depend on the arguments that are `marked`.
llvm::SmallVector<bool> dependentYields(mlir::Region &region, llvm::ArrayRef<bool> marked);

/// The ops of the block that `values` depend on, in order; `follows` says through which values.
llvm::SmallVector<mlir::Operation *> opsBehind(mlir::Block &block, mlir::ValueRange values,
                                               llvm::function_ref<bool(mlir::Value)> follows);

/// What `region` yields where its arguments are `values`: its ops are built anew where `builder`
/// is.
llvm::SmallVector<mlir::Value> buildInlined(mlir::OpBuilder &builder, mlir::Region &region,
                                            mlir::ValueRange values);

/// Erases the ops of a block that nobody reads, but for those of values to `keep`.
void eraseUnread(mlir::Block &block, llvm::ArrayRef<mlir::Value> keep = {});

/// What has derivatives: floating and complex numbers.
bool isInexact(mlir::Value value);

/// `value`, or zeros of the type if it is null.
mlir::Value orZeros(mlir::OpBuilder &builder, mlir::Location location, mlir::Value value,
                    mlir::Type type);

} // namespace weft

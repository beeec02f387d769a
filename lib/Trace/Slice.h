// A part of a function: what some of its values are computed from.
#pragma once

#include "lib/Trace/OpCall.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/SetVector.h"

#include <vector>

namespace weft {

/// The operations that `wanted` values are computed by, back to values that are known.
class Slice {
public:
  /// `isKnown` holds for values that need not be computed; arguments of the function never are.
  Slice(llvm::ArrayRef<mlir::Value> wanted, llvm::function_ref<bool(mlir::Value)> isKnown);

  /// What it reads: arguments and known values, in the order in which they are met.
  llvm::ArrayRef<mlir::Value> inputs() const { return inputValues.getArrayRef(); }

  /// A key that slices have in common that compute the same of their inputs. Lines do not count.
  Key key() const;

  /// A function @main from the inputs to the wanted values.
  mlir::OwningOpRef<mlir::ModuleOp> build() const;

private:
  void collect(mlir::Value wanted, llvm::function_ref<bool(mlir::Value)> isKnown);

  llvm::SmallVector<mlir::Value> wanted;
  llvm::SetVector<mlir::Value> inputValues;
  /// Each behind those that it reads.
  llvm::SetVector<mlir::Operation *> operations;
};

} // namespace weft

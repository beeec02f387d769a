// Traits of ops: marks, and checks.
#pragma once

#include "mlir/IR/OpDefinition.h"

namespace weft::trait {

/// The derivative is zero or undefined everywhere; differentiation stops here.
template <typename ConcreteType>
class NotDifferentiable : public mlir::OpTrait::TraitBase<ConcreteType, NotDifferentiable> {};

/// Linear in its floating and complex operands, all taken together.
template <typename ConcreteType>
class Linear : public mlir::OpTrait::TraitBase<ConcreteType, Linear> {};

/// Checks that `op`, which infers its result types, has these; one error says why not.
llvm::LogicalResult verifyResultTypes(mlir::Operation *op);

/// The result types are those that inference gives.
template <typename ConcreteType>
class ResultTypesAreInferred
    : public mlir::OpTrait::TraitBase<ConcreteType, ResultTypesAreInferred> {
public:
  static llvm::LogicalResult verifyRegionTrait(mlir::Operation *op) {
    return verifyResultTypes(op);
  }
};

/// Its results are written to memory by those who run the plan.
template <typename ConcreteType>
class PlannedStep : public mlir::OpTrait::TraitBase<ConcreteType, PlannedStep> {};

} // namespace weft::trait

// Traits of ops that carry no method.
#pragma once

#include "mlir/IR/OpDefinition.h"

namespace weft::trait {

/// The derivative is zero or undefined everywhere; differentiation stops here.
template <typename ConcreteType>
class NotDifferentiable : public mlir::OpTrait::TraitBase<ConcreteType, NotDifferentiable> {};

} // namespace weft::trait

"""Transforms from numbers without limits to the values of a constraint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._creation import _fail
from .._errors import UnsupportedError
from . import constraints
from ._transforms import (
    AffineTransform,
    ComposeTransform,
    ExpTransform,
    IndependentTransform,
    SigmoidTransform,
    Transform,
    identity_transform,
)
from ._vector_transforms import (
    CorrCholeskyTransform,
    LowerCholeskyTransform,
    PositiveDefiniteTransform,
    SoftmaxTransform,
    StickBreakingTransform,
)

#: Makes a transform to a constraint.
Factory = Callable[[Any], Transform]


class ConstraintRegistry:
    """Which transform goes to the values of a constraint, by the class of that."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._factories: dict[type, Factory] = {}

    def register(self, constraint: Any, factory: Factory | None = None) -> Any:
        """Sets what makes the transforms to constraints of a class, or of the class of one; without
        ``factory`` a decorator for it."""
        if factory is None:
            return lambda made: self.register(constraint, made)
        kind = constraint if isinstance(constraint, type) else type(constraint)
        self._factories[kind] = factory
        return factory

    def __call__(self, constraint: constraints.Constraint) -> Transform:
        """The transform to a constraint's values.

        Raises:
            UnsupportedError: there is none.
        """
        if not constraint.is_discrete:
            for kind in type(constraint).__mro__:
                if kind in self._factories:
                    return self._factories[kind](constraint)
        raise _fail(
            UnsupportedError,
            f"{self._name}: there is no transform to {type(constraint).__name__}; see "
            f"{self._name}.register",
        )


#: Transforms that have inverses.
biject_to = ConstraintRegistry("biject_to")

#: Transforms that reach all values, as optimisers need them; some vectors may become the same.
transform_to = ConstraintRegistry("transform_to")


def _to_bounded(constraint: Any) -> Transform:
    low, high = constraint.lower_bound, constraint.upper_bound
    if low is None and high is None:
        return identity_transform
    if high is None:
        return ComposeTransform([ExpTransform(), AffineTransform(low, 1.0)])
    if low is None:
        return ComposeTransform([ExpTransform(), AffineTransform(high, -1.0)])
    return ComposeTransform([SigmoidTransform(), AffineTransform(low, high - low)])


def _to_several(constraint: Any, registry: ConstraintRegistry) -> Transform:
    return IndependentTransform(registry(constraint.base), constraint.count)


for _registry in (biject_to, transform_to):
    _registry.register(constraints.real, lambda constraint: identity_transform)
    _registry.register(constraints.positive, _to_bounded)
    _registry.register(constraints.corr_cholesky, lambda constraint: CorrCholeskyTransform())
    _registry.register(constraints.lower_cholesky, lambda constraint: LowerCholeskyTransform())
    _registry.register(
        constraints.positive_definite, lambda constraint: PositiveDefiniteTransform()
    )

biject_to.register(constraints.real_vector, lambda c: _to_several(c, biject_to))
transform_to.register(constraints.real_vector, lambda c: _to_several(c, transform_to))
biject_to.register(constraints.simplex, lambda constraint: StickBreakingTransform())
transform_to.register(constraints.simplex, lambda constraint: SoftmaxTransform())

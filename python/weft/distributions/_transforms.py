"""Transforms of values, with the logarithms of their derivatives' determinants."""

from __future__ import annotations

import dataclasses
import math
import operator
from collections.abc import Sequence
from typing import Any, ClassVar

from .. import _ops
from .._core import Tensor
from .._creation import _fail, asarray, zeros_like
from .._errors import ShapeError, UnsupportedError
from .._manipulation import broadcast_arrays, broadcast_shapes, is_number, reshape
from .._pytorch import logit
from .._reductions import sum
from . import constraints


def sum_last(values: Tensor, count: int) -> Tensor:
    """The sums over the last dimensions."""
    return sum(values, axis=tuple(range(-count, 0))) if count else values


def _like(value: Any, x: Tensor) -> Tensor:
    """A parameter as a tensor: a number in the dtype of x."""
    return asarray(value, dtype=x.dtype) if is_number(value) else asarray(value)


@dataclasses.dataclass(eq=False)
class Transform:
    """A function of values, which may have an inverse.

    Transforms are dataclasses of their parameters, and go through `jit`, `grad` and `vmap` as
    these. ``domain`` and ``codomain`` are constraints, which say how many dimensions one value has.
    """

    #: Whether there is an inverse, and so a determinant.
    bijective: ClassVar[Any] = False
    domain: ClassVar[Any] = constraints.real
    codomain: ClassVar[Any] = constraints.real

    def _call(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def _inverse(self, y: Tensor) -> Tensor:
        raise self._missing("inverse")

    def _log_slope(self, x: Tensor, y: Tensor) -> Tensor:
        raise self._missing("log_abs_det_jacobian")

    def _missing(self, what: str) -> Exception:
        return _fail(UnsupportedError, f"{type(self).__name__} has no {what}")

    def __call__(self, x: Any) -> Tensor:
        """What the values become."""
        return self._call(asarray(x))

    @property
    def inv(self) -> Transform:
        """The inverse; where there is none that is one, a value that becomes the given one."""
        return _Inverse(self)

    @property
    def sign(self) -> Any:
        """Whether it rises (1) or falls (-1). Raises UnsupportedError where that has no sense."""
        raise self._missing("sign")

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Tensor:
        """The logarithm of the absolute determinant of the derivative, of x and its value y.

        Raises:
            UnsupportedError: there is none.
        """
        return self._log_slope(asarray(x), asarray(y))

    def forward_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of the result, of the shape of the values."""
        return tuple(shape)

    def inverse_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of the values, of the shape of the result."""
        return tuple(shape)

    def with_cache(self, cache_size: int = 1) -> Transform:
        """The transform itself: no values are kept, compiled code computes what repeats once."""
        return self


class _Rising(Transform):
    bijective = True

    @property
    def sign(self) -> int:
        return 1


@dataclasses.dataclass(eq=False)
class _Inverse(Transform):
    """The inverse of a transform."""

    base: Transform

    @property
    def bijective(self) -> bool:
        return self.base.bijective

    @property
    def domain(self) -> constraints.Constraint:
        return self.base.codomain

    @property
    def codomain(self) -> constraints.Constraint:
        return self.base.domain

    @property
    def inv(self) -> Transform:
        return self.base

    @property
    def sign(self) -> Any:
        return self.base.sign

    def _call(self, x: Tensor) -> Tensor:
        return self.base._inverse(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return self.base._call(y)

    def _log_slope(self, x: Tensor, y: Tensor) -> Tensor:
        return -self.base._log_slope(y, x)

    def forward_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        return self.base.inverse_shape(shape)

    def inverse_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        return self.base.forward_shape(shape)


@dataclasses.dataclass(eq=False)
class ComposeTransform(Transform):
    """Transforms one after the other; of none the identity."""

    parts: Sequence[Transform] = ()

    def __post_init__(self) -> None:
        self.parts = list(self.parts)

    @property
    def bijective(self) -> bool:
        """Whether all parts are."""
        return not [part for part in self.parts if not part.bijective]

    @property
    def domain(self) -> constraints.Constraint:
        """That of the first part, of as many dimensions as the parts need."""
        if not self.parts:
            return constraints.real
        own, needed = self.parts[0].domain, self.parts[-1].codomain.event_dim
        for part in reversed(self.parts):
            needed += part.domain.event_dim - part.codomain.event_dim
            needed = max(needed, part.domain.event_dim)
        return constraints.independent(own, needed - own.event_dim)

    @property
    def codomain(self) -> constraints.Constraint:
        """That of the last part, of as many dimensions as the parts need."""
        if not self.parts:
            return constraints.real
        own, needed = self.parts[-1].codomain, self.parts[0].domain.event_dim
        for part in self.parts:
            needed += part.codomain.event_dim - part.domain.event_dim
            needed = max(needed, part.codomain.event_dim)
        return constraints.independent(own, needed - own.event_dim)

    @property
    def sign(self) -> Any:
        """The product of the parts' signs."""
        return math.prod([1, *(part.sign for part in self.parts)])

    def _call(self, x: Tensor) -> Tensor:
        for part in self.parts:
            x = part._call(x)
        return x

    def _inverse(self, y: Tensor) -> Tensor:
        for part in reversed(self.parts):
            y = part._inverse(y)
        return y

    def _log_slope(self, x: Tensor, y: Tensor) -> Tensor:
        total, dimensions = zeros_like(sum_last(x, self.domain.event_dim)), self.domain.event_dim
        for part in self.parts:
            following = part._call(x)
            slope = part._log_slope(x, following)
            total = total + sum_last(slope, dimensions - part.domain.event_dim)
            dimensions += part.codomain.event_dim - part.domain.event_dim
            x = following
        return total

    def forward_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of the result, of the shape of the values."""
        for part in self.parts:
            shape = part.forward_shape(shape)
        return tuple(shape)

    def inverse_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of the values, of the shape of the result."""
        for part in reversed(self.parts):
            shape = part.inverse_shape(shape)
        return tuple(shape)


@dataclasses.dataclass(eq=False)
class IndependentTransform(Transform):
    """A transform whose last dimensions of values are one value, as `Independent`'s."""

    base_transform: Transform
    reinterpreted_batch_ndims: int

    @property
    def bijective(self) -> bool:
        """Whether the base is."""
        return self.base_transform.bijective

    @property
    def domain(self) -> constraints.Constraint:
        """The base's, of more dimensions."""
        return constraints.independent(self.base_transform.domain, self.reinterpreted_batch_ndims)

    @property
    def codomain(self) -> constraints.Constraint:
        """The base's, of more dimensions."""
        return constraints.independent(self.base_transform.codomain, self.reinterpreted_batch_ndims)

    @property
    def sign(self) -> Any:
        """The base's."""
        return self.base_transform.sign

    def _call(self, x: Tensor) -> Tensor:
        return self.base_transform._call(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return self.base_transform._inverse(y)

    def _log_slope(self, x: Tensor, y: Tensor) -> Tensor:
        return sum_last(self.base_transform._log_slope(x, y), self.reinterpreted_batch_ndims)

    def forward_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of the result, of the shape of the values."""
        return self.base_transform.forward_shape(shape)

    def inverse_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of the values, of the shape of the result."""
        return self.base_transform.inverse_shape(shape)


@dataclasses.dataclass(eq=False)
class ReshapeTransform(Transform):
    """Values of one shape as those of another one.

    Raises:
        ShapeError: the shapes have different sizes.
    """

    in_shape: Sequence[int]
    out_shape: Sequence[int]
    bijective = True

    def __post_init__(self) -> None:
        self.in_shape, self.out_shape = (
            tuple(operator.index(size) for size in shape)
            for shape in (self.in_shape, self.out_shape)
        )
        if math.prod(self.in_shape) != math.prod(self.out_shape):
            raise _fail(
                ShapeError,
                f"ReshapeTransform: {self.in_shape} and {self.out_shape} are not of one size",
            )

    @property
    def domain(self) -> constraints.Constraint:
        """Tensors of the first shape."""
        return constraints.independent(constraints.real, len(self.in_shape))

    @property
    def codomain(self) -> constraints.Constraint:
        """Tensors of the second shape."""
        return constraints.independent(constraints.real, len(self.out_shape))

    def _call(self, x: Tensor) -> Tensor:
        return reshape(x, self.forward_shape(x.shape))

    def _inverse(self, y: Tensor) -> Tensor:
        return reshape(y, self.inverse_shape(y.shape))

    def _log_slope(self, x: Tensor, y: Tensor) -> Tensor:
        return zeros_like(sum_last(x, len(self.in_shape)))

    def forward_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of the result. Raises ShapeError for other values."""
        return self._exchanged(shape, self.in_shape, self.out_shape)

    def inverse_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of the values. Raises ShapeError for other results."""
        return self._exchanged(shape, self.out_shape, self.in_shape)

    @staticmethod
    def _exchanged(shape: Sequence[int], old: Sequence[int], new: Sequence[int]) -> tuple[int, ...]:
        split = len(shape) - len(old)
        if split < 0 or tuple(shape[split:]) != tuple(old):
            raise _fail(
                ShapeError, f"ReshapeTransform: a value of shape {tuple(shape)}, not {tuple(old)}"
            )
        return (*shape[:split], *new)


class ExpTransform(_Rising):
    """exp(x)."""

    codomain = constraints.positive

    def _call(self, x: Tensor) -> Tensor:
        return _ops.exp(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return _ops.log(y)

    def _log_slope(self, x: Tensor, y: Tensor) -> Tensor:
        return x


@dataclasses.dataclass(eq=False)
class PowerTransform(Transform):
    """x ** exponent, of positive x."""

    exponent: Any
    bijective = True
    domain = constraints.positive
    codomain = constraints.positive

    @property
    def sign(self) -> Any:
        """The exponent's."""
        return _ops.sign(asarray(self.exponent))

    def _call(self, x: Tensor) -> Tensor:
        return x**self.exponent

    def _inverse(self, y: Tensor) -> Tensor:
        return y ** (1 / self.exponent)

    def _log_slope(self, x: Tensor, y: Tensor) -> Tensor:
        return _ops.log(_ops.abs(self.exponent * y / x))

    def forward_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """That of the values and the exponents, broadcast."""
        return broadcast_shapes(tuple(shape), asarray(self.exponent).shape)

    def inverse_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """That of the results and the exponents, broadcast."""
        return self.forward_shape(shape)


class SigmoidTransform(_Rising):
    """1 / (1 + exp(-x))."""

    codomain = constraints.unit_interval

    def _call(self, x: Tensor) -> Tensor:
        return _ops.sigmoid(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return logit(y)

    def _log_slope(self, x: Tensor, y: Tensor) -> Tensor:
        return -_ops.softplus(-x) - _ops.softplus(x)


class SoftplusTransform(_Rising):
    """log(1 + exp(x))."""

    codomain = constraints.positive

    def _call(self, x: Tensor) -> Tensor:
        return _ops.softplus(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return y + _ops.log(-_ops.expm1(-y))

    def _log_slope(self, x: Tensor, y: Tensor) -> Tensor:
        return -_ops.softplus(-x)


class TanhTransform(_Rising):
    """tanh(x)."""

    codomain = constraints.interval(-1.0, 1.0)

    def _call(self, x: Tensor) -> Tensor:
        return _ops.tanh(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return _ops.atanh(y)

    def _log_slope(self, x: Tensor, y: Tensor) -> Tensor:
        return _ops.subtract(math.log(2), x + _ops.softplus(x * -2)) * 2


class AbsTransform(Transform):
    """|x|, whose ``inv`` is the value itself."""

    codomain = constraints.positive

    def _call(self, x: Tensor) -> Tensor:
        return _ops.abs(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return y


@dataclasses.dataclass(eq=False)
class AffineTransform(Transform):
    """loc + scale x, of values of ``event_dim`` dimensions."""

    loc: Any
    scale: Any
    event_dim: int = 0
    bijective = True

    @property
    def domain(self) -> constraints.Constraint:
        """Tensors of numbers."""
        return constraints.independent(constraints.real, self.event_dim)

    @property
    def codomain(self) -> constraints.Constraint:
        """Tensors of numbers."""
        return constraints.independent(constraints.real, self.event_dim)

    @property
    def sign(self) -> Any:
        """The scale's."""
        return _ops.sign(asarray(self.scale))

    def _call(self, x: Tensor) -> Tensor:
        return self.loc + self.scale * x

    def _inverse(self, y: Tensor) -> Tensor:
        return (y - self.loc) / self.scale

    def _log_slope(self, x: Tensor, y: Tensor) -> Tensor:
        slope = _ops.log(_ops.abs(_like(self.scale, x)))
        return sum_last(broadcast_arrays(slope, x)[0], self.event_dim)

    def forward_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """That of the values and the parameters, broadcast."""
        return broadcast_shapes(tuple(shape), asarray(self.loc).shape, asarray(self.scale).shape)

    def inverse_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """That of the results and the parameters, broadcast."""
        return self.forward_shape(shape)


#: What leaves values as they are.
identity_transform = ComposeTransform([])

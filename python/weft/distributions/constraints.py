"""Sets of values that samples, or parameters, are in; `check` says which of a tensor's are.

`biject_to` and `transform_to` of `weft.distributions` make transforms to them.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar

from .. import _ops
from .._core import Tensor
from .._creation import asarray
from .._manipulation import astype, matrix_transpose, tril
from .._reductions import all, max, sum
from .._refused import refusing as _refusing
from ..linalg import cholesky_ex, diagonal, vector_norm

__all__ = [
    "Constraint",
    "boolean",
    "corr_cholesky",
    "greater_than",
    "greater_than_eq",
    "half_open_interval",
    "independent",
    "integer_interval",
    "interval",
    "less_than",
    "lower_cholesky",
    "lower_triangular",
    "nonnegative",
    "nonnegative_integer",
    "one_hot",
    "positive",
    "positive_definite",
    "positive_integer",
    "real",
    "real_vector",
    "simplex",
    "symmetric",
    "unit_interval",
]

#: What sums of shares and of squares may be away from 1.
_TOLERANCE = 1e-4


@dataclasses.dataclass(eq=False)
class Constraint:
    """A set of values, of events of ``event_dim`` dimensions each."""

    @property
    def event_dim(self) -> int:
        """How many dimensions one value has."""
        return 0

    is_discrete = False

    def _holds(self, value: Tensor) -> Tensor:
        raise NotImplementedError

    def check(self, value: Any) -> Tensor:
        """Which of the values are in the set: bool, without the dimensions of one value."""
        return self._holds(asarray(value))

    def admits(self, number: float) -> bool:
        """Whether a Python number is in the set."""
        return bool(self.check(number))


class _Real(Constraint):
    def __str__(self) -> str:
        return "a real number"

    def admits(self, number: float) -> bool:
        return number == number

    def _holds(self, value: Tensor) -> Tensor:
        return value == value


class _Boolean(Constraint):
    is_discrete = True

    def _holds(self, value: Tensor) -> Tensor:
        return (value == 0) | (value == 1)


@dataclasses.dataclass(eq=False)
class _Bounded(Constraint):
    """Numbers between limits; None where there is none."""

    lower_bound: Any = None
    upper_bound: Any = None
    includes_lower: Any = True
    includes_upper: Any = True

    _kind: ClassVar[str] = "a number"

    def __str__(self) -> str:
        limits = []
        if self.lower_bound is not None:
            limits.append(f"{'at least' if self.includes_lower else 'above'} {self.lower_bound:g}")
        if self.upper_bound is not None:
            limits.append(f"{'at most' if self.includes_upper else 'below'} {self.upper_bound:g}")
        return f"{self._kind} {' and '.join(limits)}"

    def admits(self, number: float) -> bool:
        low, high = self.lower_bound, self.upper_bound
        above = low is None or number > low or (self.includes_lower and number == low)
        below = high is None or number < high or (self.includes_upper and number == high)
        return bool(above and below and number == number)

    def _holds(self, value: Tensor) -> Tensor:
        result = value == value
        if self.lower_bound is not None:
            low = value >= self.lower_bound if self.includes_lower else value > self.lower_bound
            result = result & low
        if self.upper_bound is not None:
            high = value <= self.upper_bound if self.includes_upper else value < self.upper_bound
            result = result & high
        return result


class _Whole(_Bounded):
    is_discrete = True
    _kind = "a whole number"

    def admits(self, number: float) -> bool:
        return super().admits(number) and math.isfinite(number) and number == math.floor(number)

    def _holds(self, value: Tensor) -> Tensor:
        wide = value if value.dtype.kind == "floating" else astype(value, "float64")
        return super()._holds(value) & (wide == _ops.floor(wide))


def interval(lower_bound: Any, upper_bound: Any) -> Constraint:
    """Numbers in [lower_bound, upper_bound]."""
    return _Bounded(lower_bound, upper_bound)


def half_open_interval(lower_bound: Any, upper_bound: Any) -> Constraint:
    """Numbers in [lower_bound, upper_bound)."""
    return _Bounded(lower_bound, upper_bound, True, False)


def greater_than(lower_bound: Any) -> Constraint:
    """Numbers above a limit."""
    return _Bounded(lower_bound, None, False)


def greater_than_eq(lower_bound: Any) -> Constraint:
    """Numbers from a limit on."""
    return _Bounded(lower_bound)


def less_than(upper_bound: Any) -> Constraint:
    """Numbers below a limit."""
    return _Bounded(None, upper_bound, True, False)


def integer_interval(lower_bound: Any, upper_bound: Any) -> Constraint:
    """Whole numbers in [lower_bound, upper_bound]."""
    return _Whole(lower_bound, upper_bound)


@dataclasses.dataclass(eq=False)
class _Independent(Constraint):
    base: Constraint
    count: int

    @property
    def is_discrete(self) -> bool:  # type: ignore[override]
        return self.base.is_discrete

    @property
    def event_dim(self) -> int:
        return self.base.event_dim + self.count

    def _holds(self, value: Tensor) -> Tensor:
        return all(self.base.check(value), axis=tuple(range(-self.count, 0)))


def independent(base: Constraint, reinterpreted_batch_ndims: int) -> Constraint:
    """Tensors of values in a set, which are one value."""
    count = reinterpreted_batch_ndims
    return _Independent(base, count) if count else base


class _Vector(Constraint):
    @property
    def event_dim(self) -> int:
        return 1


class _Simplex(_Vector):
    def _holds(self, value: Tensor) -> Tensor:
        is_whole = _ops.abs(sum(value, axis=-1) - 1) < _TOLERANCE
        return all(value >= 0, axis=-1) & is_whole


class _OneHot(_Vector):
    is_discrete = True

    def _holds(self, value: Tensor) -> Tensor:
        return all((value == 0) | (value == 1), axis=-1) & (sum(value, axis=-1) == 1)


class _Matrix(Constraint):
    @property
    def event_dim(self) -> int:
        return 2


class _LowerTriangular(_Matrix):
    def _holds(self, value: Tensor) -> Tensor:
        return all(tril(value) == value, axis=(-2, -1))


class _LowerCholesky(_LowerTriangular):
    def _holds(self, value: Tensor) -> Tensor:
        return super()._holds(value) & all(diagonal(value) > 0, axis=-1)


class _CorrCholesky(_LowerCholesky):
    def _holds(self, value: Tensor) -> Tensor:
        is_unit = _ops.abs(vector_norm(value, axis=-1) - 1) < _TOLERANCE
        return super()._holds(value) & all(is_unit, axis=-1)


class _Symmetric(_Matrix):
    def _holds(self, value: Tensor) -> Tensor:
        apart = max(_ops.abs(value - matrix_transpose(value)), axis=(-2, -1))
        return apart <= _TOLERANCE * max(_ops.abs(value), axis=(-2, -1))


class _PositiveDefinite(_Symmetric):
    def _holds(self, value: Tensor) -> Tensor:
        return super()._holds(value) & (cholesky_ex(value).info == 0)


boolean = _Boolean()
corr_cholesky = _CorrCholesky()
lower_cholesky = _LowerCholesky()
lower_triangular = _LowerTriangular()
nonnegative = greater_than_eq(0.0)
nonnegative_integer = _Whole(0)
one_hot = _OneHot()
positive = greater_than(0.0)
positive_definite = _PositiveDefinite()
positive_integer = _Whole(1)
real = _Real()
real_vector = independent(real, 1)
simplex = _Simplex()
symmetric = _Symmetric()
unit_interval = interval(0.0, 1.0)


#: What to write in the place of names that PyTorch has here.
__getattr__ = _refusing("distributions.constraints")

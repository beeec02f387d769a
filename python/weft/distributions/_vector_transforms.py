"""Transforms of vectors to shares and to matrices, and of parts of a tensor by several ones."""

from __future__ import annotations

import dataclasses
import math
import operator
from collections.abc import Sequence
from typing import Any

from .. import _ops
from .._core import Tensor
from .._creation import _fail, arange, asarray, eye
from .._dtypes import int64
from .._errors import ShapeError
from .._functional import softmax
from .._linear import matmul
from .._manipulation import (
    broadcast_arrays,
    concat,
    matrix_transpose,
    moveaxis,
    narrow,
    pad,
    reshape,
    stack,
    take,
    tril,
)
from .._pytorch import diag_embed
from .._reductions import cumulative_prod, cumulative_sum, sum
from ..linalg import cholesky, diagonal
from . import constraints
from ._transforms import Transform, _Rising, sum_last


def _padded(x: Tensor, before: int, after: int, value: float) -> Tensor:
    """Along the last axis."""
    return pad(x, [(0, 0)] * (x.ndim - 1) + [(before, after)], value=value)


def _place_count(size: int) -> int:
    """How many rows a triangle below the diagonal of so many elements has."""
    rows = round((1 + math.sqrt(1 + 8 * size)) / 2)
    if rows * (rows - 1) // 2 != size:
        raise _fail(
            ShapeError,
            f"CorrCholeskyTransform: vectors of {size} elements are no triangle: 1, 3, 6, 10, ...",
        )
    return rows


def _as_triangle(x: Tensor, size: int) -> Tensor:
    """Vectors as the elements below the diagonal, row after row."""
    count = x.shape[-1]
    places = [i * (i - 1) // 2 + j if j < i else count for i in range(size) for j in range(size)]
    flat = take(_padded(x, 0, 1, 0.0), asarray(places, dtype=int64, device=x.device), axis=-1)
    return reshape(flat, (*x.shape[:-1], size, size))


def _from_triangle(x: Tensor, below: int = 1) -> Tensor:
    """The elements that are at least so far below the diagonal, row after row."""
    size = x.shape[-1]
    places = [i * size + j for i in range(size) for j in range(i - below + 1)]
    flat = reshape(x, (*x.shape[:-2], size * size))
    return take(flat, asarray(places, dtype=int64, device=x.device), axis=-1)


class CorrCholeskyTransform(Transform):
    """Vectors [D (D - 1) / 2] to the lower triangular factors [D, D] of correlation matrices.

    Their tanh are partial correlations, which break a stick for each row: Stan's reference manual,
    "Cholesky factors of correlation matrices".

    Raises:
        ShapeError: the size of a vector is none of a triangle.
    """

    bijective = True
    domain = constraints.real_vector
    codomain = constraints.corr_cholesky

    def _call(self, x: Tensor) -> Tensor:
        size = _place_count(x.shape[-1])
        parts = _as_triangle(_ops.tanh(x), size)
        left = cumulative_prod(_ops.sqrt(_ops.subtract(1, parts * parts)), axis=-1)
        one = eye(size, dtype=x.dtype, device=x.device)
        return (parts + one) * _padded(left[..., :-1], 1, 0, 1.0)

    @staticmethod
    def _rest(y: Tensor) -> Tensor:
        """What of a row's length of 1 is left behind each element."""
        return _ops.subtract(1, cumulative_sum(y * y, axis=-1))

    def _inverse(self, y: Tensor) -> Tensor:
        before = _padded(self._rest(y)[..., :-1], 1, 0, 1.0)
        return _ops.atanh(_from_triangle(y) / _ops.sqrt(_from_triangle(before)))

    def _log_slope(self, x: Tensor, y: Tensor) -> Tensor:
        sticks = sum(_ops.log(_from_triangle(self._rest(y), 2)), axis=-1) * 0.5
        return sticks - 2 * sum(x + _ops.softplus(-2 * x) - math.log(2), axis=-1)

    def forward_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """[..., D, D] of [..., D (D - 1) / 2]. Raises ShapeError for other sizes."""
        size = _place_count(shape[-1])
        return (*shape[:-1], size, size)

    def inverse_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """[..., D (D - 1) / 2] of [..., D, D]."""
        return (*shape[:-2], shape[-1] * (shape[-1] - 1) // 2)


class SoftmaxTransform(Transform):
    """Vectors to shares that sum to 1; ``inv`` gives their logarithms."""

    domain = constraints.real_vector
    codomain = constraints.simplex

    def _call(self, x: Tensor) -> Tensor:
        return softmax(x, -1)

    def _inverse(self, y: Tensor) -> Tensor:
        return _ops.log(y)


class StickBreakingTransform(Transform):
    """Vectors [K] to K + 1 shares that sum to 1: each takes a part of what is left."""

    bijective = True
    domain = constraints.real_vector
    codomain = constraints.simplex

    @staticmethod
    def _shifted(x: Tensor) -> Tensor:
        """Less the logarithm of how many shares come behind each: of zeros all are equal."""
        count = x.shape[-1]
        return x - _ops.log(arange(count, 0, -1, dtype=x.dtype, device=x.device))

    def _call(self, x: Tensor) -> Tensor:
        x = self._shifted(x)
        left = cumulative_prod(_ops.sigmoid(-x), axis=-1)
        return _padded(_ops.sigmoid(x), 0, 1, 1.0) * _padded(left, 1, 0, 1.0)

    def _inverse(self, y: Tensor) -> Tensor:
        shares = y[..., :-1]
        left = _ops.subtract(1, cumulative_sum(shares, axis=-1))
        count = shares.shape[-1]
        behind = _ops.log(arange(count, 0, -1, dtype=y.dtype, device=y.device))
        return _ops.log(shares) - _ops.log(left) + behind

    def _log_slope(self, x: Tensor, y: Tensor) -> Tensor:
        x = self._shifted(x)
        return sum(-x - _ops.softplus(-x) + _ops.log(y[..., :-1]), axis=-1)

    def forward_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """[..., K + 1] of [..., K]."""
        return (*shape[:-1], shape[-1] + 1)

    def inverse_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """[..., K] of [..., K + 1]."""
        return (*shape[:-1], shape[-1] - 1)


class LowerCholeskyTransform(Transform):
    """Matrices to lower triangular ones of a positive diagonal, by exp of that."""

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.lower_cholesky

    def _call(self, x: Tensor) -> Tensor:
        return tril(x, k=-1) + diag_embed(_ops.exp(diagonal(x)))

    def _inverse(self, y: Tensor) -> Tensor:
        return tril(y, k=-1) + diag_embed(_ops.log(diagonal(y)))


class PositiveDefiniteTransform(Transform):
    """Matrices to positive definite ones: L L^T of what `LowerCholeskyTransform` makes of them."""

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.positive_definite

    def _call(self, x: Tensor) -> Tensor:
        factor = LowerCholeskyTransform()._call(x)
        return matmul(factor, matrix_transpose(factor))

    def _inverse(self, y: Tensor) -> Tensor:
        return LowerCholeskyTransform()._inverse(cholesky(y))


@dataclasses.dataclass(eq=False)
class CumulativeDistributionTransform(_Rising):
    """The share of a distribution that lies below a number: of its samples uniform ones."""

    distribution: Any
    codomain = constraints.unit_interval

    @property
    def domain(self) -> constraints.Constraint:
        """Where the distribution's samples are."""
        return self.distribution.support

    def _call(self, x: Tensor) -> Tensor:
        return self.distribution.cdf(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return self.distribution.icdf(y)

    def _log_slope(self, x: Tensor, y: Tensor) -> Tensor:
        return self.distribution.log_prob(x)


# Several transforms -------------------------------------------------------------------------------


@dataclasses.dataclass(eq=False)
class _Several(Transform):
    """Transforms of parts of a tensor along a dimension."""

    tseq: Sequence[Transform]
    dim: int = 0

    def __post_init__(self) -> None:
        self.tseq = list(self.tseq)

    @property
    def bijective(self) -> bool:
        """Whether all are."""
        return not [part for part in self.tseq if not part.bijective]

    @property
    def _event_dim(self) -> int:
        return _largest(part.domain.event_dim for part in self.tseq)

    @property
    def domain(self) -> constraints.Constraint:
        """Values of as many dimensions as the parts need."""
        return constraints.independent(constraints.real, self._event_dim)

    @property
    def codomain(self) -> constraints.Constraint:
        """Values of as many dimensions as the parts give."""
        count = _largest(part.codomain.event_dim for part in self.tseq)
        return constraints.independent(constraints.real, count)

    def _parts(self, x: Tensor) -> list[Tensor]:
        raise NotImplementedError

    def _joined(self, parts: list[Tensor]) -> Tensor:
        raise NotImplementedError

    def _call(self, x: Tensor) -> Tensor:
        return self._joined([t._call(part) for t, part in zip(self.tseq, self._parts(x))])

    def _inverse(self, y: Tensor) -> Tensor:
        return self._joined([t._inverse(part) for t, part in zip(self.tseq, self._parts(y))])

    def _log_slope(self, x: Tensor, y: Tensor) -> Tensor:
        slopes = []
        for part, before, after in zip(self.tseq, self._parts(x), self._parts(y)):
            slope = part._log_slope(before, after)
            slopes.append(sum_last(slope, self._event_dim - part.domain.event_dim))
        return self._joined_slopes(slopes, x.ndim)

    def _joined_slopes(self, slopes: list[Tensor], ndim: int) -> Tensor:
        return self._joined(slopes)


def _largest(numbers: Any) -> int:
    """The largest of some, 0 of none."""
    return sorted([0, *numbers])[-1]


class StackTransform(_Several):
    """A transform for each slice along ``dim``."""

    def _parts(self, x: Tensor) -> list[Tensor]:
        if x.shape[self.dim] != len(self.tseq):
            raise _fail(
                ShapeError,
                f"StackTransform: {len(self.tseq)} transforms, but a shape of {x.shape}",
            )
        moved = moveaxis(x, operator.index(self.dim), 0)
        return [moved[i] for i in range(len(self.tseq))]

    def _joined(self, parts: list[Tensor]) -> Tensor:
        return stack(broadcast_arrays(*parts), axis=operator.index(self.dim))


@dataclasses.dataclass(eq=False)
class CatTransform(_Several):
    """A transform for each of several parts along ``dim``, of ``lengths`` (None: of 1 each)."""

    lengths: Sequence[int] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.lengths = [1] * len(self.tseq) if self.lengths is None else list(self.lengths)
        if len(self.lengths) != len(self.tseq):
            raise _fail(
                ShapeError,
                f"CatTransform: {len(self.tseq)} transforms, but {len(self.lengths)} lengths",
            )

    def _parts(self, x: Tensor) -> list[Tensor]:
        lengths = list(self.lengths or ())
        starts = [0]
        for length in lengths:
            starts.append(starts[-1] + length)
        if x.shape[self.dim] != starts[-1]:
            raise _fail(
                ShapeError, f"CatTransform: lengths {lengths} do not make the shape {x.shape}"
            )
        axis = operator.index(self.dim) % x.ndim
        return [narrow(x, axis, start, length) for start, length in zip(starts, lengths)]

    def _joined(self, parts: list[Tensor]) -> Tensor:
        return concat(parts, axis=operator.index(self.dim))

    def _joined_slopes(self, slopes: list[Tensor], ndim: int) -> Tensor:
        """Along the dimension, or their sum where that belongs to the values."""
        dim = operator.index(self.dim)
        dim += self._event_dim - (ndim if dim >= 0 else 0)
        if dim < 0:
            return concat(slopes, axis=dim)
        total = slopes[0]
        for slope in slopes[1:]:
            total = total + slope
        return total

"""Normally distributed vectors, and distributions of matrices."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from .. import _ops, linalg, random
from .._core import Tensor
from .._creation import _fail, arange, asarray, eye
from .._dtypes import float32, result_type
from .._errors import OptionError, ShapeError
from .._linear import matmul
from .._manipulation import (
    astype,
    broadcast_shapes,
    broadcast_to,
    concat,
    expand_dims,
    flip,
    matrix_transpose,
    squeeze,
    tril,
)
from .._pytorch import diag_embed
from .._reductions import sum
from .._special import digamma, lgamma
from ..special import multigammaln
from . import constraints
from ._distribution import Distribution, keys_of


def _floats(*values: Any) -> list[Tensor]:
    """Parameters in their common floating dtype, each in its own shape."""
    tensors = [asarray(value) for value in values]
    floating = [x for x in tensors if x.dtype.kind == "floating"]
    dtype = result_type(*floating) if floating else float32
    return [astype(x, dtype, copy=False) for x in tensors]


def _matrix(name: str, covariance: Any, precision: Any, triangle: Any) -> Any:
    """Which of the three is given, and what its lower triangular factor is made by."""
    given = [x for x in (covariance, precision, triangle) if x is not None]
    if len(given) != 1:
        raise _fail(
            OptionError, f"{name}: needs one of covariance_matrix, precision_matrix and scale_tril"
        )
    matrix = asarray(given[0])
    if matrix.ndim < 2 or matrix.shape[-1] != matrix.shape[-2]:
        raise _fail(ShapeError, f"{name}: matrices of shape {matrix.shape} are not square")
    return matrix


def _factor(matrix: Tensor, covariance: Any, precision: Any) -> Tensor:
    """The lower triangular factor of the covariance."""
    if covariance is not None:
        return linalg.cholesky(matrix)
    if precision is None:
        return matrix
    # Of the precision in opposite order: its factor is that of the covariance, inverted.
    turned = linalg.cholesky(flip(matrix, axis=(-2, -1)))
    inverse = matrix_transpose(flip(turned, axis=(-2, -1)))
    one = eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    return linalg.solve_triangular(inverse, one, upper=False)


def _log_diagonal(triangle: Tensor) -> Tensor:
    return sum(_ops.log(linalg.diagonal(triangle)), axis=-1)


def _times_vector(matrix: Tensor, vector: Tensor) -> Tensor:
    return squeeze(matmul(matrix, expand_dims(vector, axis=-1)), -1)


def squared_distance(triangle: Tensor, difference: Tensor) -> Tensor:
    """|L^-1 d|^2 of lower triangular L [..., K, K] and d [..., K]."""
    column = linalg.solve_triangular(triangle, expand_dims(difference, axis=-1), upper=False)
    return sum(column * column, axis=(-2, -1))


class _OfTriangle(Distribution):
    """What has a covariance, which is kept as its lower triangular factor."""

    scale_tril: Any

    @property
    def covariance_matrix(self) -> Tensor:
        """L L^T [..., K, K]."""
        return matmul(self.scale_tril, matrix_transpose(self.scale_tril))

    @property
    def precision_matrix(self) -> Tensor:
        """The inverse of the covariance."""
        one = eye(self.scale_tril.shape[-1], dtype=self.scale_tril.dtype)
        half = linalg.solve_triangular(self.scale_tril, one, upper=False)
        return matmul(matrix_transpose(half), half)


@dataclasses.dataclass(eq=False, init=False)
class MultivariateNormal(_OfTriangle):
    """Vectors [K] that are normally distributed about ``loc`` [..., K].

    Args:
        loc: the mean.
        covariance_matrix, precision_matrix, scale_tril: one of these, [..., K, K]: the covariance,
            its inverse, or its lower triangular factor.

    Raises:
        OptionError: not one of the three is given. ShapeError: the shapes do not fit.
    """

    loc: Any
    scale_tril: Any
    has_rsample = True
    support = constraints.real_vector

    def __init__(
        self,
        loc: Any,
        covariance_matrix: Any = None,
        precision_matrix: Any = None,
        scale_tril: Any = None,
    ) -> None:
        matrix = _matrix(type(self).__name__, covariance_matrix, precision_matrix, scale_tril)
        loc, matrix = _floats(loc, matrix)
        size = matrix.shape[-1]
        if loc.ndim < 1 or loc.shape[-1] not in (1, size):
            raise _fail(
                ShapeError,
                f"MultivariateNormal: loc of shape {loc.shape} does not fit matrices of shape "
                f"{matrix.shape}",
            )
        batch = broadcast_shapes(loc.shape[:-1], matrix.shape[:-2])
        self.loc = broadcast_to(loc, (*batch, size))
        triangle = _factor(matrix, covariance_matrix, precision_matrix)
        self.scale_tril = broadcast_to(triangle, (*batch, size, size))

    def _batch_shape(self) -> tuple[int, ...]:
        return self.loc.shape[:-1]

    def _event_shape(self) -> tuple[int, ...]:
        return self.loc.shape[-1:]

    def _draw(self, shape: tuple[int, ...], key: Tensor | None) -> Tensor:
        (key,) = keys_of(key, 1, self.loc)
        noise = random.normal((*shape, *self._event_shape()), key=key, dtype=self.loc.dtype)
        return self.loc + _times_vector(self.scale_tril, noise)

    def _log_prob(self, value: Tensor) -> Tensor:
        distance = squared_distance(self.scale_tril, value - self.loc)
        scale = 0.5 * self.loc.shape[-1] * math.log(2 * math.pi)
        return -0.5 * distance - scale - _log_diagonal(self.scale_tril)

    def _entropy(self) -> Tensor:
        scale = 0.5 * self.loc.shape[-1] * math.log(2 * math.pi * math.e)
        return _log_diagonal(self.scale_tril) + scale

    def _mean(self) -> Tensor:
        return self.loc

    def _variance(self) -> Tensor:
        return sum(self.scale_tril * self.scale_tril, axis=-1)

    def _mode(self) -> Tensor:
        return self.loc


@dataclasses.dataclass(eq=False, init=False)
class LowRankMultivariateNormal(Distribution):
    """`MultivariateNormal` of the covariance W W^T + diag(D): by matrices of R rows alone.

    Args:
        loc: [..., K].
        cov_factor: W, [..., K, R].
        cov_diag: D, [..., K].

    Raises:
        ShapeError: the shapes do not fit.
    """

    loc: Any
    cov_factor: Any
    cov_diag: Any
    capacitance_tril: Any
    has_rsample = True
    support = constraints.real_vector

    def __init__(self, loc: Any, cov_factor: Any, cov_diag: Any) -> None:
        loc, factor, diag = _floats(loc, cov_factor, cov_diag)
        if factor.ndim < 2 or diag.ndim < 1 or diag.shape[-1] != factor.shape[-2]:
            raise _fail(
                ShapeError,
                f"LowRankMultivariateNormal: cov_factor of shape {factor.shape} does not fit "
                f"cov_diag of shape {diag.shape}",
            )
        size, rank = factor.shape[-2:]
        batch = broadcast_shapes(loc.shape[:-1], factor.shape[:-2], diag.shape[:-1])
        self.loc = broadcast_to(loc, (*batch, size))
        self.cov_factor = broadcast_to(factor, (*batch, size, rank))
        self.cov_diag = broadcast_to(diag, (*batch, size))
        one = eye(rank, dtype=factor.dtype, device=factor.device)
        weighted = matmul(self._weighted_factor(), self.cov_factor)
        self.capacitance_tril = linalg.cholesky(one + weighted)

    def _weighted_factor(self) -> Tensor:
        """W^T / D."""
        return matrix_transpose(self.cov_factor / expand_dims(self.cov_diag, axis=-1))

    @property
    def covariance_matrix(self) -> Tensor:
        """W W^T + diag(D), [..., K, K]."""
        product = matmul(self.cov_factor, matrix_transpose(self.cov_factor))
        return product + diag_embed(self.cov_diag)

    def _batch_shape(self) -> tuple[int, ...]:
        return self.loc.shape[:-1]

    def _event_shape(self) -> tuple[int, ...]:
        return self.loc.shape[-1:]

    def _draw(self, shape: tuple[int, ...], key: Tensor | None) -> Tensor:
        first, second = keys_of(key, 2, self.loc)
        rank = self.cov_factor.shape[-1]
        inner = random.normal((*shape, rank), key=first, dtype=self.loc.dtype)
        outer = random.normal((*shape, *self._event_shape()), key=second, dtype=self.loc.dtype)
        along = _times_vector(self.cov_factor, inner)
        return self.loc + along + _ops.sqrt(self.cov_diag) * outer

    def log_determinant(self) -> Tensor:
        """That of the covariance, by Sylvester's identity."""
        return _log_diagonal(self.capacitance_tril) * 2 + sum(_ops.log(self.cov_diag), axis=-1)

    def _log_prob(self, value: Tensor) -> Tensor:
        difference = value - self.loc
        inner = _times_vector(self._weighted_factor(), difference)
        # Woodbury's identity.
        distance = sum(difference * difference / self.cov_diag, axis=-1)
        distance = distance - squared_distance(self.capacitance_tril, inner)
        scale = self.loc.shape[-1] * math.log(2 * math.pi)
        return -0.5 * (distance + scale + self.log_determinant())

    def _entropy(self) -> Tensor:
        scale = self.loc.shape[-1] * math.log(2 * math.pi * math.e)
        return 0.5 * (scale + self.log_determinant())

    def _mean(self) -> Tensor:
        return self.loc

    def _variance(self) -> Tensor:
        return sum(self.cov_factor * self.cov_factor, axis=-1) + self.cov_diag

    def _mode(self) -> Tensor:
        return self.loc


@dataclasses.dataclass(eq=False)
class LKJCholesky(Distribution):
    """Lower triangular factors [dim, dim] of correlation matrices, whose density is proportional to
    det(correlation)**(concentration - 1): Lewandowski, Kurowicka and Joe, 2009."""

    dim: int
    concentration: Any = 1.0
    support = constraints.corr_cholesky

    def __post_init__(self) -> None:
        if self.dim < 2:
            raise _fail(OptionError, f"LKJCholesky: dim has to be at least 2, not {self.dim}")
        self._take("concentration")

    def _batch_shape(self) -> tuple[int, ...]:
        return self.concentration.shape

    def _event_shape(self) -> tuple[int, ...]:
        return (self.dim, self.dim)

    def _draw(self, shape: tuple[int, ...], key: Tensor | None) -> Tensor:
        """By onions: rows of a length that is beta distributed, in directions that are uniform."""
        first, second = keys_of(key, 2, self.concentration)
        dim, dtype = self.dim, self.concentration.dtype
        # Row k + 1 has k + 1 elements before the diagonal.
        k = arange(dim - 1, dtype=dtype)
        a, b = k * 0.5 + 0.5, expand_dims(self.concentration, axis=-1) + (dim - 2) / 2 - k * 0.5
        square = expand_dims(random.beta(a, b, (*shape, dim - 1), key=first), axis=-1)
        noise = tril(random.normal((*shape, dim - 1, dim), key=second, dtype=dtype))
        rows = noise / linalg.vector_norm(noise, axis=-1, keepdims=True) * _ops.sqrt(square)
        one = eye(dim, dtype=dtype)
        rows = rows + one[1:] * _ops.sqrt(_ops.subtract(1, square))
        return concat([broadcast_to(one[:1], (*shape, 1, dim)), rows], axis=-2)

    def _log_prob(self, value: Tensor) -> Tensor:
        size = self.dim - 1
        concentration = self.concentration
        order = arange(size - 1, -1, -1, dtype=concentration.dtype)
        powers = order + 2 * (expand_dims(concentration, axis=-1) - 1)
        density = sum(powers * _ops.log(linalg.diagonal(value)[..., 1:]), axis=-1)
        alpha = concentration + 0.5 * size
        norm = multigammaln(alpha - 0.5, size) - size * lgamma(alpha)
        return density - norm - 0.5 * size * math.log(math.pi)


@dataclasses.dataclass(eq=False, init=False)
class Wishart(_OfTriangle):
    """Sums of ``df`` products x x^T of vectors that are normally distributed about 0; ``df`` need
    not be whole, but above K - 1.

    Args:
        df: the degrees of freedom.
        covariance_matrix, precision_matrix, scale_tril: as of `MultivariateNormal`.

    Raises:
        As `MultivariateNormal`.
    """

    df: Any
    scale_tril: Any
    has_rsample = True
    support = constraints.positive_definite

    def __init__(
        self,
        df: Any,
        covariance_matrix: Any = None,
        precision_matrix: Any = None,
        scale_tril: Any = None,
    ) -> None:
        matrix = _matrix("Wishart", covariance_matrix, precision_matrix, scale_tril)
        df, matrix = _floats(df, matrix)
        batch = broadcast_shapes(df.shape, matrix.shape[:-2])
        self.df = broadcast_to(df, batch)
        triangle = _factor(matrix, covariance_matrix, precision_matrix)
        self.scale_tril = broadcast_to(triangle, (*batch, *matrix.shape[-2:]))

    def _batch_shape(self) -> tuple[int, ...]:
        return self.df.shape

    def _event_shape(self) -> tuple[int, ...]:
        return self.scale_tril.shape[-2:]

    def _draw(self, shape: tuple[int, ...], key: Tensor | None) -> Tensor:
        """Bartlett, 1933."""
        first, second = keys_of(key, 2, self.df)
        size, dtype = self.scale_tril.shape[-1], self.df.dtype
        freedom = expand_dims(self.df, axis=-1) - arange(size, dtype=dtype)
        roots = _ops.sqrt(random.chisquare(freedom, (*shape, size), key=first))
        noise = random.normal((*shape, size, size), key=second, dtype=dtype)
        half = matmul(self.scale_tril, tril(noise, k=-1) + diag_embed(roots))
        return matmul(half, matrix_transpose(half))

    def _log_prob(self, value: Tensor) -> Tensor:
        size, df = self.scale_tril.shape[-1], self.df
        half = linalg.solve_triangular(self.scale_tril, linalg.cholesky(value), upper=False)
        scale = df * (0.5 * size * math.log(2) + _log_diagonal(self.scale_tril))
        density = 0.5 * (df - size - 1) * linalg.slogdet(value).logabsdet
        spread = 0.5 * sum(half * half, axis=(-2, -1))
        return density - spread - scale - multigammaln(0.5 * df, size)

    def _entropy(self) -> Tensor:
        size, half = self.scale_tril.shape[-1], 0.5 * self.df
        scale = (size + 1) * (0.5 * size * math.log(2) + _log_diagonal(self.scale_tril))
        steps = arange(size, dtype=half.dtype) * 0.5
        slopes = sum(digamma(expand_dims(half, axis=-1) - steps), axis=-1)
        rest = self.df * size * 0.5 - 0.5 * (self.df - size - 1) * slopes
        return scale + multigammaln(half, size) + rest

    def _mean(self) -> Tensor:
        return self.covariance_matrix * expand_dims(self.df, axis=(-2, -1))

    def _variance(self) -> Tensor:
        matrix = self.covariance_matrix
        diagonal = linalg.diagonal(matrix)
        products = expand_dims(diagonal, axis=-1) * expand_dims(diagonal, axis=-2)
        return (matrix * matrix + products) * expand_dims(self.df, axis=(-2, -1))

    def _mode(self) -> Tensor:
        """NaN where there is none."""
        factor = self.df - self.scale_tril.shape[-1] - 1
        factor = expand_dims(_ops.where(factor > 0, factor, math.nan), axis=(-2, -1))
        return self.covariance_matrix * factor

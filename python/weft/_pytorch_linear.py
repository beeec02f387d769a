"""PyTorch's names of linear algebra outside of `weft.linalg`."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from . import linalg
from ._complex import conj
from ._core import Tensor
from ._creation import _fail, arange, eye, zeros_like
from ._errors import ShapeError
from ._manipulation import (
    astype,
    expand_dims,
    matrix_transpose,
    moveaxis,
    normalize_axes,
    normalize_axis,
    reshape,
)
from ._ops import log, where
from ._pytorch import addmm
from ._reductions import norm
from .linalg import det, matrix_power, matrix_rank, slogdet
from .linalg._factors import order_of_pivots, with_all_rows
from .linalg._matrices import LUResult, QRResult, triangles


def adjoint(x: Tensor) -> Tensor:
    """The last two dimensions exchanged, and all elements conjugated."""
    return matrix_transpose(conj(x))


def cholesky(x: Tensor, upper: bool = False) -> Tensor:
    """The lower triangular L with x = L L^H, or the upper one; see `weft.linalg.cholesky`."""
    return linalg.cholesky(x, upper=upper)


def cholesky_solve(b: Tensor, factor: Tensor, upper: bool = False) -> Tensor:
    """The X with A X = b, where A = L L^H, or U^H U, is given by its factor [..., N, N].

    Raises:
        ShapeError: the shapes do not fit. DTypeError: a tensor is of halves.
    """
    lower = adjoint(factor) if upper else factor
    half = linalg.solve_triangular(lower, b, upper=False)
    return linalg.solve_triangular(adjoint(lower), half, upper=True)


def cholesky_inverse(factor: Tensor, upper: bool = False) -> Tensor:
    """The inverse of A = L L^H, or U^H U, which is given by its factor [..., N, N]."""
    one = eye(factor.shape[-1], dtype=factor.dtype, device=factor.device)
    return cholesky_solve(one, factor, upper)


def inverse(x: Tensor) -> Tensor:
    """`weft.linalg.inv`."""
    return linalg.inv(x)


def pinverse(x: Tensor, rcond: float = 1e-15) -> Tensor:
    """`weft.linalg.pinv`, of singular values above ``rcond`` times the largest."""
    return linalg.pinv(x, rtol=rcond)


def logdet(x: Tensor) -> Tensor:
    """The logarithm of the determinant of x [..., N, N]: NaN where that is negative."""
    found = slogdet(x)
    if x.dtype.is_complex:
        return log(found.sign) + found.logabsdet
    return where(found.sign < 0, float("nan"), found.logabsdet)


def addbmm(
    x: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """beta * x + alpha * the sum of the products of matrices [B, N, M] and [B, M, P]: [N, P].

    Raises:
        ShapeError: the batches do not fit.
    """
    if batch1.ndim != 3 or batch2.ndim != 3 or batch1.shape[0] != batch2.shape[0]:
        raise _fail(
            ShapeError,
            f"addbmm: shapes {batch1.shape} and {batch2.shape} are no two batches of matrices",
        )
    # One product: the batch is a part of what is summed over.
    left = reshape(moveaxis(batch1, 0, 1), (batch1.shape[1], -1))
    right = reshape(batch2, (-1, batch2.shape[2]))
    return addmm(x, left, right, beta=beta, alpha=alpha)


def chain_matmul(*matrices: Tensor) -> Tensor:
    """The product of matrices in the order of least work; see `weft.linalg.multi_dot`."""
    return matrices[0] if len(matrices) == 1 else linalg.multi_dot(matrices)


class SVD(NamedTuple):
    """What `svd` returns."""

    U: Tensor
    S: Tensor
    V: Tensor


def svd(x: Tensor, some: bool = True, compute_uv: bool = True) -> SVD:
    """x = U diag(S) V^H, as PyTorch's older function has it: V, where `weft.linalg.svd` has V^H.

    Args:
        some: U and V have as many columns as there are singular values, else all.
        compute_uv: without, U and V are zeros.
    """
    found = linalg.svd(x, full_matrices=not some)
    u, v = found.U, adjoint(found.Vh)
    return SVD(u, found.S, v) if compute_uv else SVD(zeros_like(u), found.S, zeros_like(v))


def qr(x: Tensor, some: bool = True) -> QRResult:
    """x = Q R; see `weft.linalg.qr`. Without ``some`` Q is square."""
    return linalg.qr(x, mode="reduced" if some else "complete")


def lu(x: Tensor, pivot: bool = True, get_infos: bool = False) -> tuple[Tensor, ...]:
    """L and U in one matrix, and LAPACK's pivots, with ``get_infos`` also where a pivot is 0; see
    `weft.linalg.lu_factor`."""
    found = linalg.lu_factor_ex(x, pivot=pivot)
    return tuple(found) if get_infos else (found.LU, found.pivots)


def lu_solve(b: Tensor, factors: Tensor, pivots: Tensor) -> Tensor:
    """The X with A X = b, where A is given by `lu`; see `weft.linalg.lu_solve`."""
    return linalg.lu_solve(factors, pivots, b)


def lu_unpack(
    factors: Tensor, pivots: Tensor, unpack_data: bool = True, unpack_pivots: bool = True
) -> LUResult:
    """P, L and U of what `lu` gives: A = P L U. What is not to be unpacked is [0].

    Raises:
        ShapeError: the factors are no matrices, or the pivots do not fit them.
    """
    nothing = zeros_like(factors).flatten()[:0]
    if factors.ndim < 2 or pivots.shape != (*factors.shape[:-2], min(factors.shape[-2:])):
        raise _fail(
            ShapeError,
            f"lu_unpack: pivots of shape {pivots.shape} do not fit factors of {factors.shape}",
        )
    lower, upper = triangles(factors) if unpack_data else (nothing, nothing)
    permutation = nothing
    if unpack_pivots:
        rows = factors.shape[-2]
        order = expand_dims(order_of_pivots(with_all_rows(pivots, rows)), axis=-2)
        places = expand_dims(arange(rows, device=factors.device), axis=-1)
        permutation = astype(order == places, factors.dtype)
    return LUResult(permutation, lower, upper)


def orgqr(x: Tensor, tau: Tensor) -> Tensor:
    """`weft.linalg.householder_product`."""
    return linalg.householder_product(x, tau)


class TriangularSolution(NamedTuple):
    """What `triangular_solve` returns."""

    solution: Tensor
    cloned_coefficient: Tensor


def triangular_solve(
    b: Tensor, a: Tensor, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> TriangularSolution:
    """The X with a X = b, or a^T X = b, of a triangular a; see `weft.linalg.solve_triangular`."""
    matrix = matrix_transpose(a) if transpose else a
    is_upper = upper != transpose
    solution = linalg.solve_triangular(matrix, b, upper=is_upper, unitriangular=unitriangular)
    return TriangularSolution(solution, a.clone())


def frobenius_norm(x: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """The square root of the sum of the squares along ``dim`` (None: all)."""
    return linalg.vector_norm(x, axis=None if dim in ((), []) else dim, keepdims=keepdim)


def nuclear_norm(x: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """The sum of the singular values of matrices in two dimensions ``dim`` (None: the last)."""
    places = normalize_axes((-2, -1) if dim is None else dim, x.ndim, "nuclear_norm")
    found = linalg.matrix_norm(moveaxis(x, places, (-2, -1)), ord="nuc")
    return expand_dims(found, axis=tuple(sorted(places))) if keepdim else found


def norm_except_dim(v: Tensor, pow: float = 2, dim: int = 0) -> Tensor:
    """The norms of order ``pow`` of the slices at each index of ``dim``, of all for -1."""
    if dim == -1:
        return norm(reshape(v, -1), ord=pow)
    place = normalize_axis(dim, v.ndim, "norm_except_dim")
    rows = moveaxis(v, place, 0)
    norms = norm(reshape(rows, (rows.shape[0], math.prod(rows.shape[1:]))), ord=pow, axis=1)
    return reshape(norms, [size if axis == place else 1 for axis, size in enumerate(v.shape)])


__all__ = ["det", "matrix_power", "matrix_rank", "slogdet"]

"""Factors of matrices to solve equations by, and results that say whether there were any."""

from __future__ import annotations

from typing import Any, NamedTuple

from .. import _ops
from .._complex import abs
from .._control_flow import fori_loop
from .._core import Tensor
from .._creation import _fail, _iota, asarray, eye, zeros
from .._dtypes import int32, int64
from .._errors import LinAlgError, ShapeError, UnsupportedError
from .._gathering import take_along_axis
from .._linear import matmul
from .._manipulation import (
    astype,
    broadcast_shapes,
    broadcast_to,
    common_operands,
    concat,
    expand_dims,
    matrix_transpose,
    tril,
    triu,
)
from .._reductions import all, any, argmax, sum
from ._matrices import (
    _adjoint,
    _factors,
    _inexact,
    _matrices,
    _sides,
    cholesky,
    diagonal,
    inv,
    solve,
    solve_triangular,
)


class CholeskyEx(NamedTuple):
    """What `cholesky_ex` returns."""

    L: Tensor
    info: Tensor


class InverseEx(NamedTuple):
    """What `inv_ex` returns."""

    inverse: Tensor
    info: Tensor


class SolveEx(NamedTuple):
    """What `solve_ex` returns."""

    result: Tensor
    info: Tensor


class LUFactors(NamedTuple):
    """What `lu_factor` returns."""

    LU: Tensor
    pivots: Tensor


class LUFactorsEx(NamedTuple):
    """What `lu_factor_ex` returns."""

    LU: Tensor
    pivots: Tensor
    info: Tensor


def _checked(name: str, info: Tensor, check_errors: bool, what: str) -> Tensor:
    """``info``; raises LinAlgError if it is not 0 and that is asked for."""
    if check_errors and bool(any(info != 0)):
        raise _fail(LinAlgError, f"{name}: {what}; info is {info.tolist()}")
    return info


def cholesky_ex(x: Tensor, /, *, upper: bool = False, check_errors: bool = False) -> CholeskyEx:
    """`cholesky` of x [..., N, N], and an ``info`` (int32, [...]) that is 0 where there is one.

    Where x is not positive definite, the factor is NaN and ``info`` 1; LAPACK's, which says how
    large the first leading block is that is not, is not computed.

    Raises:
        LinAlgError: ``check_errors`` and x is not positive definite; such a check can't be
            compiled. Others as `cholesky`.
    """
    factor = cholesky(x, upper=upper)
    info = astype(~all(_ops.isfinite(abs(factor)), axis=(-2, -1)), int32)
    return CholeskyEx(factor, _checked("cholesky_ex", info, check_errors, "no positive matrix"))


def _info_of(factors: Tensor) -> Tensor:
    """Which element of the diagonal is the first 0, counted from 1; 0 if none is."""
    is_zero = diagonal(factors) == 0
    if not is_zero.shape[-1]:
        return sum(astype(is_zero, int32), axis=-1, dtype=int32)
    first = argmax(astype(is_zero, int32), axis=-1) + 1
    return astype(_ops.where(any(is_zero, axis=-1), first, 0), int32)


def inv_ex(x: Tensor, /, *, check_errors: bool = False) -> InverseEx:
    """`inv` of x [..., N, N], and an ``info`` (int32, [...]): 0 where there is an inverse, else
    which element of U's diagonal, counted from 1, is 0 first.

    Raises:
        LinAlgError: ``check_errors`` and x is singular; such a check can't be compiled. Others as
            `inv`.
    """
    factors, _ = _factors(x, "inv_ex")
    info = _checked("inv_ex", _info_of(factors), check_errors, "a singular matrix")
    return InverseEx(inv(x), info)


def solve_ex(
    x1: Tensor, x2: Tensor, /, *, left: bool = True, check_errors: bool = False
) -> SolveEx:
    """The x with x1 x = x2, or x x1 = x2 unless ``left``, and an ``info`` as that of `inv_ex`.

    Raises:
        LinAlgError: ``check_errors`` and x1 is singular; such a check can't be compiled. Others as
            `solve`.
    """
    factors, _ = _factors(x1, "solve_ex")
    info = _checked("solve_ex", _info_of(factors), check_errors, "a singular matrix")
    if left:
        return SolveEx(solve(x1, x2), info)
    turned = solve(matrix_transpose(asarray(x1)), matrix_transpose(asarray(x2)))
    return SolveEx(matrix_transpose(turned), info)


# Factors that are kept -----------------------------------------------------------------------


def _exchanged(order: Tensor, step: Tensor, other: Tensor) -> Tensor:
    """Orders [..., N] with the elements at ``step`` and at ``other`` [..., 1] exchanged."""
    places = _iota((order.shape[-1],), 0, int64, order.device)
    here = sum(_ops.where(places == step, order, 0), axis=-1, keepdims=True)
    there = sum(_ops.where(places == other, order, 0), axis=-1, keepdims=True)
    return _ops.where(places == step, there, _ops.where(places == other, here, order))


def _pivots_of(permutation: Tensor) -> Tensor:
    """LAPACK's pivots, from 1, of the order [..., N] that they bring rows into."""
    size = permutation.shape[-1]
    places = _iota((size,), 0, int64, permutation.device)
    start = broadcast_to(places, permutation.shape)
    wanted = astype(permutation, int64)

    def step(i: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        order, pivots = state
        next_row = sum(_ops.where(places == i, wanted, 0), axis=-1, keepdims=True)
        found = sum(_ops.where(order == next_row, places, 0), axis=-1, keepdims=True)
        return _exchanged(order, i, found), _ops.where(places == i, found + 1, pivots)

    return astype(fori_loop(0, size, step, (start, start))[1], int32)


def order_of_pivots(pivots: Tensor) -> Tensor:
    """The order [..., N] that LAPACK's pivots, from 1, bring rows into."""
    size = pivots.shape[-1]
    places = _iota((size,), 0, int64, pivots.device)
    wide = astype(pivots, int64) - 1

    def step(i: Tensor, order: Tensor) -> Tensor:
        other = sum(_ops.where(places == i, wide, 0), axis=-1, keepdims=True)
        return _exchanged(order, i, other)

    return fori_loop(0, size, step, broadcast_to(places, pivots.shape))


def lu_factor(x: Tensor, /, *, pivot: bool = True) -> LUFactors:
    """L and U of `lu` in one matrix [..., M, N], and LAPACK's pivots (int32, [..., K], from 1; K is
    the smaller of M and N): row i was exchanged with row pivots[i] - 1, one after the other.

    Gradients go through the matrix.

    Raises:
        UnsupportedError: without ``pivot``, or without SciPy. Others as `lu`.
    """
    found = _lu_factors("lu_factor", x, pivot)
    return LUFactors(found.LU, found.pivots)


def lu_factor_ex(x: Tensor, /, *, pivot: bool = True, check_errors: bool = False) -> LUFactorsEx:
    """`lu_factor`, and an ``info`` as that of `inv_ex`.

    Raises:
        LinAlgError: ``check_errors`` and x is singular; such a check can't be compiled. Others as
            `lu_factor`.
    """
    found = _lu_factors("lu_factor_ex", x, pivot)
    _checked("lu_factor_ex", found.info, check_errors, "a singular matrix")
    return found


def _lu_factors(name: str, x: Any, pivot: bool) -> LUFactorsEx:
    if not pivot:
        raise _fail(UnsupportedError, f"{name}: rows are always exchanged; leave pivot=True")
    factors, order = lu_in_one(x, name)
    pivots = _pivots_of(order)[..., : min(factors.shape[-2:])]
    return LUFactorsEx(factors, pivots, _info_of(factors))


def lu_in_one(x: Any, name: str) -> tuple[Tensor, Tensor]:
    """L and U in one matrix [..., M, N], and the order [..., M] of x's rows in which they are."""
    x = _matrices(x, name)
    rows, columns = x.shape[-2:]
    if rows == columns:
        return _factors(x, name)
    if not rows or not columns:
        order = _iota((rows,), 0, int64, x.device)
        return x, astype(broadcast_to(order, x.shape[:-1]), int32)
    if rows < columns:
        factors, order = _factors(x[..., :rows], name)
        rest = take_along_axis(x[..., rows:], _rows(order, x[..., rows:]), axis=-2)
        right = solve_triangular(factors, rest, upper=False, unitriangular=True)
        return concat([factors, right], axis=-1), order
    return _tall(x, name)


def _tall(x: Tensor, name: str) -> tuple[Tensor, Tensor]:
    """Of more rows than columns: columns of zeros tell which rows come first. Their own factors are
    those that the other rows are divided by; of a singular matrix they are taken as they are."""
    rows, columns = x.shape[-2:]
    padding = zeros((*x.shape[:-1], rows - columns), dtype=x.dtype, device=x.device)
    whole, order = _factors(_ops.stop_gradient(concat([x, padding], axis=-1)), name)
    first = take_along_axis(x, _rows(order, x)[..., :columns, :], axis=-2)
    square, inner = _factors(first, name)
    exchanged = take_along_axis(order[..., :columns], astype(inner, int64), axis=-1)
    placed = concat([exchanged, order[..., columns:]], axis=-1)
    placed = order_of_pivots(with_all_rows(_pivots_of(placed)[..., :columns], rows))
    rest = take_along_axis(x, _rows(placed, x)[..., columns:, :], axis=-2)
    below = solve_triangular(matrix_transpose(square), matrix_transpose(rest), upper=False)
    factors = concat([square, matrix_transpose(below)], axis=-2)
    is_singular = any(diagonal(square) == 0, axis=-1, keepdims=True)
    return (
        _ops.where(expand_dims(is_singular, axis=-1), whole[..., :columns], factors),
        _ops.where(is_singular, astype(order, int64), placed),
    )


def with_all_rows(pivots: Tensor, rows: int) -> Tensor:
    """LAPACK's pivots for so many rows: those that have none stay where they are."""
    known = pivots.shape[-1]
    rest = astype(_iota((rows - known,), 0, int64, pivots.device) + (known + 1), pivots.dtype)
    return concat([pivots, broadcast_to(rest, (*pivots.shape[:-1], rows - known))], axis=-1)


def lu_solve(
    factors: Tensor, pivots: Tensor, b: Tensor, /, *, left: bool = True, adjoint: bool = False
) -> Tensor:
    """The X with A X = b, of A's `lu_factor`.

    Args:
        factors, pivots: [..., N, N] and [..., N].
        b: [..., N, K], or [..., K, N] unless ``left``.
        left: without it X A = b.
        adjoint: A^H stands in the place of A.

    Raises:
        ShapeError: the shapes do not fit. DTypeError: a tensor is of halves. UnsupportedError: no
            SciPy.
    """
    if not left:
        # The transpose of X A is A^T X^T, and that of X A^H is conj(A) X^T.
        return matrix_transpose(
            _solved(factors, pivots, matrix_transpose(asarray(b)), not adjoint, adjoint)
        )
    return _solved(factors, pivots, b, adjoint, adjoint)


def _solved(factors: Any, pivots: Any, b: Any, turned: bool, conjugated: bool) -> Tensor:
    """By A, its transpose, its conjugate, or both."""
    factors, right, _ = _sides(factors, b, "lu_solve")
    pivots = asarray(pivots)
    if pivots.ndim == 0 or pivots.shape[-1] != factors.shape[-1]:
        raise _fail(
            ShapeError,
            f"lu_solve: pivots of shape {pivots.shape} do not fit matrices of {factors.shape}",
        )
    if conjugated:
        from .._complex import conj

        factors = conj(factors)
    order = order_of_pivots(broadcast_to(pivots, factors.shape[:-1]))
    if not turned:
        placed = take_along_axis(right, _rows(order, right), axis=-2)
        half = solve_triangular(factors, placed, upper=False, unitriangular=True)
        return solve_triangular(factors, half, upper=True)
    flipped = matrix_transpose(factors)
    half = solve_triangular(flipped, right, upper=False)
    found = solve_triangular(flipped, half, upper=True, unitriangular=True)
    places = _iota((order.shape[-1],) * 2, 0, int64, order.device)
    inverse = sum(_ops.where(expand_dims(order, axis=-2) == places, places.mT, 0), axis=-1)
    return take_along_axis(found, _rows(inverse, found), axis=-2)


def _rows(order: Tensor, x: Tensor) -> Tensor:
    return broadcast_to(expand_dims(order, axis=-1), x.shape)


def householder_product(x: Tensor, tau: Tensor, /) -> Tensor:
    """The first N columns of the product of K reflections 1 - tau[i] v v^H, which are the columns
    of x [..., M, N] below the diagonal, where they are 1; tau is [..., K].

    By their compact form 1 - V T V^H (Schreiber and Van Loan, 1989), whose T is the inverse of
    1 + diag(tau) times V^H V above the diagonal, times diag(tau).

    Raises:
        ShapeError: x is wider than high, or tau has more reflections than x columns. DTypeError: x
            is of halves. UnsupportedError: no SciPy.
    """
    x, tau = common_operands(_inexact(x), _inexact(tau))
    x = _matrices(x, "householder_product")
    rows, columns = x.shape[-2:]
    count = tau.shape[-1] if tau.ndim else -1
    if not 0 <= count <= columns <= rows:
        raise _fail(
            ShapeError,
            f"householder_product: tau of shape {tau.shape} does not fit x of shape {x.shape}, "
            "which has to be at least as high as wide",
        )
    batch = broadcast_shapes(x.shape[:-2], tau.shape[:-1])
    x = broadcast_to(x, (*batch, rows, columns))
    scale = expand_dims(broadcast_to(tau, (*batch, count)), axis=-1)
    unit = eye(rows, columns, dtype=x.dtype, device=x.device)
    vectors = (tril(x, k=-1) + unit)[..., :count]
    product = scale * triu(matmul(_adjoint(vectors), vectors), k=1)
    first = scale * _adjoint(vectors)[..., :columns]
    inner = solve_triangular(product, first, upper=True, unitriangular=True)
    return unit - matmul(vectors, inner)

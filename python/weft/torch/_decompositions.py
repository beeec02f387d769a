"""Rules for decompositions of matrices, and what is computed by them.

Determinants and solutions give factors beside their result, which gradients read. PyTorch makes
them of x or of its transpose, by how x lies in memory: `FACTORED` takes the ops apart while that is
known.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

import weft
from weft import linalg

from .._creation import _fail
from .._errors import UnsupportedError
from ._rules import TABLE, method

TABLE.rule("aten.linalg_eig.default")(lambda x: tuple(linalg.eig(x)))
TABLE.rule("aten.linalg_eigvals.default")(linalg.eigvals)
TABLE.rule("aten.linalg_matrix_exp.default")(linalg.matrix_exp)
TABLE.rule("aten.linalg_householder_product.default")(linalg.householder_product)
method("cholesky_solve", "aten.cholesky_solve.default")
method("cholesky_inverse", "aten.cholesky_inverse.default")


def _factored(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, bool]:
    """LU, pivots and info as PyTorch makes them, and whether they are those of the transpose."""
    turned = x.is_contiguous() and not x.is_complex()
    factors, pivots, info = torch.ops.aten.linalg_lu_factor_ex(x.mT if turned else x)
    return factors, pivots, info, turned


def _parity(pivots: torch.Tensor) -> torch.Tensor:
    """1, or -1 where rows were exchanged an odd number of times."""
    places = torch.arange(1, pivots.shape[-1] + 1, dtype=pivots.dtype, device=pivots.device)
    return 1 - 2 * ((pivots != places).sum(-1) % 2)


def _determinant(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    factors, pivots, _, _ = _factored(x)
    return factors.diagonal(0, -2, -1).prod(-1) * _parity(pivots), factors, pivots


def _logarithm_of_determinant(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    factors, pivots, _, _ = _factored(x)
    diagonal = factors.diagonal(0, -2, -1)
    sign = diagonal.sgn().prod(-1) * _parity(pivots)
    return sign, diagonal.abs().log().sum(-1), factors, pivots


def _solution(
    lhs: torch.Tensor, rhs: torch.Tensor, *, left: bool = True, check_errors: bool = False
) -> tuple[torch.Tensor, ...]:
    factors, pivots, info, turned = _factored(lhs)
    is_vector = rhs.ndim == 1 or (lhs.ndim - 1 == rhs.ndim and rhs.shape == lhs.shape[:-1])
    wide = rhs.unsqueeze(-1) if is_vector else rhs
    found = torch.ops.aten.linalg_lu_solve(factors, pivots, wide, left=left, adjoint=turned)
    return found.squeeze(-1) if is_vector else found, factors, pivots, info


#: What is taken apart for the sake of the factors beside the results.
FACTORED: dict[Any, Callable] = {
    torch.ops.aten._linalg_det.default: _determinant,
    torch.ops.aten._linalg_slogdet.default: _logarithm_of_determinant,
    torch.ops.aten._linalg_solve_ex.default: _solution,
}


def _empty(x: weft.Tensor) -> weft.Tensor:
    return weft.empty((0,), dtype=x.dtype)


@TABLE.rule("aten._linalg_svd.default")
def _svd(
    x: weft.Tensor, full: bool = False, with_vectors: bool = True, *, driver: str | None = None
) -> tuple:
    if not with_vectors:
        return _empty(x), linalg.svdvals(x), _empty(x)
    return tuple(linalg.svd(x, full_matrices=full))


@TABLE.rule("aten._linalg_eigh.default")
def _eigh(x: weft.Tensor, triangle: str = "L", with_vectors: bool = True) -> tuple:
    lower = x if triangle.upper() == "L" else weft.conj(weft.matrix_transpose(x))
    if not with_vectors:
        return linalg.eigvalsh(lower), _empty(x)
    return tuple(linalg.eigh(lower))


@TABLE.rule("aten.linalg_qr.default")
def _qr(x: weft.Tensor, mode: str = "reduced") -> tuple:
    q, r = linalg.qr(x, mode="reduced" if mode == "r" else mode)
    return (_empty(x) if mode == "r" else q), r


@TABLE.rule("aten.linalg_cholesky_ex.default")
def _cholesky(x: weft.Tensor, *, upper: bool = False, check_errors: bool = False) -> tuple:
    return tuple(linalg.cholesky_ex(x, upper=upper))


@TABLE.rule("aten.cholesky.default")
def _older_cholesky(x: weft.Tensor, upper: bool = False) -> weft.Tensor:
    return linalg.cholesky(x, upper=upper)


@TABLE.rule("aten.linalg_inv_ex.default")
def _inverse(x: weft.Tensor, *, check_errors: bool = False) -> tuple:
    return tuple(linalg.inv_ex(x))


@TABLE.rule("aten.linalg_pinv.atol_rtol_tensor")
def _pseudoinverse(
    x: weft.Tensor, *, atol: Any = None, rtol: Any = None, hermitian: bool = False
) -> weft.Tensor:
    """By singular values, of which those at most max(atol, rtol times the largest) count as 0."""
    u, values, vh = linalg.svd(x, full_matrices=False)
    if not values.shape[-1]:
        return weft.zeros((*x.shape[:-2], x.shape[-1], x.shape[-2]), dtype=x.dtype)
    if rtol is None:
        rtol = max(x.shape[-2:]) * weft.finfo(x.dtype).eps if atol is None else 0.0
    absolute = weft.asarray(0.0 if atol is None else atol, dtype=values.dtype)[..., None]
    relative = weft.asarray(rtol, dtype=values.dtype)[..., None]
    least = weft.maximum(absolute, relative * values[..., :1])
    inverses = weft.where(values > least, 1 / values, 0.0)
    return (weft.conj(vh.mT) * weft.astype(inverses, x.dtype)[..., None, :]) @ weft.conj(u.mT)


@TABLE.rule("aten.linalg_lu_factor_ex.default")
def _lu_factor(x: weft.Tensor, *, pivot: bool = True, check_errors: bool = False) -> tuple:
    return tuple(linalg.lu_factor_ex(x, pivot=pivot))


@TABLE.rule("aten.linalg_lu_solve.default")
def _lu_solve(
    factors: weft.Tensor,
    pivots: weft.Tensor,
    rhs: weft.Tensor,
    *,
    left: bool = True,
    adjoint: bool = False,
) -> weft.Tensor:
    return linalg.lu_solve(factors, pivots, rhs, left=left, adjoint=adjoint)


@TABLE.rule("aten.linalg_lu.default")
def _lu(x: weft.Tensor, *, pivot: bool = True) -> tuple:
    if not pivot:
        raise _fail(UnsupportedError, "lu without exchanges of rows")
    return tuple(linalg.lu(x))


@TABLE.rule("aten.lu_unpack.default")
def _lu_unpack(
    factors: weft.Tensor, pivots: weft.Tensor, data: bool = True, unpack_pivots: bool = True
) -> tuple:
    return tuple(weft.lu_unpack(factors, pivots, data, unpack_pivots))


@TABLE.rule("aten.linalg_solve_triangular.default")
def _solve_triangular(
    lhs: weft.Tensor,
    rhs: weft.Tensor,
    *,
    upper: bool,
    left: bool = True,
    unitriangular: bool = False,
) -> weft.Tensor:
    return linalg.solve_triangular(lhs, rhs, upper=upper, left=left, unitriangular=unitriangular)


@TABLE.rule("aten.triangular_solve.default")
def _older_solve_triangular(
    rhs: weft.Tensor,
    lhs: weft.Tensor,
    upper: bool = True,
    transpose: bool = False,
    unitriangular: bool = False,
) -> tuple:
    return tuple(rhs.triangular_solve(lhs, upper, transpose, unitriangular))

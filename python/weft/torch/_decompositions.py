"""Rules for decompositions of matrices, and what is computed by them.

The factors that `_linalg_det` and others give beside their result, which are those of x or of its
transpose by how x lies in memory, are not made: where a graph reads them, as for a gradient, the op
stays in PyTorch.
"""

from __future__ import annotations

import weft
from weft import linalg

from .._creation import _fail
from .._errors import UnsupportedError
from ._rules import TABLE, UNMADE, method

TABLE.rule("aten.linalg_eig.default")(lambda x: tuple(linalg.eig(x)))
TABLE.rule("aten.linalg_eigvals.default")(linalg.eigvals)
TABLE.rule("aten.linalg_matrix_exp.default")(linalg.matrix_exp)
TABLE.rule("aten.linalg_householder_product.default")(linalg.householder_product)
method("cholesky_solve", "aten.cholesky_solve.default")
method("cholesky_inverse", "aten.cholesky_inverse.default")
UNMADE.update(
    {
        "aten._linalg_det.default": (1, 2),
        "aten._linalg_slogdet.default": (2, 3),
        "aten._linalg_solve_ex.default": (1, 2),
    }
)


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


@TABLE.rule("aten._linalg_det.default")
def _determinant(x: weft.Tensor) -> tuple:
    return linalg.det(x), None, None


@TABLE.rule("aten._linalg_slogdet.default")
def _logarithm_of_determinant(x: weft.Tensor) -> tuple:
    return *linalg.slogdet(x), None, None


@TABLE.rule("aten._linalg_solve_ex.default")
def _solve(
    lhs: weft.Tensor, rhs: weft.Tensor, *, left: bool = True, check_errors: bool = False
) -> tuple:
    result, info = linalg.solve_ex(lhs, rhs, left=left)
    return result, None, None, info


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

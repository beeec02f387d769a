"""PyTorch's names of linear algebra outside of `weft.linalg`."""

from __future__ import annotations

from . import linalg
from ._complex import conj
from ._core import Tensor
from ._creation import eye
from ._manipulation import matrix_transpose
from ._ops import log, where
from .linalg import det, matrix_power, matrix_rank, slogdet


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


__all__ = ["det", "matrix_power", "matrix_rank", "slogdet"]

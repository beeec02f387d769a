"""Functions of matrices, matrices of a pattern, and equations of tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .. import _ops
from .._complex import abs, conj
from .._control_flow import while_loop
from .._core import Tensor
from .._creation import _fail, _iota, asarray, eye, ones_like
from .._dtypes import finfo, int64
from .._errors import OptionError, ShapeError
from .._linear import matmul
from .._manipulation import (
    astype,
    broadcast_to,
    concat,
    expand_dims,
    flip,
    permute_dims,
    reshape,
    take,
)
from .._reductions import any, cumulative_prod, max, sum
from ._matrices import _matrices, inv, solve

#: Higham, "The scaling and squaring method for the matrix exponential revisited" (2005): up to
#: which norm the Padé approximant of a degree is good to the digits of float32 and of float64.
_PADE = {4: (7, 3.925724783138660), 8: (13, 5.371920351148152)}

#: So often is a matrix halved at most: e to the power of larger norms means nothing.
_MOST_SQUARINGS = 64


def _pade(x: Tensor, degree: int) -> Tensor:
    """Padé's approximant of the exponential, of one degree above and below."""
    coefficients = [
        math.factorial(2 * degree - j)
        * math.factorial(degree)
        / (math.factorial(2 * degree) * math.factorial(j) * math.factorial(degree - j))
        for j in range(degree + 1)
    ]
    one = eye(x.shape[-1], dtype=x.dtype, device=x.device)
    square = matmul(x, x)
    power, odd, even = one, one * coefficients[1], one * coefficients[0]
    for j in range(2, degree + 1, 2):
        power = square if j == 2 else matmul(power, square)
        even = even + power * coefficients[j] if j <= degree else even
        odd = odd + power * coefficients[j + 1]
    odd = matmul(x, odd)
    return solve(even - odd, even + odd)


def matrix_exp(x: Tensor, /) -> Tensor:
    """e to the power of x [..., N, N]: the sum of x^k / k!.

    By scaling and squaring of the Padé approximant of degree 13, in float32 and complex64 of degree
    7 (Higham, 2005). NaN where the 1-norm of x is above 2**64.

    Raises:
        ShapeError: x is not square. DTypeError: x is of halves. UnsupportedError: no SciPy.
    """
    x = _matrices(x, "matrix_exp", square=True)
    if not x.shape[-1]:
        return x
    degree, limit = _PADE[finfo(x.dtype).bits // 8]
    size = _ops.stop_gradient(max(sum(abs(x), axis=-2), axis=-1))
    is_usable = size <= 2.0**_MOST_SQUARINGS
    ratio = _ops.where(is_usable & (size > limit), size / limit, 1.0)
    turns = _ops.ceil(_ops.log2(ratio))
    turns = expand_dims(expand_dims(turns, axis=-1), axis=-1)
    scaled = x * astype(_ops.exp2(-turns), x.dtype)
    start = _pade(_ops.where(expand_dims(is_usable, axis=(-1, -2)), scaled, math.nan), degree)

    def squared(state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        left, result = state
        return left - 1, _ops.where(left > 0, matmul(result, result), result)

    return while_loop(
        lambda state: any(state[0] > 0), squared, (turns, start), max_iterations=_MOST_SQUARINGS
    )[1]


def expm(x: Tensor, /) -> Tensor:
    """`matrix_exp`, by SciPy's and JAX's name."""
    return matrix_exp(x)


def vander(x: Tensor, /, *, N: int | None = None) -> Tensor:  # noqa: N803 (PyTorch's name)
    """The powers 0 to N - 1 (None: as many as elements) of x [..., n]: [..., n, N].

    Raises:
        ShapeError: x is a number, or N negative.
    """
    x = asarray(x)
    if x.ndim < 1:
        raise _fail(ShapeError, "vander: x has shape (), but has to be a vector, or several")
    count = x.shape[-1] if N is None else N
    if count < 0:
        raise _fail(ShapeError, f"vander: N is {count}, but can't be negative")
    repeated = broadcast_to(expand_dims(x, axis=-1), (*x.shape, count))
    if not count:
        return repeated
    first = ones_like(repeated[..., :1])
    factors = concat([first, repeated[..., 1:]], axis=-1)
    return cumulative_prod(factors, axis=-1, dtype=x.dtype)


def tensorinv(x: Tensor, /, *, ind: int = 2) -> Tensor:
    """The inverse of x as a linear map: of its dimensions from ``ind`` on to those before.

    Returns:
        [*x.shape[ind:], *x.shape[:ind]]; `tensordot` of it with x over ``ind`` dimensions is one.

    Raises:
        OptionError: ind is not above 0. ShapeError: the products of both parts of the shape differ.
            Others as `inv`.
    """
    x = asarray(x)
    if ind <= 0:
        raise _fail(OptionError, f"tensorinv: ind has to be above 0, not {ind}")
    before, after = x.shape[:ind], x.shape[ind:]
    if math.prod(before) != math.prod(after):
        raise _fail(ShapeError, f"tensorinv: {before} and {after} are not of one size")
    return reshape(inv(reshape(x, (math.prod(before), -1))), (*after, *before))


def tensorsolve(x1: Tensor, x2: Tensor, /, *, dims: Sequence[int] | None = None) -> Tensor:
    """The X with tensordot(x1, X, X.ndim) = x2.

    Args:
        x1: [*x2.shape, *X.shape], with as many elements in both parts.
        dims: dimensions of x1 that are moved to its end before.

    Raises:
        ShapeError: the shapes do not fit. Others as `solve`.
    """
    x1, x2 = asarray(x1), asarray(x2)
    if dims is not None:
        moved = [dim % x1.ndim for dim in dims]
        kept = [dim for dim in range(x1.ndim) if dim not in moved]
        x1 = permute_dims(x1, (*kept, *moved))
    shape = x1.shape[x2.ndim :]
    size = math.prod(shape)
    if x1.shape[: x2.ndim] != x2.shape or size != math.prod(x2.shape):
        raise _fail(
            ShapeError, f"tensorsolve: x1 of shape {x1.shape} does not fit x2 of shape {x2.shape}"
        )
    return reshape(solve(reshape(x1, (size, size)), reshape(x2, (size,))), shape)


def toeplitz(c: Tensor, /, r: Any = None) -> Tensor:
    """The matrix of the first column c [M] and the first row r [N], whose diagonals are constant.

    Without r it is conj(c); the first element of r is not used.

    Raises:
        ShapeError: c or r is no vector.
    """
    column = asarray(c)
    row = conj(column) if r is None else asarray(r)
    if column.ndim != 1 or row.ndim != 1:
        raise _fail(
            ShapeError,
            f"toeplitz: c and r have to be vectors, but have shapes {column.shape} and {row.shape}",
        )
    shape = (column.shape[0], row.shape[0])
    values = concat([flip(column), row[1:]])
    if not math.prod(shape):
        return reshape(values[:0], shape)
    rows, columns = (_iota(shape, axis, int64, values.device) for axis in (0, 1))
    return reshape(take(values, reshape(shape[0] - 1 - rows + columns, (-1,))), shape)

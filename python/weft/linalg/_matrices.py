"""Decompositions, equations, norms and products of matrices: the array API's, and some more."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

from .. import _core, _ops
from .._complex import abs, conj, sign
from .._control_flow import cond as cond_of
from .._core import Tensor
from .._creation import _fail, _iota, asarray, eye, zeros
from .._custom_derivatives import custom_jvp
from .._dtypes import DType, as_dtype, finfo, float32, int64
from .._errors import DTypeError, OptionError, ShapeError
from .._lapack import require_lapack
from .._linear import matmul
from .._manipulation import (
    Axes,
    astype,
    broadcast_shapes,
    broadcast_to,
    common_operands,
    concat,
    expand_dims,
    flip,
    matrix_transpose,
    moveaxis,
    normalize_axes,
    normalize_axis,
    reshape,
    stack,
    tril,
    triu,
)
from .._reductions import any, cumulative_prod, max, min, prod, sum
from .._reductions import norm as norm_of


class EighResult(NamedTuple):
    """What `eigh` returns."""

    eigenvalues: Tensor
    eigenvectors: Tensor


class EigResult(NamedTuple):
    """What `eig` returns."""

    eigenvalues: Tensor
    eigenvectors: Tensor


class QRResult(NamedTuple):
    """What `qr` returns."""

    Q: Tensor
    R: Tensor


class SlogdetResult(NamedTuple):
    """What `slogdet` returns."""

    sign: Tensor
    logabsdet: Tensor


class SVDResult(NamedTuple):
    """What `svd` returns."""

    U: Tensor
    S: Tensor
    Vh: Tensor


class LstsqResult(NamedTuple):
    """What `lstsq` returns."""

    solution: Tensor
    residuals: Tensor
    rank: Tensor
    singular_values: Tensor


class LUResult(NamedTuple):
    """What `lu` returns."""

    P: Tensor
    L: Tensor
    U: Tensor


# Operands ------------------------------------------------------------------------------------


def _inexact(x: Any) -> Tensor:
    x = asarray(x)
    return x if x.dtype.is_inexact else astype(x, float32)


def _matrices(x: Any, name: str, square: bool = False) -> Tensor:
    """x as matrices that LAPACK takes. Raises ShapeError and DTypeError."""
    require_lapack()
    x = _inexact(x)
    if x.ndim < 2:
        raise _fail(
            ShapeError, f"{name}: x has shape {x.shape}, but has to be a matrix, or several"
        )
    if square and x.shape[-1] != x.shape[-2]:
        raise _fail(ShapeError, f"{name}: the matrices of shape {x.shape} are not square")
    if x.dtype.name in ("float16", "bfloat16"):
        raise _fail(
            DTypeError, f"{name}: LAPACK has no {x.dtype.name}; convert to float32 by astype"
        )
    return x


def _sides(x1: Any, x2: Any, name: str) -> tuple[Tensor, Tensor, bool]:
    """Both sides of equations in their common dtype and leading dimensions; whether the right one
    was a vector, which is a column then."""
    left, right = common_operands(_inexact(x1), _inexact(x2))
    left = _matrices(left, name, square=True)
    is_vector = right.ndim == 1
    right = _matrices(expand_dims(right, axis=-1) if is_vector else right, name)
    if right.shape[-2] != left.shape[-1]:
        raise _fail(
            ShapeError,
            f"{name}: matrices of shape {left.shape} do not fit a right side of shape "
            f"{asarray(x2).shape}",
        )
    batch = broadcast_shapes(left.shape[:-2], right.shape[:-2])
    left = broadcast_to(left, (*batch, *left.shape[-2:]))
    return left, broadcast_to(right, (*batch, *right.shape[-2:])), is_vector


def _adjoint(x: Tensor) -> Tensor:
    return conj(matrix_transpose(x))


# Decompositions ------------------------------------------------------------------------------


def cholesky(x: Tensor, /, *, upper: bool = False) -> Tensor:
    """The lower triangular L with x = L L^H, or the upper U with x = U^H U, of Hermitian x.

    x is [..., N, N], positive definite; the elements above the diagonal are not read. NaN where it
    is not.

    Raises:
        ShapeError: x is not square. DTypeError: x is of halves. UnsupportedError: no SciPy.
    """
    lower = _core.apply("weft.cholesky", (_matrices(x, "cholesky", square=True),))
    return _adjoint(lower) if upper else lower


def qr(x: Tensor, /, *, mode: str = "reduced") -> QRResult:
    """x = Q R: x [..., M, N], Q [..., M, K] with orthonormal columns, R [..., K, N] triangular.

    Args:
        x: matrices.
        mode: "reduced": K is the smaller of M and N; "complete": K is M. There the result has no
            gradient if M is greater than N.

    Raises:
        OptionError: there is no such mode. ShapeError: x has fewer than two dimensions.
        DTypeError: x is of halves. UnsupportedError: no SciPy.
    """
    if mode not in ("reduced", "complete"):
        raise _fail(OptionError, f'qr: mode is {mode!r}, but has to be "reduced" or "complete"')
    x = _matrices(x, "qr")
    full = mode == "complete" and x.shape[-2] > x.shape[-1]
    source = _ops.stop_gradient(x) if full else x
    return QRResult(*_core.apply("weft.qr", (source,), {"full": full}))


def svd(x: Tensor, /, *, full_matrices: bool = True) -> SVDResult:
    """x = U diag(S) Vh, with orthonormal columns in U and rows in Vh, and S descending.

    x is [..., M, N], S [..., K] with K the smaller of M and N; U [..., M, M], Vh [..., N, N], or
    without ``full_matrices`` [..., M, K] and [..., K, N]. Where there are vectors beyond K, U and
    Vh have no gradient; that of vectors of equal singular values is infinite.

    Raises:
        ShapeError: x has fewer than two dimensions. DTypeError: x is of halves.
        UnsupportedError: no SciPy.
    """
    x = _matrices(x, "svd")
    if not full_matrices or x.shape[-1] == x.shape[-2]:
        return SVDResult(*_core.apply("weft.svd", (x,), {"full": False}))
    u, s, vh = _core.apply("weft.svd", (x,), {"full": True})
    return SVDResult(_ops.stop_gradient(u), s, _ops.stop_gradient(vh))


def svdvals(x: Tensor, /) -> Tensor:
    """The singular values of x [..., M, N], descending: [..., K] with K the smaller of M and N.

    Raises:
        ShapeError: x has fewer than two dimensions. DTypeError: x is of halves.
        UnsupportedError: no SciPy.
    """
    x = _matrices(x, "svdvals")
    return _core.apply_one("weft.svdvals", (x,), 0, None)


def eigh(x: Tensor, /) -> EighResult:
    """The eigenvalues of Hermitian x [..., N, N], real and ascending, and eigenvectors (columns).

    The elements above the diagonal are not read. Gradients of vectors of equal values are infinite.

    Raises:
        ShapeError: x is not square. DTypeError: x is of halves. UnsupportedError: no SciPy.
    """
    return EighResult(*_core.apply("weft.eigh", (_matrices(x, "eigh", square=True),)))


def eigvalsh(x: Tensor, /) -> Tensor:
    """The eigenvalues of `eigh`."""
    return _core.apply_one("weft.eigvalsh", (_matrices(x, "eigvalsh", square=True),), 0, None)


def eig(x: Tensor, /) -> EigResult:
    """The eigenvalues of x [..., N, N] and its eigenvectors (columns, of length 1), both complex.

    Raises:
        ShapeError: x is not square. DTypeError: x is of halves. UnsupportedError: no SciPy.
    """
    return EigResult(*_core.apply("weft.eig", (_complex_matrices(x, "eig"),)))


def eigvals(x: Tensor, /) -> Tensor:
    """The eigenvalues of `eig`."""
    return _core.apply_one("weft.eigvals", (_complex_matrices(x, "eigvals"),), 0, None)


def _complex_matrices(x: Any, name: str) -> Tensor:
    x = _matrices(x, name, square=True)
    wide = as_dtype(
        "complex128" if x.dtype.itemsize > 4 and not x.dtype.is_complex else "complex64"
    )
    return x if x.dtype.is_complex else astype(x, wide)


def lu(x: Tensor, /) -> LUResult:
    """x = P L U of x [..., M, N]: a permutation [..., M, M], a unit lower triangular matrix
    [..., M, K] and an upper one [..., K, N], where K is the smaller of M and N.

    Raises:
        ShapeError: x is no matrix. DTypeError: x is of halves. UnsupportedError: no SciPy.
    """
    from ._factors import lu_in_one

    factors, permutation = lu_in_one(x, "lu")
    rows = factors.shape[-2]
    places = _iota((rows, rows), 0, int64, factors.device)
    source = astype(expand_dims(permutation, axis=-2) == places, factors.dtype)
    return LUResult(source, *triangles(factors))


def triangles(factors: Tensor) -> tuple[Tensor, Tensor]:
    """L and U that are in one matrix."""
    rows, columns = factors.shape[-2:]
    least = rows if rows < columns else columns
    unit = eye(rows, least, dtype=factors.dtype, device=factors.device)
    return tril(factors[..., :least], k=-1) + unit, triu(factors[..., :least, :])


def _factors(x: Any, name: str) -> tuple[Tensor, Tensor]:
    return _core.apply("weft.lu", (_matrices(x, name, square=True),))


# Equations -----------------------------------------------------------------------------------


def solve(x1: Tensor, x2: Tensor, /) -> Tensor:
    """The x with x1 x = x2: x1 [..., N, N], x2 [..., N, K] or one vector [N].

    Raises:
        ShapeError: x1 is not square, or x2 has not as many rows. DTypeError: an operand is of
            halves. UnsupportedError: no SciPy.
    """
    left, right, is_vector = _sides(x1, x2, "solve")
    result = _core.apply("weft.solve", (left, right))
    return reshape(result, result.shape[:-1]) if is_vector else result


def solve_triangular(
    x1: Tensor, x2: Tensor, /, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> Tensor:
    """The x with x1 x = x2, or x x1 = x2 unless ``left``, of triangular x1 [..., N, N].

    The other triangle is not read; nor the diagonal, which is ones, if ``unitriangular``.

    Raises:
        ShapeError: x1 is not square, or x2 does not fit. DTypeError: an operand is of halves.
        UnsupportedError: no SciPy.
    """
    if not left:
        turned = solve_triangular(
            matrix_transpose(x1), matrix_transpose(x2), upper=not upper, unitriangular=unitriangular
        )
        return matrix_transpose(turned)
    first, second, _ = _sides(x1, x2, "solve_triangular")
    options = {"lower": not upper, "unit_diagonal": unitriangular}
    return _core.apply("weft.solve_triangular", (first, second), options)


def inv(x: Tensor, /) -> Tensor:
    """The inverse of x [..., N, N]; NaN where x is singular.

    Raises:
        ShapeError: x is not square. DTypeError: x is of halves. UnsupportedError: no SciPy.
    """
    x = _matrices(x, "inv", square=True)
    return solve(x, eye(x.shape[-1], dtype=x.dtype, device=x.device))


def pinv(x: Tensor, /, *, rtol: float | Tensor | None = None) -> Tensor:
    """The Moore-Penrose inverse of x [..., M, N]: [..., N, M].

    Singular values up to ``rtol`` (None: max(M, N) eps) times the largest count as 0.

    Raises:
        ShapeError: x has fewer than two dimensions. DTypeError: x is of halves.
        UnsupportedError: no SciPy.
    """
    return _inverse_of_factors(svd(_matrices(x, "pinv"), full_matrices=False), rtol)[0]


def _inverse_of_factors(factors: SVDResult, rtol: float | Tensor | None) -> tuple[Tensor, Tensor]:
    """The Moore-Penrose inverse by a matrix's factors, and which singular values are not 0."""
    u, s, vh = factors
    shape = (*u.shape[:-1], vh.shape[-1])
    is_large = s > _cutoff(shape, u.dtype, s, rtol)
    inverse = _ops.where(is_large, 1 / _ops.where(is_large, s, 1), 0)
    scaled = _adjoint(vh) * expand_dims(astype(inverse, u.dtype), axis=-2)
    return matmul(scaled, _adjoint(u)), is_large


def _cutoff(shape: tuple[int, ...], dtype: DType, s: Tensor, rtol: float | Tensor | None) -> Tensor:
    """What singular values s [..., K] of matrices count as 0."""
    rows, columns = shape[-2:]
    tolerance = finfo(dtype).eps * (rows if rows > columns else columns) if rtol is None else rtol
    if isinstance(tolerance, Tensor) and tolerance.ndim:
        tolerance = expand_dims(tolerance, axis=-1)
    largest = max(s, axis=-1, keepdims=True) if s.shape[-1] else sum(s, axis=-1, keepdims=True)
    return largest * tolerance


def lstsq(x1: Tensor, x2: Tensor, /, rcond: float | None = None) -> LstsqResult:
    """The x of least |x1 x - x2|, and of those the least: x1 [..., M, N], x2 [..., M, K].

    Returns:
        ``solution`` [..., N, K]; ``residuals``, the squares of |x1 x - x2| [..., K] where M is
        above N, and else none, [0]; the ``rank`` of x1 (int64, [...]); its ``singular_values``.

    Raises:
        ShapeError: x2 has not as many rows as x1. DTypeError: an operand is of halves.
        UnsupportedError: no SciPy.
    """
    first, second = common_operands(_inexact(x1), _inexact(x2))
    factors = svd(_matrices(first, "lstsq"), full_matrices=False)
    inverse, is_large = _inverse_of_factors(factors, rcond)
    solution = matmul(inverse, second)
    residuals = zeros((0,), dtype=factors.S.dtype, device=first.device)
    if first.shape[-2] > first.shape[-1]:
        apart = abs(matmul(first, solution) - second)
        residuals = sum(apart * apart, axis=-2)
    return LstsqResult(solution, residuals, sum(is_large, axis=-1), factors.S)


# Numbers of matrices -------------------------------------------------------------------------


def _parity(permutation: Tensor) -> Tensor:
    """1 of an even permutation [..., N], -1 of an odd one: by how many pairs are out of order."""
    size = permutation.shape[-1]
    rows, columns = (_iota((size, size), axis, int64, permutation.device) for axis in (0, 1))
    before, after = expand_dims(permutation, axis=-1), expand_dims(permutation, axis=-2)
    count = sum((before > after) & (rows < columns), axis=(-2, -1))
    return (count % 2) * -2 + 1


def det(x: Tensor, /) -> Tensor:
    """The determinant of x [..., N, N]: [...], 0 where x is singular. Its derivative is the matrix
    of cofactors, of singular x too.

    Raises:
        ShapeError: x is not square. DTypeError: x is of halves. UnsupportedError: no SciPy.
    """
    return _determinant(_matrices(x, "det", square=True))


def _by_factors(x: Tensor) -> Tensor:
    factors, permutation = _factors(x, "det")
    return prod(diagonal(factors), axis=-1) * astype(_parity(permutation), factors.dtype)


_determinant = custom_jvp(_by_factors)


@_determinant.defjvp
def _(primals: tuple[Tensor], tangents: tuple[Tensor]) -> tuple[Tensor, Tensor]:
    (x,), (change,) = primals, tangents
    return _by_factors(x), sum(_cofactors(x) * change, axis=(-2, -1))


def _cofactors(x: Tensor) -> Tensor:
    """The derivative of the determinant: det(x) x^-T, which singular matrices have a limit of."""
    is_singular = expand_dims(_by_factors(x) == 0, axis=(-2, -1))
    rows = x.shape[-1]
    one = eye(rows, dtype=x.dtype, device=x.device)
    regular = _ops.where(is_singular, one, x)
    determinant = expand_dims(_by_factors(regular), axis=(-2, -1))
    found = determinant * matrix_transpose(solve(regular, one))
    # Their own singular values are as far from each other as those of no other matrices are.
    apart = one * astype(_iota((rows,), 0, int64, x.device) + 1, x.dtype)
    singular = _ops.where(is_singular, x, apart)
    return cond_of(
        any(is_singular),
        lambda found, singular: _ops.where(is_singular, _limit_of_cofactors(singular), found),
        lambda found, singular: found,
        found,
        singular,
    )


def _limit_of_cofactors(x: Tensor) -> Tensor:
    """The same by x = U S Vh: det(U) det(Vh) times conj(U P Vh), where P has on its diagonal the
    products of all singular values but one."""
    u, s, vh = svd(x, full_matrices=False)
    ones = s[..., :1] * 0 + 1
    before = concat([ones, cumulative_prod(s, axis=-1)[..., :-1]], axis=-1)
    backward = flip(s, axis=-1)
    after = flip(concat([ones, cumulative_prod(backward, axis=-1)[..., :-1]], axis=-1), axis=-1)
    scaled = u * expand_dims(astype(before * after, x.dtype), axis=-2)
    turned = expand_dims(_by_factors(u) * _by_factors(vh), axis=(-2, -1))
    return turned * conj(matmul(scaled, vh))


def slogdet(x: Tensor, /) -> SlogdetResult:
    """The sign of the determinant of x [..., N, N], and the logarithm of its absolute value: [...].

    Of a singular matrix 0 and -inf.

    Raises:
        ShapeError: x is not square. DTypeError: x is of halves. UnsupportedError: no SciPy.
    """
    factors, permutation = _factors(x, "slogdet")
    values = diagonal(factors)
    turned = prod(sign(values), axis=-1) * astype(_parity(permutation), factors.dtype)
    return SlogdetResult(turned, sum(_ops.log(abs(values)), axis=-1))


def matrix_rank(x: Tensor, /, *, rtol: float | Tensor | None = None) -> Tensor:
    """How many singular values of x [..., M, N] are above ``rtol`` times the largest (int64); None
    means max(M, N) eps.

    Raises:
        ShapeError: x has fewer than two dimensions. DTypeError: x is of halves.
        UnsupportedError: no SciPy.
    """
    x = _matrices(x, "matrix_rank")
    values = svdvals(x)
    return sum(values > _cutoff(x.shape, x.dtype, values, rtol), axis=-1)


def cond(x: Tensor, /, p: Any = None) -> Tensor:
    """The condition number of x: norm(x) norm(inv(x)), by matrix norm ``p`` (None: 2).

    Raises:
        ShapeError: x has fewer than two dimensions, or is not square and p not 2 or -2.
        OptionError: there is no such norm. UnsupportedError: no SciPy.
    """
    if p is None or p in (2, -2):
        values = svdvals(_matrices(x, "cond"))
        first, last = values[..., 0], values[..., -1]
        return last / first if p == -2 else first / last
    return matrix_norm(x, ord=p) * matrix_norm(inv(x), ord=p)


def matrix_norm(x: Tensor, /, *, keepdims: bool = False, ord: Any = "fro") -> Tensor:
    """The norm of matrices x [..., M, N]: [...].

    Args:
        x: matrices.
        keepdims: the two dimensions stay, of size 1.
        ord: "fro": of all elements; "nuc": the sum of the singular values; 2, -2: the largest, the
            smallest of these; 1, -1: the largest, smallest sum of a column; inf, -inf: of a row.

    Raises:
        OptionError: there is no such norm. ShapeError: x has fewer than two dimensions.
        UnsupportedError: one by singular values is asked for, and there is no SciPy.
    """
    x = _inexact(x)
    if x.ndim < 2:
        raise _fail(ShapeError, f"matrix_norm: x has shape {x.shape}, but has to be a matrix")
    if ord == "fro":
        return norm_of(x, axis=(-2, -1), keepdims=keepdims)
    if ord in ("nuc", 2, -2):
        values = svdvals(x)
        result = sum(values, axis=-1) if ord == "nuc" else _extreme(values, -1, ord > 0)
    elif ord in (1, -1, math.inf, -math.inf):
        along = -2 if math.fabs(ord) == 1 else -1
        result = _extreme(sum(abs(x), axis=along), -1, ord > 0)
    else:
        raise _fail(
            OptionError,
            f'matrix_norm: ord is {ord!r}, but has to be "fro", "nuc", 1, -1, 2, -2, inf or -inf',
        )
    return expand_dims(expand_dims(result, axis=-1), axis=-1) if keepdims else result


def _extreme(x: Tensor, axis: int, largest: bool) -> Tensor:
    """The largest or smallest along an axis; 0 if there is none."""
    if x.shape[axis] == 0:
        return sum(x, axis=axis)
    return max(x, axis=axis) if largest else min(x, axis=axis)


def vector_norm(
    x: Tensor, /, *, axis: Axes = None, keepdims: bool = False, ord: float = 2
) -> Tensor:
    """The norm of vectors along the axes (None: all): sum(|x| ** ord) ** (1 / ord).

    ``ord`` 0 counts what is not 0; inf and -inf are the largest and smallest absolute value.

    Raises:
        OptionError: ord is no number.
    """
    x = _inexact(x)
    if not isinstance(ord, (int, float)) or math.isnan(ord):
        raise _fail(OptionError, f"vector_norm: ord has to be a number, not {ord!r}")
    if ord > 0:
        return norm_of(x, axis=axis, keepdims=keepdims, ord=ord)
    distance = abs(x)
    if ord == 0:
        return astype(sum(x != 0, axis=axis, keepdims=keepdims), distance.dtype)
    if ord == -math.inf:
        return min(distance, axis=axis, keepdims=keepdims)
    return sum(distance**ord, axis=axis, keepdims=keepdims) ** (1 / ord)


def norm(x: Tensor, ord: Any = None, dim: Axes = None, keepdim: bool = False) -> Tensor:
    """`vector_norm` along one axis, `matrix_norm` over two, as NumPy's and PyTorch's.

    Args:
        ord: which norm; None: the square root of the sum of |x|^2.
        dim: one axis or two. None: of all elements if ``ord`` is None, else of a vector or a
            matrix, which x has to be then.
        keepdim: these dimensions stay, of size 1.

    Raises:
        ShapeError: there are other axes than one or two, where ``ord`` needs to know. Others as
            those norms.
    """
    x = _inexact(x)
    if ord is None:
        return vector_norm(x, axis=dim, keepdims=keepdim)
    given = range(x.ndim) if dim is None else dim if isinstance(dim, Sequence) else (dim,)
    axes = [normalize_axis(place, x.ndim, "norm") for place in given]
    normalize_axes(axes, x.ndim, "norm")
    if len(axes) == 1:
        return vector_norm(x, axis=dim, keepdims=keepdim, ord=ord)
    if len(axes) != 2:
        raise _fail(ShapeError, f"norm: ord {ord!r} of {len(axes)} dimensions; say one axis or two")
    result = matrix_norm(moveaxis(x, axes, (-2, -1)), ord=ord)
    return expand_dims(result, axis=tuple(sorted(axes))) if keepdim else result


def diagonal(x: Tensor, /, *, offset: int = 0) -> Tensor:
    """The elements [..., i, i + offset] of x [..., M, N]: [..., K].

    Raises:
        ShapeError: x has fewer than two dimensions.
    """
    x = asarray(x)
    if x.ndim < 2:
        raise _fail(ShapeError, f"diagonal: x has shape {x.shape}, but has to be a matrix")
    from .._pytorch import diagonal as between

    return between(x, offset, -2, -1)


def trace(x: Tensor, /, *, offset: int = 0, dtype: object = None) -> Tensor:
    """The sum of a diagonal of x [..., M, N]: [...]; integers are summed as `sum` does.

    Raises:
        ShapeError: x has fewer than two dimensions.
    """
    return sum(diagonal(x, offset=offset), axis=-1, dtype=dtype)


# Products ------------------------------------------------------------------------------------


def matrix_power(x: Tensor, n: int, /) -> Tensor:
    """x [..., N, N] times itself, n times; of its inverse for a negative n.

    Raises:
        ShapeError: x is not square. OptionError: n is no integer. UnsupportedError: n is negative,
            and there is no SciPy.
    """
    try:
        n = operator.index(n)
    except TypeError:
        raise _fail(OptionError, f"matrix_power: n has to be an integer, not {n!r}") from None
    x = asarray(x)
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise _fail(ShapeError, f"matrix_power: matrices of shape {x.shape} are not square")
    if n < 0:
        return matrix_power(inv(x), -n)
    result = broadcast_to(eye(x.shape[-1], dtype=x.dtype, device=x.device), x.shape)
    square = x
    while n:
        result = matmul(result, square) if n % 2 else result
        n //= 2
        square = matmul(square, square) if n else square
    return result


def multi_dot(tensors: Sequence[Tensor], /) -> Tensor:
    """The product of matrices, in the order of least work (Cormen et al., matrix chains).

    Raises:
        ShapeError: neighbours do not fit. OptionError: there are fewer than two.
    """
    factors = [asarray(x) for x in tensors]
    if len(factors) < 2:
        raise _fail(OptionError, "multi_dot: there have to be two matrices or more")
    sizes = [factor.shape[0] if factor.ndim > 1 else 1 for factor in factors[:1]]
    sizes += [factor.shape[-1] if factor.ndim > 1 else 1 for factor in factors]
    least: dict[tuple[int, int], tuple[int, int]] = {(i, i): (0, i) for i in range(len(factors))}
    for length in range(1, len(factors)):
        for i in range(len(factors) - length):
            j = i + length
            least[i, j] = sorted(
                (least[i, k][0] + least[k + 1, j][0] + sizes[i] * sizes[k + 1] * sizes[j + 1], k)
                for k in range(i, j)
            )[0]

    def multiplied(i: int, j: int) -> Tensor:
        if i == j:
            return factors[i]
        cut = least[i, j][1]
        return matmul(multiplied(i, cut), multiplied(cut + 1, j))

    return multiplied(0, len(factors) - 1)


def cross(x1: Tensor, x2: Tensor, /, *, axis: int = -1) -> Tensor:
    """The cross product of vectors of 3 elements along ``axis``.

    Raises:
        ShapeError: an operand has not 3 elements along the axis.
    """
    first, second = common_operands(x1, x2)
    for x in (first, second):
        if x.shape[normalize_axis(axis, x.ndim, "cross")] != 3:
            raise _fail(
                ShapeError, f"cross: shape {x.shape} has to have 3 elements along axis {axis}"
            )
    a, b = ([moveaxis(x, axis, -1)[..., i] for i in range(3)] for x in (first, second))
    parts = [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
    return moveaxis(stack(parts, axis=-1), -1, axis)

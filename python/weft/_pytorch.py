"""Functions that PyTorch has, and the array API has not: with PyTorch's names and arguments."""

from __future__ import annotations

import builtins
import math
from typing import Any, NamedTuple

from . import _complex, _core, _linear, _manipulation, _ops, _reductions
from ._core import Tensor
from ._creation import _fail, _iota, _number, _size, asarray, full
from ._dtypes import float32, float64, int64, result_type
from ._elementwise import copysign
from ._errors import OptionError, ShapeError
from ._manipulation import (
    astype,
    broadcast_arrays,
    common_operands,
    concat,
    expand_dims,
    narrow,
    normalize_axis,
    reshape,
    take,
)
from ._ops import Operand


class MinMax(NamedTuple):
    """What `aminmax` returns."""

    min: Tensor
    max: Tensor


#: More than anyone looks at one by one.
_MOST_SECTIONS = 1 << 16

# Elementwise ---------------------------------------------------------------------------------


def fmod(x: Operand, y: Operand) -> Tensor:
    """The remainder of x / y with the sign of x, exactly; see `remainder` for the other sign."""
    x, y = common_operands(x, y)
    if x.dtype.kind == "floating":
        return copysign(_ops.remainder(_ops.abs(x), _ops.abs(y)), x)
    rest = _ops.remainder(x, y)
    # No magnitude is asked for: that of the least integer is none.
    return _ops.where((rest != 0) & ((rest < 0) != (x < 0)), rest - y, rest)


def frac(x: Tensor) -> Tensor:
    """x without its integer part."""
    return x - _ops.trunc(x)


def deg2rad(x: Tensor) -> Tensor:
    """Degrees in radians."""
    return x * (math.pi / 180)


def rad2deg(x: Tensor) -> Tensor:
    """Radians in degrees."""
    return x * (180 / math.pi)


def lerp(x: Tensor, end: Operand, weight: Operand) -> Tensor:
    """x + weight * (end - x), reckoned from the nearer end."""
    start, end, near = common_operands(x, end, weight)
    span = end - start
    return _ops.where(_ops.abs(near) < 0.5, start + near * span, end - span * (1 - near))


def addcmul(x: Tensor, tensor1: Operand, tensor2: Operand, *, value: float = 1) -> Tensor:
    """x + value * tensor1 * tensor2"""
    return x + _scaled(tensor1, value, "addcmul: value") * tensor2


def addcdiv(x: Tensor, tensor1: Operand, tensor2: Operand, *, value: float = 1) -> Tensor:
    """x + value * tensor1 / tensor2"""
    return x + _scaled(tensor1, value, "addcdiv: value") / tensor2


def _scaled(x: Any, factor: float, name: str) -> Any:
    number = _number(factor, name)
    return x if number == 1 else x * number


def xlogy(x: Operand, y: Operand) -> Tensor:
    """x * log(y), which is 0 where x is 0 and y is a number."""
    x, y = common_operands(x, y)
    if x.dtype.kind != "floating":
        x, y = astype(x, float32), astype(y, float32)
    # Where y is positive the product is that, and so is its derivative.
    is_zero = (x == 0) & (y <= 0)
    product = x * _ops.log(_ops.where(is_zero, 1.0, y))
    return _ops.where(is_zero, 0.0, product)


def logit(x: Tensor, eps: float | None = None) -> Tensor:
    """log(x / (1 - x)); with ``eps`` x is limited to [eps, 1 - eps] before.

    Integers become float32.
    """
    x = asarray(x)
    x = x if x.dtype.kind == "floating" else astype(x, float32)
    x = x if eps is None else _manipulation.clip(x, eps, 1 - eps)
    return _ops.log(x / (1 - x))


def sinc(x: Tensor) -> Tensor:
    """sin(pi x) / (pi x), 1 at 0: near it by the series, which has an accurate derivative."""
    angle = x * math.pi
    is_small = _ops.abs(angle) < 1e-2
    square = angle * angle
    series = 1 - square / 6 * (1 - square / 20)
    safe = _ops.where(is_small, 1.0, angle)
    return _ops.where(is_small, series, _ops.sin(safe) / safe)


def heaviside(x: Tensor, values: Operand) -> Tensor:
    """0 below 0, 1 above it, ``values`` at 0."""
    step = _ops.where(x == 0, values, astype(x > 0, x.dtype))
    return _ops.where(_ops.isnan(x), x, step) if x.dtype.kind == "floating" else step


def nan_to_num(
    x: Tensor, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Tensor:
    """x with numbers for NaN and the infinities: None means the largest and least of the dtype."""
    from ._dtypes import finfo

    if x.dtype.kind != "floating":
        return x.clone()
    limits = finfo(x.dtype)
    high = limits.max if posinf is None else posinf
    low = limits.min if neginf is None else neginf
    limited = _ops.where(x == math.inf, high, _ops.where(x == -math.inf, low, x))
    return _ops.where(_ops.isnan(x), nan, limited)


def fmax(x: Operand, y: Operand) -> Tensor:
    """The larger of both; of a number and NaN the number."""
    x, y = broadcast_arrays(*common_operands(x, y))
    return _ops.where(_is_nan(x), y, _ops.where(_is_nan(y), x, _ops.maximum(x, y)))


def fmin(x: Operand, y: Operand) -> Tensor:
    """The smaller of both; of a number and NaN the number."""
    x, y = broadcast_arrays(*common_operands(x, y))
    return _ops.where(_is_nan(x), y, _ops.where(_is_nan(y), x, _ops.minimum(x, y)))


def _is_nan(x: Tensor) -> Tensor:
    return _ops.isnan(x) if x.dtype.kind == "floating" else full((), False, device=x.device)


def isclose(
    x: Tensor, other: Operand, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Tensor:
    """Whether |x - other| <= atol + rtol * |other|, or both are equal, as infinities are."""
    x, y = broadcast_arrays(asarray(x), asarray(other))
    dtype = result_type(x, y)
    if not dtype.is_inexact:
        x, y = astype(x, float64), astype(y, float64)
    near = _complex.abs(x - y) <= _complex.abs(y) * rtol + atol
    result = (x == y) | (near & _ops.isfinite(x) & _ops.isfinite(y))
    return result | (_ops.isnan(x) & _ops.isnan(y)) if equal_nan else result


def allclose(
    x: Tensor, other: Operand, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Whether all elements are close, as `isclose` has it: one of Python's bools."""
    return bool(_reductions.all(isclose(x, other, rtol, atol, equal_nan)))


def isposinf(x: Tensor) -> Tensor:
    """Whether x is inf."""
    return x == math.inf


def isneginf(x: Tensor) -> Tensor:
    """Whether x is -inf."""
    return x == -math.inf


# Reductions ----------------------------------------------------------------------------------


def amax(x: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """The largest element along ``dim`` (None: all). Raises ShapeError if there is none."""
    return _reductions.max(x, axis=dim or None if dim == () else dim, keepdims=keepdim)


def amin(x: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """The smallest element along ``dim`` (None: all). Raises ShapeError if there is none."""
    return _reductions.min(x, axis=dim or None if dim == () else dim, keepdims=keepdim)


def aminmax(x: Tensor, *, dim: int | None = None, keepdim: bool = False) -> MinMax:
    """Both, the smallest and the largest element along ``dim`` (None: all)."""
    return MinMax(amin(x, dim, keepdim), amax(x, dim, keepdim))


def nansum(x: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """The sum along ``dim`` (None: all) of what is not NaN."""
    return _reductions.sum(_ops.where(_is_nan(x), 0, x), axis=dim, keepdims=keepdim)


def nanmean(x: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """The mean along ``dim`` (None: all) of what is not NaN."""
    counted = astype(~_ops.isnan(x), x.dtype)
    return nansum(x, dim, keepdim) / _reductions.sum(counted, axis=dim, keepdims=keepdim)


def dist(x: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The norm of order p of x - other."""
    return _reductions.norm(x - other, ord=p)


def equal(x: Tensor, other: Tensor) -> bool:
    """Whether both have the same shape and elements: one of Python's bools."""
    return x.shape == other.shape and bool(_reductions.all(x == other))


# Matrices ------------------------------------------------------------------------------------


def addmm(x: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * x + alpha * (mat1 @ mat2); also of vectors and of batches."""
    product = _scaled(_linear.matmul(mat1, mat2), alpha, "addmm: alpha")
    share = _number(beta, "addmm: beta")
    return product if share == 0 else product + _scaled(x, share, "addmm: beta")


def addr(x: Tensor, vec1: Tensor, vec2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * x + alpha * outer(vec1, vec2)"""
    return addmm(x, expand_dims(vec1, axis=1), expand_dims(vec2, axis=0), beta=beta, alpha=alpha)


def inner(x: Tensor, other: Tensor) -> Tensor:
    """The sums of products along both last dimensions: [..., K] and [***, K] give [..., ***]."""
    if x.ndim == 0 or other.ndim == 0:
        return x * other
    return _linear.tensordot(x, other, axes=((-1,), (-1,)))


def kron(x: Tensor, other: Tensor) -> Tensor:
    """Kronecker's product: ``other`` in the place of each element of x, times that."""
    rank = max(x.ndim, other.ndim)
    left = (1,) * (rank - x.ndim) + x.shape
    right = (1,) * (rank - other.ndim) + other.shape
    wide = [size for length in left for size in (length, 1)]
    narrow_ = [size for length in right for size in (1, length)]
    product = reshape(x, wide) * reshape(other, narrow_)
    return reshape(product, [a * b for a, b in zip(left, right, strict=True)])


def diagonal(x: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonal of dimensions ``dim1`` and ``dim2`` as the last dimension of the result.

    ``offset`` above 0 means one above the main diagonal, below 0 one below it. A view.
    """
    offset = _size(offset, "diagonal: offset")
    first = normalize_axis(dim1, x.ndim, "diagonal")
    second = normalize_axis(dim2, x.ndim, "diagonal")
    if first == second:
        raise _fail(ShapeError, f"diagonal: dimensions {dim1} and {dim2} are the same")
    order = [*(axis for axis in range(x.ndim) if axis not in (first, second)), first, second]
    rows, columns = x.shape[first], x.shape[second]
    start_row, start_column = max(-offset, 0), max(offset, 0)
    length = max(min(rows - start_row, columns - start_column), 0)
    start = start_row * columns + start_column if length else 0
    return _core.diagonal_view(x, order, start, length)


def diag_embed(x: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices with the last dimension of x on their diagonals, in ``dim1`` and ``dim2``."""
    offset = _size(offset, "diag_embed: offset")
    size = x.shape[-1] + builtins.abs(offset)
    rows, columns = _iota((size, size), 0, int64), _iota((size, size), 1, int64)
    place = _manipulation.clip(rows if offset >= 0 else columns, max=max(x.shape[-1] - 1, 0))
    spread = (
        take(x, reshape(place, -1), axis=-1)
        if x.shape[-1]
        else full((*x.shape[:-1], size * size), 0, dtype=x.dtype)
    )
    wide = reshape(spread, (*x.shape[:-1], size, size))
    matrices = _ops.where(columns - rows == offset, wide, full((), 0, dtype=x.dtype))
    return _manipulation.moveaxis(matrices, (-2, -1), (dim1, dim2))


def diag(x: Tensor, diagonal_: int = 0) -> Tensor:
    """The diagonal of a matrix, or the matrix with a vector on its diagonal."""
    return diag_embed(x, diagonal_) if x.ndim == 1 else diagonal(x, diagonal_).clone()


def trace(x: Tensor) -> Tensor:
    """The sum of the main diagonal of a matrix."""
    return _reductions.sum(diagonal(x), axis=-1)


def cross(x: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """The cross products of vectors of 3 along ``dim``; None: the first dimension of that size.

    Raises:
        ShapeError: there is no such dimension, or ``dim`` has another size.
    """
    x, other = broadcast_arrays(x, other)
    if dim is None and 3 in x.shape:
        place = x.shape.index(3)
    else:
        place = normalize_axis(-1 if dim is None else dim, x.ndim, "cross")
    if x.shape[place] != 3:
        raise _fail(ShapeError, f"cross: dimension {place} of shape {x.shape} is not 3")
    a, b = (_manipulation.unstack(part, axis=place) for part in (x, other))
    parts = [a[(i + 1) % 3] * b[(i + 2) % 3] - a[(i + 2) % 3] * b[(i + 1) % 3] for i in range(3)]
    return _manipulation.stack(parts, axis=place)


def cdist(x1: Tensor, x2: Tensor, p: float = 2.0) -> Tensor:
    """The distances by the norm of order p of all rows: [..., M, K], [..., N, K] to [..., M, N]."""
    difference = expand_dims(x1, axis=-2) - expand_dims(x2, axis=-3)
    return _reductions.distance(difference, p)


# Shapes --------------------------------------------------------------------------------------


def select(x: Tensor, dim: int, index: int) -> Tensor:
    """The slice of x at ``index`` along ``dim``, without that dimension."""
    place = normalize_axis(dim, x.ndim, "select")
    return x[(slice(None),) * place + (index,)]


def unflatten(x: Tensor, dim: int, sizes: Any) -> Tensor:
    """x with ``dim`` as several dimensions, of which one may be -1."""
    place = normalize_axis(dim, x.ndim, "unflatten")
    known = math.prod(size for size in sizes if size != -1)
    wanted = [x.shape[place] // max(known, 1) if size == -1 else size for size in sizes]
    return reshape(x, (*x.shape[:place], *wanted, *x.shape[place + 1 :]))


def unfold(x: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """The windows of ``size`` along a dimension, ``step`` apart, as a last dimension.

    A view. Windows that overlap have elements in common: they can be filled, but to write to some
    of them is an error.

    Raises:
        ShapeError: the dimension is shorter than a window, or the step is not positive.
    """
    place = normalize_axis(dimension, x.ndim, "unfold")
    length = x.shape[place]
    if size > length or step < 1:
        raise _fail(
            ShapeError,
            f"unfold: windows of {size}, {step} apart, do not fit a dimension of {length}",
        )
    count = (length - size) // step + 1
    if size and count * step <= length and size <= step:
        rows = unflatten(narrow(x, place, 0, count * step), place, (count, step))
        return _manipulation.moveaxis(narrow(rows, place + 1, 0, size), place + 1, -1)
    last = _manipulation.moveaxis(x, place, -1)
    return _manipulation.moveaxis(_core.windows_view(last, count, size, step), -2, place)


def tensor_split(x: Tensor, indices_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """So many pieces along ``dim``, the first of which may be longer by one; or cut at indices."""
    place = normalize_axis(dim, x.ndim, "tensor_split")
    size = x.shape[place]
    if isinstance(indices_or_sections, int):
        if not 1 <= indices_or_sections <= _MOST_SECTIONS:
            raise _fail(
                OptionError,
                f"tensor_split: {indices_or_sections} sections are not 1 to {_MOST_SECTIONS}",
            )
        least = size // indices_or_sections
        longer = size - least * indices_or_sections
        sizes = [least + (i < longer) for i in range(indices_or_sections)]
    else:
        cuts = [min(max(i + size if i < 0 else i, 0), size) for i in indices_or_sections]
        sizes = [max(b - a, 0) for a, b in zip([0, *cuts], [*cuts, size], strict=True)]
        starts = [0, *cuts]
        pairs = zip(starts, sizes, strict=True)
        return tuple(narrow(x, place, start, length) for start, length in pairs)
    return tuple(_manipulation.split(x, sizes, place))


def rot90(x: Tensor, k: int = 1, dims: Any = (0, 1)) -> Tensor:
    """x turned by 90 degrees k times, from the first of ``dims`` towards the second."""
    first, second = dims
    if k % 4 == 0:
        return x.clone()
    if k % 4 == 2:
        return _manipulation.flip(x, axis=(first, second))
    if k % 4 == 1:
        return _manipulation.transpose(_manipulation.flip(x, axis=second), first, second)
    return _manipulation.flip(_manipulation.transpose(x, first, second), axis=second)


def hstack(tensors: Any) -> Tensor:
    """The tensors one after the other along dimension 1, or 0 if they have one."""
    parts = [reshape(x, -1) if x.ndim == 0 else x for x in map(asarray, tensors)]
    return concat(parts, axis=0 if parts[0].ndim == 1 else 1)


def vstack(tensors: Any) -> Tensor:
    """The tensors one below the other, vectors as rows."""
    return concat([reshape(x, (1, -1)) if x.ndim < 2 else x for x in map(asarray, tensors)])


def tril_indices(row: int, col: int, offset: int = 0) -> Tensor:
    """The places in the lower triangle of a matrix: [2, count], rows and columns (int64)."""
    places = [(i, j) for i in range(row) for j in range(min(max(i + offset + 1, 0), col))]
    return reshape(
        asarray([list(pair) for pair in zip(*places, strict=True)] or [], dtype=int64),
        (2, -1 if places else 0),
    )


def triu_indices(row: int, col: int, offset: int = 0) -> Tensor:
    """The places in the upper triangle of a matrix: [2, count], rows and columns (int64)."""
    places = [(i, j) for i in range(row) for j in range(max(i + offset, 0), col)]
    return reshape(
        asarray([list(pair) for pair in zip(*places, strict=True)] or [], dtype=int64),
        (2, -1 if places else 0),
    )


# Tensors ------------------------------------------------------------------------------------


def is_tensor(x: object) -> bool:
    """Whether x is a tensor."""
    return isinstance(x, Tensor)


def numel(x: Tensor) -> int:
    """How many elements x has."""
    return x._size

"""Sums, extrema, means and the like along axes."""

from __future__ import annotations

import builtins
import math

from . import _core
from ._autocast import wide
from ._core import SymbolicSize, Tensor
from ._creation import _fail, asarray, full
from ._dtypes import bfloat16, bool_, float16, float32, int64, is_unsigned, uint64
from ._errors import OptionError, ShapeError
from ._manipulation import (
    Axes,
    astype,
    concat,
    expand_dims,
    normalize_axes,
    normalize_axis,
    reshape,
)


def _reduce(op: str, x: Tensor, axis: Axes, keepdims: bool, **attributes: object) -> Tensor:
    axes = normalize_axes(axis, x.ndim, op)
    if not axes and op not in ("mean", "variance"):
        result = x.clone()
    else:
        result = _core.apply("weft." + op, (x,), {"axes": axes, **attributes})
    if keepdims:
        result = reshape(result, [1 if i in axes else size for i, size in enumerate(x.shape)])
    return result


def _accumulated(x: Tensor, dtype: object) -> Tensor:
    if dtype is not None:
        return astype(x, dtype)
    if x.dtype.is_inexact:
        return x
    return astype(x, uint64 if is_unsigned(x.dtype) else int64)


def _floating(x: Tensor) -> Tensor:
    return x if x.dtype.is_inexact else astype(x, float32)


def sum(x: Tensor, /, *, axis: Axes = None, dtype: object = None, keepdims: bool = False) -> Tensor:
    """The sum along the axes (None: all). Integers and bools are summed as
    int64, unsigned ones as uint64."""
    return _reduce("sum", _accumulated(asarray(x), dtype), axis, keepdims)


def prod(
    x: Tensor, /, *, axis: Axes = None, dtype: object = None, keepdims: bool = False
) -> Tensor:
    """The product along the axes (None: all). Integers and bools are multiplied as
    int64, unsigned ones as uint64."""
    return _reduce("prod", _accumulated(asarray(x), dtype), axis, keepdims)


def _cumulative(
    op: str, x: Tensor, axis: int | None, dtype: object, include_initial: bool, initial: int
) -> Tensor:
    x = _accumulated(asarray(x), dtype)
    if x.ndim == 0:
        x = reshape(x, 1)
    if axis is None and x.ndim > 1:
        raise _fail(OptionError, f"{op}: axis must be given for a tensor of {x.ndim} dimensions")
    place = normalize_axis(0 if axis is None else axis, x.ndim, op)
    result = _core.apply("weft." + op, (x,), {"axis": place, "reversed": False})
    if not include_initial:
        return result
    shape = [1 if i == place else size for i, size in enumerate(x.shape)]
    first = full(shape, initial, dtype=x.dtype, device=x.device)
    return concat([first, result], axis=place)


def cumulative_sum(
    x: Tensor,
    /,
    *,
    axis: int | None = None,
    dtype: object = None,
    include_initial: bool = False,
) -> Tensor:
    """Element i along ``axis`` is the sum of x's elements 0 to i.

    Args:
        x: of any shape; integers and bools are summed as int64, unsigned ones as uint64, unless
            ``dtype`` says otherwise.
        axis: may be left out for one dimension.
        dtype: x is converted to it before.
        include_initial: a zero comes first, so that the axis is longer by one.

    Raises:
        OptionError: ``axis`` is left out, and there are several dimensions.
        OutOfBoundsError: x has no such axis.
    """
    return _cumulative("cumulative_sum", x, axis, dtype, include_initial, 0)


def cumulative_prod(
    x: Tensor,
    /,
    *,
    axis: int | None = None,
    dtype: object = None,
    include_initial: bool = False,
) -> Tensor:
    """Element i along ``axis`` is the product of x's elements 0 to i.

    As `cumulative_sum`, with a one in the place of the zero.
    """
    return _cumulative("cumulative_prod", x, axis, dtype, include_initial, 1)


def _check_not_empty(x: Tensor, axis: Axes, name: str) -> None:
    for place in normalize_axes(axis, x.ndim, name):
        size = x.shape[place]
        error = f"{name}: there is no element along axis {place} of shape {x.shape}"
        is_known = not isinstance(size, SymbolicSize)
        if is_known and size > 0:
            continue
        if not _core.require_size(size - 1, error) and is_known:
            raise _fail(ShapeError, error)


def max(x: Tensor, /, *, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The largest element along the axes (None: all); NaN if any is.

    Raises:
        ShapeError: there is no element.
    """
    x = asarray(x)
    _check_not_empty(x, axis, "max")
    return _reduce("max", x, axis, keepdims)


def min(x: Tensor, /, *, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The smallest element along the axes (None: all); NaN if any is.

    Raises:
        ShapeError: there is no element.
    """
    x = asarray(x)
    _check_not_empty(x, axis, "min")
    return _reduce("min", x, axis, keepdims)


def _arg(op: str, x: Tensor, axis: int | None, keepdims: bool) -> Tensor:
    x = asarray(x)
    kept: list[int] | None = None
    if axis is None:
        kept = [1] * x.ndim
        x, axis = reshape(x, -1), 0
    place = normalize_axis(axis, x.ndim, op)
    _check_not_empty(x, place, op)
    if x.dtype is bool_:
        x = astype(x, "uint8")
    result = _core.apply("weft." + op, (x,), {"axes": [place]})
    if keepdims:
        return expand_dims(result, axis=place) if kept is None else reshape(result, kept)
    return result


def argmax(x: Tensor, /, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Where the largest element along ``axis`` is (int64), the first of equals; None: of all."""
    return _arg("argmax", x, axis, keepdims)


def argmin(x: Tensor, /, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Where the smallest element along ``axis`` is (int64), the first of equals; None: of all."""
    return _arg("argmin", x, axis, keepdims)


def mean(x: Tensor, /, *, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The mean along the axes (None: all); integers are converted to float32."""
    return _reduce("mean", _floating(asarray(x)), axis, keepdims)


def var(
    x: Tensor, /, *, axis: Axes = None, correction: float = 0.0, keepdims: bool = False
) -> Tensor:
    """The variance along the axes (None: all), over n - correction.

    Of complex numbers it is the mean squared distance from their mean, a real number.
    """
    x = asarray(x)
    if x.dtype.is_complex:
        from ._complex import imag, real

        first, second = (
            var(part, axis=axis, correction=correction, keepdims=keepdims)
            for part in (real(x), imag(x))
        )
        return first + second
    return _reduce("variance", _floating(x), axis, keepdims, correction=float(correction))


def std(
    x: Tensor, /, *, axis: Axes = None, correction: float = 0.0, keepdims: bool = False
) -> Tensor:
    """The standard deviation along the axes (None: all): the root of `var`.

    Where it is 0, so is the derivative.
    """
    # Of halves the square may be out of range where the root is not.
    x = asarray(x)
    wide = astype(x, float32) if x.dtype in (float16, bfloat16) else x
    deviation = _root(var(wide, axis=axis, correction=correction, keepdims=keepdims), 2)
    return deviation if wide is x else astype(deviation, x.dtype)


def any(x: Tensor, /, *, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """True where any element along the axes is not zero."""
    return _reduce("max", astype(asarray(x), bool_), axis, keepdims)


def all(x: Tensor, /, *, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """True where every element along the axes is not zero."""
    return _reduce("min", astype(asarray(x), bool_), axis, keepdims)


def count_nonzero(x: Tensor, /, *, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """How many elements along the axes are not zero (int64)."""
    return sum(asarray(x) != 0, axis=axis, keepdims=keepdims)


def logsumexp(x: Tensor, /, *, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """log(sum(exp(x))) along the axes, without overflow."""
    from ._ops import exp, isfinite, log, stop_gradient, where

    x = wide(_floating(asarray(x)))
    axes = normalize_axes(axis, x.ndim, "logsumexp")
    # Of no elements -inf.
    largest = stop_gradient(_reduce("max", x, axis, keepdims=True))
    largest = where(isfinite(largest), largest, 0.0)
    total = log(sum(exp(x - largest), axis=axis, keepdims=True)) + largest
    if keepdims:
        return total
    return reshape(total, [size for i, size in enumerate(x.shape) if i not in axes])


def norm(x: Tensor, /, *, axis: Axes = None, keepdims: bool = False, ord: float = 2) -> Tensor:
    """The vector norm of order ``ord`` (1, 2, inf or any positive number) along the axes.

    Of order 0 it is the number of elements that are not 0, which has no derivative.

    float16 and bfloat16 are computed in float32. Where it is 0, so is the derivative.

    Raises:
        OptionError: ``ord`` is negative.
    """
    from ._complex import abs
    from ._ops import where

    x = _floating(asarray(x))
    x = abs(x) if x.dtype.is_complex else x
    if not isinstance(ord, (int, builtins.float)) or not ord >= 0:
        raise _fail(OptionError, f"norm: ord has to be a number from 0 on, not {ord!r}")
    if ord == 0:
        return sum(astype(x != 0, x.dtype), axis=axis, keepdims=keepdims)
    if ord == math.inf and x._size:
        return max(abs(x), axis=axis, keepdims=keepdims)
    dtype, wide = x.dtype, astype(x, float32) if x.dtype.itemsize < float32.itemsize else x
    if ord in (1, 2, math.inf):
        powers = wide * wide if ord == 2 else abs(wide)
    else:
        # 0 to a power below 1 has no derivative.
        powers = where(wide == 0, 0.0, abs(where(wide == 0, 1.0, wide)) ** ord)
    total = sum(powers, axis=axis, keepdims=keepdims)
    return astype(total if ord in (1, math.inf) else _root(total, ord), dtype)


def distance(difference: Tensor, p: float) -> Tensor:
    """The norms of order ``p`` along the last axis; of order 0 a NaN counts as such."""
    from ._ops import isnan, where

    if p != 0:
        return norm(difference, axis=-1, ord=p)
    differs = where(isnan(difference), difference, astype(difference != 0, difference.dtype))
    return sum(differs, axis=-1)


def _root(x: Tensor, ord: float) -> Tensor:
    """x to the power of 1 / ord, with a derivative of 0 where it is 0."""
    from ._ops import sqrt, where

    is_zero = x == 0
    safe = where(is_zero, 1.0, x)
    return where(is_zero, x, sqrt(safe) if ord == 2 else safe ** (1 / builtins.float(ord)))

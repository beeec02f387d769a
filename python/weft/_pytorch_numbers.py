"""PyTorch's functions of samples: along a line, and of the whole of them."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from . import _ops
from ._complex import conj
from ._control_flow import associative_scan
from ._core import Tensor
from ._creation import _fail, _iota, asarray, full
from ._dtypes import bool_, int64
from ._elementwise import logaddexp
from ._errors import DTypeError, OptionError, ShapeError
from ._gathering import take_along_axis
from ._linear import matmul
from ._manipulation import (
    astype,
    broadcast_to,
    concat,
    expand_dims,
    matrix_transpose,
    moveaxis,
    narrow,
    normalize_axes,
    normalize_axis,
    reshape,
    squeeze,
)
from ._pytorch import diagonal
from ._reductions import argmax, cumulative_sum, max, mean, min, norm, std, sum, var
from ._sorting import Sorted, sort_with_indices

# Along a line --------------------------------------------------------------------------------


def _cumulative_extreme(name: str, x: Tensor, dim: int) -> Sorted:
    place = normalize_axis(dim, x.ndim, name)
    places = _iota(x.shape, place, int64, x.device)
    is_better = _ops.greater_equal if name == "cummax" else _ops.less_equal

    def better(first: tuple, second: tuple) -> tuple:
        takes = is_better(second[0], first[0]) | _ops.not_equal(second[0], second[0])
        return tuple(_ops.where(takes, b, a) for a, b in zip(first, second, strict=True))

    if x.shape[place] == 0:
        return Sorted(x, places)
    _, indices = associative_scan(better, (x.detach(), places), axis=place)
    return Sorted(take_along_axis(x, indices, axis=place), indices)


def cummax(x: Tensor, dim: int) -> Sorted:
    """The largest element so far along ``dim``, of equal ones the last, and where it is (int64).
    From a NaN on it is NaN."""
    return _cumulative_extreme("cummax", x, dim)


def cummin(x: Tensor, dim: int) -> Sorted:
    """The smallest element so far along ``dim``; see `cummax`."""
    return _cumulative_extreme("cummin", x, dim)


def logcumsumexp(x: Tensor, dim: int) -> Tensor:
    """The logarithms of the sums of the powers of e so far along ``dim``, without overflow."""
    place = normalize_axis(dim, x.ndim, "logcumsumexp")
    return x if x.shape[place] == 0 else associative_scan(logaddexp, x, axis=place)


def _areas(name: str, y: Tensor, x: Any, dx: float | None, dim: int) -> Tensor:
    """What is below the lines between neighbours."""
    place = normalize_axis(dim, y.ndim, name)
    count = y.shape[place] - 1
    if count < 0:
        raise _fail(ShapeError, f"{name}: there is no element along dimension {dim} of {y.shape}")
    both = narrow(y, place, 1, count) + narrow(y, place, 0, count)
    if x is None:
        return both * ((1.0 if dx is None else dx) / 2)
    if dx is not None:
        raise _fail(OptionError, f"{name}: x and dx say the same; give one of them")
    points = asarray(x)
    along = points.ndim - 1 if points.ndim == 1 else normalize_axis(dim, points.ndim, name)
    if points.shape[along] != count + 1:
        raise _fail(
            ShapeError,
            f"{name}: {points.shape[along]} points do not fit {count + 1} elements along "
            f"dimension {dim}",
        )
    widths = narrow(points, along, 1, count) - narrow(points, along, 0, count)
    if points.ndim == 1:
        widths = reshape(widths, [-1 if d == place else 1 for d in range(y.ndim)])
    return both * widths / 2


def trapezoid(y: Tensor, x: Any = None, *, dx: float | None = None, dim: int = -1) -> Tensor:
    """The integral along ``dim`` by the trapezoidal rule, over points x or ``dx`` (1) apart.

    Raises:
        ShapeError: the points do not fit. OptionError: both are given.
    """
    place = normalize_axis(dim, y.ndim, "trapezoid")
    if y.shape[place] == 0:
        return sum(y * 1.0, axis=place)
    return sum(_areas("trapezoid", y, x, dx, dim), axis=place)


def cumulative_trapezoid(
    y: Tensor, x: Any = None, *, dx: float | None = None, dim: int = -1
) -> Tensor:
    """The integrals so far along ``dim``, one less than elements; see `trapezoid`."""
    place = normalize_axis(dim, y.ndim, "cumulative_trapezoid")
    return cumulative_sum(_areas("cumulative_trapezoid", y, x, dx, dim), axis=place)


def gradient(
    input: Tensor, *, spacing: Any = 1, dim: Any = None, edge_order: int = 1
) -> tuple[Tensor, ...]:
    """The derivative along each dimension of ``dim`` (None: all) by differences of neighbours.

    Inside of second order in the distances, at the ends of first or second order (Fornberg,
    "Generation of finite difference formulas on arbitrarily spaced grids", 1988).

    Args:
        input: real.
        spacing: the distance of neighbours, one for each dimension, or the points [n] along each.
        dim: a dimension, or several.
        edge_order: 1 or 2.

    Raises:
        ShapeError: there are too few elements, or the spacing does not fit. OptionError: there is
            no such order.
    """
    places = normalize_axes(dim, input.ndim, "gradient")
    given = list(spacing) if isinstance(spacing, (list, tuple)) else [spacing] * len(places)
    if len(given) != len(places):
        raise _fail(ShapeError, f"gradient: {len(given)} spacings for {len(places)} dimensions")
    if edge_order not in (1, 2):
        raise _fail(OptionError, f"gradient: edge_order is {edge_order!r}, but has to be 1 or 2")
    x = input if input.dtype.is_inexact else astype(input, "float32")
    return tuple(
        _derivative(x, place, step, edge_order) for place, step in zip(places, given, strict=True)
    )


def _derivative(x: Tensor, place: int, spacing: Any, edge_order: int) -> Tensor:
    """Along one dimension: of the parabola through three neighbours, or at the ends of the line
    through two."""
    count = x.shape[place]
    if count < edge_order + 1:
        raise _fail(
            ShapeError,
            f"gradient: there are {count} elements along dimension {place}, but {edge_order + 1} "
            "are needed",
        )
    x = moveaxis(x, place, -1)
    if isinstance(spacing, Tensor) and spacing.ndim:
        if spacing.shape != (count,):
            raise _fail(
                ShapeError, f"gradient: the points have shape {spacing.shape}, not {(count,)}"
            )
        steps = astype(spacing[1:] - spacing[:-1], x.dtype)
    else:
        steps = broadcast_to(astype(asarray(spacing), x.dtype), (count - 1,))
    slopes = (x[..., 1:] - x[..., :-1]) / steps
    first, last = slopes[..., :1], slopes[..., -1:]
    before, after = steps[:-1], steps[1:]
    inside = (slopes[..., :-1] * after + slopes[..., 1:] * before) / (before + after)
    if edge_order == 2:
        bend = (slopes[..., 1:] - slopes[..., :-1]) / (before + after)
        first = first - bend[..., :1] * steps[:1]
        last = last + bend[..., -1:] * steps[-1:]
    return moveaxis(concat([first, inside, last], axis=-1), -1, place)


def mode(x: Tensor, dim: int = -1, keepdim: bool = False) -> Sorted:
    """The element that is most often along ``dim``, of several the smallest, and where it is last
    (int64).

    Raises:
        ShapeError: there is no element.
    """
    place = normalize_axis(dim, x.ndim, "mode")
    count = x.shape[place]
    if count == 0:
        raise _fail(ShapeError, f"mode: there is no element along axis {place} of {x.shape}")
    ordered, order = sort_with_indices(x.detach(), place)
    places = _iota(x.shape, place, int64, x.device)
    is_new = narrow(ordered, place, 1, count - 1) != narrow(ordered, place, 0, count - 1)
    first = full(narrow(ordered, place, 0, 1).shape, True, dtype=bool_, device=x.device)
    starts = _ops.where(concat([first, is_new], axis=place), places, 0)
    lengths = places - cummax(starts, place).values
    longest = argmax(lengths, axis=place, keepdims=True)
    indices = take_along_axis(order, longest, axis=place)
    values = take_along_axis(x, indices, axis=place)
    return Sorted(*(part if keepdim else squeeze(part, place) for part in (values, indices)))


def _without_nan(name: str, x: Tensor, dim: int | None) -> tuple[Tensor, Tensor, Tensor, int]:
    """Along ``dim`` (None: of all) the elements in order and their places, NaNs last, and how many
    are numbers."""
    x, place = (reshape(x, -1), 0) if dim is None else (x, normalize_axis(dim, x.ndim, name))
    if x.shape[place] == 0:
        raise _fail(ShapeError, f"{name}: there is no element along axis {place} of {x.shape}")
    is_number = x == x
    ordered, order = sort_with_indices(x, place)
    return ordered, order, sum(astype(is_number, int64), axis=place, keepdims=True), place


def nanmedian(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The median of the numbers of all, or along ``dim`` with where it is: of two in the middle the
    lower one; NaN if there is none.

    Raises:
        ShapeError: there is no element.
    """
    x = asarray(x)
    if dim is None and x.ndim == 0:
        return x
    ordered, order, count, place = _without_nan("nanmedian", x, dim)
    middle = _ops.maximum((count - 1) // 2, 0)
    values = take_along_axis(ordered, middle, axis=place)
    if dim is None:
        return reshape(values, ())
    found = (values, take_along_axis(order, middle, axis=place))
    return Sorted(*(part if keepdim else squeeze(part, place) for part in found))


def nanquantile(x: Tensor, q: Any, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The quantiles q (from 0 to 1; a number or [m]) of the numbers of all, or along ``dim``,
    between two elements interpolated linearly; NaN if there is none. As `weft.quantile` otherwise.

    Raises:
        ShapeError: there is no element. DTypeError: x is of integers. OutOfRangeError: q is not in
            [0, 1].
    """
    from ._searching import _shares, check_range

    x = asarray(x)
    if x.dtype.kind != "floating":
        raise _fail(DTypeError, f"nanquantile: the elements are {x.dtype.name}, not floating")
    q = _shares(q, x)
    check_range(q, 0, 1, "nanquantile: q")
    ordered, _, count, place = _without_nan("nanquantile", x, dim)
    ordered = moveaxis(ordered, place, 0)
    last = astype(_ops.maximum(moveaxis(count, place, 0) - 1, 0), "float64")
    rank = reshape(astype(q, "float64"), (-1, *[1] * (ordered.ndim - 1))) * last
    below = astype(_ops.floor(rank), int64)
    above = _ops.minimum(below + 1, astype(last, int64))
    lower, upper = (take_along_axis(ordered, at, axis=0) for at in (below, above))
    weight = astype(rank - _ops.floor(rank), x.dtype)
    result = _ops.where(weight == 0, lower, lower + (upper - lower) * weight)
    kept = list(x.shape)
    if dim is None:
        kept = [1] * x.ndim if keepdim else []
    else:
        kept[place : place + 1] = [1] if keepdim else []
    return reshape(result, [*q.shape, *kept])


def renorm(x: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """x with each slice at an index of ``dim`` scaled down to the norm ``maxnorm`` of order p, if
    its norm is above it.

    Raises:
        OptionError: p is not positive, or maxnorm negative. ShapeError: x has no two dimensions.
    """
    if not p > 0 or maxnorm < 0:
        raise _fail(OptionError, f"renorm: p is {p} and maxnorm {maxnorm}; p has to be positive")
    if x.ndim < 2:
        raise _fail(ShapeError, f"renorm: x has shape {x.shape}, but needs two dimensions")
    place = normalize_axis(dim, x.ndim, "renorm")
    rows = moveaxis(x, place, 0)
    norms = norm(reshape(rows, (rows.shape[0], math.prod(rows.shape[1:]))), ord=p, axis=1)
    norms = reshape(norms, [size if d == place else 1 for d, size in enumerate(x.shape)])
    # As PyTorch: a little less than the norm, so that what is scaled is not scaled again.
    factor = _ops.where(norms > maxnorm, maxnorm / (norms + 1e-7), 1.0)
    return x * astype(factor, x.dtype)


# Of the whole --------------------------------------------------------------------------------


class VarMean(NamedTuple):
    """What `var_mean` returns."""

    var: Tensor
    mean: Tensor


class StdMean(NamedTuple):
    """What `std_mean` returns."""

    std: Tensor
    mean: Tensor


def var_mean(
    x: Tensor,
    dim: Any = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> VarMean:
    """The variance along ``dim`` (None: all), over n - 1 or n - correction, and the mean."""
    given = float(unbiased) if correction is None else correction
    return VarMean(
        var(x, axis=dim, correction=given, keepdims=keepdim), mean(x, axis=dim, keepdims=keepdim)
    )


def std_mean(
    x: Tensor,
    dim: Any = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> StdMean:
    """The standard deviation along ``dim`` (None: all), and the mean; see `var_mean`."""
    given = float(unbiased) if correction is None else correction
    return StdMean(
        std(x, axis=dim, correction=given, keepdims=keepdim), mean(x, axis=dim, keepdims=keepdim)
    )


def cov(
    x: Tensor,
    *,
    correction: int = 1,
    fweights: Tensor | None = None,
    aweights: Tensor | None = None,
) -> Tensor:
    """The covariances of variables, the rows of x [variables, n]: [variables, variables]; of [n]
    the variance.

    Args:
        x: a matrix, or a vector.
        correction: the sums are over n - correction.
        fweights: how often each observation [n] is there.
        aweights: how much each observation [n] counts.

    Raises:
        ShapeError: x has more than two dimensions.
    """
    if x.ndim > 2:
        raise _fail(ShapeError, f"cov: x has shape {x.shape}, but has to be a matrix or a vector")
    rows = reshape(x, (1, -1)) if x.ndim < 2 else x
    rows = rows if rows.dtype.is_inexact else astype(rows, "float32")
    if fweights is None and aweights is None:
        weights = full(rows.shape[1], 1, dtype=rows.dtype, device=x.device)
    else:
        parts = [astype(part, rows.dtype) for part in (fweights, aweights) if part is not None]
        weights = parts[0] if len(parts) == 1 else parts[0] * parts[1]
    total = sum(weights)
    center = sum(rows * weights, axis=1, keepdims=True) / total
    if aweights is None:
        scale = total - correction
    else:
        scale = total - correction * sum(weights * astype(aweights, rows.dtype)) / total
    apart = rows - center
    result = matmul(apart * weights, matrix_transpose(conj(apart))) / _ops.maximum(scale.real, 0)
    return reshape(result, ()) if x.ndim < 2 else result


def corrcoef(x: Tensor) -> Tensor:
    """The correlations of variables, the rows of x [variables, n]; of [n] 1."""
    found = cov(x)
    if found.ndim == 0:
        return found / found
    deviations = _ops.sqrt(diagonal(found).real)
    scaled = found / expand_dims(deviations, axis=1) / deviations
    return scaled if scaled.dtype.is_complex else _ops.maximum(_ops.minimum(scaled, 1), -1)


def histc(x: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    """How many elements are in each of ``bins`` intervals of one size from min to max: [bins], in
    x's dtype. Of an element at the end the last one; others are not counted.

    Args:
        x: of any shape.
        bins: how many.
        min, max: where they begin and end; if both are the same, at the extreme elements.

    Raises:
        OptionError: there is no interval, or the end is before the beginning.
    """
    if bins < 1 or max < min:
        raise _fail(OptionError, f"histc: {bins} intervals from {min} to {max}")
    flat = reshape(x, -1)
    low, high = _ends(flat, min, max)
    width = _ops.where(high == low, 1, high - low)
    place = _ops.floor((flat - low) / width * bins)
    place = _ops.where(flat == high, bins - 1, place)
    inside = (flat >= low) & (flat <= high)
    ids = astype(_ops.where(inside, place, -1), int64)
    from .ops import segment_sum

    counts = segment_sum(full(flat.shape, 1, dtype=int64, device=x.device), ids, bins)
    return astype(counts, x.dtype)


def _ends(flat: Tensor, low: float, high: float) -> tuple[Tensor, Tensor]:
    """Where the intervals begin and end."""
    if low != high or flat.shape[0] == 0:
        begin, end = (
            full((), bound, dtype=flat.dtype, device=flat.device) for bound in (low, high)
        )
    else:
        begin, end = min(flat), max(flat)
    is_one = begin == end
    return _ops.where(is_one, begin - 1, begin), _ops.where(is_one, end + 1, end)

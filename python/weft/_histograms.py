"""Histograms over one and several dimensions, with PyTorch's arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from . import _ops
from ._core import Tensor
from ._creation import _fail, _number, asarray, full, linspace
from ._dtypes import int64
from ._elementwise import logical_and
from ._errors import DTypeError, OptionError, ShapeError
from ._manipulation import astype, reshape
from ._reductions import max, min, sum
from ._searching import searchsorted


class Histogram(NamedTuple):
    """What `histogram` returns."""

    hist: Tensor
    bin_edges: Tensor


class HistogramOfPoints(NamedTuple):
    """What `histogramdd` returns."""

    hist: Tensor
    bin_edges: tuple[Tensor, ...]


def _edges(name: str, values: Tensor, bins: Any, low_high: Sequence[float] | None) -> Tensor:
    """The edges of the intervals, one more than these."""
    bins = bins if isinstance(bins, int) else asarray(bins)
    if isinstance(bins, Tensor):
        if bins.ndim != 1 or bins.shape[0] < 2:
            raise _fail(
                ShapeError, f"{name}: the edges have shape {bins.shape}, but have to be [n + 1]"
            )
        return astype(bins, values.dtype, copy=False)
    if bins < 1:
        raise _fail(OptionError, f"{name}: there are {bins} intervals, but one is needed")
    if low_high is not None:
        low_high = [_number(end, f"{name}: an end of the range") for end in low_high]
    if low_high is not None and (len(low_high) != 2 or low_high[1] < low_high[0]):
        raise _fail(OptionError, f"{name}: the range {tuple(low_high)} is none")
    is_empty = isinstance(values.shape[0], int) and values.shape[0] == 0
    if low_high is None and not is_empty:
        begin, end = min(values), max(values)
    else:
        ends = (0.0, 1.0) if low_high is None else low_high
        begin, end = (full((), x, dtype=values.dtype, device=values.device) for x in ends)
    is_one = begin == end
    begin, end = _ops.where(is_one, begin - 0.5, begin), _ops.where(is_one, end + 0.5, end)
    share = linspace(0, 1, bins + 1, dtype=values.dtype, device=values.device)
    inner = begin + (end - begin) * share
    return _ops.where(share == 1, end, inner)


def _places(values: Tensor, edges: Tensor) -> Tensor:
    """The interval of each value; -1 of those outside. The last one has both of its ends."""
    count = edges.shape[0] - 1
    found = searchsorted(edges, values, side="right") - 1
    found = _ops.where(values == edges[-1], count - 1, found)
    inside = logical_and(values >= edges[0], values <= edges[-1])
    return astype(_ops.where(inside, found, -1), int64)


def _counted(
    places: Tensor, weights: Tensor | None, widths: Tensor, density: bool, dtype: Any
) -> Tensor:
    """How many values, or which weight, each interval has: [intervals], over all if a density."""
    from .ops import segment_sum

    each = full(places.shape, 1, dtype=dtype, device=places.device) if weights is None else weights
    hist = segment_sum(astype(each, dtype, copy=False), places, widths.shape[0])
    return hist / sum(hist) / widths if density else hist


def _checked(name: str, x: Tensor, weight: Tensor | None, shape: Sequence[int]) -> None:
    if x.dtype.kind != "floating":
        raise _fail(DTypeError, f"{name}: the values are {x.dtype.name}, not floating")
    if weight is not None and weight.shape != tuple(shape):
        raise _fail(ShapeError, f"{name}: the weights have shape {weight.shape}, not {shape}")


def histogram(
    input: Tensor,
    bins: int | Tensor,
    *,
    range: Sequence[float] | None = None,
    weight: Tensor | None = None,
    density: bool = False,
) -> Histogram:
    """How many values, or which weight, lie in each of n intervals: [n], and their edges [n + 1].

    An interval has its lower end, the last one both. Values outside are not counted.

    Args:
        input: floating, of any shape.
        bins: how many intervals of one width, or their edges in order.
        range: where they begin and end; None: at the least and the largest value.
        weight: of each value; None: 1.
        density: of each interval the share of all over its width.

    Raises:
        DTypeError: the values are not floating. ShapeError: the weights or edges do not fit.
        OptionError: there is no interval.
    """
    x = asarray(input)
    _checked("histogram", x, weight, x.shape)
    flat = reshape(x, -1)
    edges = _edges("histogram", flat, bins, range)
    weights = None if weight is None else reshape(weight, -1)
    widths = edges[1:] - edges[:-1]
    return Histogram(_counted(_places(flat, edges), weights, widths, density, x.dtype), edges)


def histogramdd(
    input: Tensor,
    bins: Any,
    *,
    range: Sequence[float] | None = None,
    weight: Tensor | None = None,
    density: bool = False,
) -> HistogramOfPoints:
    """How many points [..., D], or which weight, lie in each cell of a grid: [n1, ..., nD], and the
    edges along each dimension; as `histogram`.

    Args:
        bins: how many intervals each dimension has, of each its number, or of each its edges.
        range: of each dimension where its intervals begin and end: 2 D numbers.
        weight: of each point, [...].

    Raises:
        as `histogram`.
    """
    x = asarray(input)
    if x.ndim < 2:
        raise _fail(ShapeError, f"histogramdd: the points have shape {x.shape}, not [..., D]")
    _checked("histogramdd", x, weight, x.shape[:-1])
    size = x.shape[-1]
    given = list(bins) if isinstance(bins, (list, tuple)) else [bins] * size
    if len(given) != size or (range is not None and len(range) != 2 * size):
        raise _fail(
            ShapeError, f"histogramdd: bins and range do not fit points of {size} coordinates"
        )
    points = reshape(x, (-1, size))
    cells = full(points.shape[:1], 0, dtype=int64, device=x.device)
    inside, edges = cells == 0, []
    volumes = full((1,), 1, dtype=x.dtype, device=x.device)
    for d, each in enumerate(given):
        ends = None if range is None else range[2 * d : 2 * d + 2]
        edges.append(_edges("histogramdd", points[:, d], each, ends))
        place, widths = _places(points[:, d], edges[-1]), edges[-1][1:] - edges[-1][:-1]
        inside, cells = inside & (place >= 0), cells * widths.shape[0] + place
        volumes = reshape(reshape(volumes, (-1, 1)) * widths, -1)
    weights = None if weight is None else reshape(weight, -1)
    hist = _counted(_ops.where(inside, cells, -1), weights, volumes, density, x.dtype)
    return HistogramOfPoints(reshape(hist, [e.shape[0] - 1 for e in edges]), tuple(edges))

"""Tensors over a grid, read at other places, with PyTorch's arguments."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from . import _linear, _ops
from ._adaptive_pooling import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d
from ._core import SymbolicSize, Tensor
from ._creation import _fail, _iota, _number, _size, asarray
from ._dtypes import float64, int64
from ._errors import OptionError, ShapeError
from ._manipulation import (
    astype,
    broadcast_to,
    clip,
    expand_dims,
    moveaxis,
    permute_dims,
    reshape,
)
from ._windows import constant, floating, known_sizes, layout, pick, pick_known, widened

#: The free parameter of cubic convolution (Keys, 1981); with antialiasing another one.
_CUBIC, _CUBIC_ANTIALIASED = -0.75, -0.5


class _Mode(NamedTuple):
    """What a mode of `interpolate` is."""

    #: How many dimensions behind [N, C] there may be.
    dimensions: tuple[int, ...]
    #: How many elements along each dimension count for one of the result.
    taps: int
    #: Whether it takes align_corners.
    aligns: bool


_MODES = {
    "nearest": _Mode((1, 2, 3), 1, False),
    "nearest-exact": _Mode((1, 2, 3), 1, False),
    "linear": _Mode((1,), 2, True),
    "bilinear": _Mode((2,), 2, True),
    "trilinear": _Mode((3,), 2, True),
    "bicubic": _Mode((2,), 4, True),
    "area": _Mode((1, 2, 3), 0, False),
}


_AREA: dict[int, Callable[..., Tensor]] = {
    1: adaptive_avg_pool1d,
    2: adaptive_avg_pool2d,
    3: adaptive_avg_pool3d,
}


class _Axis(NamedTuple):
    """How one dimension is read."""

    size: int
    out: int
    #: How much of the input one element of the result is, if the sizes do not say it.
    step: float | None


def interpolate(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """[N, C, L], [N, C, H, W] or [N, C, D, H, W] brought to other sizes, one dimension at a time.

    Args:
        input: floating; for the modes "nearest" and "nearest-exact" of any dtype.
        size: the sizes behind [N, C], or one for all.
        scale_factor: by what the sizes are multiplied, and rounded down; instead of ``size``.
        mode: "nearest": the element below; "nearest-exact": the nearest one; "linear", "bilinear"
            and "trilinear" for one, two and three dimensions: between two; "bicubic" for two
            dimensions: cubic convolution of four (Keys, 1981); "area": `adaptive_avg_pool2d`.
        align_corners: whether the centres of the outermost elements stay where they are, or their
            outer edges; for the linear and cubic modes.
        recompute_scale_factor: whether the sizes decide where elements are read, even if
            ``scale_factor`` is given, as they may be rounded.
        antialias: whether the modes "bilinear" and "bicubic" look at all elements where the result
            is smaller, as Pillow does.

    Raises:
        OptionError: the options do not go together. ShapeError: the input has other dimensions than
            the mode takes, or a size is below 1. DTypeError: the input is not floating.
        UnsupportedError: the input's sizes are not known while exporting.
    """
    known = _MODES.get(mode)
    if known is None:
        raise _fail(OptionError, f"interpolate: mode is {mode!r}, but has to be one of {[*_MODES]}")
    x = asarray(input) if known.taps == 1 else floating(input, "interpolate")
    count = x.ndim - 2
    if count not in known.dimensions:
        layouts = " or ".join(layout(dimensions, False) for dimensions in known.dimensions)
        raise _fail(
            ShapeError,
            f"interpolate: the input has shape {x.shape}, but mode {mode!r} takes {layouts}",
        )
    if align_corners is not None and not known.aligns:
        raise _fail(OptionError, f"interpolate: mode {mode!r} takes no align_corners")
    if antialias and mode not in ("bilinear", "bicubic"):
        raise _fail(OptionError, f"interpolate: mode {mode!r} takes no antialias")
    axes = _axes(x, count, size, scale_factor, recompute_scale_factor)
    if mode == "area":
        return _AREA[count](x, [axis.out for axis in axes])
    wide = x if known.taps == 1 else widened(x)
    real = np.dtype(np.float64 if wide.dtype is float64 else np.float32)
    for place in reversed(range(2, x.ndim)):
        axis = axes[place - 2]
        # As in PyTorch a dimension keeps its elements where it keeps its size, whatever the scale.
        if axis.size != axis.out or not (known.taps == 2 or antialias):
            taps = _taps(axis, mode, bool(align_corners), antialias, real)
            wide = _blended(wide, place, *taps)
    return wide.clone() if wide is x else astype(wide, x.dtype, copy=False)


def _axes(
    x: Tensor,
    count: int,
    size: int | Sequence[int] | None,
    scale_factor: float | Sequence[float] | None,
    recompute: bool | None,
) -> list[_Axis]:
    """How each dimension behind [N, C] is read."""
    if (size is None) == (scale_factor is None):
        raise _fail(OptionError, "interpolate: takes either size or scale_factor")
    if size is not None and recompute:
        raise _fail(OptionError, "interpolate: recompute_scale_factor needs scale_factor")
    given: Any = scale_factor if size is None else size
    numbers = list(given) if isinstance(given, (list, tuple)) else [given] * count
    if len(numbers) != count:
        raise _fail(
            ShapeError,
            f"interpolate: {given} has to be one number or {count} for shape {x.shape}",
        )
    have = known_sizes(x, count, "interpolate")
    if size is not None:
        axes = [_Axis(n, _size(out, "interpolate: size"), None) for n, out in zip(have, numbers)]
    else:
        scales = [_scale(number) for number in numbers]
        axes = [
            _Axis(n, math.floor(n * scale), None if recompute else 1.0 / scale)
            for n, scale in zip(have, scales)
        ]
    if any(isinstance(axis.out, SymbolicSize) or min(axis[:2]) < 1 for axis in axes):
        raise _fail(
            ShapeError,
            f"interpolate: sizes {[axis.out for axis in axes]} of an input of shape {x.shape} have "
            "to be at least 1",
        )
    return axes


def _scale(number: object) -> float:
    scale = float(_number(number, "interpolate: scale_factor"))
    if not 0 < scale < math.inf:
        raise _fail(OptionError, f"interpolate: scale_factor {scale} has to be positive")
    return scale


def _taps(
    axis: _Axis, mode: str, align_corners: bool, antialias: bool, real: np.dtype
) -> tuple[np.ndarray, np.ndarray | None]:
    """The places [out, taps] that are read along one dimension, and their weights."""
    step = _step(axis, align_corners, real)
    if antialias:
        return _antialiased(axis, step, mode == "bicubic", real)
    numbers, exact = np.arange(axis.out, dtype=np.float64), np.float64(step)
    aligned = align_corners or mode == "nearest"
    # As PyTorch rounds them: a product and a sum at once, what is nearest in float32.
    source = (numbers * exact if aligned else exact * (numbers + 0.5) - 0.5).astype(real)
    if mode == "bicubic":
        return _cubic_taps(source, axis.size)
    if not mode.startswith("nearest"):
        return _linear_taps(source, axis.size)
    nearest = source if mode == "nearest" else source + real.type(0.5)
    places = np.floor(nearest.astype(np.float32)).astype(np.int64)
    return np.minimum(places, axis.size - 1)[:, None], None


def _step(axis: _Axis, align_corners: bool, real: np.dtype) -> np.floating:
    """How far apart in the input neighbours of the result are, rounded as PyTorch does."""
    if align_corners:
        return real.type((axis.size - 1) if axis.out > 1 else 0) / real.type(max(axis.out - 1, 1))
    if axis.step is not None:
        return real.type(axis.step)
    return real.type(axis.size) / real.type(axis.out)


def _linear_taps(source: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    source = np.maximum(source, 0)
    below = np.minimum(source.astype(np.int64), size - 1)
    share = np.clip(source - below.astype(source.dtype), 0, 1)
    places = np.stack([below, np.minimum(below + 1, size - 1)], axis=1)
    return places, np.stack([1 - share, share], axis=1)


def _cubic_weight(distance: np.ndarray, parameter: float) -> np.ndarray:
    """The kernel of cubic convolution (Keys, 1981) at distances of up to 2."""
    a, x = distance.dtype.type(parameter), np.abs(distance)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((x - 5) * x + 8) * x * a - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0))


def _cubic_taps(source: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    below = np.floor(source)
    offsets = np.arange(-1, 3)
    distance = (source - below)[:, None] - offsets.astype(source.dtype)
    places = np.clip(below.astype(np.int64)[:, None] + offsets, 0, size - 1)
    return places, _cubic_weight(distance, _CUBIC)


def _antialiased(
    axis: _Axis, step: np.floating, cubic: bool, real: np.dtype
) -> tuple[np.ndarray, np.ndarray]:
    """A filter as wide as an element of the result is in the input, but not narrower than without
    antialiasing; its weights add up to 1."""
    wide = max(step, real.type(1))
    reach = (2 if cubic else 1) * wide
    half = real.type(0.5)
    centre = step * (np.arange(axis.out).astype(real) + half)
    first = np.maximum((centre - reach + half).astype(np.int64), 0)
    ends = np.minimum((centre + reach + half).astype(np.int64), axis.size)
    places = first[:, None] + np.arange(max(int((ends - first).max()), 1))
    distance = (places.astype(real) - centre[:, None] + half) / wide
    if cubic:
        weights = _cubic_weight(distance, _CUBIC_ANTIALIASED)
    else:
        weights = np.maximum(1 - np.abs(distance), 0)
    weights = np.where(places < ends[:, None], weights, 0)
    total = weights.sum(axis=1, keepdims=True)
    weights = weights / np.where(total == 0, 1, total)
    return np.minimum(places, axis.size - 1), weights.astype(real)


def _blended(x: Tensor, axis: int, places: np.ndarray, weights: np.ndarray | None) -> Tensor:
    """x read at places [out, taps] along one dimension, and added up with the weights."""
    if weights is None:
        return pick_known(x, places[:, 0], axis)
    behind = [1] * (x.ndim - axis - 1)
    parts = [
        pick(x, constant(places[:, tap], x), axis)
        * constant(weights[:, tap].reshape(-1, *behind), x)
        for tap in range(places.shape[1])
    ]
    result = parts[0]
    for part in parts[1:]:
        result = result + part
    return result


# Grids ---------------------------------------------------------------------------------------


def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """The places that affine maps read for `grid_sample`.

    Args:
        theta: [N, 2, 3] for two dimensions, [N, 3, 4] for three.
        size: the shape (N, C, H, W) or (N, C, D, H, W) of what is to be made.
        align_corners: whether -1 and 1 are the centres of the outermost elements, or their outer
            edges (None and False).

    Returns:
        [N, H, W, 2] or [N, D, H, W, 3]: for each place of the result its (x, y) or (x, y, z) times
        the matrix, plus its last column.

    Raises:
        ShapeError: theta does not fit the size. DTypeError: theta is not floating.
    """
    theta = floating(theta, "affine_grid")
    sizes = [_size(one, "affine_grid: a size") for one in size]
    count = len(sizes) - 2
    if count not in (2, 3) or theta.shape != (sizes[0], count, count + 1):
        raise _fail(
            ShapeError,
            f"affine_grid: theta of shape {theta.shape} has to be [N, 2, 3] or [N, 3, 4] for a "
            f"size of (N, C, H, W) or (N, C, D, H, W), not {tuple(sizes)}",
        )
    if any(isinstance(one, int) and one < 1 for one in sizes[1:]):
        raise _fail(ShapeError, f"affine_grid: size {tuple(sizes)} has to be positive")
    real = np.float64 if theta.dtype is float64 else np.float32
    columns = []
    for place, length in enumerate(sizes[2:]):
        ends = np.linspace(-1, 1, length) if length > 1 else np.zeros(1)
        line = ends if align_corners else ends * ((length - 1) / length)
        shape = [-1 if axis == place else 1 for axis in range(count)]
        columns.append(np.broadcast_to(line.reshape(shape), sizes[2:]).reshape(-1))
    base = np.stack([*reversed(columns), np.ones_like(columns[0])], axis=1)
    places = astype(constant(base.astype(real), theta), theta.dtype)
    grid = _linear.matmul(places, permute_dims(theta, (0, 2, 1)))
    return reshape(grid, (*sizes[:1], *sizes[2:], count))


def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """The input read at the places of a grid, where -1 and 1 are its ends.

    Args:
        input: [N, C, H, W] or [N, C, D, H, W].
        grid: [N, H', W', 2] of (x, y), or [N, D', H', W', 3] of (x, y, z); x runs along W.
        mode: "bilinear": between the neighbours, two along each dimension; "nearest"; "bicubic",
            for two dimensions: cubic convolution of four along each.
        padding_mode: what is beyond the ends: "zeros", "border": the outermost elements,
            "reflection": those within, mirrored.
        align_corners: whether -1 and 1 are the centres of the outermost elements, or their outer
            edges (None and False).

    Returns:
        [N, C, H', W'] or [N, C, D', H', W'].

    Raises:
        ShapeError: the shapes do not fit. OptionError: there is no such mode. DTypeError: the input
            or the grid is not floating. UnsupportedError: the input's sizes are not known while
            exporting.
    """
    x, grid = floating(input, "grid_sample"), floating(grid, "grid_sample (grid)")
    count = x.ndim - 2
    if count not in (2, 3) or grid.ndim != x.ndim or grid.shape[-1] != count:
        raise _fail(
            ShapeError,
            f"grid_sample: an input of shape {x.shape} and a grid of shape {grid.shape} have to be "
            "[N, C, H, W] and [N, H', W', 2], or [N, C, D, H, W] and [N, D', H', W', 3]",
        )
    if x.shape[0] != grid.shape[0]:
        raise _fail(
            ShapeError,
            f"grid_sample: the input of shape {x.shape} and the grid of shape {grid.shape} are of "
            "different N",
        )
    modes = _SAMPLING_TAPS if count == 2 else ("bilinear", "nearest")
    for value, known, what in (
        (mode, modes, "mode"),
        (padding_mode, ("zeros", "border", "reflection"), "padding_mode"),
    ):
        if value not in known:
            raise _fail(
                OptionError, f"grid_sample: {what} is {value!r}, but has to be one of {[*known]}"
            )
    sizes = known_sizes(x, count, "grid_sample")
    if any(size == 0 for size in sizes):
        raise _fail(ShapeError, f"grid_sample: the input of shape {x.shape} has no elements")
    wide, places = widened(x), widened(grid)
    taps = [
        _SAMPLING_TAPS[mode](
            places[..., count - 1 - axis], _Line(size, padding_mode, bool(align_corners))
        )
        for axis, size in enumerate(sizes)
    ]
    return astype(_sampled(wide, taps), x.dtype, copy=False)


class _Line(NamedTuple):
    """One dimension that is read at the places of a grid."""

    size: int
    padding_mode: str
    align_corners: bool

    def unscaled(self, place: Tensor) -> Tensor:
        """Places from -1 to 1 in elements from the first one's centre."""
        if self.align_corners:
            return (place + 1.0) * ((self.size - 1) / 2)
        return ((place + 1.0) * float(self.size) - 1.0) * 0.5

    def within(self, place: Tensor) -> Tensor:
        """The place that is read for one, which is within the input but for "zeros"."""
        if self.padding_mode == "zeros":
            return place
        if self.padding_mode == "reflection":
            place = self._reflected(place)
        last = float(self.size - 1)
        # Beyond the ends, and at them as in PyTorch, nothing changes with the place.
        return _ops.where(place > 0, _ops.where(place < last, place, last), 0.0)

    def _reflected(self, place: Tensor) -> Tensor:
        low, span = (0.0, self.size - 1.0) if self.align_corners else (-0.5, float(self.size))
        if span == 0:
            return place * 0.0
        distance = _ops.where(place < low, low - place, place - low)
        turns = _ops.stop_gradient(_ops.floor(distance / span))
        rest = distance - turns * span
        return _ops.where(turns % 2 == 0, rest + low, span + low - rest)


class _Tap(NamedTuple):
    """What is read along one dimension: places in range, their weights (None: 1), and whether they
    count (None: always)."""

    place: Tensor
    weight: Tensor | None
    inside: Tensor | None


def _tap(place: Tensor, weight: Tensor | None, line: _Line) -> _Tap:
    """Of a place that is a whole number."""
    place = _ops.stop_gradient(place)
    last = line.size - 1
    inside = (place >= 0) & (place <= last) if line.padding_mode == "zeros" else None
    return _Tap(astype(clip(place, 0.0, float(last)), int64), weight, inside)


def _nearest_sampling(place: Tensor, line: _Line) -> list[_Tap]:
    return [_tap(_ops.round(line.within(line.unscaled(place))), None, line)]


def _linear_sampling(place: Tensor, line: _Line) -> list[_Tap]:
    source = line.within(line.unscaled(place))
    below = _ops.stop_gradient(_ops.floor(source))
    share = source - below
    return [_tap(below, _ops.subtract(1.0, share), line), _tap(below + 1.0, share, line)]


def _cubic_sampling(place: Tensor, line: _Line) -> list[_Tap]:
    source = line.unscaled(place)
    below = _ops.stop_gradient(_ops.floor(source))
    share, a = source - below, _CUBIC
    taps = []
    for offset in range(-1, 3):
        x = share - offset if offset <= 0 else _ops.subtract(float(offset), share)
        if offset in (0, 1):
            weight = (x * (a + 2) - (a + 3)) * x * x + 1.0
        else:
            weight = ((x - 5.0) * x + 8.0) * x * a - 4.0 * a
        taps.append(_tap(line.within(below + float(offset)), weight, line))
    return taps


_SAMPLING_TAPS: dict[str, Callable[[Tensor, _Line], list[_Tap]]] = {
    "bilinear": _linear_sampling,
    "nearest": _nearest_sampling,
    "bicubic": _cubic_sampling,
}


def _sampled(x: Tensor, taps: Sequence[Sequence[_Tap]]) -> Tensor:
    """x [N, C, ...] read at all combinations of the taps along its dimensions: [N, C, *]."""
    n, channels, *sizes = x.shape
    rows = reshape(moveaxis(x, 1, -1), (n * math.prod(sizes), channels))
    shape = taps[0][0].place.shape
    images = reshape(_iota((n,), 0, int64, x.device), (n, *(1 for _ in shape[1:])))
    total: Tensor | None = None
    for combination in itertools.product(*taps):
        place = images
        for tap, size in zip(combination, sizes, strict=True):
            place = place * size + tap.place
        part = pick(rows, broadcast_to(place, shape), 0)
        weight = _product([tap.weight for tap in combination])
        if weight is not None:
            part = part * expand_dims(weight, axis=-1)
        inside = [tap.inside for tap in combination if tap.inside is not None]
        if inside:
            seen = inside[0]
            for more in inside[1:]:
                seen = seen & more
            part = _ops.where(expand_dims(seen, axis=-1), part, 0.0)
        total = part if total is None else total + part
    assert total is not None
    return moveaxis(total, -1, 1)


def _product(factors: Sequence[Tensor | None]) -> Tensor | None:
    result: Tensor | None = None
    for factor in factors:
        if factor is not None:
            result = factor if result is None else result * factor
    return result

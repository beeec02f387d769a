"""Resize and Upsample: along each dimension a table of which elements are read, with weights."""

from __future__ import annotations

import functools
import math
import operator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from .._core import SymbolicSize, Tensor
from .._creation import _fail
from .._errors import UnsupportedError
from .._windows import pick_known
from ._rules import rule, weft
from ._values import numbers


@dataclass(frozen=True)
class _Line:
    """One dimension: its size, the size and scale that are asked for, and what computes tables.

    ``xp`` is NumPy, or weft where a size is not known yet; then the numbers are float64 tensors,
    and the same steps give the same tables.
    """

    xp: Any
    size: Any
    out: Any
    scale: Any
    at: Any

    @classmethod
    def of(cls, size: Any, out: Any, scale: Any, x: Tensor) -> _Line:
        """Of numbers or symbolic sizes; the scale is None for that of the sizes."""
        if not isinstance(size, SymbolicSize) and not isinstance(out, SymbolicSize):
            at = np.arange(out, dtype=np.float64)
            return cls(np, size, out, out / size if scale is None else scale, at)
        at = weft.arange(out, dtype="float64", device=x.device)
        size, out = (weft.asarray(n).astype("float64") for n in (size, out))
        return cls(weft, size, out, out / size if scale is None else scale, at)

    def either(self, condition: Any, value: Any, other: Any) -> Any:
        """A value where the condition, of numbers alone, holds; the other one where not."""
        if self.xp is np:
            return value if condition else other
        return weft.where(condition, value, other)

    def whole(self, value: Any) -> Any:
        """As integers."""
        return value.astype("int64")


def _places(line: _Line, how: str, roi: tuple[float, float]) -> Any:
    """Where each element of the result lies in the input."""
    at, size, out, scale = line.at, line.size, line.out, line.scale
    if how == "asymmetric":
        return at / scale
    if how == "align_corners":
        # The length that was asked for, which a scale makes no whole number.
        length = size * scale
        steps = line.either(length != 1, length, 2.0) - 1
        return line.either(length != 1, at * (size - 1) / steps, at * 0.0)
    if how == "pytorch_half_pixel":
        return line.either(out > 1, (at + 0.5) / scale - 0.5, at * 0.0)
    if how == "half_pixel_symmetric":
        # The scale that was asked for may not be that of the sizes: the middle stays the middle.
        adjustment = out / (scale * size)
        return size / 2 * (1 - adjustment) + (at + 0.5) / scale - 0.5
    if how == "tf_crop_and_resize":
        start, end = roi
        steps = line.either(out > 1, out, 2) - 1
        along = start * (size - 1) + at * (end - start) * (size - 1) / steps
        return line.either(out > 1, along, at * 0.0 + 0.5 * (start + end) * (size - 1))
    if how == "half_pixel":
        return (at + 0.5) / scale - 0.5
    raise _fail(UnsupportedError, f"Resize: coordinate_transformation_mode {how!r} is not known")


def _nearest(line: _Line, places: Any, how: str) -> Any:
    xp = line.xp
    rounding: dict[str, Any] = {
        "round_prefer_floor": lambda x: xp.ceil(x - 0.5),
        "round_prefer_ceil": lambda x: xp.floor(x + 0.5),
        "floor": xp.floor,
        "ceil": xp.ceil,
    }
    if how not in rounding:
        raise _fail(UnsupportedError, f"Resize: nearest_mode {how!r} is not known")
    return line.whole(xp.clip(rounding[how](places), 0, line.size - 1))


def _kernel(xp: Any, mode: str, distance: Any, cubic: float) -> Any:
    """The weight of elements at a distance."""
    x = xp.abs(distance)
    if mode == "linear":
        return xp.where(x < 1, 1 - x, 0.0)
    near = ((cubic + 2) * x - (cubic + 3)) * x * x + 1
    far = ((cubic * x - 5 * cubic) * x + 8 * cubic) * x - 4 * cubic
    return xp.where(x <= 1, near, xp.where(x < 2, far, 0.0))


def _taps(
    line: _Line, places: Any, mode: str, cubic: float, antialias: bool, drop: bool
) -> list[tuple[Any, Any]]:
    """The elements that are read for each place, and their weights, of all of a place."""
    xp, size = line.xp, line.size
    if antialias and not isinstance(line.scale, float):
        raise _fail(UnsupportedError, "Resize with antialias by a scale that is not known")
    stretch = min(line.scale, 1.0) if antialias else 1.0
    reach = (1 if mode == "linear" else 2) / stretch
    first = xp.floor(places - reach) + 1
    taps = []
    for number in range(math.ceil(2 * reach)):
        element = first + number
        weight = _kernel(xp, mode, (element - places) * stretch, cubic)
        if drop:
            weight = xp.where((element >= 0) & (element < size), weight, 0.0)
        taps.append((line.whole(xp.clip(element, 0, size - 1)), weight))
    if drop or antialias:
        total = functools.reduce(operator.add, (weight for _, weight in taps))
        taps = [(element, weight / total) for element, weight in taps]
    return taps


class _Options:
    """The attributes, and the sizes and scales that follow from them."""

    def __init__(self, shape: Any, scales: Any, wanted: Any, axes: Any, policy: str) -> None:
        rank = len(shape)
        self.axes = list(range(rank)) if axes is None else [axis % rank for axis in axes]
        sizes = [shape[axis] for axis in self.axes]
        #: None is that of the sizes.
        self.scales: list[float | None]
        if scales is not None:
            self.scales = [float(s) for s in scales]
            self.out = [_scaled(size, float(s)) for size, s in zip(sizes, scales, strict=True)]
            return
        out = list(wanted)
        pairs = list(zip(out, sizes, strict=True))
        if policy == "stretch":
            self.scales = [1.0 if _is_same(o, s) else None for o, s in pairs]
            self.out = out
            return
        for size in (*out, *sizes):
            if isinstance(size, SymbolicSize):
                raise _fail(
                    UnsupportedError,
                    f"Resize with keep_aspect_ratio_policy {policy!r} and a size {size} that is "
                    "not known: give a number for it where the model is exported",
                )
        choose = min if policy == "not_larger" else max
        scale = choose(o / s for o, s in pairs)
        self.scales = [scale] * len(sizes)
        self.out = [math.floor(s * scale + 0.5) for s in sizes]


def _scaled(size: Any, scale: float) -> Any:
    """A size times the scale, rounded down."""
    if scale == 1 or not isinstance(size, SymbolicSize):
        return size if scale == 1 else math.floor(size * scale)
    ratio = Fraction(scale)
    return size * ratio.numerator // ratio.denominator


def _is_same(size: Any, other: Any) -> bool:
    return size is other or repr(size) == repr(other)


def _resized(
    x: Tensor,
    roi: Any,
    scales: Any,
    wanted: Any,
    *,
    antialias: int = 0,
    axes: Any = None,
    coordinate_transformation_mode: str = "half_pixel",
    cubic_coeff_a: float = -0.75,
    exclude_outside: int = 0,
    extrapolation_value: float = 0.0,
    keep_aspect_ratio_policy: str = "stretch",
    mode: str = "nearest",
    nearest_mode: str = "round_prefer_floor",
) -> Tensor:
    options = _Options(x.shape, scales, wanted, axes, keep_aspect_ratio_policy)
    how, count = coordinate_transformation_mode, len(options.axes)
    given = x.dtype
    outside = []
    for place, axis in enumerate(options.axes):
        size, out, scale = x.shape[axis], options.out[place], options.scales[place]
        region = (0.0, 1.0)
        if roi is not None and len(roi) == 2 * count:
            region = (float(roi[place]), float(roi[place + count]))
        if _is_same(out, size) and scale == 1 and region == (0.0, 1.0):
            continue
        line = _Line.of(size, out, scale, x)
        places = _places(line, how, region)
        if how == "tf_crop_and_resize":
            outside.append((axis, (places < 0) | (places > line.size - 1)))
        if mode == "nearest":
            table = _nearest(line, places, nearest_mode)
            is_known = isinstance(table, np.ndarray)
            x = pick_known(x, table, axis) if is_known else weft.take(x, table, axis=axis)
            continue
        drop = bool(exclude_outside) and mode == "cubic"
        x = _weighted(x, axis, _taps(line, places, mode, cubic_coeff_a, bool(antialias), drop))
    for axis, mask in outside:
        x = weft.where(_along(weft.asarray(mask), x, axis), extrapolation_value, x)
    if given.kind != "floating" and x.dtype.kind == "floating":
        x = weft.round(x)
        limits = weft.iinfo(given)
        x = weft.clip(x, float(limits.min), float(limits.max))
    return x.astype(given)


def _along(row: Tensor, x: Tensor, axis: int) -> Tensor:
    """A row that lies along a dimension of x."""
    return weft.expand_dims(row, axis=tuple(i for i in range(x.ndim) if i != axis))


def _weighted(x: Tensor, axis: int, taps: list[tuple[Any, Any]]) -> Tensor:
    """The weighted sums of elements along an axis."""
    wide = x if x.dtype.kind == "floating" and x.dtype.itemsize >= 4 else x.astype("float32")
    total: Any = None
    for elements, weights in taps:
        factors = weft.asarray(weights.astype(wide.dtype.name))
        part = weft.take(wide, weft.asarray(elements), axis=axis) * _along(factors, x, axis)
        total = part if total is None else total + part
    return total


@rule("Resize", since=11, known=(1, 2, 3))
def _resize(
    x: Tensor, roi: Any = None, scales: Any = None, wanted: Any = None, **options: Any
) -> Any:
    by_scales = scales is not None and np.size(scales) > 0
    return _resized(
        x,
        None if roi is None else numbers(roi),
        numbers(scales) if by_scales else None,
        None if by_scales else numbers(wanted),
        **options,
    )


@rule("Resize", "Upsample", since=9, known=(1,))
def _resize_by_scales(x: Tensor, scales: Any, *, mode: str = "nearest") -> Tensor:
    how: Any = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return _resized(x, None, numbers(scales), None, mode=_MODES.get(mode, mode), **how)


@rule("Upsample")
def _upsample(x: Tensor, *, scales: Any, mode: str = "nearest") -> Tensor:
    how: Any = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return _resized(x, None, scales, None, mode=_MODES.get(mode, mode), **how)


_MODES = {"bilinear": "linear"}

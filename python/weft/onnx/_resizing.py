"""Resize and Upsample: along each dimension a table of which elements are read, with weights."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .._core import SymbolicSize, Tensor
from .._creation import _fail
from .._errors import UnsupportedError
from .._windows import pick_known
from ._rules import rule, weft
from ._values import numbers


def _places(size: int, out: int, scale: float, how: str, roi: tuple[float, float]) -> np.ndarray:
    """Where each element of the result lies in the input."""
    at = np.arange(out, dtype=np.float64)
    if how == "asymmetric":
        return at / scale
    if how == "align_corners":
        # The length that was asked for, which a scale makes no whole number.
        length = size * scale
        return at * (size - 1) / (length - 1) if length != 1 else np.zeros(out)
    if how == "pytorch_half_pixel":
        return (at + 0.5) / scale - 0.5 if out > 1 else np.zeros(out)
    if how == "half_pixel_symmetric":
        # The scale that was asked for may not be that of the sizes: the middle stays the middle.
        adjustment = out / (scale * size)
        return size / 2 * (1 - adjustment) + (at + 0.5) / scale - 0.5
    if how == "tf_crop_and_resize":
        start, end = roi
        if out > 1:
            return start * (size - 1) + at * (end - start) * (size - 1) / (out - 1)
        return np.full(out, 0.5 * (start + end) * (size - 1))
    if how == "half_pixel":
        return (at + 0.5) / scale - 0.5
    raise _fail(UnsupportedError, f"Resize: coordinate_transformation_mode {how!r} is not known")


def _nearest(places: np.ndarray, how: str) -> np.ndarray:
    rounding: dict[str, Any] = {
        "round_prefer_floor": lambda x: np.ceil(x - 0.5),
        "round_prefer_ceil": lambda x: np.floor(x + 0.5),
        "floor": np.floor,
        "ceil": np.ceil,
    }
    if how not in rounding:
        raise _fail(UnsupportedError, f"Resize: nearest_mode {how!r} is not known")
    return rounding[how](places).astype(np.int64)


def _kernel(mode: str, distance: np.ndarray, cubic: float) -> np.ndarray:
    """The weight of elements at a distance."""
    x = np.abs(distance)
    if mode == "linear":
        return np.maximum(1 - x, 0)
    near = ((cubic + 2) * x - (cubic + 3)) * x * x + 1
    far = ((cubic * x - 5 * cubic) * x + 8 * cubic) * x - 4 * cubic
    return np.where(x <= 1, near, np.where(x < 2, far, 0))


def _taps(
    places: np.ndarray,
    size: int,
    scale: float,
    mode: str,
    cubic: float,
    antialias: bool,
    drop: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """The elements that are read for each place, and their weights: [out, taps] both."""
    stretch = min(scale, 1.0) if antialias else 1.0
    reach = (1 if mode == "linear" else 2) / stretch
    first = np.floor(places - reach).astype(np.int64) + 1
    count = math.ceil(2 * reach)
    elements = first[:, None] + np.arange(count)
    weights = _kernel(mode, (elements - places[:, None]) * stretch, cubic)
    inside = (elements >= 0) & (elements < size)
    if drop:
        weights = np.where(inside, weights, 0)
    if drop or antialias:
        weights = weights / weights.sum(axis=1, keepdims=True)
    return np.clip(elements, 0, size - 1), weights


class _Options:
    """The attributes, and the sizes and scales that follow from them."""

    def __init__(self, shape: Any, scales: Any, wanted: Any, axes: Any, policy: str) -> None:
        rank = len(shape)
        self.axes = list(range(rank)) if axes is None else [axis % rank for axis in axes]
        sizes = [shape[axis] for axis in self.axes]
        if any(isinstance(s, SymbolicSize) for s in sizes):
            kept = scales is not None
            for place, size in enumerate(sizes):
                if isinstance(size, SymbolicSize):
                    same = scales[place] == 1 if kept else wanted[place] is size
                    if not same and not (not kept and repr(wanted[place]) == repr(size)):
                        raise _fail(
                            UnsupportedError,
                            f"Resize of a dimension whose size {size} is not known",
                        )
        if scales is not None:
            self.scales = [float(s) for s in scales]
            self.out = [
                size if s == 1 else math.floor(size * s)
                for size, s in zip(sizes, self.scales, strict=True)
            ]
            return
        out = list(wanted)
        pairs = list(zip(out, sizes, strict=True))
        if policy == "stretch":
            self.scales = [1.0 if o is s or repr(o) == repr(s) else o / s for o, s in pairs]
            self.out = out
            return
        choose = min if policy == "not_larger" else max
        scale = choose(o / s for o, s in pairs)
        self.scales = [scale] * len(sizes)
        self.out = [math.floor(s * scale + 0.5) for s in sizes]


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
        if (out is size or repr(out) == repr(size)) and scale == 1 and region == (0.0, 1.0):
            continue
        places = _places(size, out, scale, how, region)
        if how == "tf_crop_and_resize":
            outside.append((axis, (places < 0) | (places > size - 1)))
        if mode == "nearest":
            table = np.clip(_nearest(places, nearest_mode), 0, size - 1)
            x = pick_known(x, table, axis)
            continue
        drop = bool(exclude_outside) and mode == "cubic"
        taps = _taps(places, size, scale, mode, cubic_coeff_a, bool(antialias), drop)
        x = _weighted(x, axis, *taps)
    for axis, mask in outside:
        shape = [1] * x.ndim
        shape[axis] = -1
        x = weft.where(weft.asarray(mask.reshape(shape)), extrapolation_value, x)
    if given.kind != "floating" and x.dtype.kind == "floating":
        x = weft.round(x)
        limits = weft.iinfo(given)
        x = weft.clip(x, float(limits.min), float(limits.max))
    return x.astype(given)


def _weighted(x: Tensor, axis: int, elements: np.ndarray, weights: np.ndarray) -> Tensor:
    """The weighted sums of elements along an axis."""
    wide = x if x.dtype.kind == "floating" and x.dtype.itemsize >= 4 else x.astype("float32")
    shape = [1] * x.ndim
    shape[axis] = -1
    total: Any = None
    for tap in range(elements.shape[1]):
        factors = weights[:, tap].reshape(shape).astype(wide.dtype.name)
        table = weft.asarray(np.ascontiguousarray(elements[:, tap]))
        part = weft.take(wide, table, axis=axis) * weft.asarray(factors)
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

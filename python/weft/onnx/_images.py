"""Ops that read images at places that are computed, boxes, and transforms of signals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .._core import Tensor
from .._creation import _fail
from .._errors import UnsupportedError
from ..nn import functional
from ._rules import rule, weft
from ._values import dtype_of, number

_GRID_MODES = {"linear": "bilinear", "cubic": "bicubic"}


@rule("GridSample")
def _grid_sample(
    x: Tensor,
    grid: Tensor,
    *,
    align_corners: int = 0,
    mode: str = "linear",
    padding_mode: str = "zeros",
) -> Tensor:
    how = _GRID_MODES.get(mode, mode)
    return functional.grid_sample(x, grid.astype(x.dtype), how, padding_mode, bool(align_corners))


# Boxes ---------------------------------------------------------------------------------------


def _corners(boxes: Tensor, center: int) -> tuple[Tensor, ...]:
    a, b, c, d = (boxes[..., i] for i in range(4))
    if center:
        return b - d / 2, a - c / 2, b + d / 2, a + c / 2
    low, high = weft.minimum, weft.maximum
    return low(a, c), low(b, d), high(a, c), high(b, d)


@rule("NonMaxSuppression", known=(2, 3, 4))
def _non_max_suppression(
    boxes: Tensor,
    scores: Tensor,
    most: Any = None,
    overlap: Any = None,
    least: Any = None,
    *,
    center_point_box: int = 0,
) -> Tensor:
    count = boxes.shape[1]
    limit = min(int(number(most)) if most is not None else 0, count)
    threshold = 0.0 if overlap is None else float(number(overlap))
    rows = []
    top, left, bottom, right = _corners(boxes, center_point_box)
    area = (bottom - top) * (right - left)
    height = weft.minimum(bottom[:, :, None], bottom[:, None]) - weft.maximum(
        top[:, :, None], top[:, None]
    )
    width = weft.minimum(right[:, :, None], right[:, None]) - weft.maximum(
        left[:, :, None], left[:, None]
    )
    shared = weft.maximum(height, 0) * weft.maximum(width, 0)
    union = area[:, :, None] + area[:, None] - shared
    close = weft.where(union > 0, shared / weft.where(union > 0, union, 1), 0) > threshold
    for image in range(scores.shape[0]):
        for kind in range(scores.shape[1]):
            rows.append(_chosen(close[image], scores[image, kind], limit, least, (image, kind)))
    found = weft.concat(rows, axis=0) if rows else weft.zeros((0, 3), dtype="int64")
    return weft.compress(found[:, 2] >= 0, found, axis=0)


def _chosen(close: Tensor, scores: Tensor, limit: int, least: Any, labels: tuple) -> Tensor:
    """Up to ``limit`` boxes, the best first, none too close to one before; then rows of -1."""
    alive = weft.ones_like(scores, dtype="bool")
    if least is not None:
        alive = scores > float(number(least))
    row = weft.asarray(np.asarray(labels, np.int64))

    def step(alive: Tensor, _: Tensor) -> tuple[Tensor, Tensor]:
        best = weft.argmax(weft.where(alive, scores, -math.inf))
        there = weft.any(alive)
        left = alive & ~close[best] & (weft.arange(scores.shape[0]) != best)
        place = weft.where(there, best, -1)
        return left, weft.concat([row, weft.reshape(place, (1,)).astype("int64")])

    return weft.scan(step, alive, weft.arange(limit))[1]


@rule("RoiAlign")
def _roi_align(
    x: Tensor,
    rois: Tensor,
    batch: Tensor,
    *,
    coordinate_transformation_mode: str | None = None,
    mode: str = "avg",
    output_height: int = 1,
    output_width: int = 1,
    sampling_ratio: int = 0,
    spatial_scale: float = 1.0,
    node: Any,
) -> Tensor:
    if not sampling_ratio:
        raise _fail(UnsupportedError, "RoiAlign with sampling_ratio=0, which boxes decide")
    default = "half_pixel" if node.version >= 16 else "output_half_pixel"
    half = (coordinate_transformation_mode or default) == "half_pixel"
    corners = rois * spatial_scale - (0.5 if half else 0.0)
    begin = [corners[:, 1], corners[:, 0]]
    extent = [corners[:, 3] - corners[:, 1], corners[:, 2] - corners[:, 0]]
    if not half:
        extent = [weft.maximum(size, 1.0) for size in extent]
    taps = []
    for start, size, out, limit in zip(
        begin, extent, (output_height, output_width), x.shape[2:], strict=True
    ):
        steps = (np.arange(out * sampling_ratio, dtype=np.float32) + 0.5) / sampling_ratio
        at = start[:, None] + size[:, None] * (steps / out).astype(np.float32)
        taps.append(_between(at, limit))
    images = weft.take(x, batch.astype("int64"), axis=0)
    parts = []
    for y, wy in taps[0]:
        lines = weft.gather(
            images,
            2,
            weft.broadcast_to(y[:, None, :, None], (*images.shape[:2], *y.shape[1:], x.shape[3])),
        )
        for z, wz in taps[1]:
            where = weft.broadcast_to(z[:, None, None, :], (*lines.shape[:3], z.shape[1]))
            parts.append(weft.gather(lines, 3, where) * wy[:, None, :, None] * wz[:, None, None, :])
    shape = (*images.shape[:2], output_height, sampling_ratio, output_width, sampling_ratio)
    if mode == "max":
        values = parts[0]
        for part in parts[1:]:
            values = weft.maximum(values, part)
        return weft.max(weft.reshape(values, shape), axis=(3, 5))
    total = parts[0] + parts[1] + parts[2] + parts[3]
    return weft.mean(weft.reshape(total, shape), axis=(3, 5))


def _between(at: Tensor, size: int) -> list[tuple[Tensor, Tensor]]:
    """The two neighbours of each place, with weights that are 0 beyond the ends."""
    inside = (at >= -1.0) & (at <= size)
    held = weft.clip(at, 0.0, size - 1.0)
    low = weft.floor(held)
    part = held - low
    first = low.astype("int64")
    second = weft.minimum(first + 1, size - 1)
    return [(first, weft.where(inside, 1 - part, 0.0)), (second, weft.where(inside, part, 0.0))]


@rule("DeformConv")
def _deform_conv(
    x: Tensor,
    weight: Tensor,
    offset: Tensor,
    bias: Tensor | None = None,
    mask: Tensor | None = None,
    *,
    dilations: Any = None,
    group: int = 1,
    kernel_shape: Any = None,
    offset_group: int = 1,
    pads: Any = None,
    strides: Any = None,
) -> Tensor:
    if x.ndim != 4:
        raise _fail(UnsupportedError, "DeformConv over other than two dimensions")
    kernel = tuple(weight.shape[2:])
    steps, holes = list(strides or (1, 1)), list(dilations or (1, 1))
    begins = list((pads or (0, 0, 0, 0))[:2])
    n, channels, outs = x.shape[0], x.shape[1], tuple(offset.shape[2:])
    taps = kernel[0] * kernel[1]
    moved = weft.reshape(offset, (n, offset_group, taps, 2, *outs))
    at = []
    for axis in range(2):
        base = np.arange(outs[axis]) * steps[axis] - begins[axis]
        hole = np.arange(kernel[axis]) * holes[axis]
        shape = [1, 1, 1, 1]
        shape[axis], shape[2 + axis] = kernel[axis], outs[axis]
        grid = hole.reshape([-1 if i == axis else 1 for i in range(4)])
        grid = grid + base.reshape([-1 if i == 2 + axis else 1 for i in range(4)])
        full = np.broadcast_to(grid, (*kernel, *outs)).reshape(taps, *outs)
        at.append(moved[:, :, :, axis] + full.astype(np.float32))
    sampled = _sampled(x, at, offset_group)
    if mask is not None:
        factors = weft.reshape(mask, (n, offset_group, 1, taps, *outs))
        apart = weft.reshape(sampled, (n, offset_group, channels // offset_group, taps, *outs))
        sampled = weft.reshape(apart * factors, sampled.shape)
    columns = weft.reshape(sampled, (n, group, channels // group * taps, -1))
    filters = weft.reshape(weight, (group, weight.shape[0] // group, -1))
    made = weft.reshape(weft.matmul(filters, columns), (n, weight.shape[0], *outs))
    return made if bias is None else made + weft.reshape(bias, (-1, 1, 1))


def _sampled(x: Tensor, at: list[Tensor], groups: int) -> Tensor:
    """x [N, C, H, W] between its elements, at places [N, groups, ...] of which 0 is beyond."""
    n, channels, height, width = x.shape
    inner = tuple(at[0].shape[2:])
    flat = weft.reshape(x, (n, groups, channels // groups, height * width))
    total: Any = 0
    lows = [weft.floor(place) for place in at]
    for dy in (0, 1):
        for dx in (0, 1):
            y, z = lows[0] + dy, lows[1] + dx
            inside = (y >= 0) & (y < height) & (z >= 0) & (z < width)
            factor = (1 - weft.abs(at[0] - y)) * (1 - weft.abs(at[1] - z))
            where = weft.clip(y, 0, height - 1) * width + weft.clip(z, 0, width - 1)
            rows = weft.reshape(where.astype("int64"), (n, groups, 1, -1))
            rows = weft.broadcast_to(rows, (n, groups, channels // groups, rows.shape[3]))
            weights = weft.reshape(weft.where(inside, factor, 0.0), (n, groups, 1, -1))
            total = total + weft.gather(flat, 3, rows) * weights
    return weft.reshape(total, (n, channels, *inner))


# Signals -------------------------------------------------------------------------------------


@rule("DFT", known=(1,))
def _dft_by_attribute(
    x: Tensor, length: Any = None, *, axis: int = 1, inverse: int = 0, onesided: int = 0
) -> Tensor:
    return _transformed(x, length, axis, inverse, onesided)


@rule("DFT", since=20, known=(1, 2))
def _dft(
    x: Tensor, length: Any = None, axis: Any = None, *, inverse: int = 0, onesided: int = 0
) -> Tensor:
    place = -2 if axis is None else int(number(axis))
    return _transformed(x, length, place, inverse, onesided)


def _transformed(x: Tensor, length: Any, axis: int, inverse: int, onesided: int) -> Tensor:
    place = axis % x.ndim
    count = None if length is None else int(number(length))
    if onesided and inverse:
        values = weft.view_as_complex(x)
        made = weft.fft.irfft(values, n=count, axis=place)
        return weft.expand_dims(made, axis=-1)
    if x.shape[-1] == 1:
        values = x[..., 0]
        if onesided:
            return weft.view_as_real(weft.fft.rfft(values, n=count, axis=place))
        values = weft.complex(values, weft.zeros_like(values))
    else:
        values = weft.view_as_complex(x)
    function = weft.fft.ifft if inverse else weft.fft.fft
    made = function(values, n=count, axis=place)
    if onesided:
        made = made[(slice(None),) * place + (slice(0, made.shape[place] // 2 + 1),)]
    return weft.view_as_real(made)


@rule("STFT", known=(1, 3))
def _stft(
    x: Tensor, step: Any, window: Tensor | None = None, length: Any = None, *, onesided: int = 1
) -> Tensor:
    size = int(number(length)) if length is not None else window.shape[0]  # type: ignore[union-attr]
    hop = int(number(step))
    values = x[..., 0] if x.ndim == 3 and x.shape[-1] == 1 else x
    values = weft.view_as_complex(values) if values.ndim == 3 else values
    frames = (values.shape[1] - size) // hop + 1
    table = np.arange(frames)[:, None] * hop + np.arange(size)
    cut = weft.take(values, weft.asarray(table.reshape(-1)), axis=1)
    cut = weft.reshape(cut, (values.shape[0], frames, size))
    cut = cut if window is None else cut * window
    if onesided:
        return weft.view_as_real(weft.fft.rfft(cut, axis=2))
    made = cut if cut.dtype.is_complex else weft.complex(cut, weft.zeros_like(cut))
    return weft.view_as_real(weft.fft.fft(made, axis=2))


@rule("MelWeightMatrix", known=(0, 1, 2, 3, 4))
def _mel_weight_matrix(
    bins: Any, length: Any, rate: Any, low: Any, high: Any, *, output_datatype: int = 1
) -> Tensor:
    count, size = int(number(bins)), int(number(length))
    spectrum = size // 2 + 1
    ends = [2595 * np.log10(1 + float(number(f)) / 700) for f in (low, high)]
    points = np.arange(count + 2) * ((ends[1] - ends[0]) / (count + 2)) + ends[0]
    hertz = 700 * (10 ** (points / 2595) - 1)
    places = np.floor((size + 1) * hertz / int(number(rate))).astype(np.int64)
    made = np.zeros((spectrum, count), np.float64)
    for i in range(count):
        first, middle, last = places[i : i + 3]
        if middle == first:
            made[middle, i] = 1
        for j in range(first, middle + 1):
            if middle > first:
                made[j, i] = (j - first) / (middle - first)
        for j in range(middle, last):
            made[j, i] = (last - j) / (last - middle)
    return weft.asarray(made).astype(dtype_of(output_datatype))

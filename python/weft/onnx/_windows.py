"""Convolutions and pooling."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .._core import SymbolicSize, Tensor
from .._creation import _fail
from .._errors import UnsupportedError
from .._pooling import largest, pooled
from .._windows import Windows, constant, flat_places, known_sizes, pick
from ..nn import functional
from ._rules import rule, weft


class _Layout(NamedTuple):
    """How windows lie: what is added before and behind each dimension, and how many there are."""

    begins: list[Any]
    ends: list[Any]
    counts: list[Any]


def _layout(
    sizes: Sequence[Any],
    window: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    pads: Any,
    auto_pad: str,
    ceil_mode: bool = False,
) -> _Layout:
    """The layout; ``ends`` are such that the last window ends with them."""
    given = list(pads) if pads is not None and auto_pad in ("NOTSET", "") else [0] * 2 * len(sizes)
    begins, ends, counts = [], [], []
    for place, (size, k, s, d) in enumerate(zip(sizes, window, strides, dilations, strict=True)):
        extent = d * (k - 1) + 1
        begin, end = given[place], given[place + len(sizes)]
        if auto_pad in ("SAME_UPPER", "SAME_LOWER"):
            total = _at_least_zero((-(-size // s) - 1) * s + extent - size, size)
            begin = total // 2 if auto_pad == "SAME_UPPER" else total - total // 2
            end = total - begin
        room = size + begin + end - extent
        count = (-(-room // s) if ceil_mode else room // s) + 1
        if ceil_mode and not isinstance(count, SymbolicSize) and (count - 1) * s >= size + begin:
            count -= 1
        if ceil_mode:
            end = (count - 1) * s + extent - size - begin
        begins.append(begin)
        ends.append(end)
        counts.append(count)
    return _Layout(begins, ends, counts)


def _at_least_zero(total: Any, size: Any) -> Any:
    if isinstance(size, SymbolicSize):
        raise _fail(UnsupportedError, f"auto_pad of a dimension whose size {size} is not known")
    return max(total, 0)


def _around(x: Tensor, layout: _Layout, value: float) -> Tensor:
    """The tensor with the layout's elements around its last dimensions."""
    pairs = list(zip(layout.begins, layout.ends, strict=True))
    if not any(isinstance(size, SymbolicSize) or size for pair in pairs for size in pair):
        return x
    return functional.pad(x, [size for pair in reversed(pairs) for size in pair], value=value)


def _each(values: Any, count: int) -> list[int]:
    return [1] * count if values is None else list(values)


# Convolutions --------------------------------------------------------------------------------

_CONVOLUTIONS = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
_TRANSPOSED = {
    1: functional.conv_transpose1d,
    2: functional.conv_transpose2d,
    3: functional.conv_transpose3d,
}


def _function(table: dict[int, Callable[..., Tensor]], x: Tensor) -> Callable[..., Tensor]:
    if x.ndim - 2 not in table:
        raise _fail(UnsupportedError, f"windows over {x.ndim - 2} dimensions; weft has 1 to 3")
    return table[x.ndim - 2]


@rule("Conv")
def conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    auto_pad: str = "NOTSET",
    dilations: Any = None,
    group: int = 1,
    kernel_shape: Any = None,
    pads: Any = None,
    strides: Any = None,
) -> Tensor:
    """A convolution, as ONNX defines it."""
    function, count = _function(_CONVOLUTIONS, x), x.ndim - 2
    steps, holes = _each(strides, count), _each(dilations, count)
    layout = _layout(x.shape[2:], weight.shape[2:], steps, holes, pads, auto_pad)
    border: Any = layout.begins
    if layout.begins != layout.ends:
        x, border = _around(x, layout, 0), 0
    return function(x, weight, bias, steps, border, holes, group)


@rule("ConvTranspose")
def _conv_transpose(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    auto_pad: str = "NOTSET",
    dilations: Any = None,
    group: int = 1,
    kernel_shape: Any = None,
    output_padding: Any = None,
    output_shape: Any = None,
    pads: Any = None,
    strides: Any = None,
) -> Tensor:
    function, count = _function(_TRANSPOSED, x), x.ndim - 2
    steps, holes = _each(strides, count), _each(dilations, count)
    more = [0] * count if output_padding is None else list(output_padding)
    borders = [0] * (2 * count) if pads is None else list(pads)
    begins, ends = borders[:count], borders[count:]
    wanted = None if output_shape is None else list(output_shape)[-count:]
    if wanted is None and auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        wanted = [size * step for size, step in zip(x.shape[2:], steps, strict=True)]
    if wanted is not None:
        for i in range(count):
            extent = holes[i] * (weight.shape[2 + i] - 1) + 1
            total = steps[i] * (x.shape[2 + i] - 1) + more[i] + extent - wanted[i]
            small = total // 2
            begins[i] = small if auto_pad == "SAME_UPPER" else total - small
            ends[i] = total - begins[i]
    if begins == ends and all(m < s for m, s in zip(more, steps, strict=True)) and min(begins) >= 0:
        return function(x, weight, bias, steps, begins, more, group, holes)
    made = function(x, weight, None, steps, 0, 0, group, holes)
    around = [(-begins[i], more[i] - ends[i]) for i in range(count)]
    made = functional.pad(made, [size for pair in reversed(around) for size in pair])
    return made if bias is None else made + weft.reshape(bias, (-1, *[1] * count))


# Pooling -------------------------------------------------------------------------------------


def _without_windows(x: Tensor, layout: _Layout) -> Tensor | None:
    """The empty result of windows that are larger than the input by less than a step."""
    if not any(isinstance(count, int) and count == 0 for count in layout.counts):
        return None
    return weft.zeros((*x.shape[:2], *layout.counts), dtype=x.dtype)


def _plane(op: str, x: Tensor, window: Sequence[int], strides: Sequence[int]) -> Tensor:
    return pooled(op, x, list(window), list(strides), [0] * len(window))


def _table(
    x: Tensor, layout: _Layout, window: Sequence[int], strides: Sequence[int], holes: Sequence[int]
) -> tuple[list[Windows], tuple[int, ...]]:
    sizes = known_sizes(x, len(window), "pooling")
    parts = zip(sizes, layout.counts, window, strides, layout.begins, holes, strict=True)
    return [Windows.sliding(*part) for part in parts], sizes


@rule("MaxPool")
def _max_pool(
    x: Tensor,
    *,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    dilations: Any = None,
    kernel_shape: Any,
    pads: Any = None,
    storage_order: int = 0,
    strides: Any = None,
    node: Any,
) -> Any:
    _function(_CONVOLUTIONS, x)
    given, count = x.dtype, len(kernel_shape)
    # Numbers of a byte are exact in float32, which has the kernel.
    x = x.astype("float32") if given.kind != "floating" else x
    steps, holes = _each(strides, count), _each(dilations, count)
    layout = _layout(x.shape[2:], kernel_shape, steps, holes, pads, auto_pad, bool(ceil_mode))
    if (empty := _without_windows(x, layout)) is not None:
        return empty.astype(given), empty.astype("int64")
    if len(node.outputs) < 2 and all(hole == 1 for hole in holes):
        made = _plane("max_pool2d", _around(x, layout, -math.inf), kernel_shape, steps)
        return made.astype(given)
    windows, sizes = _table(x, layout, kernel_shape, steps, holes)
    values, indices = largest(x, windows, "MaxPool")
    if storage_order:
        indices = _by_columns(indices, sizes)
    planes = weft.arange(math.prod(x.shape[:2])) * math.prod(sizes)
    indices = indices + weft.reshape(planes, (*x.shape[:2], *[1] * count))
    return values.astype(given), indices


def _by_columns(indices: Tensor, sizes: Sequence[int]) -> Tensor:
    """Row-major places as column-major ones."""
    result: Any = 0
    factor, rest = math.prod(sizes), indices
    for size in reversed(sizes):
        factor //= size
        result = result + weft.remainder(rest, size) * factor
        rest = weft.floor_divide(rest, size)
    return result


def _elements(
    x: Tensor, layout: _Layout, window: Sequence[int], strides: Sequence[int], holes: Sequence[int]
) -> tuple[Tensor, np.ndarray]:
    """The elements of each window, [elements, N, C, windows], 0 beyond the ends; and which of them
    are inside, [windows, elements]."""
    windows, sizes = _table(x, layout, window, strides, holes)
    places, inside = flat_places(windows, sizes)
    flat = weft.reshape(x, (*x.shape[:2], math.prod(sizes)))
    flat = functional.pad(flat, [0, 1])
    table = np.where(inside, places, math.prod(sizes))
    return pick(flat, constant(table, x), 2), inside


@rule("AveragePool")
def average_pool(
    x: Tensor,
    *,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    count_include_pad: int = 0,
    dilations: Any = None,
    kernel_shape: Any,
    pads: Any = None,
    strides: Any = None,
) -> Tensor:
    _function(_CONVOLUTIONS, x)
    count = len(kernel_shape)
    steps, holes = _each(strides, count), _each(dilations, count)
    layout = _layout(x.shape[2:], kernel_shape, steps, holes, pads, auto_pad, bool(ceil_mode))
    if (empty := _without_windows(x, layout)) is not None:
        return empty
    plain = _layout(x.shape[2:], kernel_shape, steps, holes, pads, auto_pad)
    total = math.prod(kernel_shape)
    if all(hole == 1 for hole in holes):
        means = _plane("avg_pool2d", _around(x, layout, 0), kernel_shape, steps)
        even = not any([*layout.begins, *layout.ends]) if not count_include_pad else not ceil_mode
        if even:
            return means
    windows, sizes = _table(x, layout, kernel_shape, steps, holes)
    divisors = np.ones(())
    for own, size, end in zip(windows, sizes, plain.ends, strict=True):
        counted = own.places < size + end if count_include_pad else own.inside
        divisors = np.multiply.outer(divisors, np.maximum(counted.sum(axis=1), 1))
    if any(hole != 1 for hole in holes):
        picked, _ = _elements(x, layout, kernel_shape, steps, holes)
        means = weft.reshape(weft.mean(picked, axis=-1), (*x.shape[:2], *layout.counts))
    return (means * (total / divisors).astype(np.float32)).astype(x.dtype)


@rule("LpPool")
def _lp_pool(
    x: Tensor,
    *,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    dilations: Any = None,
    kernel_shape: Any,
    p: int = 2,
    pads: Any = None,
    strides: Any = None,
) -> Tensor:
    count = len(kernel_shape)
    steps, holes = _each(strides, count), _each(dilations, count)
    layout = _layout(x.shape[2:], kernel_shape, steps, holes, pads, auto_pad, bool(ceil_mode))
    if (empty := _without_windows(x, layout)) is not None:
        return empty
    powers = weft.abs(x) ** p
    if any(hole != 1 for hole in holes):
        picked, _ = _elements(powers, layout, kernel_shape, steps, holes)
        sums = weft.reshape(weft.sum(picked, axis=-1), (*x.shape[:2], *layout.counts))
    else:
        means = _plane("avg_pool2d", _around(powers, layout, 0), kernel_shape, steps)
        sums = means * math.prod(kernel_shape)
    return sums ** (1.0 / p)


def _global(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda x: function(x, axis=tuple(range(2, x.ndim)), keepdims=True)


rule("GlobalAveragePool")(_global(weft.mean))
rule("GlobalMaxPool")(_global(weft.max))


@rule("GlobalLpPool")
def _global_lp_pool(x: Tensor, *, p: int = 2) -> Tensor:
    return _global(weft.sum)(weft.abs(x) ** p) ** (1.0 / p)


@rule("MaxUnpool", known=(2,))
def _max_unpool(
    x: Tensor,
    indices: Tensor,
    shape: Any = None,
    *,
    kernel_shape: Any,
    pads: Any = None,
    strides: Any = None,
) -> Tensor:
    count = len(kernel_shape)
    steps = _each(strides, count)
    borders = [0] * 2 * count if pads is None else pads
    sizes = [
        (x.shape[2 + i] - 1) * steps[i] + kernel_shape[i] - borders[i] - borders[count + i]
        for i in range(count)
    ]
    total = math.prod(x.shape[:2]) * math.prod(sizes)
    flat = weft.scatter(
        weft.zeros(total, dtype=x.dtype), 0, weft.reshape(indices, -1), weft.reshape(x, -1)
    )
    made = weft.reshape(flat, (*x.shape[:2], *sizes))
    if shape is None:
        return made
    more = [int(want) - have for want, have in zip(shape[2:], sizes, strict=True)]
    return functional.pad(made, [size for each in reversed(more) for size in (0, each)])


@rule("Col2Im", known=(1, 2))
def _col2im(
    x: Tensor,
    image: Any,
    block: Any,
    *,
    dilations: Any = None,
    pads: Any = None,
    strides: Any = None,
) -> Tensor:
    window, sizes = [int(k) for k in block], [int(size) for size in image]
    count = len(window)
    steps, holes = _each(strides, count), _each(dilations, count)
    layout = _layout(sizes, window, steps, holes, pads, "NOTSET")
    parts = zip(sizes, layout.counts, window, steps, layout.begins, holes, strict=True)
    places, inside = flat_places([Windows.sliding(*part) for part in parts], sizes)
    total, elements = math.prod(sizes), math.prod(window)
    table = np.where(inside, places, total).T.reshape(-1)
    n, channels = x.shape[0], x.shape[1] // elements
    updates = weft.reshape(x, (n, channels, elements * places.shape[0]))
    where = weft.broadcast_to(weft.asarray(table), updates.shape)
    flat = weft.zeros(n, channels, total + 1, dtype=x.dtype)
    made = weft.scatter_add(flat, 2, where, updates)[..., :total]
    return weft.reshape(made, (n, channels, *sizes))

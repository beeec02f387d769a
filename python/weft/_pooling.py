"""Pooling over one to three dimensions, with PyTorch's arguments.

There is one operation for the largest elements and one for means, both over two dimensions: one
dimension is two of which the first has one element, three are two after two. What these do not take
is done with tables of where the elements of each window are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from . import _core
from ._core import Tensor
from ._creation import _fail, _iota, _size, zeros
from ._dtypes import int64
from ._errors import ShapeError
from ._gathering import scatter
from ._manipulation import astype, integer_indices, reshape, without_negative
from ._manipulation import pad as _pad_with
from ._reductions import argmax
from ._windows import (
    Sizes,
    Windows,
    batched,
    check_least,
    constant,
    flat_places,
    floating,
    known_sizes,
    pick,
    pick_each,
    sizes_of,
    unbatched,
    widened,
)


class _Options(NamedTuple):
    """How windows lie over each dimension."""

    window: list[int]
    strides: list[int]
    borders: list[int]
    dilations: list[int]

    @staticmethod
    def of(
        name: str, count: int, window: Sizes, stride: Sizes | None, border: Sizes, dilation: Sizes
    ) -> _Options:
        """Checked. Raises ShapeError."""
        sizes = sizes_of(window, count, f"{name}: kernel_size")
        strides = sizes if stride is None else sizes_of(stride, count, f"{name}: stride")
        borders = sizes_of(border, count, f"{name}: padding")
        dilations = sizes_of(dilation, count, f"{name}: dilation")
        for values, least, what in (
            (sizes, 1, "kernel_size"),
            (strides, 1, "stride"),
            (borders, 0, "padding"),
            (dilations, 1, "dilation"),
        ):
            check_least(values, least, f"{name}: {what}")
        result = _Options(sizes, strides, borders, dilations)
        if any(2 * p > extent for p, extent in zip(borders, result.extents, strict=True)):
            raise _fail(
                ShapeError, f"{name}: padding {borders} is more than half of the window {sizes}"
            )
        return result

    @property
    def extents(self) -> list[int]:
        """How far each window reaches."""
        return [d * (k - 1) + 1 for d, k in zip(self.dilations, self.window, strict=True)]

    def counts(self, sizes: Sequence[int], ceil_mode: bool, name: str) -> list[int]:
        """How many windows there are: with ``ceil_mode`` the last one may reach beyond the end, if
        it does not begin there. Raises ShapeError if there is none."""
        counts = []
        for size, extent, s, p in zip(sizes, self.extents, self.strides, self.borders, strict=True):
            room = size + 2 * p - extent
            count = (-(-room // s) if ceil_mode else room // s) + 1
            if ceil_mode and (count - 1) * s >= size + p:
                count -= 1
            if count < 1 or size == 0:
                raise _fail(
                    ShapeError,
                    f"{name}: the window {self.window} is larger than the padded input of size "
                    f"{tuple(sizes)}",
                )
            counts.append(count)
        return counts

    def beyond(self, sizes: Sequence[int], counts: Sequence[int]) -> list[int]:
        """By how much the last windows reach beyond the padded input."""
        ends = [(n - 1) * s + e for n, s, e in zip(counts, self.strides, self.extents, strict=True)]
        return [
            max(end - size - 2 * p, 0)
            for end, size, p in zip(ends, sizes, self.borders, strict=True)
        ]

    def windows(self, sizes: Sequence[int], counts: Sequence[int]) -> list[Windows]:
        """The places that the windows see along each dimension."""
        return list(map(Windows.sliding, sizes, counts, *self))


def pooled(
    op: str, x: Tensor, window: Sequence[int], strides: Sequence[int], borders: Sequence[int]
) -> Tensor:
    """The operation over x [N, C, ...] of one to three dimensions more."""
    if len(window) == 1:
        row = reshape(x, (*x.shape[:2], 1, x.shape[2]))
        result = pooled(op, row, [1, *window], [1, *strides], [0, *borders])
        return reshape(result, (*x.shape[:2], result.shape[3]))
    if len(window) == 2:
        options = {"window": window, "strides": strides, "padding": borders}
        return _core.apply("weft." + op, (x,), {key: list(value) for key, value in options.items()})
    # Within planes first: of equal elements the first in row-major order then is the largest.
    n, channels, depth, height, width = x.shape
    planes = reshape(x, (n, channels * depth, height, width))
    planes = pooled(op, planes, window[1:], strides[1:], borders[1:])
    height, width = planes.shape[2:]
    columns = reshape(planes, (n, channels, depth, height * width))
    columns = pooled(op, columns, [window[0], 1], [strides[0], 1], [borders[0], 0])
    return reshape(columns, (n, channels, columns.shape[2], height, width))


def _with_more_behind(x: Tensor, more: Sequence[int], value: float) -> Tensor:
    return _pad_with(x, [(0, 0), (0, 0), *((0, size) for size in more)], value) if any(more) else x


def largest(x: Tensor, windows: Sequence[Windows], name: str) -> tuple[Tensor, Tensor]:
    """The largest element of each window of x [N, C, ...], and where it is in the flattened plane:
    both [N, C, ...]. The first of equals."""
    count = len(windows)
    sizes = known_sizes(x, count, name)
    places, inside = flat_places(windows, sizes)
    total = math.prod(sizes)
    # Elements beyond the ends are the window's first one once more, which changes nothing; a window
    # without any sees one that is behind the plane.
    first = np.take_along_axis(places, inside.argmax(axis=1)[:, None], axis=1)
    first = np.where(inside.any(axis=1, keepdims=True), first, total)
    table = np.where(inside, places, first)
    flat = reshape(x, (*x.shape[:2], total))
    if table.size and table.max() == total:
        flat = _pad_with(flat, [(0, 0), (0, 0), (0, 1)], -math.inf)
    # The windows are the last dimension, along which kernels take many at once.
    best = argmax(pick(flat.detach(), constant(table.T, x), 2), axis=2)
    rows = _iota((table.shape[0],), 0, int64, x.device) * table.shape[1]
    indices = pick(constant(table.reshape(-1), x), rows + best, 0)
    shape = (*x.shape[:2], *(own.places.shape[0] for own in windows))
    return reshape(pick_each(flat, indices), shape), reshape(indices, shape)


def _max_pool(
    name: str,
    count: int,
    input: Tensor,
    window: Sizes,
    stride: Sizes | None,
    padding: Sizes,
    dilation: Sizes,
    ceil_mode: bool,
    return_indices: bool,
) -> Any:
    x, single = batched(floating(input, name), count, name)
    options = _Options.of(name, count, window, stride, padding, dilation)
    if return_indices or ceil_mode or any(step != 1 for step in options.dilations):
        sizes = known_sizes(x, count, name)
        counts = options.counts(sizes, ceil_mode, name)
        if return_indices or any(step != 1 for step in options.dilations):
            found = largest(x, options.windows(sizes, counts), name)
            values, indices = (unbatched(part, single) for part in found)
            return (values, indices) if return_indices else values
        x = _with_more_behind(x, options.beyond(sizes, counts), -math.inf)
    return unbatched(
        pooled("max_pool2d", x, options.window, options.strides, options.borders), single
    )


def max_pool1d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window of [N, C, L] or [C, L]; as `max_pool2d`."""
    return _max_pool(
        "max_pool1d",
        1,
        *(input, kernel_size, stride, padding, dilation, ceil_mode, return_indices),
    )


def max_pool2d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window of [N, C, H, W] or [C, H, W]; NaN if any is.

    Args:
        input: floating.
        kernel_size: the window.
        stride: how far apart windows are; None: the size of the window.
        padding: how far the first windows begin before the input; there is nothing to be found.
        dilation: how far apart the elements of a window are.
        ceil_mode: with windows that reach beyond the end.
        return_indices: also return where the elements are in the flattened H and W (int64), of
            equals the first.

    Raises:
        ShapeError: the input has other dimensions, the window is larger, or the padding more than
            half of it. DTypeError: the input is not floating. UnsupportedError: while exporting,
            with an option that needs to know the input's sizes.
    """
    return _max_pool(
        "max_pool2d",
        2,
        *(input, kernel_size, stride, padding, dilation, ceil_mode, return_indices),
    )


def max_pool3d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window of [N, C, D, H, W] or [C, D, H, W]; as `max_pool2d`."""
    return _max_pool(
        "max_pool3d",
        3,
        *(input, kernel_size, stride, padding, dilation, ceil_mode, return_indices),
    )


def _avg_pool(
    name: str,
    count: int,
    input: Tensor,
    window: Sizes,
    stride: Sizes | None,
    padding: Sizes,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None = None,
) -> Tensor:
    x, single = batched(floating(input, name), count, name)
    options = _Options.of(name, count, window, stride, padding, 1)
    if divisor_override is not None and divisor_override == 0:
        raise _fail(ShapeError, f"{name}: divisor_override must not be 0")
    arguments = (options.window, options.strides, options.borders)
    uneven = ceil_mode or (any(options.borders) and not count_include_pad)
    if not uneven and divisor_override is None:
        return unbatched(pooled("avg_pool2d", x, *arguments), single)
    wide = widened(x)
    total, divisors = math.prod(options.window), None
    if uneven:
        sizes = known_sizes(x, count, name)
        counts = options.counts(sizes, ceil_mode, name)
        wide = _with_more_behind(wide, options.beyond(sizes, counts), 0.0)
        divisors = _divisors(options, sizes, counts, count_include_pad)
    means = pooled("avg_pool2d", wide, *arguments)
    if divisor_override is not None:
        means = means * (total / divisor_override)
    elif divisors is not None and (divisors != total).any():
        factors = constant(total / divisors, x)
        means = means * astype(factors, means.dtype)
    return unbatched(astype(means, x.dtype, copy=False), single)


def _divisors(
    options: _Options, sizes: Sequence[int], counts: Sequence[int], count_include_pad: bool
) -> np.ndarray:
    """By what the sum of each window is divided: how many elements of it are in the input, or in
    the padded input."""
    result = np.ones(())
    for own, size, border in zip(
        options.windows(sizes, counts), sizes, options.borders, strict=True
    ):
        counted = own.places < size + border if count_include_pad else own.inside
        result = np.multiply.outer(result, np.maximum(counted.sum(axis=1), 1))
    return result


def avg_pool1d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window of [N, C, L] or [C, L]; as `avg_pool2d`."""
    return _avg_pool(
        "avg_pool1d", 1, input, kernel_size, stride, padding, ceil_mode, count_include_pad
    )


def avg_pool2d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window of [N, C, H, W] or [C, H, W].

    Args:
        input: floating.
        kernel_size: the window.
        stride: how far apart windows are; None: the size of the window.
        padding: how many zeros are around the input.
        ceil_mode: with windows that reach beyond the end, where nothing is counted.
        count_include_pad: whether the zeros are counted.
        divisor_override: by what sums are divided instead of the number of elements.

    Raises:
        ShapeError: the input has other dimensions, the window is larger, or the padding more than
            half of it. DTypeError: the input is not floating. UnsupportedError: while exporting,
            with an option that needs to know the input's sizes.
    """
    options = (stride, padding, ceil_mode, count_include_pad, divisor_override)
    return _avg_pool("avg_pool2d", 2, input, kernel_size, *options)


def avg_pool3d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window of [N, C, D, H, W] or [C, D, H, W]; as `avg_pool2d`."""
    options = (stride, padding, ceil_mode, count_include_pad, divisor_override)
    return _avg_pool("avg_pool3d", 3, input, kernel_size, *options)


def _lp_pool(
    name: str,
    count: int,
    input: Tensor,
    norm_type: float,
    window: Sizes,
    stride: Sizes | None,
    ceil_mode: bool,
) -> Tensor:
    x = floating(input, name)
    if norm_type == 0:
        raise _fail(ShapeError, f"{name}: norm_type must not be 0")
    total = math.prod(sizes_of(window, count, f"{name}: kernel_size"))
    means = _avg_pool(name, count, x**norm_type, window, stride, 0, ceil_mode, True)
    return (means * float(total)) ** (1.0 / norm_type)


def lp_pool1d(
    input: Tensor,
    norm_type: float,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """The norm of each window of [N, C, L] or [C, L]; as `lp_pool2d`."""
    return _lp_pool("lp_pool1d", 1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: Tensor,
    norm_type: float,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """The sum of input ** norm_type over each window of [N, C, H, W] or [C, H, W], to the power of
    1 / norm_type, as PyTorch has it: of negative elements without their absolute values.

    Raises:
        ShapeError: norm_type is 0, or as `avg_pool2d`. DTypeError: the input is not floating.
    """
    return _lp_pool("lp_pool2d", 2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    input: Tensor,
    norm_type: float,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """The norm of each window of [N, C, D, H, W] or [C, D, H, W]; as `lp_pool2d`."""
    return _lp_pool("lp_pool3d", 3, input, norm_type, kernel_size, stride, ceil_mode)


def _max_unpool(
    name: str,
    count: int,
    input: Tensor,
    indices: Tensor,
    window: Sizes,
    stride: Sizes | None,
    padding: Sizes,
    output_size: Sequence[int] | None,
) -> Tensor:
    x, single = batched(floating(input, name), count, name)
    places, _ = batched(integer_indices(indices, name), count, name)
    if places.shape != x.shape:
        raise _fail(
            ShapeError, f"{name}: indices of shape {places.shape} do not fit shape {x.shape}"
        )
    options = _Options.of(name, count, window, stride, padding, 1)
    known = zip(x.shape[2:], options.window, options.strides, options.borders, strict=True)
    sizes = [(size - 1) * s - 2 * p + k for size, k, s, p in known]
    if output_size is not None:
        wanted = [_size(size, f"{name}: output_size") for size in output_size][-count:]
        pairs = zip(wanted, sizes, options.strides)
        if len(wanted) != count or any(abs(want - size) >= s for want, size, s in pairs):
            raise _fail(
                ShapeError,
                f"{name}: output_size {tuple(output_size)} is not within the stride of "
                f"{tuple(sizes)}",
            )
        sizes = wanted
    check_least(sizes, 0, f"{name}: the output's size")
    total = math.prod(sizes)
    flat = zeros(*x.shape[:2], total, dtype=x.dtype, device=x.device)
    count_of_each = math.prod(x.shape[2:])
    updates = reshape(x, (*x.shape[:2], count_of_each))
    where = reshape(without_negative(places, total, name), updates.shape)
    return unbatched(reshape(scatter(flat, 2, where, updates), (*x.shape[:2], *sizes)), single)


def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Elements put back to where `max_pool1d` found them: [N, C, L] or [C, L]; as
    `max_unpool2d`."""
    options = (kernel_size, stride, padding, output_size)
    return _max_unpool("max_unpool1d", 1, input, indices, *options)


def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Elements [N, C, H, W] or [C, H, W] put back to where `max_pool2d` found them, among zeros.

    Args:
        input: what the pooling gave.
        indices: where it found that, of the input's shape.
        kernel_size: the window of the pooling.
        stride: that of the pooling.
        padding: that of the pooling.
        output_size: the shape of what was pooled, or its last sizes; by default the least one.

    Raises:
        OutOfBoundsError: an index is out of range. ShapeError: the shapes do not fit, or the output
            is not of a size that was pooled. DTypeError: the indices are no integers.
    """
    options = (kernel_size, stride, padding, output_size)
    return _max_unpool("max_unpool2d", 2, input, indices, *options)


def max_unpool3d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Elements [N, C, D, H, W] or [C, D, H, W] put back to where `max_pool3d` found them; as
    `max_unpool2d`."""
    options = (kernel_size, stride, padding, output_size)
    return _max_unpool("max_unpool3d", 3, input, indices, *options)

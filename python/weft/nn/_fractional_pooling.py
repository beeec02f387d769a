"""Pooling over windows at random distances (Graham, "Fractional max-pooling", 2014)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from .. import _ops
from .._core import Tensor
from .._creation import _fail, _iota, full
from .._dtypes import float64, int64
from .._errors import OptionError, ShapeError
from .._gathering import take_along_axis
from .._manipulation import astype, concat, reshape
from .._reductions import argmax
from .._windows import Sizes, batched, check_least, floating, known_sizes, sizes_of, unbatched
from ..random import uniform

#: By what the sizes of an input are multiplied, all of them or each.
Ratios = float | Sequence[float]


def _starts(samples: Tensor, size: int, count: int, window: int) -> Tensor:
    """Where the windows along a dimension begin, of samples [N, C] in [0, 1): [N, C, count]."""
    shape = (*samples.shape, 1)
    last = full(shape, size - window, dtype=int64, device=samples.device)
    if count == 1:
        return last
    step = (size - window) / (count - 1)
    number = _iota((1, 1, count - 1), 2, samples.dtype, samples.device)
    each = reshape(samples, shape)
    begin = _ops.trunc((number + each) * step) - _ops.trunc(each * step)
    return concat([astype(begin, int64), last], axis=2)


def _output_sizes(
    name: str, sizes: Sequence[int], output_size: Sizes | None, output_ratio: Ratios | None
) -> list[int]:
    if (output_size is None) == (output_ratio is None):
        raise _fail(OptionError, f"{name}: give one of output_size and output_ratio")
    if output_size is not None:
        return sizes_of(output_size, len(sizes), f"{name}: output_size")
    is_one = isinstance(output_ratio, (int, float))
    ratios: Any = [output_ratio] * len(sizes) if is_one else output_ratio
    if len(ratios) != len(sizes) or not all(0 < ratio < 1 for ratio in ratios):
        raise _fail(OptionError, f"{name}: output_ratio has to be in (0, 1), not {output_ratio}")
    return [int(size * ratio) for size, ratio in zip(sizes, ratios, strict=True)]


def _fractional_max_pool(
    name: str,
    count: int,
    input: Tensor,
    kernel_size: Sizes,
    output_size: Sizes | None,
    output_ratio: Ratios | None,
    return_indices: bool,
    samples: Tensor | None,
) -> Any:
    x, single = batched(floating(input, name), count, name)
    sizes = known_sizes(x, count, name)
    window = sizes_of(kernel_size, count, f"{name}: kernel_size")
    counts = _output_sizes(name, sizes, output_size, output_ratio)
    check_least(window, 1, f"{name}: kernel_size")
    check_least(counts, 1, f"{name}: output_size")
    if any(n + k - 1 > size for n, k, size in zip(counts, window, sizes, strict=True)):
        raise _fail(
            ShapeError, f"{name}: {counts} windows of {window} do not fit an input of {sizes}"
        )
    batch, channels = x.shape[:2]
    if samples is None:
        dtype = float64 if x.dtype is float64 else "float32"
        samples = uniform((batch, channels, count), dtype=dtype, device=x.device)
    if samples.shape != (batch, channels, count):
        raise _fail(
            ShapeError,
            f"{name}: the samples have shape {samples.shape}, not {(batch, channels, count)}",
        )
    # PyTorch's samples of two dimensions are those of the width first.
    order = (1, 0) if count == 2 else range(count)
    places: Any = 0
    for axis, number in enumerate(order):
        begin = _starts(samples[:, :, number], sizes[axis], counts[axis], window[axis])
        offsets = _iota((window[axis],), 0, int64, x.device)
        own = [1] * (2 * count)
        own[axis], own[count + axis] = counts[axis], window[axis]
        line = reshape(reshape(begin, (*begin.shape, 1)) + offsets, (batch, channels, *own))
        places = places * sizes[axis] + line
    total, inside = math.prod(counts), math.prod(window)
    places = reshape(places, (batch, channels, total * inside))
    flat = reshape(x, (batch, channels, math.prod(sizes)))
    shape = (batch, channels, total, inside)
    seen = reshape(take_along_axis(flat.detach(), places, axis=2), shape)
    best = argmax(seen, axis=3, keepdims=True)
    chosen = reshape(take_along_axis(reshape(places, shape), best, axis=3), shape[:3])
    values = reshape(take_along_axis(flat, chosen, axis=2), (batch, channels, *counts))
    if not return_indices:
        return unbatched(values, single)
    indices = reshape(chosen, (batch, channels, *counts))
    return unbatched(values, single), unbatched(indices, single)


def fractional_max_pool2d(
    input: Tensor,
    kernel_size: Sizes,
    output_size: Sizes | None = None,
    output_ratio: Ratios | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """The largest element of each window of [N, C, H, W] or [C, H, W], where windows lie at random
    distances, other ones for each channel (Graham, 2014).

    Args:
        kernel_size: the window.
        output_size: how many windows there are along each dimension; or
        output_ratio: by what the sizes of the input are multiplied, in (0, 1).
        return_indices: whether where the elements are in the flattened H and W, is returned too.
        _random_samples: [N, C, 2] in [0, 1), which say where the windows lie; None: drawn.

    Raises:
        ShapeError: the windows do not fit. OptionError: neither a size nor a ratio is given, or
            both. DTypeError: the input is not floating.
    """
    more = (output_size, output_ratio, return_indices, _random_samples)
    return _fractional_max_pool("fractional_max_pool2d", 2, input, kernel_size, *more)


def fractional_max_pool3d(
    input: Tensor,
    kernel_size: Sizes,
    output_size: Sizes | None = None,
    output_ratio: Ratios | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """The largest element of each window of [N, C, D, H, W] or [C, D, H, W]; as
    `fractional_max_pool2d`, of samples [N, C, 3]."""
    more = (output_size, output_ratio, return_indices, _random_samples)
    return _fractional_max_pool("fractional_max_pool3d", 3, input, kernel_size, *more)


def _with_indices(function: Callable[..., Any]) -> Callable[..., Any]:
    def pool(
        input: Tensor,
        kernel_size: Sizes,
        output_size: Sizes | None = None,
        output_ratio: Ratios | None = None,
        return_indices: bool = True,
        _random_samples: Tensor | None = None,
    ) -> Any:
        return function(input, kernel_size, output_size, output_ratio, True, _random_samples)

    pool.__name__ = pool.__qualname__ = f"{function.__name__}_with_indices"
    pool.__doc__ = f"`{function.__name__}`, and where the elements are."
    return pool


#: Functions of the largest elements that always say where they are.
fractional_pools_with_indices = {
    pool.__name__: pool
    for pool in map(_with_indices, (fractional_max_pool2d, fractional_max_pool3d))
}

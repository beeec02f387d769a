"""Pooling to given sizes over one to three dimensions, with PyTorch's arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import _ops
from ._core import SymbolicSize, Tensor
from ._creation import _fail, _size
from ._errors import ShapeError
from ._manipulation import astype
from ._pooling import largest, pooled
from ._reductions import sum
from ._windows import (
    Windows,
    batched,
    constant,
    floating,
    known_sizes,
    pick,
    unbatched,
    widened,
)

#: One size or None, which keeps that of the input, for all dimensions, or one for each.
AdaptiveSizes = int | None | Sequence[int | None]


def _adaptive(
    name: str, count: int, input: Tensor, output_size: AdaptiveSizes
) -> tuple[Tensor, bool, list[int], list[int] | None]:
    """x [N, C, ...], whether N was missing, the output's sizes, and the window where all are of one
    size."""
    x, single = batched(floating(input, name), count, name)
    given: list[Any] = [output_size] * count
    if isinstance(output_size, (list, tuple)):
        given = list(output_size)
    if len(given) != count:
        raise _fail(
            ShapeError, f"{name}: output_size {output_size} has to have {count} sizes or one"
        )
    have = x.shape[2:]
    sizes = [
        size if wanted is None else _size(wanted, f"{name}: output_size")
        for wanted, size in zip(given, have, strict=True)
    ]
    if any(isinstance(size, int) and size < 1 for size in (*sizes, *have)):
        raise _fail(
            ShapeError, f"{name}: {sizes} of an input of shape {x.shape} has a size below 1"
        )
    window = []
    for size, wanted in zip(have, sizes, strict=True):
        if size != wanted and isinstance(size, SymbolicSize):
            known_sizes(x, count, name)
        window.append(1 if size == wanted else size // wanted)
    even = all(k * wanted == size for k, wanted, size in zip(window, sizes, have, strict=True))
    return x, single, sizes, window if even else None


def _adaptive_avg_pool(name: str, count: int, input: Tensor, output_size: AdaptiveSizes) -> Tensor:
    x, single, sizes, window = _adaptive(name, count, input, output_size)
    if window is not None:
        return unbatched(pooled("avg_pool2d", x, window, window, [0] * count), single)
    result = widened(x)
    for axis, size in enumerate(sizes, 2):
        if size != x.shape[axis]:
            result = _mean_along(result, axis, Windows.adaptive(x.shape[axis], size))
    return unbatched(astype(result, x.dtype, copy=False), single)


def _mean_along(x: Tensor, axis: int, windows: Windows) -> Tensor:
    """The means over windows along one dimension."""
    # The elements of each come first, so that kernels take many windows at once.
    places, inside = np.minimum(windows.places, x.shape[axis] - 1).T, windows.inside.T
    behind = [1] * (x.ndim - axis - 1)
    counts = constant(inside.sum(axis=0).reshape(-1, *behind), x)
    counted = constant(inside.reshape(*inside.shape, *behind), x)
    totals = sum(_ops.where(counted, pick(x, constant(places, x), axis), 0.0), axis=axis)
    return totals / astype(counts, x.dtype)


def adaptive_avg_pool1d(input: Tensor, output_size: AdaptiveSizes) -> Tensor:
    """Means of windows such that [N, C, L] or [C, L] becomes output_size long; as
    `adaptive_avg_pool2d`."""
    return _adaptive_avg_pool("adaptive_avg_pool1d", 1, input, output_size)


def adaptive_avg_pool2d(input: Tensor, output_size: AdaptiveSizes) -> Tensor:
    """Means of windows such that [N, C, H, W] or [C, H, W] becomes [..., C, *output_size].

    Window i of n over a dimension of size s is from floor(i s / n) on and ends before the ceiling
    of (i + 1) s / n.

    Args:
        input: floating.
        output_size: one size for both dimensions, or two; None keeps that of the input.

    Raises:
        ShapeError: a size is below 1, or the input has other dimensions. DTypeError: the input is
            not floating. UnsupportedError: the input's sizes are not known while exporting.
    """
    return _adaptive_avg_pool("adaptive_avg_pool2d", 2, input, output_size)


def adaptive_avg_pool3d(input: Tensor, output_size: AdaptiveSizes) -> Tensor:
    """Means of windows such that [N, C, D, H, W] or [C, D, H, W] becomes [..., C, *output_size]; as
    `adaptive_avg_pool2d`."""
    return _adaptive_avg_pool("adaptive_avg_pool3d", 3, input, output_size)


def _adaptive_max_pool(
    name: str, count: int, input: Tensor, output_size: AdaptiveSizes, return_indices: bool
) -> Any:
    x, single, sizes, window = _adaptive(name, count, input, output_size)
    if window is not None and not return_indices:
        return unbatched(pooled("max_pool2d", x, window, window, [0] * count), single)
    known = known_sizes(x, count, name)
    found = largest(x, list(map(Windows.adaptive, known, sizes)), name)
    values, indices = (unbatched(part, single) for part in found)
    return (values, indices) if return_indices else values


def adaptive_max_pool1d(
    input: Tensor, output_size: AdaptiveSizes, return_indices: bool = False
) -> Any:
    """The largest elements of the windows of `adaptive_avg_pool1d`; as `adaptive_max_pool2d`."""
    return _adaptive_max_pool("adaptive_max_pool1d", 1, input, output_size, return_indices)


def adaptive_max_pool2d(
    input: Tensor, output_size: AdaptiveSizes, return_indices: bool = False
) -> Any:
    """The largest elements of the windows of `adaptive_avg_pool2d`; with ``return_indices`` also
    where they are in the flattened H and W (int64), of equals the first.

    Raises as `adaptive_avg_pool2d`.
    """
    return _adaptive_max_pool("adaptive_max_pool2d", 2, input, output_size, return_indices)


def adaptive_max_pool3d(
    input: Tensor, output_size: AdaptiveSizes, return_indices: bool = False
) -> Any:
    """The largest elements of the windows of `adaptive_avg_pool3d`; as `adaptive_max_pool2d`."""
    return _adaptive_max_pool("adaptive_max_pool3d", 3, input, output_size, return_indices)

"""What the functions over one to three dimensions behind [N, C] share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from . import _core
from ._core import SymbolicSize, Tensor
from ._creation import _fail, _iota, _size, asarray
from ._dtypes import float32, int64
from ._errors import DTypeError, ShapeError, UnsupportedError
from ._manipulation import astype, expand_dims, pad, repeat, reshape, squeeze

#: One number for all dimensions, or one for each.
Sizes = int | Sequence[int]

_LAYOUTS = {1: "C, L", 2: "C, H, W", 3: "C, D, H, W"}
_NUMBERS = {1: "an integer", 2: "an integer or two", 3: "an integer or three"}


def sizes_of(value: Sizes | str, count: int, name: str) -> list[int]:
    """``count`` integers: those given, or one as often. Raises ShapeError, naming the option."""
    items = list(value) if isinstance(value, (list, tuple)) else [value]
    values = [_size(item, name) for item in items]  # type: ignore[arg-type]
    if len(values) == 1:
        return values * count
    if len(values) != count:
        raise _fail(ShapeError, f"{name} has to be {_NUMBERS[count]}, not {value}")
    return values


def check_least(values: Sequence[int], least: int, name: str) -> None:
    """Raises ShapeError, naming the option, if one of the values is below ``least``."""
    if any(value < least for value in values):
        raise _fail(ShapeError, f"{name} is {tuple(values)}, but has to be at least {least}")


def floating(x: Tensor, name: str) -> Tensor:
    """x as a tensor. Raises DTypeError, naming the function, unless it is floating."""
    x = asarray(x)
    if x.dtype.kind != "floating" or x.dtype.is_float8:
        raise _fail(
            DTypeError,
            f"{name}: the input has dtype {x.dtype.name}, but has to be floating, of two bytes or "
            "more; convert it by .astype(weft.float32)",
        )
    return x


def widened(x: Tensor) -> Tensor:
    """float16 and bfloat16 as float32, in which results are computed before they are rounded."""
    return astype(x, float32) if x.dtype.itemsize < float32.itemsize else x


def layout(count: int, single: bool = True) -> str:
    """How messages call an input with ``count`` dimensions, with ``single`` also one without N."""
    inner = _LAYOUTS[count]
    return f"[N, {inner}] or [{inner}]" if single else f"[N, {inner}]"


def batched(x: Tensor, count: int, name: str) -> tuple[Tensor, bool]:
    """x as [N, C, and ``count`` dimensions], and whether it came without N.

    Raises:
        ShapeError: it has neither so many dimensions nor one less.
    """
    if x.ndim == count + 1:
        return expand_dims(x, axis=0), True
    if x.ndim != count + 2:
        raise _fail(
            ShapeError, f"{name}: the input has shape {x.shape}, but has to be {layout(count)}"
        )
    return x, False


def unbatched(x: Tensor, single: bool) -> Tensor:
    """The result of an input that came without N, if ``single``."""
    return squeeze(x, 0) if single else x


def known_sizes(x: Tensor, count: int, name: str) -> tuple[int, ...]:
    """The last ``count`` sizes. Raises UnsupportedError if one is not known while exporting."""
    sizes = x.shape[x.ndim - count :]
    if any(isinstance(size, SymbolicSize) for size in sizes):
        raise _fail(
            UnsupportedError,
            f"{name}: shape {x.shape} has a size that is not known while exporting, but is needed "
            "for where its elements go; give weft.spec a number for it",
        )
    return sizes


def constant(values: np.ndarray, x: Tensor) -> Tensor:
    """Numbers that depend on shapes and options alone, where x is."""
    return asarray(values, device=x.device, copy=True)


def pick(x: Tensor, places: Tensor, axis: int) -> Tensor:
    """The slices of x along ``axis`` at places [...] that are known to be in range."""
    size = x.shape[axis]
    if isinstance(size, int) and size == 0:
        # There are no places then, but the operation needs an element to take.
        x = pad(x, [(0, int(each == axis)) for each in range(x.ndim)])
    return _core.apply("weft.gather", (x, places), {"axis": axis})


def pick_known(x: Tensor, places: np.ndarray, axis: int) -> Tensor:
    """The same of places [M] that are known: a repetition of each, as an upsampling is, moves runs
    of memory, and leaves channels last where they are."""
    size = x.shape[axis]
    if isinstance(size, int) and size > 0:
        times = max(places.size // size, 1)
        if np.array_equal(places, np.repeat(np.arange(size), times)):
            return repeat(x, times, axis=axis)
    return pick(x, constant(places, x), axis)


def pick_each(x: Tensor, places: Tensor) -> Tensor:
    """For x [*, P] and places [*, M], all in range, the elements of each row at its places."""
    rows = math.prod(x.shape[:-1])
    starts = _iota((rows,), 0, int64, x.device) * x.shape[-1]
    wanted = reshape(starts, (*x.shape[:-1], 1)) + places
    return pick(reshape(x, -1), wanted, 0)


class Windows(NamedTuple):
    """The places along one dimension that the windows there see: [windows, elements of each]."""

    places: np.ndarray
    #: Whether a place is in the input: the others are beyond its ends.
    inside: np.ndarray

    @staticmethod
    def sliding(
        size: int, count: int, window: int, stride: int, border: int, dilation: int
    ) -> Windows:
        """``count`` windows, the first of which begins ``border`` before the input of ``size``."""
        starts = np.arange(count, dtype=np.int64)[:, None] * stride - border
        places = starts + np.arange(window, dtype=np.int64) * dilation
        return Windows(places, (places >= 0) & (places < size))

    @staticmethod
    def adaptive(size: int, count: int) -> Windows:
        """``count`` windows that cover the input: from floor(i size / count) on, and to the
        ceiling of (i + 1) size / count, as PyTorch has them."""
        numbers = np.arange(count, dtype=np.int64)
        starts, ends = numbers * size // count, -(-(numbers + 1) * size // count)
        longest = int((ends - starts).max(initial=0))
        places = starts[:, None] + np.arange(longest, dtype=np.int64)
        return Windows(places, places < ends[:, None])


def flat_places(windows: Sequence[Windows], sizes: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Where the elements of windows over several dimensions are in the flattened input.

    Returns the places [windows, elements of each], both in row-major order, and which are inside.
    """
    count = len(windows)
    places, inside = np.zeros((), np.int64), np.ones((), bool)
    for axis, (own, size) in enumerate(zip(windows, sizes, strict=True)):
        shape = [1] * (2 * count)
        shape[axis], shape[count + axis] = own.places.shape
        places = places * size + own.places.reshape(shape)
        inside = inside & own.inside.reshape(shape)
    windows_in_all = math.prod(own.places.shape[0] for own in windows)
    return places.reshape(windows_in_all, -1), inside.reshape(windows_in_all, -1)

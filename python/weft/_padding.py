"""Padding with numbers, or with elements of the tensor itself, with PyTorch's arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ._core import SymbolicSize, Tensor
from ._creation import _fail, _size, asarray
from ._errors import OptionError, ShapeError
from ._manipulation import broadcast_to, concat, flip, narrow
from ._manipulation import pad as _pad_with

_Pair = tuple[int, int]


def pad(
    input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> Tensor:
    """The input with elements around it: sizes before and after the last dimension, the one
    before, ... A negative size takes elements away.

    Args:
        input: of any shape and dtype.
        pad: the sizes, in pairs.
        mode: "constant": ``value``; "reflect": the elements in reversed order without the outermost
            one; "replicate": the outermost one; "circular": those of the other end.
        value: for "constant"; None is 0.

    Raises:
        ShapeError: an odd number of sizes, too many of them, or more than the input has elements to
            give. OptionError: there is no such mode, or it takes no value.
    """
    x, sizes = asarray(input), [_size(size, "pad: a size") for size in pad]
    if len(sizes) % 2 or len(sizes) > 2 * x.ndim:
        raise _fail(
            ShapeError,
            f"pad: {tuple(sizes)} has to be pairs of sizes for at most the "
            f"{x.ndim} dimensions of shape {x.shape}",
        )
    if mode != "constant" and mode not in _BORDERS:
        modes = ", ".join(repr(known) for known in ("constant", *_BORDERS))
        raise _fail(OptionError, f"pad: mode is {mode!r}, but has to be one of {modes}")
    if mode != "constant" and value is not None:
        raise _fail(OptionError, f"pad: mode {mode!r} takes no value")
    pairs = [(sizes[i], sizes[i + 1]) for i in range(0, len(sizes), 2)]
    pairs = [(0, 0)] * (x.ndim - len(pairs)) + pairs[::-1]
    if mode in ("constant", "circular"):
        x = _cropped(x, pairs)
    added = [(max(low, 0), max(high, 0)) for low, high in pairs]
    if mode == "constant":
        return _pad_with(x, added, 0.0 if value is None else value)
    result = x
    for axis, pair in enumerate(added):
        if any(pair):
            result = _extended(result, axis, pair, mode)
    if mode != "circular":
        result = _cropped(result, pairs)
    return result.clone() if result is x else result


def _cropped(x: Tensor, pairs: Sequence[_Pair]) -> Tensor:
    """x without as many elements at its ends as the pairs are below 0."""
    for axis, (low, high) in enumerate(pairs):
        if low < 0 or high < 0:
            start = max(-low, 0)
            x = narrow(x, axis, start, x.shape[axis] - start - max(-high, 0))
    return x


def _reflected(x: Tensor, axis: int, low: int, high: int) -> _Borders:
    _check_room(x, axis, max(low, high), 1, "reflect")
    size = x.shape[axis]
    before, behind = narrow(x, axis, 1, low), narrow(x, axis, size - 1 - high, high)
    return flip(before, axis=axis), flip(behind, axis=axis)


def _replicated(x: Tensor, axis: int, low: int, high: int) -> _Borders:
    _check_room(x, axis, 1, 0, "replicate")

    def repeated(place: int, count: int) -> Tensor:
        one = narrow(x, axis, place, 1)
        return broadcast_to(one, (*x.shape[:axis], count, *x.shape[axis + 1 :]))

    return repeated(0, low), repeated(x.shape[axis] - 1, high)


def _wrapped(x: Tensor, axis: int, low: int, high: int) -> _Borders:
    _check_room(x, axis, max(low, high), 0, "circular")
    return narrow(x, axis, x.shape[axis] - low, low), narrow(x, axis, 0, high)


_Borders = tuple[Tensor, Tensor]

#: For a mode what comes before and behind x along an axis.
_BORDERS: dict[str, Callable[[Tensor, int, int, int], _Borders]] = {
    "reflect": _reflected,
    "replicate": _replicated,
    "circular": _wrapped,
}


def _check_room(x: Tensor, axis: int, needed: int, kept: int, mode: str) -> None:
    size = x.shape[axis]
    if not isinstance(size, SymbolicSize) and needed > size - kept:
        raise _fail(
            ShapeError,
            f"pad: mode {mode!r} needs more than the {size} elements of shape {x.shape} along "
            f"axis {axis} for a border of {needed}",
        )


def _extended(x: Tensor, axis: int, pair: _Pair, mode: str) -> Tensor:
    before, behind = _BORDERS[mode](x, axis, *pair)
    parts = [before] * (pair[0] > 0) + [x] + [behind] * (pair[1] > 0)
    return concat(parts, axis=axis)

"""Rules for reductions, also of windows: of one op weft's own, of any other region by halves."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from .._core import SymbolicSize, Tensor
from ._bodies import combination, elementwise, fingerprint, folded, single
from ._elementwise import of_kind
from ._known import sizes_of
from ._program import tensor
from ._rules import Call, raw_rule, rule
from ._shapes import padded
from ._weft import weft

_SUMS: dict[str, Callable[..., Tensor]] = {
    "add": lambda x, axes: weft.sum(x, axis=axes, dtype=x.dtype),
    "multiply": lambda x, axes: weft.prod(x, axis=axes, dtype=x.dtype),
    "maximum": lambda x, axes: weft.max(x, axis=axes),
    "minimum": lambda x, axes: weft.min(x, axis=axes),
}
_OF_BOOLS: dict[str, Callable[..., Tensor]] = {
    "add": lambda x, axes: weft.any(x, axis=axes),
    "multiply": lambda x, axes: weft.all(x, axis=axes),
    "maximum": lambda x, axes: weft.any(x, axis=axes),
    "minimum": lambda x, axes: weft.all(x, axis=axes),
    "or": lambda x, axes: weft.any(x, axis=axes),
    "and": lambda x, axes: weft.all(x, axis=axes),
}


def _extremum(name: str, comparison: str) -> tuple:
    """How JAX writes argmax and argmin: NaN wins, then the first of equal ones."""
    compare = "stablehlo.compare"
    ops = (
        (compare, (0, 2), (comparison, None)),
        (compare, (0, 0), ("NE", None)),
        ("stablehlo.or", (4, 5), (None, None)),
        (compare, (0, 2), ("EQ", None)),
        (compare, (1, 3), ("LT", None)),
        ("stablehlo.and", (7, 8), (None, None)),
        ("stablehlo.or", (6, 9), (None, None)),
        ("stablehlo.select", (6, 0, 2), (None, None)),
        ("stablehlo.select", (10, 1, 3), (None, None)),
    )
    return ops, (11, 12)


_EXTREMA: dict[tuple, Callable[..., Tensor]] = {
    _extremum("argmax", "GT"): weft.argmax,
    _extremum("argmin", "LT"): weft.argmin,
}


@rule("stablehlo.reduce")
def reduce(call: Call, *operands: Tensor) -> tuple:
    count = len(operands) // 2
    values, starts = operands[:count], operands[count:]
    return reduced(call, values, starts, call["dimensions"])


def reduced(call: Call, values: Sequence, starts: Sequence, axes: Sequence[int]) -> tuple:
    """The values over the axes, with the region of the call, and with what it starts from."""
    shape = tuple(n for i, n in enumerate(values[0].shape) if i not in axes)
    first = [weft.broadcast_to(start, shape) for start in starts]
    if any(_is(values[0].shape[i], 0) for i in axes):
        return tuple(first)
    if not axes:
        return tuple(combination(call)(first, list(values)))
    name = single(call.op.regions[0])
    table = _OF_BOOLS if values[0].dtype.kind == "bool" else _SUMS
    is_plain = values[0].dtype.kind != "complex" or name in ("add", "multiply")
    if name in table and len(values) == 1 and is_plain:
        return (of_kind(name, first[0], table[name](values[0], tuple(axes))),)
    pick = _EXTREMA.get(fingerprint(call.op.regions[0]))
    if pick is not None and len(axes) == 1 and _is_iota(call, axes[0]):
        places = weft.expand_dims(pick(values[0], axis=axes[0]), axis=axes[0])
        found = [weft.take_along_axis(value, places, axis=axes[0]) for value in values]
        made = [weft.squeeze(value, axis=axes[0]) for value in found]
    else:
        made = _by_halves(call, values, axes)
    return tuple(combination(call)(first, made))


def _is(size: Any, number: int) -> bool:
    return not isinstance(size, SymbolicSize) and size == number


def _is_iota(call: Call, axis: int) -> bool:
    maker = call.op.producers.get(call.op.inputs[1])
    return (
        maker is not None
        and maker.name == "stablehlo.iota"
        and maker.attributes["iota_dimension"] == axis
    )


def _by_halves(call: Call, values: Sequence[Tensor], axes: Sequence[int]) -> list[Tensor]:
    """The reduced axes as the first one; a size that is not known is taken slice by slice."""
    rest = [i for i in range(values[0].ndim) if i not in axes]
    count = math.prod(values[0].shape[i] for i in axes)
    sizes = tuple(values[0].shape[i] for i in rest)
    flat = [weft.reshape(weft.permute_dims(v, (*axes, *rest)), (count, *sizes)) for v in values]
    if not isinstance(count, SymbolicSize):
        return folded(combination(call), flat, 0)

    def step(carried: list, slices: list) -> tuple[list, None]:
        return list(combination(call)(carried, slices)), None

    return list(weft.scan(step, [v[0] for v in flat], [v[1:] for v in flat])[0])


# Up to so many elements of a window are taken one after the other, more by doubling.
_FEW = 8


def _slid(
    combine: Callable, values: list[Tensor], axis: int, window: int, stride: int, dilation: int
) -> list[Tensor]:
    """Windows along one axis: elements of slices of the tensor that begin one later each."""
    size = values[0].shape[axis]
    count = (size - (window - 1) * dilation - 1) // stride + 1
    if not isinstance(count, SymbolicSize):
        count = max(count, 0)

    def part(some: list[Tensor], first: Any, length: Any, step: int) -> list[Tensor]:
        bounds = slice(
            first, first + (length - 1) * step + 1 if not _is(length, 0) else first, step
        )
        return [value[(slice(None),) * axis + (bounds,)] for value in some]

    if window <= _FEW:
        made = part(values, 0, count, stride)
        for k in range(1, window):
            made = list(combine(made, part(values, k * dilation, count, stride)))
        return made
    # What covers `length` elements from each place on, and so far `done` of the window.
    whole, done, length = values, 0, 1
    found: list[Tensor] | None = None
    while True:
        if window & length:
            places = size - (done + length - 1) * dilation
            right = part(whole, done * dilation, places, 1)
            found = right if found is None else list(combine(part(found, 0, places, 1), right))
            done += length
        if done == window and found is not None:
            return part(found, 0, count, stride)
        places = size - (2 * length - 1) * dilation
        whole = list(combine(part(whole, 0, places, 1), part(whole, length * dilation, places, 1)))
        length *= 2


def _padding(call: Call, rank: int) -> list[tuple[int, int]]:
    pairs = call.get("padding")
    return [(0, 0)] * rank if pairs is None else _pairs(pairs, rank)


def _pairs(values: Any, rank: int) -> list[tuple[int, int]]:
    import numpy as np

    table = np.broadcast_to(values, (rank, 2)).tolist()
    return [(low, high) for low, high in table]


@rule("stablehlo.reduce_window")
def reduce_window(call: Call, *operands: Tensor) -> tuple:
    count = len(operands) // 2
    rank = operands[0].ndim
    names = ("window_dimensions", "window_strides", "base_dilations", "window_dilations")
    options = [call.get(name) or [1] * rank for name in names]
    return _windowed(call, operands[:count], operands[count:], options, _padding(call, rank))


@raw_rule("stablehlo.custom_call @stablehlo.dynamic_reduce_window")
def dynamic_reduce_window(call: Call, x: Any, start: Any, *given: Any) -> tuple:
    """How JAX writes a reduce_window with symbolic sizes: the options are operands."""
    options = [sizes_of(value, "a size of a window") for value in given[:4]]
    flat = sizes_of(given[4], "the padding of a window")
    pads = [(flat[i], flat[i + 1]) for i in range(0, len(flat), 2)]
    (name,) = call["called_computations"]
    body = call.frame.program.function(name.lstrip("@")).body
    own = Call(replace(call.op, regions=[body]), call.frame)
    return _windowed(own, [tensor(x)], [tensor(start)], options, pads)


_CUMULATIVE: dict[str | None, Callable[..., Tensor]] = {
    "add": weft.cumulative_sum,
    "multiply": weft.cumulative_prod,
}


def _windowed(
    call: Call,
    values: Sequence[Tensor],
    starts: Sequence[Tensor],
    options: Sequence[Sequence[Any]],
    pads: list[tuple[Any, Any]],
) -> tuple:
    """Windows of the values with padding, one axis after the other."""
    windows, strides, bases, dilations = options
    name = single(call.op.regions[0])
    combine: Callable = combination(call)
    if name is not None and len(values) == 1:
        combine = lambda left, right: [of_kind(name, left[0], right[0])]  # noqa: E731
    made, pads, left = list(values), list(pads), []
    for axis, window in enumerate(windows):
        size, (low, high) = made[0].shape[axis], pads[axis]
        plain = (strides[axis], bases[axis], dilations[axis]) == (1, 1, 1)
        is_whole = plain and low + high == size - 1 and window == size and not _is(window, 1)
        is_whole = is_whole and (_is(low, 0) or _is(high, 0)) and len(values) == 1
        if is_whole and name in _CUMULATIVE and made[0].dtype.kind != "bool":
            made = [_cumulative(made[0], axis, _CUMULATIVE[name], _is(low, 0))]
            pads[axis] = (0, 0)
        elif not (_is(window, 1) and _is(strides[axis], 1)):
            left.append(axis)
    lows, highs = [low for low, _ in pads], [high for _, high in pads]
    between = [base - 1 for base in bases]
    made = [padded(v, s, lows, highs, between) for v, s in zip(made, starts)]
    for axis in left:
        made = _slid(combine, made, axis, windows[axis], strides[axis], dilations[axis])
    first = [weft.broadcast_to(start, made[0].shape) for start in starts]
    return tuple(combine(first, made))


def _cumulative(x: Tensor, axis: int, function: Callable[..., Tensor], backwards: bool) -> Tensor:
    """A window that reaches to the beginning, or to the end."""
    if backwards:
        x = weft.flip(x, axis=axis)
    made = function(x, axis=axis, dtype=x.dtype)
    return weft.flip(made, axis=axis) if backwards else made


@rule("stablehlo.select_and_scatter")
def select_and_scatter(call: Call, x: Tensor, source: Tensor, start: Tensor) -> Tensor:
    """The region chooses one element of each window, where the source is added to."""
    from ._gathering import scattered

    rank = x.ndim
    windows = call.get("window_dimensions") or [1] * rank
    strides, pads = call.get("window_strides") or [1] * rank, _padding(call, rank)
    lows, highs = [low for low, _ in pads], [high for _, high in pads]
    count = math.prod(x.shape)
    places = weft.reshape(weft.arange(count, dtype="int64"), x.shape)
    nowhere = weft.asarray(-1, dtype="int64")
    zero = weft.zeros((), dtype=x.dtype)
    none = [0] * rank
    data = padded(x, zero, lows, highs, none), padded(places, nowhere, lows, highs, none)
    best: tuple[Tensor, Tensor] | None = None
    for flat in range(math.prod(windows)):
        bounds: list[slice] = []
        rest = flat
        for axis in reversed(range(rank)):
            rest, first = divmod(rest, windows[axis])
            last = first + (source.shape[axis] - 1) * strides[axis] + 1
            bounds.insert(0, slice(first, max(last, first), strides[axis]))
        value, place = (part[tuple(bounds)] if bounds else part for part in data)
        if best is None:
            best = value, place
            continue
        (keeps,) = elementwise(call, [best[0], value], 0)
        keeps = ((best[1] >= 0) & keeps) | (place < 0)
        best = weft.where(keeps, best[0], value), weft.where(keeps, best[1], place)
    assert best is not None
    target = weft.broadcast_to(start, (count,))
    flat_places, updates = (weft.reshape(part, (-1,)) for part in (best[1], source))
    (made,) = scattered(call, 1, [target], flat_places, flat_places >= 0, [updates])
    return weft.reshape(made, x.shape)

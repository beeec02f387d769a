"""Rules for constants, and for ops that move elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._core import SymbolicSize, Tensor
from .._creation import _fail
from .._errors import UnsupportedError
from ._known import Known, known_of, sizes_of
from ._program import constant_of, tensor
from ._rules import Call, raw_rule, rule
from ._weft import weft


@raw_rule("stablehlo.constant", "chlo.constant")
def constant(call: Call) -> Any:
    return constant_of(call.op)


@rule("chlo.constant_like")
def constant_like(call: Call, x: Tensor) -> Tensor:
    return weft.full_like(x, call["value"], dtype=call.dtype)


@rule("stablehlo.get_dimension_size")
def get_dimension_size(call: Call, x: Tensor) -> Any:
    return Known(x.shape[call["dimension"]], call.type)


def iota_of(call: Call, sizes: Sequence[Any]) -> Tensor:
    """Numbers along one dimension of a shape."""
    axis, kind = call["iota_dimension"], call.dtype
    wide = "int64" if kind.kind in ("floating", "complex") else kind
    numbers = weft.arange(sizes[axis], dtype=wide).astype(kind)
    column = [1] * len(sizes)
    column[axis] = sizes[axis]
    return weft.broadcast_to(weft.reshape(numbers, tuple(column)), tuple(sizes))


@rule("stablehlo.iota")
def iota(call: Call) -> Tensor:
    return iota_of(call, call.shape)


@raw_rule("stablehlo.dynamic_iota")
def dynamic_iota(call: Call, shape: Any) -> Tensor:
    return iota_of(call, sizes_of(shape, "the shape of an iota"))


@rule("stablehlo.reshape")
def reshape(call: Call, x: Tensor) -> Tensor:
    return weft.reshape(x, call.shape)


@raw_rule("stablehlo.dynamic_reshape")
def dynamic_reshape(call: Call, x: Any, shape: Any) -> Tensor:
    return weft.reshape(tensor(x), tuple(sizes_of(shape, "the shape of a reshape")))


def broadcast_in_dim_of(x: Tensor, axes: Sequence[int], sizes: Sequence[Any]) -> Tensor:
    """x with its dimension i as dimension ``axes[i]`` of a shape."""
    order = sorted(range(len(axes)), key=axes.__getitem__)
    column: list[Any] = [1] * len(sizes)
    for i, axis in enumerate(axes):
        column[axis] = x.shape[i]
    moved = weft.permute_dims(x, tuple(order)) if order != list(range(len(axes))) else x
    return weft.broadcast_to(weft.reshape(moved, tuple(column)), tuple(sizes))


@rule("stablehlo.broadcast_in_dim")
def broadcast_in_dim(call: Call, x: Tensor) -> Tensor:
    return broadcast_in_dim_of(x, call["broadcast_dimensions"], call.shape)


@raw_rule("stablehlo.dynamic_broadcast_in_dim")
def dynamic_broadcast_in_dim(call: Call, x: Any, shape: Any) -> Tensor:
    sizes = sizes_of(shape, "the shape of a broadcast")
    return broadcast_in_dim_of(tensor(x), call["broadcast_dimensions"], sizes)


@rule("stablehlo.broadcast")
def broadcast(call: Call, x: Tensor) -> Tensor:
    return weft.broadcast_to(x, (*call["broadcast_sizes"], *x.shape))


@rule("stablehlo.transpose")
def transpose(call: Call, x: Tensor) -> Tensor:
    return weft.permute_dims(x, tuple(call["permutation"])) if x.ndim else x


@rule("stablehlo.reverse")
def reverse(call: Call, x: Tensor) -> Tensor:
    axes = tuple(call["dimensions"])
    return weft.flip(x, axis=axes) if axes else x


def sliced(x: Tensor, starts: Sequence, limits: Sequence, strides: Sequence) -> Tensor:
    """Elements from starts to limits in strides."""
    bounds = tuple(slice(a, b, step) for a, b, step in zip(starts, limits, strides))
    return x[bounds] if bounds else x


@rule("stablehlo.slice")
def slice_(call: Call, x: Tensor) -> Tensor:
    return sliced(x, call["start_indices"], call["limit_indices"], call["strides"])


@raw_rule("stablehlo.real_dynamic_slice")
def real_dynamic_slice(call: Call, x: Any, starts: Any, limits: Any, strides: Any) -> Tensor:
    """A slice of known bounds, or of known sizes from any start: so JAX indexes open dimensions."""
    x, lengths = tensor(x), _lengths(call)
    if isinstance(starts, Known) or lengths is None:
        bounds = [sizes_of(value, "a bound of a slice") for value in (starts, limits, strides)]
        return sliced(x, *bounds)
    if any(step != 1 for step in sizes_of(strides, "a step of a slice")):
        raise _fail(UnsupportedError, "a slice whose start values decide may have no steps")
    return _cut(x, [starts[axis] for axis in range(x.ndim)], lengths.sizes())


def _lengths(call: Call) -> Known | None:
    """What is added to a slice's starts to give its limits, if it is known."""
    starts, limits = call.op.inputs[1:3]
    maker = call.op.producers.get(limits)
    if maker is None or maker.name != "stablehlo.add" or starts not in maker.inputs:
        return None
    other = maker.inputs[1 if maker.inputs[0] == starts else 0]
    value = call.frame.value(other)
    return value if isinstance(value, Known) else known_of(call.op.producers.get(other))


def _starts(x: Tensor, starts: Sequence[Any], sizes: Sequence[Any]) -> list[Any]:
    """The first index along each dimension, moved so far that the slice lies inside."""
    found = []
    for start, whole, size in zip(starts, x.shape, sizes):
        if isinstance(start, Known) and not any(
            isinstance(number, SymbolicSize) for number in (start.sizes()[0], whole, size)
        ):
            found.append(min(max(start.sizes()[0], 0), whole - size))
        else:
            most = whole - size
            index = tensor(start)
            index = weft.minimum(index, weft.asarray(_most_of(index), dtype=index.dtype))
            found.append(weft.clip(index.astype("int64"), 0, weft.asarray(most)))
    return found


def _most_of(index: Tensor) -> int:
    return min(weft.iinfo(index.dtype).max, 2**63 - 1)


@raw_rule("stablehlo.dynamic_slice")
def dynamic_slice(call: Call, x: Any, *starts: Any) -> Tensor:
    """Known starts make it a slice; others a take along each dimension that they are in."""
    return _cut(tensor(x), starts, call["slice_sizes"])


def _cut(x: Tensor, starts: Sequence[Any], sizes: Sequence[Any]) -> Tensor:
    whole = [size is full or size == full for size, full in zip(sizes, x.shape)]
    for axis, (start, size) in enumerate(zip(_starts(x, starts, sizes), sizes)):
        if whole[axis]:
            continue
        if isinstance(start, int):
            x = x[(slice(None),) * axis + (slice(start, start + size),)]
        elif isinstance(size, int) and size == 1:
            x = weft.take(x, weft.reshape(start, (1,)), axis=axis)
        else:
            x = weft.take(x, start + weft.arange(size, dtype="int64"), axis=axis)
    return x


@raw_rule("stablehlo.dynamic_update_slice")
def dynamic_update_slice(call: Call, x: Any, update: Any, *starts: Any) -> Tensor:
    """An update at places: of a slice if all starts are known, else of indices."""
    x, update = tensor(x), tensor(update)
    if x.ndim == 0 or 0 in update.shape:
        return x if x.ndim else update
    places: list[Any] = []
    found = _starts(x, starts, update.shape)
    if all(isinstance(start, int) for start in found):
        places = [slice(start, start + size) for start, size in zip(found, update.shape)]
        return x.at[tuple(places)].set(update)
    moving = [
        axis
        for axis, (start, size) in enumerate(zip(found, update.shape))
        if not (isinstance(start, int) and start == 0 and size == x.shape[axis])
        and not (size is x.shape[axis] or size == x.shape[axis])
    ]
    # All indices are next to each other, so that the update keeps its order of dimensions.
    first, last = (moving[0], moving[-1] + 1) if moving else (0, 0)
    if not moving:
        return update
    for axis in range(x.ndim):
        if not first <= axis < last:
            places.append(slice(None))
            continue
        index = found[axis] + weft.arange(update.shape[axis], dtype="int64")
        column: list[Any] = [1] * (last - first)
        column[axis - first] = update.shape[axis]
        places.append(weft.reshape(index, tuple(column)))
    return x.at[tuple(places)].set(update)


@rule("stablehlo.concatenate")
def concatenate(call: Call, *values: Tensor) -> Tensor:
    return weft.concat(list(values), axis=call["dimension"])


def padded(x: Tensor, value: Tensor, low: Sequence, high: Sequence, interior: Sequence) -> Tensor:
    """x with a value between, before and behind its elements; less of it for negative sizes."""
    for axis, between in enumerate(interior):
        if not (isinstance(between, int) and between == 0):
            x = _spread(x, value, axis, between)
    for axis, (a, b) in enumerate(zip(low, high)):
        sizes = [max(n, 0) if isinstance(n, int) else n for n in (a, b)]
        parts = [
            weft.broadcast_to(value, (*x.shape[:axis], size, *x.shape[axis + 1 :]))
            for size in sizes
        ]
        used = [part for part, size in zip((parts[0], parts[1]), sizes) if not _is_zero(size)]
        if used:
            before = [] if _is_zero(sizes[0]) else [parts[0]]
            x = weft.concat([*before, x, *([] if _is_zero(sizes[1]) else [parts[1]])], axis=axis)
        # What is taken away may be more than x has: of the padding on the other side too.
        if any(isinstance(n, int) and n < 0 for n in (a, b)):
            start, stop = (max(-n, 0) if isinstance(n, int) else 0 for n in (a, b))
            x = x[(slice(None),) * axis + (slice(start, x.shape[axis] - stop),)]
    return x


def _is_zero(size: Any) -> bool:
    return isinstance(size, int) and not isinstance(size, SymbolicSize) and size == 0


def _spread(x: Tensor, value: Tensor, axis: int, between: int) -> Tensor:
    """x with so many values between the elements along an axis."""
    size = x.shape[axis]
    if not isinstance(size, SymbolicSize) and size <= 1:
        return x
    apart = weft.expand_dims(x, axis=axis + 1)
    filler = weft.broadcast_to(value, (*x.shape[: axis + 1], between, *x.shape[axis + 1 :]))
    whole = weft.concat([apart, filler], axis=axis + 1)
    flat = (*x.shape[:axis], size * (between + 1), *x.shape[axis + 1 :])
    return weft.reshape(whole, flat)[(slice(None),) * axis + (slice(0, flat[axis] - between),)]


@rule("stablehlo.pad")
def pad(call: Call, x: Tensor, value: Tensor) -> Tensor:
    names = ("edge_padding_low", "edge_padding_high", "interior_padding")
    return padded(x, value, *(call[name] for name in names))


@raw_rule("stablehlo.dynamic_pad")
def dynamic_pad(call: Call, x: Any, value: Any, *sizes: Any) -> Tensor:
    low, high, interior = (sizes_of(size, "the size of a padding") for size in sizes)
    return padded(tensor(x), tensor(value), low, high, interior)


@rule("stablehlo.set_dimension_size")
def set_dimension_size(call: Call, x: Tensor, size: Tensor) -> Tensor:
    raise _fail(UnsupportedError, "a dimension whose size a value decides is not supported")


@raw_rule("stablehlo.tuple")
def tuple_(call: Call, *values: Any) -> Any:
    return (tuple(tensor(value) for value in values),)


@raw_rule("stablehlo.get_tuple_element")
def get_tuple_element(call: Call, value: tuple) -> Any:
    return (value[call["index"]],)


@raw_rule("stablehlo.create_token", "stablehlo.after_all")
def create_token(call: Call, *tokens: Any) -> Any:
    return None

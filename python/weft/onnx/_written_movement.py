"""What makes and moves elements, as ONNX nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ._values import number_of
from ._writer import INT64, Op, Writer, form, is_open, numpy_dtype

#: A position behind every dimension.
_END = 2**62


def _alike(left: Any, right: Any) -> bool:
    """Whether two sizes are the same."""
    return str(left) == str(right)


def reshaped(writer: Writer, name: str, shape: Sequence[Any]) -> str:
    """A value in another shape; one size that is not known is left open."""
    hidden = sum(map(is_open, shape))
    if hidden == 1 and 0 not in shape:
        target = writer.whole([-1 if is_open(size) else size for size in shape])
        return writer.node("Reshape", name, target)
    keeps_zero = {"allowzero": 1} if hidden or 0 in shape else {}
    return writer.node("Reshape", name, writer.sizes(shape), **keeps_zero)


def cut(writer: Writer, name: str, axis: int, start: Any, end: Any, step: int = 1) -> str:
    """A range along one axis."""
    bounds = [writer.sizes([start]), writer.sizes([end]), writer.whole([axis])]
    return writer.node("Slice", name, *bounds, writer.whole([step]))


@form("reshape")
def _reshape(op: Op) -> str:
    return reshaped(op.writer, op.inputs[0], op.result.shape)


@form("transpose")
def _transpose(op: Op) -> str:
    return op.node("Transpose", op.inputs[0], perm=op.options["permutation"])


@form("broadcast")
def _broadcast(op: Op) -> str:
    shape: list[Any] = [1] * len(op.result.shape)
    for place, size in zip(op.options["dimensions"], op.types[0].shape, strict=True):
        shape[place] = size
    made = reshaped(op.writer, op.inputs[0], shape)
    pairs = list(zip(shape, op.result.shape, strict=True))
    if all(_alike(have, want) for have, want in pairs):
        return made
    # A size of 1 in what Expand is given leaves the operand's as it is.
    target = [1 if _alike(have, want) else want for have, want in pairs]
    return op.node("Expand", made, op.writer.sizes(target))


@form("size")
def _size(op: Op) -> str:
    size, shape = op.options["size"], op.result.shape
    made = op.node("Max", op.writer.scalar(size), op.writer.whole(0))
    made = op.writer.cast(made, number_of(op.result.dtype))
    return op.node("Expand", made, op.writer.sizes(shape)) if shape else made


@form("iota")
def _iota(op: Op) -> str:
    shape, axis = op.result.shape, op.options["axis"]
    numbers = counted(op.writer, shape[axis])
    made = op.writer.cast(numbers, number_of(op.result.dtype))
    if len(shape) == 1:
        return made
    row = [size if d == axis else 1 for d, size in enumerate(shape)]
    return op.node("Expand", reshaped(op.writer, made, row), op.writer.sizes(shape))


def counted(writer: Writer, size: Any) -> str:
    """0, 1, 2, ..., as int64."""
    return writer.node("Range", writer.whole(0), writer.scalar(size), writer.whole(1))


@form("slice")
def _slice(op: Op) -> str:
    starts, steps, shape = op.options["starts"], op.options["steps"], op.types[0].shape
    ends = []
    for start, step, size, whole in zip(starts, steps, op.result.shape, shape, strict=True):
        end = start + size * step
        # Counted from behind, an end before the first element is one.
        ends.append(end - whole if step < 0 else end)
    w = op.writer
    axes = w.whole(list(range(len(starts))))
    return op.node("Slice", op.inputs[0], w.sizes(starts), w.sizes(ends), axes, w.whole(steps))


@form("concatenate")
def _concatenate(op: Op) -> str:
    return op.node("Concat", *op.inputs, axis=op.options["axis"])


def _spread(op: Op, name: str, sizes: list[Any], axis: int, gap: int, value: str) -> str:
    """Elements of the pad's value behind each place along an axis."""
    w = op.writer
    name = w.node("Unsqueeze", name, w.whole([axis + 1]))
    name = w.node("Pad", name, w.whole([0, gap]), value, w.whole([axis + 1]))
    sizes[axis] = sizes[axis] * (gap + 1)
    return reshaped(w, name, sizes)


@form("pad")
def _pad(op: Op) -> str:
    w, low = op.writer, op.options["low"]
    value = op.node("Reshape", op.inputs[1], w.whole([]))
    name, sizes = op.inputs[0], list(op.types[0].shape)
    for axis, gap in enumerate(op.options["interior"]):
        if gap:
            name = _spread(op, name, sizes, axis, gap, value)
    high = [want - x - have for want, x, have in zip(op.result.shape, low, sizes, strict=True)]
    return w.node("Pad", name, w.sizes([*low, *high]), value)


@form("update")
def _update(op: Op) -> str:
    x, value = op.types
    rows = zip(x.shape, value.shape, op.options["starts"], op.options["steps"], strict=True)
    partial = [
        (axis, size, start, step, count)
        for axis, (size, count, start, step) in enumerate(rows)
        if start != 0 or step != 1 or not _alike(size, count)
    ]
    return _put(op, op.inputs[0], partial)


def _put(op: Op, slab: str, partial: list[tuple]) -> str:
    """The value in its place in a slab of x, which it fills along the other axes."""
    if not partial:
        return op.inputs[1]
    (axis, size, start, step, count), *rest = partial
    w, end = op.writer, start + count * step
    inner = _put(op, cut(w, slab, axis, start, end, step) if rest else "", rest)
    if step == 1:
        parts = [cut(w, slab, axis, 0, start), inner, cut(w, slab, axis, end, _END)]
        return w.node("Concat", *parts, axis=axis)
    # Behind all of the slab are the places of the value: each place says which it takes.
    places, by = counted(w, size), w.whole(step)
    behind = w.node("Sub", places, w.size(start))
    hit = w.node("Equal", w.node("Mod", behind, by), w.whole(0))
    for bound in (
        w.node("GreaterOrEqual", behind, w.whole(0)),
        w.node("Less", places, w.size(end)),
    ):
        hit = w.node("And", hit, bound)
    taken = w.node("Add", w.node("Div", behind, by), w.size(size))
    chosen = w.node("Where", hit, taken, places)
    return w.node("Gather", w.node("Concat", slab, inner, axis=axis), chosen, axis=axis)


# By indices ----------------------------------------------------------------------------------


def _whole_indices(op: Op) -> str:
    name = op.inputs[1]
    if name in op.writer.known:
        return op.writer.whole(op.writer.known[name].astype(np.int64))
    return op.writer.cast(name, INT64)


def _valid(op: Op, indices: str, size: Any) -> str:
    """Where indices are in range, negative ones included."""
    count = op.writer.scalar(size)
    least = op.node("GreaterOrEqual", indices, op.node("Neg", count))
    return op.node("And", least, op.node("Less", indices, count))


def _all_valid(op: Op, indices: str, size: Any) -> bool:
    known = op.writer.known.get(indices)
    if known is None or is_open(size):
        return False
    return bool(((known >= -size) & (known < size)).all())


@form("gather")
def _gather(op: Op) -> str:
    axis, shape = op.options["axis"], op.types[0].shape
    w, indices = op.writer, _whole_indices(op)
    if _all_valid(op, indices, shape[axis]):
        return op.node("Gather", op.inputs[0], indices, axis=axis)
    kind = numpy_dtype(op.types[0].dtype)
    nothing = w.like(op.inputs[0], 0 if kind.kind in "biu" else np.nan)
    if shape[axis] == 0:
        return op.node("Expand", nothing, w.sizes(op.result.shape))
    valid = _valid(op, indices, shape[axis])
    made = op.node("Gather", op.inputs[0], op.node("Where", valid, indices, w.whole(0)), axis=axis)
    behind = len(shape) - axis - 1
    if behind:
        valid = op.node("Unsqueeze", valid, w.whole(list(range(-behind, 0))))
    return op.node("Where", valid, made, nothing)


def _scattered(op: Op) -> tuple[str, str, Any]:
    """Places along the axis, one behind it for what is dropped; updates; the number of places."""
    axis, (x, indices, updates) = op.options["axis"], op.types
    rank = len(indices.shape)
    sizes = updates.shape[axis : axis + rank]
    count: Any = 1
    for size in sizes:
        count = count * size
    shape = [*x.shape[:axis], count, *x.shape[axis + 1 :]]
    rows = op.inputs[2] if rank == 1 else reshaped(op.writer, op.inputs[2], shape)
    flat = op.node("Reshape", _whole_indices(op), op.writer.whole([-1]))
    size = op.writer.scalar(x.shape[axis])
    turned = op.node("Less", flat, op.writer.whole(0))
    place = op.node("Where", turned, op.node("Add", flat, size), flat)
    return op.node("Where", _valid(op, flat, x.shape[axis]), place, size), rows, count


@form("scatter_add")
def _scatter_add(op: Op) -> str:
    axis, shape = op.options["axis"], op.types[0].shape
    w = op.writer
    places, rows, count = _scattered(op)
    # One place more, for what is dropped.
    more = [0] * len(shape)
    more[axis] = 1
    wide = w.node("Pad", op.inputs[0], w.whole([0] * len(shape) + more))
    turned = [-1 if d == axis else 1 for d in range(len(shape))]
    sizes = [count if d == axis else size for d, size in enumerate(shape)]
    places = w.node("Expand", w.node("Reshape", places, w.whole(turned)), w.sizes(sizes))
    made = w.node("ScatterElements", wide, places, rows, axis=axis, reduction="add")
    return cut(w, made, axis, 0, shape[axis])


@form("scatter")
def _scatter(op: Op) -> str:
    """Each place takes the last update that names it: ONNX leaves open which of several counts."""
    axis, shape = op.options["axis"], op.types[0].shape
    w = op.writer
    places, rows, count = _scattered(op)
    if count == 0:
        return op.inputs[0]
    nobody = w.node("Expand", w.whole(-1), w.sizes([shape[axis] + 1]))
    last = w.node("ScatterElements", nobody, places, counted(w, count), reduction="max")
    last = cut(w, last, 0, 0, shape[axis])
    written = w.node("GreaterOrEqual", last, w.whole(0))
    made = w.node("Gather", rows, w.node("Max", last, w.whole(0)), axis=axis)
    behind = len(shape) - axis - 1
    if behind:
        written = w.node("Unsqueeze", written, w.whole(list(range(1, behind + 1))))
    return w.node("Where", written, made, op.inputs[0])

"""Rules for gather and scatter: places are counted along the dimensions that indices reach."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._core import Tensor
from ._bodies import chosen, single
from ._known import sizes_of
from ._program import tensor
from ._rules import Call, raw_rule, rule
from ._weft import weft


class _Numbers:
    """The dimension numbers of a gather, or of a scatter under the names of a gather."""

    def __init__(self, numbers: dict[str, Any], names: tuple[str, str, str, str, str]) -> None:
        window, collapsed, batching, index_batching, index_map = names
        self.window: list[int] = numbers.get(window, [])
        self.collapsed: list[int] = numbers.get(collapsed, [])
        self.batching: list[int] = numbers.get(batching, [])
        self.index_batching: list[int] = numbers.get(index_batching, [])
        self.index_map: list[int] = numbers.get(index_map, [])
        self.vector: int = numbers.get("index_vector_dim", 0)


_GATHER = (
    *("offset_dims", "collapsed_slice_dims", "operand_batching_dims"),
    *("start_indices_batching_dims", "start_index_map"),
)
_SCATTER = (
    *("update_window_dims", "inserted_window_dims", "input_batching_dims"),
    *("scatter_indices_batching_dims", "scatter_dims_to_operand_dims"),
)


class _Reach:
    """Which elements indices reach: ``axes`` of the operand by index, all others as a whole."""

    def __init__(
        self,
        numbers: _Numbers,
        shape: Sequence[Any],
        starts: Tensor,
        sizes: Sequence[Any],
        *,
        clamp: bool,
    ) -> None:
        if numbers.vector == starts.ndim:
            starts = weft.expand_dims(starts, axis=-1)
        starts = weft.moveaxis(starts, numbers.vector, -1)
        self.batch = tuple(starts.shape[:-1])
        outside = {*numbers.collapsed, *numbers.batching}
        self.axes = [
            d
            for d, n in enumerate(shape)
            if d in outside or d in numbers.index_map or (sizes[d] is not n and sizes[d] != n)
        ]
        self.rest = [d for d in range(len(shape)) if d not in self.axes]
        self.inner = [d for d in self.axes if d not in outside]
        rank = len(self.batch) + len(self.inner)
        self.indices = []
        for d in self.axes:
            index = weft.asarray(0)
            if d in numbers.index_map:
                index = starts[..., numbers.index_map.index(d)]
                if weft.iinfo(index.dtype).min == 0 and index.dtype.itemsize == 8:
                    index = weft.minimum(index, weft.asarray(2**63 - 1, dtype=index.dtype))
                index = index.astype("int64")
                if clamp:
                    index = weft.clip(index, 0, weft.asarray(shape[d] - sizes[d]))
                index = weft.reshape(index, (*self.batch, *[1] * len(self.inner)))
            elif d in numbers.batching:
                axis = numbers.index_batching[numbers.batching.index(d)]
                axis -= axis > numbers.vector
                index = _along(self.batch[axis], axis, rank)
            if d in self.inner:
                place = len(self.batch) + self.inner.index(d)
                index = index + _along(sizes[d], place, rank)
            self.indices.append(index)
        #: Of the places: those of indices, then those of windows along axes that indices reach.
        self.shape = (*self.batch, *[sizes[d] for d in self.inner])


def _along(size: Any, axis: int, rank: int) -> Tensor:
    column: list[Any] = [1] * rank
    column[axis] = size
    return weft.reshape(weft.arange(size, dtype="int64"), tuple(column))


@rule("stablehlo.gather")
def gather(call: Call, x: Tensor, starts: Tensor) -> Tensor:
    return gathered(call, x, starts, call["slice_sizes"])


@raw_rule("stablehlo.dynamic_gather")
def dynamic_gather(call: Call, x: Any, starts: Any, sizes: Any) -> Tensor:
    return gathered(call, tensor(x), tensor(starts), sizes_of(sizes, "the sizes of a gather"))


def gathered(call: Call, x: Tensor, starts: Tensor, sizes: Sequence[Any]) -> Tensor:
    """Slices of x, each moved so far that it lies inside."""
    numbers = _Numbers(call["dimension_numbers"], _GATHER)
    reach = _Reach(numbers, x.shape, starts, sizes, clamp=True)
    if reach.axes:
        moved = weft.permute_dims(x, (*reach.axes, *reach.rest))
        index = tuple(weft.broadcast_to(index, reach.shape) for index in reach.indices)
        taken = moved[index]
    else:
        taken = weft.broadcast_to(x, (*reach.batch, *x.shape))
    # Now: batch, windows along axes that indices reach, all others. The windows go in their order.
    first = len(reach.batch)
    behind = [*reach.inner, *reach.rest]
    windows = [first + behind.index(d) for d in sorted(behind)]
    order, batch, window = [], iter(range(first)), iter(windows)
    for d in range(taken.ndim):
        order.append(next(window) if d in numbers.window else next(batch))
    return weft.permute_dims(taken, tuple(order)) if taken.ndim else taken


@rule("stablehlo.scatter")
def scatter(call: Call, *operands: Tensor) -> tuple:
    count = len(operands) // 2
    targets, starts, updates = operands[:count], operands[count], operands[count + 1 :]
    numbers = _Numbers(call["scatter_dimension_numbers"], _SCATTER)
    shape = targets[0].shape
    sizes: list[Any] = [1] * len(shape)
    outside = {*numbers.collapsed, *numbers.batching}
    kept = [d for d in range(len(shape)) if d not in outside]
    for d, axis in zip(kept, numbers.window, strict=True):
        sizes[d] = updates[0].shape[axis]
    reach = _Reach(numbers, shape, starts, sizes, clamp=False)
    # The updates: batch, windows along axes that indices reach, all others.
    window_of = dict(zip(kept, numbers.window))
    batch = [d for d in range(updates[0].ndim) if d not in numbers.window]
    order = (*batch, *[window_of[d] for d in reach.inner], *[window_of[d] for d in reach.rest])
    rest = tuple(shape[d] for d in reach.rest)
    rows = 1
    place, inside = weft.asarray(0), weft.asarray(True)
    for d, index in zip(reach.axes, reach.indices):
        place = place * weft.asarray(shape[d]) + index
        inside = inside & (index >= 0) & (index < weft.asarray(shape[d]))
        rows = rows * shape[d]
    place, inside = (
        weft.reshape(weft.broadcast_to(value, reach.shape), (-1,)) for value in (place, inside)
    )
    moved = [weft.permute_dims(t, (*reach.axes, *reach.rest)) if t.ndim else t for t in targets]
    sizes_moved = moved[0].shape
    flat = [weft.reshape(value, (rows, *rest)) for value in moved]
    parts = [weft.permute_dims(u, order) if u.ndim else u for u in updates]
    parts = [weft.reshape(part, (*place.shape, *rest)) for part in parts]
    made = scattered(call, 0, flat, place, inside, parts)
    back = [0] * len(shape)
    for i, d in enumerate((*reach.axes, *reach.rest)):
        back[d] = i
    whole = [weft.reshape(value, sizes_moved) for value in made]
    return tuple(weft.permute_dims(value, tuple(back)) if back else value for value in whole)


def scattered(
    call: Call,
    number: int,
    targets: list[Tensor],
    place: Tensor,
    inside: Tensor,
    updates: list[Tensor],
) -> list[Tensor]:
    """Rows of the targets, combined by a region with the updates of places that are inside."""
    region = call.op.regions[number]
    name = single(region)
    if chosen(region) == 0:
        return targets
    if 0 in targets[0].shape or 0 in updates[0].shape:
        return targets
    kind = targets[0].dtype.kind
    column = weft.reshape(inside, (*inside.shape, *[1] * (updates[0].ndim - 1)))
    if len(targets) == 1 and name == "add" and kind != "bool":
        # What is outside changes nothing, at any place.
        none = weft.zeros((), dtype=targets[0].dtype)
        at = weft.where(inside, place, weft.asarray(0))
        return [targets[0].at[at].add(weft.where(column, updates[0], none))]
    # What is outside goes to a row of its own, which is dropped.
    rows = targets[0].shape[0]
    spare = [weft.concat([t, weft.zeros((1, *t.shape[1:]), dtype=t.dtype)]) for t in targets]
    place = weft.where(inside, place, weft.asarray(rows))
    short = {"minimum": "min", "maximum": "max"}
    if len(targets) == 1 and chosen(region) == 1:
        made = [spare[0].at[place].set(updates[0])]
    elif len(targets) == 1 and name in short and kind in ("integer", "floating"):
        made = [getattr(spare[0].at[place], short[name])(updates[0])]
    else:
        made = _one_by_one(call, number, spare, place, updates)
    return [value[:rows] for value in made]


def _one_by_one(
    call: Call, number: int, targets: list[Tensor], place: Tensor, updates: list[Tensor]
) -> list[Tensor]:
    """Any region, in the order of the updates."""
    from ._bodies import elementwise

    def step(carried: list[Tensor], part: tuple) -> tuple[list[Tensor], None]:
        at, rows = part
        index = weft.reshape(at, (1,))
        now = [weft.take(value, index, axis=0)[0] for value in carried]
        new = elementwise(call, [*now, *rows], number)
        return [
            value.at[index].set(weft.expand_dims(row, axis=0)) for value, row in zip(carried, new)
        ], None

    return list(weft.scan(step, list(targets), (place, list(updates)))[0])

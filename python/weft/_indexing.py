"""``x[key]`` and ``x[key] = value``, with keys as in NumPy."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from . import _core
from ._core import SymbolicSize, Tensor
from ._creation import _fail, _iota, asarray
from ._dtypes import bool_, int64
from ._errors import DTypeError, OutOfBoundsError, ShapeError, UnsupportedError
from ._manipulation import (
    as_size,
    broadcast_shapes,
    broadcast_to,
    flip,
    in_dtype_of,
    nan_beside_unknown,
    permute_dims,
    reshape,
    signed_indices,
    slice_,
    take,
)

#: What errors call ``x[key] = value``.
_ASSIGNMENT = "assignment to elements"


class _Span(NamedTuple):
    """A slice whose bounds are sizes: ``length`` elements from ``start`` on."""

    start: int
    step: int
    length: int


class _Array(NamedTuple):
    """An index of integers or bools: an array whose values are known, or a tensor of a trace."""

    values: np.ndarray | Tensor
    is_mask: bool

    @property
    def dimensions(self) -> int:
        """How many dimensions of the tensor it stands for."""
        return self.values.ndim if self.is_mask else 1

    @property
    def is_known(self) -> bool:
        return isinstance(self.values, np.ndarray)

    @property
    def may_ask(self) -> bool:
        """Whether a trace would give the values, or how many of them are true."""
        return isinstance(self.values, Tensor) and _core.gives_value_of(self.values)


class _Selection(NamedTuple):
    """Where a key points: slices and integers first, then the arrays in what these take."""

    starts: list[int]
    steps: list[int]
    sizes: list[int]
    #: What slices and integers take: integer keys dropped, None inserted; arrays take all.
    shape: list[int]
    #: The arrays, with the first dimension of ``shape`` that each stands for.
    arrays: list[tuple[_Array, int]]
    #: How many dimensions without arrays come before those of the arrays, in NumPy's order.
    front: int

    @property
    def array_places(self) -> list[int]:
        return [place + i for array, place in self.arrays for i in range(array.dimensions)]

    def order(self) -> list[int]:
        """The dimensions of ``shape`` in the order in which those with arrays stand together."""
        places = self.array_places
        others = [place for place in range(len(self.shape)) if place not in places]
        return [*others[: self.front], *places, *others[self.front :]]

    def part(self, x: Tensor) -> Tensor:
        """What slices and integers take, in that order."""
        taken = slice_(x, self.starts, self.steps, self.sizes)
        return permute_dims(reshape(taken, self.shape), self.order())

    def placed(self, part: Tensor) -> Tensor:
        """What is like `part`, as slices and integers take it."""
        order = self.order()
        inverse = sorted(range(len(order)), key=order.__getitem__)
        return reshape(permute_dims(part, inverse), self.sizes)

    def part_shape(self) -> list[int]:
        """The shape of `part`."""
        return [self.shape[place] for place in self.order()]

    def merged_shape(self) -> tuple[int, ...]:
        """The shape of `part` with the dimensions of the arrays as one."""
        shape, front, count = self.part_shape(), self.front, len(self.array_places)
        merged = math.prod(shape[front : front + count])
        return (*shape[:front], merged, *shape[front + count :])

    def is_whole(self, x: Tensor) -> bool:
        """True if `part` has all elements of x in their order."""
        order = self.order()
        return (
            not any(self.starts)
            and all(step == 1 for step in self.steps)
            and tuple(self.sizes) == x.shape
            and order == sorted(order)
        )


def _as_item(item: Any) -> Any:
    """An entry of a key: None, an ellipsis, a slice, a size, an integer or an array."""
    if item is None or item is Ellipsis or isinstance(item, (slice, SymbolicSize)):
        return item
    if isinstance(item, (list, tuple)):
        if any(isinstance(entry, Tensor) for entry in item):
            item = asarray(item)
        else:
            item = np.asarray(item) if len(item) else np.zeros(0, np.int64)
    if isinstance(item, Tensor):
        # One of Python's numbers takes a view, as outside: the trace is for this one.
        number = _core.python_number(item)
        if number is None:
            return _as_array(item)
        item = number
    if isinstance(item, (bool, np.bool_)):
        return _Array(np.asarray(item), True)
    if isinstance(item, np.ndarray):
        if item.dtype.kind not in "biu":
            raise _fail(DTypeError, f"an index has to be of integers or bools, not {item.dtype}")
        is_mask = item.dtype.kind == "b"
        return _Array(item, is_mask) if is_mask or item.ndim else int(item)
    try:
        return operator.index(item)
    except TypeError:
        raise _fail(DTypeError, f"a tensor can't be indexed by a {type(item).__name__}") from None


def _as_array(item: Tensor) -> Any:
    is_mask = item.dtype is bool_
    if not is_mask and item.dtype.kind != "integer":
        raise _fail(DTypeError, f"an index tensor has to be of integers, not {item.dtype.name}")
    if _core.is_tracing() or item._is_tracer:
        return _Array(item, is_mask)
    values = np.asarray(_core.on_host(item))
    return _Array(values, is_mask) if is_mask or item.ndim else int(values)


def _dimensions(item: Any) -> int:
    """How many dimensions of the tensor an entry stands for."""
    if isinstance(item, _Array):
        return item.dimensions
    return 0 if item is None or item is Ellipsis else 1


def _expanded(x: Tensor, key: object) -> list:
    """The entries of a key for all dimensions of x. Raises OutOfBoundsError."""
    items = [_as_item(item) for item in (key if isinstance(key, tuple) else (key,))]
    ellipses = [place for place, item in enumerate(items) if item is Ellipsis]
    if len(ellipses) > 1:
        raise _fail(OutOfBoundsError, "an index may have only one ellipsis (...)")
    used = sum(map(_dimensions, items))
    if used > x.ndim:
        raise _fail(
            OutOfBoundsError, f"an index for {used} dimensions is too long for shape {x.shape}"
        )
    missing: list = [slice(None)] * (x.ndim - used)
    place = ellipses[0] if ellipses else len(items)
    if ellipses and not missing:
        # It stands for nothing, but between arrays it still separates them.
        return items
    return items[:place] + missing + items[place + 1 :]


def _span(item: slice, size: int) -> _Span:
    """Where a slice lies, of which a bound or the dimension is not known.

    The bounds are taken as they stand, and whether they lie in range is checked when the program
    is called.
    """
    step = 1 if item.step is None else as_size(item.step)
    if isinstance(step, SymbolicSize) or step < 1:
        raise _fail(
            UnsupportedError,
            f"a slice with step {step} of a dimension of size {size}, which is not known while "
            "exporting; use weft.flip for the reverse order",
        )

    def place(bound: Any, otherwise: int) -> int:
        if bound is None:
            return otherwise
        bound = as_size(bound)
        return size + bound if isinstance(bound, int) and bound < 0 else bound

    start = place(item.start, 0)
    return _Span(start, step, (place(item.stop, size) - start + (step - 1)) // step)


def _from_end(size: SymbolicSize, count: int, x: Tensor) -> Tensor:
    """The last positions of a dimension whose size is not known, the last one first.

    They are a part of all of them, so that calls with fewer are refused.
    """
    return (_iota((size,), 0, int64, x.device) * -1 + (size - 1))[:count]


def _last_of(x: Tensor, item: slice, axis: int) -> tuple[Tensor, slice] | None:
    """What a slice that begins so many elements before the end reads, as the beginning of those;
    None if it ends elsewhere than before the end."""
    size, start, stop = x.shape[axis], item.start, item.stop
    begins_there = isinstance(size, SymbolicSize) and isinstance(start, int) and start < 0
    ends_there = stop is None or (isinstance(stop, int) and stop < 0)
    goes_on = item.step is None or (isinstance(item.step, int) and item.step > 0)
    if not (begins_there and ends_there and goes_on):
        return None
    positions = flip(_from_end(size, -start, x))
    count = -start if stop is None else max(stop - start, 0)
    return take(x, positions, axis=axis), slice(0, count, item.step)


def _with_known_starts(x: Tensor, items: list) -> tuple[Tensor, list]:
    """x and a key in which all starts are numbers: elements from elsewhere are taken first."""
    items, dimension = list(items), 0
    for place, item in enumerate(items):
        if isinstance(item, slice):
            size = x.shape[dimension]
            if last := _last_of(x, item, dimension):
                x, items[place] = last
            elif any(isinstance(value, SymbolicSize) for value in (size, item.start, item.stop)):
                items[place] = span = _span(item, size)
                if isinstance(span.start, SymbolicSize):
                    positions = _iota((span.length,), 0, int64, x.device) * span.step + span.start
                    x, items[place] = take(x, positions, axis=dimension), slice(None)
        elif isinstance(item, (int, SymbolicSize)):
            size = x.shape[dimension]
            if isinstance(item, SymbolicSize) or (isinstance(size, SymbolicSize) and item < 0):
                if isinstance(item, SymbolicSize):
                    position = reshape(asarray(item), (1,))
                else:
                    position = _from_end(size, -item, x)[-1 - item :]
                x = take(x, position, axis=dimension)
                items[place] = 0
        dimension += _dimensions(item)
    return x, items


def _masks_as_positions(x: Tensor, items: list, ask: bool = True) -> list:
    """The entries with the positions of the true elements in the place of each known mask; with
    ``ask`` also of those whose number of true elements a trace can ask for."""
    from ._searching import nonzero

    result, dimension = [], 0
    for item in items:
        used = _dimensions(item)
        if isinstance(item, _Array) and item.is_mask:
            shape = x.shape[dimension : dimension + used]
            sizes = tuple(item.values.shape)
            # A mask with a dimension of 0 has no true element, whatever it stands for.
            fits = len(sizes) == len(shape) and all(
                own in (0, size) for own, size in zip(sizes, shape, strict=True)
            )
            if not (fits if item.is_known or item.may_ask else sizes == tuple(shape)):
                raise _fail(
                    OutOfBoundsError,
                    f"a mask of shape {tuple(item.values.shape)} does not fit dimensions "
                    f"{dimension} to {dimension + used - 1} of shape {x.shape}",
                )
        is_mask = isinstance(item, _Array) and item.is_mask
        if is_mask and item.is_known and used:
            result += [_Array(positions, False) for positions in np.nonzero(item.values)]
        elif is_mask and ask and item.may_ask:
            result += (
                [_Array(positions, False) for positions in nonzero(item.values)]
                if used
                else [_Array(np.asarray(_core.on_host(item.values)), True)]
            )
        else:
            result.append(item)
        dimension += used
    return result


def _front(items: list) -> int:
    """How many dimensions of the selection come before those of arrays: where the first one is, if
    arrays and integers follow each other without a gap, else none."""
    advanced = [
        place for place, item in enumerate(items) if isinstance(item, (int, SymbolicSize, _Array))
    ]
    if advanced[-1] - advanced[0] + 1 != len(advanced):
        return 0
    return sum(item is not Ellipsis for item in items[: advanced[0]])


def _selection(x: Tensor, items: list) -> _Selection:
    selection = _Selection([], [], [], [], [], 0)
    starts, steps, sizes, shape, arrays, _ = selection
    for item in items:
        dimension = len(starts)
        if item is None or item is Ellipsis:
            shape += [1] if item is None else []
            continue
        if isinstance(item, _Array):
            arrays.append((item, len(shape)))
            wholes = x.shape[dimension : dimension + item.dimensions]
            shape += wholes
            starts += [0] * len(wholes)
            steps += [1] * len(wholes)
            sizes += wholes
            continue
        start, step, count = _bounds(item, x, dimension)
        if not isinstance(item, int):
            shape.append(count)
        starts.append(0 if count == 0 else start)
        steps.append(step)
        sizes.append(count)
    return selection._replace(front=_front(items)) if arrays else selection


def _bounds(item: Any, x: Tensor, dimension: int) -> tuple[int, int, int]:
    """Start, step and number of elements of a slice or an integer."""
    size = x.shape[dimension]
    if isinstance(item, _Span):
        return item
    if isinstance(item, slice):
        if isinstance(size, SymbolicSize):
            return 0, 1, size
        start, stop, step = item.indices(size)
        count = len(range(start, stop, step))
        # Of one element the step says nothing, and it may be as large as Python's numbers.
        return start, step if count > 1 else 1, count
    if isinstance(size, SymbolicSize):
        return item, 1, 1
    if not -size <= item < size:
        raise _fail(
            OutOfBoundsError,
            f"index {item} is out of range for dimension {dimension} of shape {x.shape}",
        )
    return item % size, 1, 1


def _checked(positions: np.ndarray, size: int) -> np.ndarray:
    """Positions as int64, from 0 on. Raises OutOfBoundsError."""
    if positions.size and not isinstance(size, SymbolicSize):
        low, high = int(positions.min()), int(positions.max())
        if low < -size or high >= size:
            raise _fail(
                OutOfBoundsError,
                f"an index of {high if high >= size else low} is out of range for a dimension of "
                f"{size}",
            )
    wide = positions.astype(np.int64)
    return wide if isinstance(size, SymbolicSize) else np.where(wide < 0, wide + size, wide)


def _linear(selection: _Selection, x: Tensor) -> Tensor:
    """The positions in the dimensions with arrays, taken as one dimension.

    In a trace the values are not known: where one is out of range, so is the position.
    """
    positions: list[tuple[np.ndarray | Tensor, int]] = []
    for array, place in selection.arrays:
        if array.dimensions:
            size = selection.shape[place]
            values = array.values
            known = _checked(values, size) if isinstance(values, np.ndarray) else values
            positions.append((known, size))
        else:
            positions.append((np.zeros(int(np.asarray(array.values)), np.int64), 1))
    try:
        broadcast_shapes(*(values.shape for values, _ in positions))
    except ShapeError:
        shapes = ", ".join(str(tuple(values.shape)) for values, _ in positions)
        raise _fail(
            OutOfBoundsError, f"the indices have shapes {shapes}, which do not broadcast"
        ) from None
    if all(isinstance(values, np.ndarray) for values, _ in positions):
        linear = np.zeros((), np.int64)
        for values, size in positions:
            linear = linear * size + np.asarray(values) if len(positions) > 1 else values
        return asarray(np.asarray(linear), device=x.device)
    if len(positions) == 1:
        return asarray(positions[0][0], device=x.device)
    return _linear_traced(positions, x)


def _linear_traced(positions: list[tuple[np.ndarray | Tensor, int]], x: Tensor) -> Tensor:
    from ._ops import logical_and, maximum, minimum, where

    linear: Any = 0
    inside: Any = None
    for values, size in positions:
        index = signed_indices(asarray(values, device=x.device))
        index = where(index < 0, index + size, index)
        clamped = maximum(minimum(index, size - 1), 0)
        here = index == clamped
        inside = here if inside is None else logical_and(inside, here)
        linear = linear * size + clamped
    return where(inside, linear, math.prod(size for _, size in positions))


def _require_known_masks(selection: _Selection) -> None:
    masks = [array for array, _ in selection.arrays if array.is_mask and not array.is_known]
    if not all(mask.may_ask for mask in masks):
        raise _fail(
            UnsupportedError,
            "the shape of x[mask] depends on the mask's values, which are not known in what is "
            "exported, lowered or mapped by vmap; use weft.where(mask, x, other), or say by "
            "weft.compress(weft.flatten(mask), x, size=) how many elements there are at most",
        )


def get_item(x: Tensor, key: object) -> Tensor:
    """``x[key]``: integers, slices, None, ``...``, and arrays of integers or bools, as in NumPy.

    Raises:
        OutOfBoundsError: an index is out of range, there are too many, or a mask does not fit. In a
            compiled function tensors out of range give NaN, among integers 0.
        UnsupportedError: a mask in what is exported, lowered or mapped by vmap.
    """
    x, items = _with_known_starts(x, _expanded(x, key))
    selection = _selection(x, _masks_as_positions(x, items))
    part = selection.part(x)
    if not selection.arrays:
        # Also of all of it: a handle of its own, that looks into x.
        return part if part is not x else _core.view("weft.reshape", x, None, x.shape, x.dtype)
    _require_known_masks(selection)
    index = _linear(selection, x)
    return take(reshape(part, selection.merged_shape()), index, axis=selection.front)


def has_integer_arrays(x: Tensor, key: object) -> bool:
    """Whether a key has arrays of integers, of which several may name one element."""
    items = _expanded(x, key)
    return any(isinstance(item, _Array) and not item.is_mask for item in items)


def set_item(x: Tensor, key: object, value: object, name: str = "weft.scatter") -> None:
    """``x[key] = value``: rebinds the handle to a tensor in which the elements are replaced.

    Of equal positions the last one counts. Raises as `get_item` does; in a compiled function, where
    a tensor is out of range, all that is written is NaN, and so is the nearest element; among
    integers such a position is left out. And:
        ShapeError: the value does not broadcast to the shape of ``x[key]``.

    Args:
        name: "weft.scatter_add" for a key with arrays of integers: the value is added.
    """
    unchanged, items = _with_known_starts(x, _expanded(x, key))
    if unchanged is not x:
        raise _fail(
            UnsupportedError,
            "assignment to elements whose position depends on a size that is not known while "
            "exporting; use weft.where, or weft.scatter_add",
        )
    replacement = in_dtype_of(x, value)
    has_arrays = any(isinstance(item, _Array) for item in items)
    if has_arrays and name == "weft.scatter" and _set_by_mask(x, items, replacement):
        return
    selection = _selection(x, _masks_as_positions(x, items))
    if not selection.arrays:
        _put_slice(x, selection, reshape(_fitted(replacement, selection.shape), selection.sizes))
        return
    index = _linear(selection, x)
    merged, front = selection.merged_shape(), selection.front
    updates = _fitted(replacement, (*merged[:front], *index.shape, *merged[front + 1 :]))
    if not all(array.is_known for array, _ in selection.arrays):
        index, updates = nan_beside_unknown(index, updates, merged[front])
    _put_at(x, selection, index, updates, name)


def _put_slice(x: Tensor, selection: _Selection, value: Tensor) -> None:
    if value._size != 0:
        _core.put_slice(x, value, selection.starts, selection.steps, _ASSIGNMENT)


def _put_at(x: Tensor, selection: _Selection, index: Tensor, updates: Tensor, name: str) -> None:
    """Puts updates at positions in the dimensions with arrays, taken as one."""
    if updates._size == 0:
        return
    attributes, merged = {"axis": selection.front}, selection.merged_shape()
    if selection.is_whole(x):
        _core.update(x, name, (index, updates), attributes, merged, _ASSIGNMENT)
        return
    before = reshape(selection.part(x), merged)
    changed = _core.apply(name, (before, index, updates), attributes)
    _put_slice(x, selection, selection.placed(reshape(changed, selection.part_shape())))


def _set_by_mask(x: Tensor, items: list, value: Tensor) -> bool:
    """Puts the value where the one array of the key, a mask, is true; False if the key is another,
    or the value has an element for each that is true."""
    selection = _selection(x, items)
    if [array.is_mask for array, _ in selection.arrays] != [True]:
        _require_known_masks(selection)
        return False
    _masks_as_positions(x, items, ask=False)  # The mask has to fit.
    mask, shape = selection.arrays[0][0], selection.part_shape()
    behind = len(shape) - selection.front - mask.dimensions
    ahead, own, after = (
        value.shape[: max(value.ndim - behind - 1, 0)],
        value.shape[max(value.ndim - behind - 1, 0) : max(value.ndim - behind, 0)],
        value.shape[max(value.ndim - behind, 0) :],
    )
    if own not in ((), (1,)):
        if mask.is_known or mask.may_ask:
            return False
        raise _fail(
            UnsupportedError,
            f"x[mask] = value of shape {value.shape} gives each true element its own value; how "
            "many there are is not known in what is exported, lowered or mapped by vmap; use "
            "weft.where(mask, value, x) with a value for each element",
        )
    spread = reshape(value, (*ahead, *([1] * mask.dimensions if own or ahead else []), *after))
    condition = asarray(mask.values, device=x.device)
    from ._ops import where

    if behind == 0:
        part = selection.part(x)
        changed = where(condition, _fitted(spread, shape), part)
        if selection.is_whole(x):
            x._assign(reshape(changed, x.shape), _ASSIGNMENT)
        else:
            _put_slice(x, selection, selection.placed(changed))
        return True
    # Rows, of which those that are not wanted are out of range: only the others are written.
    merged, front = selection.merged_shape(), selection.front
    count = merged[front]
    if mask.is_known and not isinstance(count, SymbolicSize):
        positions = _padded_positions(np.asarray(mask.values), count)
        rows = (*ahead, *([1] if own or ahead else []), *after)
        shape = [*merged[:front], len(positions), *merged[front + 1 :]]
        index, spread = asarray(positions, device=x.device), reshape(value, rows)
        _put_at(x, selection, index, _fitted(spread, shape), "weft.scatter")
        return True
    index = where(reshape(condition, (count,)), _iota((count,), 0, int64, x.device), count)
    _put_at(x, selection, index, reshape(_fitted(spread, shape), merged), "weft.scatter")
    return True


def _padded_positions(mask: np.ndarray, count: int) -> np.ndarray:
    """The positions of the true elements of ``count``, then ``count`` itself up to a power of 2, so
    that there are few numbers of positions to compile for."""
    positions = np.flatnonzero(mask)
    padded = np.full(1 << max(len(positions) - 1, 0).bit_length() if len(positions) else 0, count)
    padded[: len(positions)] = positions
    return padded


def _fitted(value: Tensor, shape: Sequence[int]) -> Tensor:
    """The value broadcast to the elements that it replaces; leading dimensions of 1 may be more."""
    excess = max(value.ndim - len(shape), 0)
    if any(size != 1 for size in value.shape[:excess]):
        raise _fail(
            ShapeError,
            f"a value of shape {value.shape} does not fit the {len(shape)} dimensions of "
            "the elements it replaces",
        )
    return broadcast_to(reshape(value, value.shape[excess:]), shape)

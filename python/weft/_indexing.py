"""``x[key]`` and ``x[key] = value``."""

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
    astype,
    broadcast_to,
    permute_dims,
    reshape,
    slice_,
    take,
)


class _Span(NamedTuple):
    """A slice whose bounds are sizes: ``length`` elements from ``start`` on."""

    start: int
    step: int
    length: int


class _Basic(NamedTuple):
    """Where the basic part of a key points: one entry for each dimension of the tensor."""

    starts: list[int]
    steps: list[int]
    sizes: list[int]
    #: Shape of the selection: integer keys dropped, None inserted.
    shape: list[int]
    #: The index tensor, with the dimension of the tensor and of the result that it stands at.
    positions: tuple[Tensor, int, int] | None


def _expanded(x: Tensor, key: object) -> list:
    """The key as a list with one entry for each dimension, and None for new ones."""
    items = list(key) if isinstance(key, tuple) else [key]
    used = sum(item is not None and item is not Ellipsis for item in items)
    if sum(item is Ellipsis for item in items) > 1:
        raise _fail(OutOfBoundsError, "an index may have only one ellipsis (...)")
    if used > x.ndim:
        raise _fail(
            OutOfBoundsError, f"an index for {used} dimensions is too long for shape {x.shape}"
        )
    missing = [slice(None)] * (x.ndim - used)
    for place, item in enumerate(items):
        if item is Ellipsis:
            return items[:place] + missing + items[place + 1 :]
    return items + missing


def _is_index_array(item: object) -> bool:
    return isinstance(item, (list, np.ndarray, Tensor))


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


def _with_known_starts(x: Tensor, items: list) -> tuple[Tensor, list]:
    """x and a key in which all starts are numbers: elements from elsewhere are taken first."""
    items, dimension = list(items), 0
    for place, item in enumerate(items):
        if item is None:
            continue
        size = x.shape[dimension]
        if isinstance(item, slice) and any(
            isinstance(value, SymbolicSize) for value in (size, item.start, item.stop)
        ):
            items[place] = span = _span(item, size)
            if isinstance(span.start, SymbolicSize):
                positions = _iota((span.length,), 0, int64, x.device) * span.step + span.start
                x, items[place] = take(x, positions, axis=dimension), slice(None)
        elif isinstance(item, SymbolicSize) or (
            isinstance(size, SymbolicSize) and isinstance(item, int) and item < 0
        ):
            position = item if isinstance(item, SymbolicSize) else size + item
            x = take(x, reshape(asarray(position), (1,)), axis=dimension)
            items[place] = 0
        dimension += 1
    return x, items


def _basic(x: Tensor, items: list) -> _Basic:
    starts: list[int] = []
    steps: list[int] = []
    sizes: list[int] = []
    shape: list[int] = []
    index: tuple[Tensor, int, int] | None = None
    start: int
    count: int
    for item in items:
        if item is None:
            shape.append(1)
            continue
        dimension, size = len(starts), x.shape[len(starts)]
        if isinstance(item, slice) and isinstance(size, SymbolicSize):
            start, step, count = 0, 1, size
            shape.append(size)
        elif isinstance(item, slice):
            start, stop, step = item.indices(size)
            count = len(range(start, stop, step))
            shape.append(count)
        elif isinstance(item, _Span):
            start, step, count = item
            shape.append(count)
        elif _is_index_array(item) and not (
            isinstance(item, Tensor)
            and item.ndim == 0
            and not item._is_tracer
            and item.dtype is not bool_
        ):
            if index is not None:
                raise _fail(
                    UnsupportedError,
                    "only one tensor may stand in an index: flatten the "
                    "dimensions and use one tensor of positions",
                )
            positions = item if isinstance(item, Tensor) else asarray(item, device=x.device)
            index = (_checked(positions, x.shape[dimension]), dimension, len(shape))
            start, step, count = 0, 1, size
            shape.append(size)
        else:
            start, step, count = _integer(item, dimension, x), 1, 1
        starts.append(0 if count == 0 else start)
        steps.append(step)
        sizes.append(count)
    return _Basic(starts, steps, sizes, shape, index)


def _checked(positions: Tensor, size: int) -> Tensor:
    if positions.dtype is bool_:
        raise _fail(
            DTypeError,
            "a bool tensor in an index selects as many elements as are true; "
            "use weft.where(mask, x, other), whose shape is known",
        )
    if positions.dtype.kind != "integer":
        raise _fail(
            DTypeError, f"an index tensor has to be of integers, not {positions.dtype.name}"
        )
    if not _core.is_tracing() and not positions._is_tracer:
        values = np.asarray(_core.on_host(positions))
        if values.size and (values.min() < -size or values.max() >= size):
            raise _fail(
                OutOfBoundsError,
                f"an index of {values.max() if values.max() >= size else values.min()} "
                f"is out of range for a dimension of {size}",
            )
    return positions


def _integer(item: Any, dimension: int, x: Tensor) -> int:
    try:
        position = operator.index(item)
    except TypeError as error:
        if isinstance(item, Tensor):
            raise
        raise _fail(DTypeError, f"a tensor can't be indexed by a {type(item).__name__}") from error
    size = x.shape[dimension]
    if isinstance(size, SymbolicSize):
        return position
    if not -size <= position < size:
        raise _fail(
            OutOfBoundsError,
            f"index {position} is out of range for dimension {dimension} of shape {x.shape}",
        )
    return position % size


def _mask(x: Tensor, key: Tensor) -> Tensor:
    """The elements where an eager mask is true, as many as there are."""
    if _core.is_tracing() or key._is_tracer:
        raise _fail(
            UnsupportedError,
            "the shape of x[mask] depends on the mask's values, which are "
            "not known while the function is compiled; use "
            "weft.where(mask, x, other)",
        )
    if key.shape != x.shape[: key.ndim]:
        raise _fail(OutOfBoundsError, f"a mask of shape {key.shape} does not fit shape {x.shape}")
    positions = np.flatnonzero(np.asarray(_core.on_host(key)))
    rows = reshape(x, (math.prod(key.shape), *x.shape[key.ndim :]))
    return take(rows, asarray(positions, device=x.device), axis=0)


def get_item(x: Tensor, key: object) -> Tensor:
    """``x[key]``: integers, slices, None, ``...``, and one tensor of integers or mask."""
    if isinstance(key, Tensor) and key.dtype is bool_:
        return _mask(x, key)
    if isinstance(key, Tensor) and key._is_tracer and key.ndim == 0:
        return take(x, key, axis=0)
    x, items = _with_known_starts(x, _expanded(x, key))
    basic = _basic(x, items)
    result = reshape(slice_(x, basic.starts, basic.steps, basic.sizes), basic.shape)
    if basic.positions is None:
        return result
    return take(result, basic.positions[0], axis=basic.positions[2])


def _replacement(x: Tensor, value: object) -> Tensor:
    """What is assigned: numbers and arrays go to where x is, tensors have to be there."""
    return value if isinstance(value, Tensor) else asarray(value, device=x.device)


def set_item(x: Tensor, key: object, value: object) -> None:
    """``x[key] = value``: rebinds the handle to a tensor in which the elements are replaced."""
    from ._ops import where

    if isinstance(key, Tensor) and key.dtype is bool_ and key.ndim == x.ndim:
        x.assign(where(key, astype(_replacement(x, value), x.dtype), x))
        return
    unchanged, items = _with_known_starts(x, _expanded(x, key))
    if unchanged is not x:
        raise _fail(
            UnsupportedError,
            "assignment to elements whose position depends on a size that is not known while "
            "exporting; use weft.where, or weft.scatter_add",
        )
    basic = _basic(x, items)
    replacement = astype(_replacement(x, value), x.dtype)
    if basic.positions is not None:
        _set_rows(x, key, basic, replacement)
        return
    shape = tuple(basic.shape)
    if replacement.ndim > len(shape):
        replacement = _dropped_units(replacement, len(shape))
    placed = reshape(broadcast_to(replacement, shape), basic.sizes)
    x.assign(put_slice(x, placed, basic.starts, basic.steps))


def put_slice(x: Tensor, value: Tensor, starts: Sequence[int], steps: Sequence[int]) -> Tensor:
    """x with the elements at starts + i * steps, i below value's shape, replaced by ``value``."""
    from ._manipulation import flip

    first, distance = list(starts), list(steps)
    backwards = [i for i, step in enumerate(steps) if step < 0]
    for i in backwards:
        first[i] += steps[i] * (value.shape[i] - 1) if value.shape[i] else 0
        distance[i] = -steps[i]
    if backwards:
        value = flip(value, axis=backwards)
    return x if value._size == 0 else _overwritten(x, value, first, distance)


def _dropped_units(x: Tensor, ndim: int) -> Tensor:
    excess = x.shape[: x.ndim - ndim]
    if any(size != 1 for size in excess):
        raise _fail(
            ShapeError,
            f"a value of shape {x.shape} does not fit the {ndim} dimensions of "
            "the elements it replaces",
        )
    return reshape(x, x.shape[x.ndim - ndim :])


def _overwritten(x: Tensor, placed: Tensor, starts: list[int], steps: list[int]) -> Tensor:
    from ._ops import where

    attributes = {"low": starts, "interior": [step - 1 for step in steps]}
    spread = _core.apply(
        "weft.pad", (placed, _core.full((), 0, x.dtype, x.device)), attributes, x.shape, x.dtype
    )
    inside = _core.apply(
        "weft.pad",
        (
            _core.full(placed.shape, True, bool_, x.device),
            _core.full((), False, bool_, x.device),
        ),
        attributes,
        x.shape,
        bool_,
    )
    return where(inside, spread, x)


def _set_rows(x: Tensor, key: object, basic: _Basic, replacement: Tensor) -> None:
    """``x[..., indices, ...] = value`` where all other dimensions are taken whole."""
    indices, dimension, _ = basic.positions  # type: ignore[misc]
    if (
        basic.sizes != list(x.shape)
        or len(basic.shape) != x.ndim
        or any(step != 1 for step in basic.steps)
    ):
        raise _fail(
            UnsupportedError,
            "assignment by an index tensor together with other indices: "
            "use weft.where, or weft.scatter_add",
        )
    from ._ops import where

    shape = (*x.shape[:dimension], *indices.shape, *x.shape[dimension + 1 :])
    updates = broadcast_to(replacement, shape)
    flat = reshape(indices, -1)
    front = [*range(dimension, dimension + indices.ndim)]
    rest = [i for i in range(len(shape)) if i not in front]
    rows = reshape(permute_dims(updates, front + rest), (flat.shape[0], *(shape[i] for i in rest)))
    # The last of repeated indices wins: the position of the writer is found first.
    size = x.shape[dimension]
    count = flat.shape[0]
    order = _iota((count,), 0, int64, x.device)
    same = reshape(astype(where(flat < 0, flat + size, flat), "int64"), (1, -1)) == reshape(
        _iota((size,), 0, int64, x.device), (-1, 1)
    )
    from ._reductions import max

    writer = max(where(same, reshape(order, (1, -1)), -1), axis=1)
    chosen = take(rows, where(writer < 0, 0, writer), axis=0)
    order_back = list(range(1, chosen.ndim))
    order_back.insert(dimension, 0)
    chosen = permute_dims(chosen, order_back)
    written = reshape(writer >= 0, [-1 if i == dimension else 1 for i in range(x.ndim)])
    x.assign(where(written, chosen, x))

"""PyTorch's functions that join tensors, take them apart, and put others in their places."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import _ops
from ._core import Tensor
from ._creation import _fail, _shape, arange, asarray, full, linspace, meshgrid, zeros
from ._dtypes import bool_, int64
from ._errors import ShapeError
from ._manipulation import (
    broadcast_arrays,
    broadcast_to,
    concat,
    expand_dims,
    in_dtype_of,
    normalize_axis,
    pad,
    reshape,
    stack,
    take,
)
from ._pytorch import diag, diagonal, tensor_split
from ._reductions import cumulative_sum
from ._reductions import sum as sum_along
from ._searching import _true_positions, argwhere

# Joining -------------------------------------------------------------------------------------


def _several(tensors: tuple) -> list[Tensor]:
    """The tensors of ``f(a, b)`` and of ``f([a, b])``."""
    given = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else tensors
    return [asarray(tensor) for tensor in given]


def _of_each(tensors: tuple, change: Any) -> Any:
    changed = tuple(change(tensor) for tensor in _several(tensors))
    is_one = len(tensors) == 1 and not isinstance(tensors[0], (list, tuple))
    return changed[0] if is_one else changed


def _at_least(x: Tensor, rank: int) -> Tensor:
    if rank == 3 and x.ndim == 2:
        return expand_dims(x, axis=-1)
    if rank == 3 and x.ndim == 1:
        return reshape(x, (1, -1, 1))
    return reshape(x, (*[1] * (rank - x.ndim), *x.shape)) if x.ndim < rank else x


def atleast_1d(*tensors: Any) -> Any:
    """Each tensor, of rank 1 or more: [1] of a number. One tensor, or a tuple of several."""
    return _of_each(tensors, lambda x: _at_least(x, 1))


def atleast_2d(*tensors: Any) -> Any:
    """Each tensor, of rank 2 or more: [1, n] of [n]. One tensor, or a tuple of several."""
    return _of_each(tensors, lambda x: _at_least(x, 2))


def atleast_3d(*tensors: Any) -> Any:
    """Each tensor, of rank 3 or more: [m, n, 1] of [m, n], [1, n, 1] of [n]. One or a tuple."""
    return _of_each(tensors, lambda x: _at_least(x, 3))


def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """The tensors in their common shape. Raises ShapeError if there is none."""
    return tuple(broadcast_arrays(*_several(tensors)))


def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    """Matrices beside each other; of [n] columns are made first."""
    parts = [reshape(x, (-1, 1)) if x.ndim < 2 else x for x in _several((tensors,))]
    return concat(parts, axis=1)


def dstack(tensors: Sequence[Tensor]) -> Tensor:
    """Tensors behind each other along the third dimension, made by `atleast_3d`."""
    return concat([_at_least(x, 3) for x in _several((tensors,))], axis=2)


def block_diag(*tensors: Any) -> Tensor:
    """The matrices along the diagonal of one, zeros elsewhere; [n] is a matrix of one row.

    Raises:
        ShapeError: a tensor has more than two dimensions.
    """
    parts = [_at_least(x, 2) for x in _several(tensors)]
    if any(part.ndim > 2 for part in parts):
        raise _fail(ShapeError, "block_diag: the tensors have to be matrices")
    width, rows, before = sum(part.shape[1] for part in parts), [], 0
    for part in parts:
        behind = width - before - part.shape[1]
        rows.append(pad(part, [(0, 0), (before, behind)]))
        before += part.shape[1]
    return concat(rows, axis=0) if rows else zeros((1, 0))


def cartesian_prod(*tensors: Any) -> Tensor:
    """All ways to take one element of each tensor [n]: [product, count]; of one tensor itself."""
    parts = _several(tensors)
    if len(parts) == 1:
        return parts[0]
    return stack([reshape(x, -1) for x in meshgrid(*parts, indexing="ij")], axis=-1)


def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All ways to take r elements of [n], in order: [count, r].

    Raises:
        ShapeError: the tensor has not one dimension.
    """
    if input.ndim != 1:
        raise _fail(ShapeError, f"combinations: the shape {input.shape} has to be [n]")
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    places = np.array(list(choose(range(input.shape[0]), r)), np.int64).reshape(-1, r)
    return reshape(take(input, asarray(places.reshape(-1))), places.shape)


def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """A matrix with the elements of the flattened tensor on a diagonal, zeros elsewhere."""
    return diag(reshape(asarray(input), -1), offset)


def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:  # noqa: N803
    """The powers of x [n], [n, N] (None: n): from the highest down to 0, or increasing."""
    count = x.shape[0] if N is None else operator.index(N)
    powers = arange(count, device=x.device)
    return expand_dims(x, axis=1) ** (powers if increasing else count - 1 - powers)


def logspace(
    start: float, end: float, steps: int, base: float = 10.0, *, dtype: object = None
) -> Tensor:
    """``steps`` numbers whose logarithms to the base are evenly spaced from start to end."""
    return asarray(base ** linspace(start, end, steps, dtype="float64"), dtype=dtype or "float32")


# Taking apart --------------------------------------------------------------------------------


def _split_along(name: str, input: Tensor, sections: Any, axis: int) -> tuple[Tensor, ...]:
    if input.ndim <= axis:
        raise _fail(ShapeError, f"{name}: the shape {input.shape} has no dimension {axis}")
    if not isinstance(sections, (list, tuple)) and input.shape[axis] % sections:
        raise _fail(
            ShapeError,
            f"{name}: {input.shape[axis]} elements can't be split into {sections} equal parts",
        )
    return tuple(tensor_split(input, sections, axis))


def hsplit(input: Tensor, split: int | Sequence[int]) -> tuple[Tensor, ...]:
    """Equal parts, or parts between places, along the second dimension; of [n] along its own.

    Raises:
        ShapeError: there is no such dimension, or the parts are not equal.
    """
    return _split_along("hsplit", input, split, 0 if input.ndim == 1 else 1)


def vsplit(input: Tensor, split: int | Sequence[int]) -> tuple[Tensor, ...]:
    """Equal parts, or parts between places, along the first of two dimensions or more.

    Raises:
        ShapeError: there are less, or the parts are not equal.
    """
    if input.ndim < 2:
        raise _fail(ShapeError, f"vsplit: the shape {input.shape} has to have two dimensions")
    return _split_along("vsplit", input, split, 0)


def dsplit(input: Tensor, split: int | Sequence[int]) -> tuple[Tensor, ...]:
    """Equal parts, or parts between places, along the third dimension. Raises as `hsplit`."""
    return _split_along("dsplit", input, split, 2)


def unravel_index(indices: Tensor, shape: int | Sequence[int]) -> tuple[Tensor, ...]:
    """The places in a tensor of a shape of positions in the flattened one."""
    sizes = [shape] if isinstance(shape, int) else list(shape)
    rest, places = asarray(indices), []
    for size in reversed(sizes):
        places.append(rest % size)
        rest = rest // size
    return tuple(reversed(places))


def unique_consecutive(
    input: Tensor,
    return_inverse: bool = False,
    return_counts: bool = False,
    *,
    size: int | None = None,
) -> Any:
    """The elements of the flattened tensor without those that equal the one before, and on wish
    which of them each element is, and how often each is there.

    Args:
        size: how many are returned, so that the function can be compiled: of more the first ones,
            and after fewer the first element, with a count of 0.

    Raises:
        UnsupportedError: without ``size``, in what is exported, lowered or mapped by vmap.
    """
    flat = reshape(input, -1)
    total = flat.shape[0]
    kept = min(total, 1)
    first = full(kept, True, dtype=bool_, device=input.device)
    is_new = concat([first, flat[1:] != flat[:-1]])
    what = "how many different elements there are"
    starts = _true_positions(is_new, size, total, "unique_consecutive", what)
    ends = concat([starts[1:], full(min(starts.shape[0], 1), total, dtype=int64)])
    values = take(flat, starts if size is None else _ops.where(starts < total, starts, 0))
    inverse = reshape(cumulative_sum(is_new, axis=0) - 1, input.shape)
    wanted = [inverse] * return_inverse + [ends - starts] * return_counts
    return (values, *wanted) if wanted else values


# Putting in places ---------------------------------------------------------------------------


def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """The tensor with ``src`` for its slice number ``index`` along ``dim``."""
    place = normalize_axis(dim, input.ndim, "select_scatter")
    return input.at[(*[slice(None)] * place, index)].set(src)


def slice_scatter(
    input: Tensor,
    src: Tensor,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> Tensor:
    """The tensor with ``src`` for its slices ``start:end:step`` along ``dim``."""
    place = normalize_axis(dim, input.ndim, "slice_scatter")
    return input.at[(*[slice(None)] * place, slice(start, end, step))].set(src)


def diagonal_scatter(
    input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1
) -> Tensor:
    """The tensor with ``src`` for its `diagonal`."""
    grid = reshape(arange(input._size, device=input.device), input.shape)
    places = reshape(diagonal(grid, offset, dim1, dim2), -1)
    updates = reshape(broadcast_to(in_dtype_of(input, src), src.shape), -1)
    return reshape(reshape(input, -1).at[places].set(updates), input.shape)


def index_put(
    input: Tensor, indices: Sequence[Tensor], values: Any, accumulate: bool = False
) -> Tensor:
    """The tensor with the values at ``input[indices]``, or added there. See `Tensor.at`."""
    place = input.at[tuple(indices)]
    return place.add(values) if accumulate else place.set(values)


def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """The tensor with ``source`` at positions of the flattened one, or added there."""
    flat = index_put(reshape(input, -1), [reshape(index, -1)], reshape(source, -1), accumulate)
    return reshape(flat, input.shape)


def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """The tensor with the elements of ``source`` one by one where the mask is true.

    Raises:
        OutOfBoundsError: the source has fewer elements; a compiled function has NaN there, among
            integers 0.
    """
    x, flags = broadcast_arrays(input, asarray(mask))
    flat = reshape(in_dtype_of(x, source), -1)
    if flat.shape[0] == 0:
        flat = pad(flat, [(0, 1)])
    chosen = reshape(flags, -1)
    number = _ops.where(chosen, cumulative_sum(chosen, axis=0) - 1, 0)
    return _ops.where(flags, reshape(take(flat, number), x.shape), x)


# Copies, and other shapes ---------------------------------------------------------------------


def sum_to_size(x: Tensor, *size: Any) -> Tensor:
    """The sums of x that are of a shape which broadcasts to that of x: the inverse of `expand`.

    Raises:
        ShapeError: the shape does not broadcast to that of x.
    """
    wanted = _shape(size)
    missing = x.ndim - len(wanted)
    full_shape = (1,) * missing + wanted
    if missing < 0 or any(to not in (1, own) for own, to in zip(x.shape, full_shape, strict=True)):
        raise _fail(ShapeError, f"sum_to_size: {wanted} does not broadcast to {x.shape}")
    axes = [
        axis for axis, (own, to) in enumerate(zip(x.shape, full_shape, strict=True)) if own != to
    ]
    axes = sorted({*axes, *range(missing)})
    kept = sum_along(x, axis=axes, keepdims=True, dtype=x.dtype) if axes else x
    return reshape(kept, wanted)


def nonzero_static(x: Tensor, size: int, fill_value: int = -1) -> Tensor:
    """Where x is not zero, of the first ``size`` places: [size, ndim] of int64; behind the last one
    rows of ``fill_value``."""
    return argwhere(x, size=size, fill_value=fill_value)


def is_same_size(x: Tensor, other: Tensor) -> bool:
    """Whether both have one shape."""
    return x.shape == other.shape


def is_nonzero(x: Tensor) -> bool:
    """Whether the only element of x is not 0: one of Python's bools.

    Raises:
        ShapeError: x has not one element.
    """
    if x._size != 1:
        raise _fail(ShapeError, f"is_nonzero: shape {x.shape} has not one element")
    return bool(reshape(x, ()) != 0)


def alias_copy(x: Tensor) -> Tensor:
    """x as a tensor of its own."""
    return x.clone()


def slice_copy(
    x: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    """x[start:end:step] along ``dim``, as a tensor of its own."""
    place = normalize_axis(dim, x.ndim, "slice_copy")
    return x[(slice(None),) * place + (slice(start, end, step),)].clone()


__all__ = [
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "block_diag",
    "broadcast_tensors",
    "cartesian_prod",
    "column_stack",
    "combinations",
    "diagflat",
    "dsplit",
    "dstack",
    "hsplit",
    "logspace",
    "unique_consecutive",
    "unravel_index",
    "vander",
    "vsplit",
]

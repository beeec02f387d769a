"""Rearranging, joining and converting tensors."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, SupportsIndex

import numpy as np

from . import _core
from ._core import SymbolicSize, Tensor
from ._creation import _fail, _iota, _size, asarray, full
from ._devices import placed
from ._dtypes import as_dtype, int64, is_unsigned, promote_types, result_type, uint64
from ._errors import DTypeError, OutOfBoundsError, ShapeError
from ._ops import Operand, minimum

Axes = SupportsIndex | Sequence[SupportsIndex] | None


#: What ops take as it is; a number takes the dtype of the tensors that it meets.
_OPERANDS = (bool, int, float, Tensor)


def normalize_axis(axis: SupportsIndex, ndim: int, name: str) -> int:
    """A non-negative axis. Raises OutOfBoundsError, naming the op."""
    position = _size(axis, f"{name}: an axis")
    if not -ndim <= position < ndim:
        raise _fail(
            OutOfBoundsError, f"{name}: axis {position} is out of range for {ndim} dimensions"
        )
    return position % ndim


def normalize_axes(axes: Axes, ndim: int, name: str) -> list[int]:
    """Ascending axes; None means all. Raises OutOfBoundsError, ShapeError for repeated ones."""
    if axes is None:
        return list(range(ndim))
    given = list(axes) if isinstance(axes, Sequence) else [axes]
    result = sorted(normalize_axis(axis, ndim, name) for axis in given)
    if len(set(result)) != len(result):
        raise _fail(ShapeError, f"{name}: an axis is given twice in {tuple(given)}")
    return result


def as_size(size: SupportsIndex) -> int:
    """A size of a shape: an int, or a symbolic size as it is."""
    return _size(size)


def astype(x: Tensor, dtype: object, /, *, copy: bool = True, device: object = None) -> Tensor:
    """x converted to ``dtype``. Floats become integers towards zero, saturating; NaN becomes 0.

    Complex numbers become bools or complex numbers of another precision, and nothing else.
    A new tensor, unless ``copy`` is false and x has the dtype already; on ``device``, if given.

    Raises:
        DTypeError: x is complex, and ``dtype`` a real one.
    """
    if device is not None:
        x = placed(asarray(x), device)
    x, wanted = x if isinstance(x, Tensor) else asarray(x), as_dtype(dtype)
    if x.dtype is wanted and not x._is_weak:
        return x.clone() if copy else x
    if x.dtype.is_complex and wanted.kind in ("integer", "floating"):
        raise _fail(
            DTypeError,
            f"astype: complex numbers do not become {wanted.name}; take weft.real or weft.imag",
        )
    return _core.apply("weft.cast", (x,), None, x.shape, wanted)


def common_operands(*operands: Operand) -> list[Tensor]:
    """Operands as tensors of their common dtype; Python's numbers take that of the others."""
    dtype = result_type(*(_sample(x) if is_number(x) else x for x in operands))
    return [
        asarray(x, dtype=dtype) if is_number(x) else astype(asarray(x), dtype, copy=False)
        for x in operands
    ]


def is_number(x: object) -> bool:
    """Whether x is one of Python's numbers, also one that a compiled function is called with."""
    return type(x) in (bool, int, float, complex) or (isinstance(x, Tensor) and x._is_weak)


def _sample(x: Any) -> bool | int | float:
    """A Python number of the kind of one, or of one that a compiled function is called with."""
    if not isinstance(x, Tensor):
        return x
    return {"bool": True, "integer": 0, "floating": 0.0}[x.dtype.kind]


def in_dtype_of(x: Tensor, value: object) -> Tensor:
    """A value that is put into x, in x's dtype: numbers and arrays go to where x is, tensors have
    to be there. Numbers are rounded once; NumPy arrays are copied."""
    if isinstance(value, Tensor):
        return astype(value, x.dtype)
    if isinstance(value, (bool, int, float, complex, list, tuple)):
        return asarray(value, dtype=x.dtype, device=x.device)
    copied = isinstance(value, (np.ndarray, np.generic))
    return astype(asarray(value, device=x.device, copy=copied), x.dtype)


def reshape(x: Tensor, /, shape: int | Sequence[int], *, copy: bool | None = None) -> Tensor:
    """The same elements in row-major order in another shape; one dimension may be -1.

    With ``copy`` true a tensor of its own, else a view where the elements lie evenly; with false
    only a view.

    Raises:
        ShapeError: the number of elements differs, or there is no view where ``copy`` is false.
    """
    if copy is not None:
        return _reshaped_copy(asarray(x), shape, copy)
    x = asarray(x)
    sizes = (shape,) if isinstance(shape, (int, SymbolicSize)) else shape
    wanted = [as_size(size) for size in sizes]
    count, unknown = x._size, [i for i, size in enumerate(wanted) if size == -1]
    if unknown:
        rest = math.prod(size for size in wanted if size != -1)
        if len(unknown) > 1:
            raise _fail(ShapeError, f"reshape: only one dimension of {tuple(wanted)} may be -1")
        quotient = _core.size_quotient(count, rest)
        if quotient is None:
            raise _fail(
                ShapeError,
                f"reshape: a tensor of shape {x.shape} has {count} elements, "
                f"which {tuple(wanted)} does not divide",
            )
        wanted[unknown[0]] = quotient
    if math.prod(wanted) != count or any(isinstance(size, int) and size < 0 for size in wanted):
        raise _fail(
            ShapeError,
            f"reshape: a tensor of shape {x.shape} has {count} elements, but "
            f"shape {tuple(wanted)} has {math.prod(wanted)}",
        )
    if tuple(wanted) == x.shape:
        return x
    return _core.view("weft.reshape", x, None, wanted, x.dtype)


def _reshaped_copy(x: Tensor, shape: int | Sequence[int], copy: bool) -> Tensor:
    result = reshape(x, shape)
    if copy:
        return result.clone()
    if result is not x and not result._is_view:
        raise _fail(
            ShapeError,
            f"reshape: the elements of this view of shape {x.shape} do not lie evenly for shape "
            f"{result.shape}, and copy is False",
        )
    return result


def flatten(x: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Dimensions start_dim to end_dim (both included) as one."""
    if x.ndim == 0:
        return reshape(x, (1,))
    first = normalize_axis(start_dim, x.ndim, "flatten")
    last = normalize_axis(end_dim, x.ndim, "flatten")
    if first > last:
        raise _fail(ShapeError, f"flatten: start_dim {start_dim} comes after end_dim {end_dim}")
    shape = x.shape
    return reshape(x, (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :]))


def permute_dims(x: Tensor, /, axes: Sequence[int]) -> Tensor:
    """Dimension d of the result is dimension axes[d] of x.

    Raises:
        ShapeError: ``axes`` is no permutation of x's dimensions.
    """
    x = asarray(x)
    order = [normalize_axis(axis, x.ndim, "permute_dims") for axis in axes]
    if sorted(order) != list(range(x.ndim)):
        raise _fail(
            ShapeError,
            f"permute_dims: {tuple(axes)} is no permutation of the {x.ndim} "
            f"dimensions of shape {x.shape}",
        )
    if order == list(range(x.ndim)):
        return x
    return _core.view("weft.transpose", x, {"permutation": order})


def transpose(x: Tensor, dim0: int, dim1: int) -> Tensor:
    """x with two dimensions exchanged."""
    order = list(range(x.ndim))
    first, second = (normalize_axis(dim, x.ndim, "transpose") for dim in (dim0, dim1))
    order[first], order[second] = second, first
    return permute_dims(x, order)


def matrix_transpose(x: Tensor, /) -> Tensor:
    """x with its last two dimensions exchanged."""
    if x.ndim < 2:
        raise _fail(ShapeError, f"matrix_transpose: shape {x.shape} has less than 2 dimensions")
    return transpose(x, -2, -1)


def moveaxis(x: Tensor, source: int | Sequence[int], destination: int | Sequence[int], /) -> Tensor:
    """x with the source axes at the destination places, the others in their order."""
    sources = [source] if isinstance(source, int) else list(source)
    targets = [destination] if isinstance(destination, int) else list(destination)
    if len(sources) != len(targets):
        raise _fail(ShapeError, f"moveaxis: {len(sources)} axes go to {len(targets)} places")
    sources = [normalize_axis(axis, x.ndim, "moveaxis") for axis in sources]
    targets = [normalize_axis(axis, x.ndim, "moveaxis") for axis in targets]
    order = [axis for axis in range(x.ndim) if axis not in sources]
    for target, axis in sorted(zip(targets, sources, strict=True)):
        order.insert(target, axis)
    return permute_dims(x, order)


def expand_dims(x: Tensor, /, axis: SupportsIndex | Sequence[SupportsIndex] = 0) -> Tensor:
    """x with a dimension of size 1 inserted at ``axis``, or at each of several places.

    Raises:
        OutOfBoundsError: the result has no such dimension. ShapeError: one is given twice.
    """
    count = len(axis) if isinstance(axis, Sequence) else 1
    places = normalize_axes(axis, x.ndim + count, "expand_dims")
    shape = list(x.shape)
    for place in places:
        shape.insert(place, 1)
    return reshape(x, shape)


def squeeze(x: Tensor, /, axis: Axes = None) -> Tensor:
    """x without its dimensions of size 1 (all, or those of ``axis``).

    Raises:
        ShapeError: a dimension given is not of size 1.
    """
    if axis is None:
        dropped = [i for i, size in enumerate(x.shape) if size == 1]
    else:
        dropped = normalize_axes(axis, x.ndim, "squeeze")
        for place in dropped:
            if x.shape[place] != 1:
                raise _fail(ShapeError, f"squeeze: dimension {place} of shape {x.shape} is not 1")
    return reshape(x, [size for i, size in enumerate(x.shape) if i not in dropped])


def broadcast_to(x: Tensor, /, shape: Sequence[int]) -> Tensor:
    """x repeated along new leading dimensions and along dimensions of size 1.

    Raises:
        ShapeError: x does not broadcast to the shape.
    """
    x, wanted = asarray(x), tuple(as_size(size) for size in shape)
    wanted = tuple(
        x.shape[i - len(wanted) + x.ndim] if size == -1 else size for i, size in enumerate(wanted)
    )
    offset = len(wanted) - x.ndim
    if offset < 0 or any(
        have not in (1, want) for have, want in zip(x.shape, wanted[offset:], strict=True)
    ):
        raise _fail(ShapeError, f"broadcast_to: shape {x.shape} does not broadcast to {wanted}")
    if wanted == x.shape:
        return x
    dimensions = list(range(offset, len(wanted)))
    return _core.view("weft.broadcast", x, {"dimensions": dimensions}, wanted, x.dtype)


def broadcast_shapes(*shapes: Sequence[int]) -> tuple[int, ...]:
    """The shape that the shapes broadcast to. Raises ShapeError."""
    result: list[int] = []
    for shape in shapes:
        result[:0] = [1] * (len(shape) - len(result))
        for i in range(1, len(shape) + 1):
            if result[-i] != shape[-i] and 1 not in (result[-i], shape[-i]):
                raise _fail(ShapeError, f"shapes {', '.join(map(str, shapes))} do not broadcast")
            result[-i] = shape[-i] if result[-i] == 1 else result[-i]
    return tuple(result)


def broadcast_arrays(*arrays: Tensor) -> tuple[Tensor, ...]:
    """The tensors broadcast to their common shape."""
    shape = broadcast_shapes(*(x.shape for x in arrays))
    return tuple(broadcast_to(x, shape) for x in arrays)


def concat(arrays: Sequence[Tensor], /, *, axis: int | None = 0) -> Tensor:
    """The tensors one after the other along ``axis``; None: all flattened.

    Raises:
        ShapeError: there are none, or they differ in another dimension.
    """
    tensors = [asarray(x) for x in arrays]
    if not tensors:
        raise _fail(ShapeError, "concat: needs at least one tensor")
    if axis is None:
        tensors, axis = [reshape(x, -1) for x in tensors], 0
    first, dtype = tensors[0].shape, tensors[0].dtype
    place = normalize_axis(axis, len(first), "concat")
    rest = [i for i in range(len(first)) if i != place]
    for x in tensors[1:]:
        if x.dtype is not dtype:
            dtype = promote_types(dtype, x.dtype)
        shape = x.shape
        if shape != first and (len(shape) != len(first) or any(shape[i] != first[i] for i in rest)):
            raise _fail(
                ShapeError,
                f"concat: shapes {first} and {shape} differ in more than axis {axis}",
            )
    if len(tensors) == 1:
        return tensors[0].clone()
    operands = tuple(x if x.dtype is dtype else astype(x, dtype) for x in tensors)
    return _core.apply("weft.concatenate", operands, {"axis": place})


def stack(arrays: Sequence[Tensor], /, *, axis: int = 0) -> Tensor:
    """The tensors (of one shape) along a new dimension ``axis``."""
    tensors = [asarray(x) for x in arrays]
    if not tensors:
        raise _fail(ShapeError, "stack: needs at least one tensor")
    shape = tensors[0].shape
    for x in tensors[1:]:
        if x.shape != shape:
            raise _fail(ShapeError, f"stack: shapes {shape} and {x.shape} differ")
    place = normalize_axis(axis, len(shape) + 1, "stack")
    wider = [*shape[:place], 1, *shape[place:]]
    rows = [_core.view("weft.reshape", x, None, wider, x.dtype) for x in tensors]
    return concat(rows, axis=place)


def slice_(x: Tensor, starts: Sequence[int], steps: Sequence[int], shape: Sequence[int]) -> Tensor:
    """The elements at starts + i * steps, i below ``shape``; bounds are the caller's care."""
    from_start = all(start == 0 for start in starts)
    if from_start and all(step == 1 for step in steps) and tuple(shape) == x.shape:
        return x
    return _core.view(
        "weft.slice", x, {"starts": list(starts), "steps": list(steps)}, list(shape), x.dtype
    )


def flip(x: Tensor, /, *, axis: Axes = None) -> Tensor:
    """x with the order of elements reversed along the axes."""
    flipped = normalize_axes(axis, x.ndim, "flip")
    for place in [axis for axis in flipped if isinstance(x.shape[axis], SymbolicSize)]:
        # Where a slice begins has to be known: the positions are counted down instead.
        size = x.shape[place]
        x = take(x, _iota((size,), 0, int64, x.device) * -1 + (size - 1), axis=place)
        flipped.remove(place)
    if not flipped:
        return x.clone()
    starts = [size - 1 if i in flipped and size else 0 for i, size in enumerate(x.shape)]
    steps = [-1 if i in flipped else 1 for i in range(x.ndim)]
    return _core.apply("weft.slice", (x,), {"starts": starts, "steps": steps}, x.shape, x.dtype)


def roll(x: Tensor, /, shift: int | Sequence[int], *, axis: Axes = None) -> Tensor:
    """x shifted by ``shift`` along the axes, elements re-entering at the other end."""
    x = asarray(x).clone()
    if axis is None:
        return reshape(roll(reshape(x, -1), shift, axis=0), x.shape)
    axes = list(axis) if isinstance(axis, Sequence) else [axis]
    shifts = list(shift) if isinstance(shift, Sequence) else [shift] * len(axes)
    if len(shifts) != len(axes):
        raise _fail(ShapeError, f"roll: {len(shifts)} shifts for {len(axes)} axes")
    for place, amount in zip(axes, shifts, strict=True):
        place = normalize_axis(place, x.ndim, "roll")
        size = x.shape[place]
        if isinstance(size, SymbolicSize):
            x = take(x, (_iota((size,), 0, int64, x.device) - amount) % asarray(size), axis=place)
            continue
        cut = -amount % size if size else 0
        if cut:
            x = concat([narrow(x, place, cut, size - cut), narrow(x, place, 0, cut)], axis=place)
    return x


def narrow(x: Tensor, dim: int, start: int, length: int) -> Tensor:
    """``length`` elements along ``dim`` from ``start`` on."""
    place = normalize_axis(dim, x.ndim, "narrow")
    # Whether a symbolic size is large enough shows when the program is called.
    room = x.shape[place] - start - length
    if any(isinstance(size, int) and size < 0 for size in (start, length, room)):
        raise _fail(
            OutOfBoundsError,
            f"narrow: {start} to {start + length} is out of range for "
            f"dimension {dim} of shape {x.shape}",
        )
    if isinstance(start, SymbolicSize):
        return take(x, _iota((length,), 0, int64) + start, axis=place)
    starts, shape = [0] * x.ndim, list(x.shape)
    starts[place], shape[place] = start, length
    return slice_(x, starts, [1] * x.ndim, shape)


def split(x: Tensor, split_size: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Pieces of ``split_size`` along ``dim`` (the last may be smaller), or of the sizes given."""
    place = normalize_axis(dim, x.ndim, "split")
    size = x.shape[place]
    if isinstance(split_size, SymbolicSize):
        count = _core.size_quotient(size, split_size)
        if not isinstance(count, int):
            raise _fail(ShapeError, f"split: how many pieces of {split_size} {size} has is unknown")
        split_size = [split_size] * count
    if isinstance(split_size, int):
        if split_size <= 0:
            raise _fail(ShapeError, f"split: pieces have to be positive, not {split_size}")
        sizes = [min(split_size, size - start) for start in range(0, size, split_size)] or [0]
    else:
        sizes = list(split_size)
        if sum(sizes) != size:
            raise _fail(ShapeError, f"split: sizes {tuple(sizes)} do not add up to {size}")
    pieces, start = [], 0
    for length in sizes:
        pieces.append(narrow(x, place, start, length))
        start += length
    return tuple(pieces)


def chunk(x: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """About ``chunks`` pieces of equal size along ``dim``. Raises ShapeError for less than one."""
    if isinstance(chunks, int) and chunks < 1:
        raise _fail(ShapeError, f"chunk: a tensor can't be cut into {chunks} pieces")
    size = x.shape[normalize_axis(dim, x.ndim, "chunk")]
    length = _core.size_quotient(size, chunks)
    if length is None or length == 0:
        length = max(1, -(-size // chunks))
    return split(x, length, dim)


def unstack(x: Tensor, /, *, axis: int = 0) -> tuple[Tensor, ...]:
    """The slices of x along ``axis``."""
    place = normalize_axis(axis, x.ndim, "unstack")
    if not x.shape[place]:
        return ()
    return tuple(squeeze(piece, place) for piece in split(x, 1, place))


def tile(x: Tensor, repetitions: Sequence[int], /) -> Tensor:
    """x repeated along each dimension."""
    counts = list(repetitions)
    rank = max(len(counts), x.ndim)
    counts = [1] * (rank - len(counts)) + counts
    shape = [1] * (rank - x.ndim) + list(x.shape)
    wide = [size for pair in zip(counts, shape, strict=True) for size in pair]
    single = [size for length in shape for size in (1, length)]
    repeated = broadcast_to(reshape(x, single), wide)
    return reshape(repeated, [n * size for n, size in zip(counts, shape, strict=True)]).clone()


def repeat(
    x: Tensor, repeats: int | Tensor, /, *, axis: int | None = None, size: int | None = None
) -> Tensor:
    """Each element ``repeats`` times along ``axis``; None: of the flattened tensor.

    Args:
        x: of any shape.
        repeats: how often, or for each element along the axis [n] how often it.
        axis: along which.
        size: how many there are along the axis, so that a function with a tensor of ``repeats`` can
            be compiled: of more the first ones, and after fewer the last one again.

    Raises:
        ShapeError: there are not n numbers. OutOfBoundsError: one is negative. UnsupportedError:
            ``repeats`` is a tensor in what is exported, lowered or mapped by vmap, without a size.
    """
    if axis is None:
        return repeat(reshape(x, -1), repeats, axis=0, size=size)
    place = normalize_axis(axis, x.ndim, "repeat")
    if isinstance(repeats, (Tensor, list, tuple, np.ndarray)) or size is not None:
        positions = _repeated_positions(asarray(repeats), x.shape[place], size)
        return take(x, positions, axis=place)
    shape = x.shape
    wide = (*shape[: place + 1], repeats, *shape[place + 1 :])
    wide_x = broadcast_to(expand_dims(x, axis=place + 1), wide)
    result = reshape(wide_x, (*shape[:place], shape[place] * repeats, *shape[place + 1 :]))
    return result.clone()


def _repeated_positions(repeats: Tensor, count: int, size: int | None) -> Tensor:
    """Each of the positions below ``count`` as often as is said: for all, or for each."""
    from ._reductions import cumulative_sum
    from ._searching import known_count, searchsorted

    numbers = astype(integer_indices(repeats, "repeat"), int64)
    if numbers.ndim > 1 or (numbers.ndim == 1 and numbers.shape[0] not in (1, count)):
        raise _fail(
            ShapeError, f"repeat: {count} elements can't be repeated by a shape of {repeats.shape}"
        )
    if _core.gives_value_of(numbers) and (numbers < 0).any():
        raise _fail(OutOfBoundsError, "repeat: a number of repetitions is negative")
    ends = cumulative_sum(broadcast_to(numbers, (count,)), axis=0)
    if count == 0:
        return ends
    if size is None:
        total = known_count(ends[-1], "repeat", "how many elements there are")
    else:
        total = _size(size, "repeat: size")
    positions = searchsorted(ends, _iota((total,), 0, int64, numbers.device), side="right")
    return positions if size is None else minimum(positions, count - 1)


def pad(x: Tensor, padding: Sequence[tuple[int, int]], value: float = 0) -> Tensor:
    """x with ``(before, after)`` elements of ``value`` around it in each dimension.

    Raises:
        ShapeError: there is not one pair for each dimension, or one is negative.
    """
    if len(padding) != x.ndim or any(size < 0 for pair in padding for size in pair):
        raise _fail(
            ShapeError,
            f"pad: shape {x.shape} needs {x.ndim} pairs of sizes that are not "
            f"negative, not {padding}",
        )
    shape = [size + low + high for size, (low, high) in zip(x.shape, padding, strict=True)]
    filler = full((), value, dtype=x.dtype, device=x.device)
    attributes = {"low": [low for low, _ in padding], "interior": [0] * x.ndim}
    return _core.apply("weft.pad", (x, filler), attributes, shape, x.dtype)


def integer_indices(indices: object, name: str) -> Tensor:
    """Indices as a tensor of integers. Raises DTypeError, naming the op."""
    result = asarray(indices)
    if result._size == 0 and not isinstance(indices, Tensor):
        result = astype(result, int64)
    if result.dtype.kind != "integer":
        raise _fail(
            DTypeError, f"{name}: indices have to be integers, not of dtype {result.dtype.name}"
        )
    return result


def check_indices(
    indices: Tensor, size: int, name: str, what: str = "index", from_end: bool = False
) -> None:
    """Raises OutOfBoundsError, with the first of them, for indices that are not in [0, size).

    With ``from_end`` negative ones may count from the end. The values of tracers are not known:
    docs/numerics.md says what an op then gives.
    """
    if _core.is_tracing() or indices._is_tracer:
        return
    values = np.asarray(_core.on_host(indices))
    wrong = values[(values < (-size if from_end else 0)) | (values >= size)]
    if wrong.size:
        raise _fail(
            OutOfBoundsError, f"{name}: {what} {wrong[0]} is out of range for a size of {size}"
        )


def take(x: Tensor, indices: Tensor, /, *, axis: int | None = None) -> Tensor:
    """The slices of x at ``indices`` along ``axis``; negative ones count from the end.

    Raises:
        OutOfBoundsError: an index is out of range. In a compiled function it gives NaN, among
            integers 0. DTypeError: the indices are no integers.
    """
    x, indices = asarray(x), integer_indices(indices, "take")
    if axis is None:
        x, axis = reshape(x, -1), 0
    place = normalize_axis(axis, x.ndim, "take")
    size = x.shape[place]
    check_indices(indices, size, "take", from_end=True)
    if isinstance(size, int) and size == 0:
        # No index is in range: what there is to take is what such indices give.
        missing = math.nan if x.dtype.is_inexact else 0
        x = pad(x, [(0, int(axis == place)) for axis in range(x.ndim)], missing)
    return _core.apply("weft.gather", (x, indices), {"axis": place})


def embedding(indices: Tensor, weight: Tensor) -> Tensor:
    """The rows of weight [N, D] at ``indices`` [...]: [..., D].

    Raises:
        OutOfBoundsError: an index is not in [0, N). In a compiled function its row is NaN.
    """
    weight, indices = asarray(weight), integer_indices(indices, "embedding")
    if weight.ndim == 0:
        raise _fail(ShapeError, "embedding: the weight has shape (), but has to be [N, D]")
    return take(weight, without_negative(indices, weight.shape[0], "embedding"), axis=0)


def signed_indices(indices: Tensor) -> Tensor:
    """Indices as int64; those beyond it are the largest one."""
    if indices.dtype is uint64:
        indices = minimum(indices, 2**63 - 1)
    return astype(indices, int64, copy=False)


def without_negative(indices: Tensor, size: int, name: str, what: str = "index") -> Tensor:
    """Indices among which a negative one is out of range, as it does not count from the end."""
    from ._ops import where

    check_indices(indices, size, name, what)
    if not (_core.is_tracing() or indices._is_tracer) or is_unsigned(indices.dtype):
        return indices
    wide = signed_indices(indices)
    return where(wide < 0, size, wide)


def nan_beside_unknown(indices: Tensor, updates: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Indices and updates of a scatter. If an index whose value is not known now is out of range of
    ``size``, all updates are NaN, and that of the index is of the nearest element."""
    unknown = _core.is_tracing() or indices._is_tracer
    if not updates.dtype.is_inexact or not unknown or size == 0:
        return indices, updates
    from ._ops import maximum, where
    from ._reductions import all

    wide = signed_indices(indices)
    inside = all((wide + size >= 0) & (wide < size))
    nearest = maximum(minimum(wide, size - 1), -size)
    return nearest, where(inside, updates, math.nan)


def scatter_add(x: Tensor, indices: Tensor, updates: Tensor, *, axis: int = 0) -> Tensor:
    """x with ``updates`` added at ``indices`` along ``axis``, in the order of the indices.

    Negative indices count from the end.

    Raises:
        OutOfBoundsError: an index is out of range. In a compiled function all that is added is NaN
            then, also to the nearest element; among integers that update is left out. DTypeError:
            the indices are no integers.
    """
    x, indices = asarray(x), integer_indices(indices, "scatter_add")
    place = normalize_axis(axis, x.ndim, "scatter_add")
    size = x.shape[place]
    check_indices(indices, size, "scatter_add", from_end=True)
    indices, updates = nan_beside_unknown(indices, in_dtype_of(x, updates), size)
    return _core.apply("weft.scatter_add", (x, indices, updates), {"axis": place})


def one_hot(indices: Tensor, num_classes: int = -1, *, dtype: object = int64) -> Tensor:
    """1 at each index, else 0: indices [...] to [..., num_classes].

    Args:
        indices: integers.
        num_classes: how many there are; -1: one more than the largest index.
        dtype: that of the result.

    Raises:
        UnsupportedError: without ``num_classes``, in what is exported, lowered or mapped by vmap.
        OutOfBoundsError: an index is not in [0, num_classes). In a compiled function its row is
            NaN, of integers 0. DTypeError: the indices are no integers.
    """
    indices, count = integer_indices(indices, "one_hot"), as_size(num_classes)
    if isinstance(count, int) and count == -1 and indices._size:
        from ._reductions import max
        from ._searching import known_count

        what = "how many classes there are"
        count = known_count(max(indices), "one_hot", what, "num_classes") + 1
    if isinstance(count, int) and count < 0:
        raise _fail(ShapeError, f"one_hot: there can't be {count} classes")
    check_indices(indices, count, "one_hot")
    classes = _iota((*indices.shape, count), indices.ndim, int64, indices.device)
    places = expand_dims(astype(indices, int64), axis=-1)
    result = astype(places == classes, dtype)
    if not result.dtype.is_inexact or not (_core.is_tracing() or indices._is_tracer):
        return result
    from ._ops import where

    return where((places >= 0) & (places < count), result, math.nan)


def _triangle(x: Tensor, k: int, lower: bool, name: str) -> Tensor:
    if x.ndim < 2:
        raise _fail(ShapeError, f"{name}: shape {x.shape} has less than 2 dimensions")
    from ._ops import where

    rows, columns = (_iota(x.shape[-2:], axis, int64, x.device) for axis in (0, 1))
    kept = columns - rows <= k if lower else columns - rows >= k
    return where(kept, x, _core.full((), 0, x.dtype, x.device))


def tril(x: Tensor, /, *, k: int = 0) -> Tensor:
    """x with the elements above diagonal ``k`` set to 0."""
    return _triangle(x, k, True, "tril")


def triu(x: Tensor, /, *, k: int = 0) -> Tensor:
    """x with the elements below diagonal ``k`` set to 0."""
    return _triangle(x, k, False, "triu")


def clip(x: Tensor, /, min: Operand | None = None, max: Operand | None = None) -> Tensor:
    """x limited to [min, max]; either may be None, and where they cross it is max.

    At a bound the derivative is that of x.
    """
    from ._ops import greater, less

    x = asarray(x)
    if min is None and max is None:
        return x.clone()
    if min is not None:
        x = _bounded(x, min if isinstance(min, _OPERANDS) else asarray(min), less)
    if max is not None:
        x = _bounded(x, max if isinstance(max, _OPERANDS) else asarray(max), greater)
    return x


def _bounded(x: Tensor, bound: Operand, beyond: Callable[[Tensor, Operand], Tensor]) -> Tensor:
    """The bound where x is beyond it or the bound is NaN, else x.

    Not by `maximum`, which shares the derivative between equal operands.
    """
    from ._ops import isnan, where

    replaced = beyond(x, bound)
    if isinstance(bound, float) and math.isnan(bound):
        return where(True, bound, x)
    if isinstance(bound, Tensor) and bound.dtype.kind == "floating":
        replaced = replaced | isnan(bound)
    return where(replaced, bound, x)


clamp = clip

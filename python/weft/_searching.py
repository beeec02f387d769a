"""Where elements are, and which there are."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any, NamedTuple

from . import _core, _ops
from ._complex import imag, real
from ._core import SymbolicSize, Tensor
from ._creation import _fail, _iota, _size, asarray, full
from ._dtypes import bool_, float32, float64, int64, result_type
from ._errors import (
    DTypeError,
    OptionError,
    OutOfBoundsError,
    OutOfRangeError,
    ShapeError,
    UnsupportedError,
)
from ._gathering import take_along_axis
from ._manipulation import (
    astype,
    broadcast_to,
    check_indices,
    concat,
    in_dtype_of,
    integer_indices,
    is_number,
    moveaxis,
    narrow,
    normalize_axis,
    reshape,
    squeeze,
    stack,
    take,
)
from ._ops import Operand
from ._reductions import cumulative_sum, max, sum
from ._sorting import Sorted, sort_with_indices


def known_count(count: Tensor, name: str, what: str, option: str = "size") -> int:
    """How many elements a result has, which a compiled function asks for. Raises UnsupportedError
    where that can't be known, which names the option that says it."""
    if not _core.gives_value_of(count):
        raise _fail(
            UnsupportedError,
            f"{name}: {what} is not known in what is exported, lowered or mapped by vmap, and with "
            f"it the shape of the result; say by {option}= how many there are at most, or call it "
            "outside",
        )
    return int(count.item())


def _true_positions(
    flags: Tensor, size: int | None, fill_value: int, name: str, what: str
) -> Tensor:
    """The positions of the true elements of flags [n] in order; with ``size`` that many of them,
    ``fill_value`` where there are fewer."""
    count = sum(flags)
    length = known_count(count, name, what) if size is None else _size(size, f"{name}: size")
    if not isinstance(length, SymbolicSize) and length < 0:
        raise _fail(ShapeError, f"{name}: size is {length}, but counts elements")
    total = flags.shape[0]
    order = sort_with_indices(flags, 0, descending=True).indices
    if isinstance(total, SymbolicSize) or length <= total:
        positions = narrow(order, 0, 0, length)
    else:
        positions = concat(
            [order, full(length - total, fill_value, dtype=int64, device=flags.device)]
        )
    if size is None:
        return positions
    return _ops.where(_iota((length,), 0, int64, flags.device) < count, positions, fill_value)


def nonzero(
    x: Tensor, /, *, size: int | None = None, fill_value: int | Sequence[int] = 0
) -> tuple[Tensor, ...]:
    """Where x is not zero: for each dimension the int64 indices [count], in row-major order.

    Args:
        x: of one dimension or more.
        size: how many are returned, so that the function can be compiled: of more the first ones,
            and after fewer ``fill_value``.
        fill_value: see ``size``; one for all dimensions, or one for each.

    Raises:
        ShapeError: x has no dimension, or another number of them than there are fill values.
        UnsupportedError: without ``size``, in what is exported, lowered or mapped by vmap.
    """
    x = asarray(x)
    if x.ndim == 0:
        raise _fail(ShapeError, "nonzero: a tensor without dimensions has no positions")
    fillers = [fill_value] * x.ndim if isinstance(fill_value, int) else list(fill_value)
    if len(fillers) != x.ndim:
        raise _fail(
            ShapeError, f"nonzero: {len(fillers)} fill values for {x.ndim} dimensions of {x.shape}"
        )
    flags = reshape(x if x.dtype is bool_ else x != 0, -1)
    what = "how many elements are not zero"
    positions = _true_positions(flags, size, -1, "nonzero", what)
    rest, indices = positions, []
    for length in reversed(x.shape):
        divisor = _ops.maximum(asarray(length, device=x.device), 1)
        indices.append(rest % divisor)
        rest = rest // divisor
    if size is not None:
        indices = [
            _ops.where(positions < 0, filler, index)
            for filler, index in zip(reversed(fillers), indices, strict=True)
        ]
    return tuple(reversed(indices))


def flatnonzero(x: Tensor, /, *, size: int | None = None, fill_value: int = 0) -> Tensor:
    """Where the flattened x is not zero: int64 positions [count]; see `nonzero` for ``size``."""
    return nonzero(reshape(asarray(x), -1), size=size, fill_value=fill_value)[0]


def argwhere(x: Tensor, *, size: int | None = None, fill_value: int | Sequence[int] = 0) -> Tensor:
    """Where x is not zero: [count, ndim], in row-major order; see `nonzero` for ``size``."""
    return stack(list(nonzero(x, size=size, fill_value=fill_value)), axis=1)


def compress(
    condition: Tensor,
    x: Tensor,
    axis: int | None = None,
    *,
    size: int | None = None,
    fill_value: Operand = 0,
) -> Tensor:
    """The parts of x along ``axis`` (None: of the flattened x) where the condition [n] is true.

    With a mask of x's shape, ``compress(reshape(mask, -1), x)`` is ``x[mask]``.

    Args:
        condition: as long as the axis, or shorter: what it says nothing of is left out.
        x: of any shape.
        axis: see above.
        size: how many parts there are, so that the function can be compiled: of more the first
            ones, and after fewer ``fill_value``.
        fill_value: see ``size``.

    Raises:
        ShapeError: the condition has not one dimension, or is longer than the axis.
        UnsupportedError: without ``size``, in what is exported, lowered or mapped by vmap.
    """
    x, condition = asarray(x), asarray(condition)
    if axis is None:
        x, axis = reshape(x, -1), 0
    place = normalize_axis(axis, x.ndim, "compress")
    length, known = x.shape[place], condition.shape[0] if condition.ndim else 0
    too_long = isinstance(length, int) and isinstance(known, int) and known > length
    if condition.ndim != 1 or too_long:
        raise _fail(
            ShapeError,
            f"compress: the condition has shape {condition.shape}, but has to be [n] with n up to "
            f"{length}, the size of axis {place}",
        )
    places = flatnonzero(condition, size=size, fill_value=-1)
    if size is None:
        return take(x, places, axis=place)
    if isinstance(length, int) and length == 0:
        shape = [places.shape[0] if d == place else n for d, n in enumerate(x.shape)]
        return full(shape, fill_value, dtype=x.dtype, device=x.device)
    kept = take(x, _ops.maximum(places, 0), axis=place)
    is_there = reshape(places >= 0, [-1 if d == place else 1 for d in range(x.ndim)])
    return _ops.where(is_there, kept, in_dtype_of(x, fill_value))


def extract(
    condition: Tensor, x: Tensor, *, size: int | None = None, fill_value: Operand = 0
) -> Tensor:
    """The elements [count] of x where the condition, of x's shape, is true; see `compress`."""
    return compress(reshape(asarray(condition), -1), x, size=size, fill_value=fill_value)


def where(
    condition: Tensor,
    x: Operand | None = None,
    y: Operand | None = None,
    /,
    *,
    size: int | None = None,
    fill_value: int | Sequence[int] | None = None,
) -> Any:
    """x where condition is true, else y; of the condition alone what `nonzero` gives.

    Raises:
        OptionError: one of x and y is missing, or ``size`` or ``fill_value`` is given with them.
    """
    if x is not None and y is not None:
        if size is not None or fill_value is not None:
            raise _fail(OptionError, "where: size and fill_value are for a condition alone")
        return _ops.where(condition, x, y)
    if x is None and y is None:
        return nonzero(condition, size=size, fill_value=0 if fill_value is None else fill_value)
    raise _fail(OptionError, "where: takes a condition alone, or with both x and y")


class UniqueAll(NamedTuple):
    """What `unique_all` returns."""

    values: Tensor
    indices: Tensor
    inverse_indices: Tensor
    counts: Tensor


class UniqueCounts(NamedTuple):
    """What `unique_counts` returns."""

    values: Tensor
    counts: Tensor


class UniqueInverse(NamedTuple):
    """What `unique_inverse` returns."""

    values: Tensor
    inverse_indices: Tensor


def unique_all(
    x: Tensor, /, *, size: int | None = None, fill_value: Operand | None = None
) -> UniqueAll:
    """The distinct elements of x in order, where they are, and how often.

    NaNs are distinct from each other, and -0.0 is 0.0.

    Args:
        x: of any shape.
        size: how many values are returned, so that the function can be compiled: of more the first
            ones; after fewer comes ``fill_value``, with a count of 0 and the index of the last.
        fill_value: see ``size``; None: the last value is repeated, which keeps them in order, and 0
            if x has no element.

    Returns:
        values [count]; indices [count]: where each comes first in the flattened x; inverse_indices
        in x's shape: which value each element is; counts [count].

    Raises:
        UnsupportedError: without ``size``, in what is exported, lowered or mapped by vmap.
    """
    x = asarray(x)
    flat = reshape(x, -1)
    total = flat.shape[0]
    if total == 0:
        return _nothing_unique(x, size, fill_value)
    values, order = sort_with_indices(flat, 0)
    first = full(1, True, dtype=bool_, device=x.device)
    is_new = concat([first, values[1:] != values[:-1]])
    group = cumulative_sum(is_new, axis=0) - 1
    what = "how many different elements there are"
    starts = _true_positions(is_new, size, total, "unique", what)
    ends = concat([starts[1:], broadcast_to(asarray(total, dtype=int64), (1,))])
    nearest = starts if size is None else take(starts, _last_start(starts, total))
    inverse = _core.apply("weft.scatter", (order, order, group), {"axis": 0})
    found = take(values, nearest)
    if size is not None and fill_value is not None:
        found = _ops.where(starts < total, found, in_dtype_of(x, fill_value))
    return UniqueAll(found, take(order, nearest), reshape(inverse, x.shape), ends - starts)


def _nothing_unique(x: Tensor, size: int | None, fill_value: Operand | None) -> UniqueAll:
    """What `unique_all` gives for a tensor without elements."""
    count = 0 if size is None else _size(size, "unique: size")
    filler = in_dtype_of(x, 0 if fill_value is None else fill_value)
    nothing = full(count, 0, dtype=int64, device=x.device)
    inverse = full(x.shape, 0, dtype=int64, device=x.device)
    return UniqueAll(broadcast_to(filler, (count,)), nothing, inverse, nothing)


def _last_start(starts: Tensor, total: int) -> Tensor:
    """For each place of starts itself, or the last one that is below ``total``."""
    known = sum(starts < total) - 1
    return _ops.minimum(_iota(starts.shape, 0, int64, starts.device), known)


def unique_counts(
    x: Tensor, /, *, size: int | None = None, fill_value: Operand | None = None
) -> UniqueCounts:
    """The distinct elements of x in order, and how often each is there; see `unique_all`."""
    found = unique_all(x, size=size, fill_value=fill_value)
    return UniqueCounts(found.values, found.counts)


def unique_inverse(
    x: Tensor, /, *, size: int | None = None, fill_value: Operand | None = None
) -> UniqueInverse:
    """The distinct elements of x in order, and which each element is; see `unique_all`."""
    found = unique_all(x, size=size, fill_value=fill_value)
    return UniqueInverse(found.values, found.inverse_indices)


def unique_values(
    x: Tensor, /, *, size: int | None = None, fill_value: Operand | None = None
) -> Tensor:
    """The distinct elements of x in order; see `unique_all`."""
    return unique_all(x, size=size, fill_value=fill_value).values


def unique(
    x: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    *,
    size: int | None = None,
    fill_value: Operand | None = None,
) -> Any:
    """The distinct elements of x in order, as PyTorch's function of that name: with the inverse
    indices, the counts, or both, as asked for; see `unique_all`."""
    found = unique_all(x, size=size, fill_value=fill_value)
    wanted = [found.inverse_indices] * return_inverse + [found.counts] * return_counts
    return (found.values, *wanted) if wanted else found.values


def check_range(values: Tensor, low: float, high: float, what: str) -> None:
    """Raises OutOfRangeError for values that are not in [low, high], where they are known."""
    if _core.is_tracing() or values._is_tracer:
        return
    if values._size and not bool(((values >= low) & (values <= high)).all()):
        raise _fail(OutOfRangeError, f"{what} has to be in [{low}, {high}]")


#: Of a bisection in so many elements that no memory holds more, where it is not known how many.
_MOST_STEPS = 48


def searchsorted(
    x1: Tensor,
    x2: Operand,
    /,
    *,
    side: str = "left",
    right: bool = False,
    sorter: Tensor | None = None,
) -> Tensor:
    """Where the elements of x2 would be inserted into x1 so that it stays in order.

    Args:
        x1: [n], in ascending order, or so that ``take(x1, sorter)`` is; or [..., n], of which each
            row is for one of x2.
        x2: of any shape; or [..., m].
        side: "left": before the elements that are equal, "right": after them. The order is that of
            `sort`, also of complex numbers: NaN comes last.
        right: side="right", as PyTorch has it.
        sorter: of x1's shape, what `argsort` gives.

    Returns:
        int64, of x2's shape, each from 0 to n. By bisection, in log2(n) steps; 48 where n is not
        known while exporting.

    Raises:
        ShapeError: the rows of x1 do not fit those of x2. OptionError: there is no such side.
    """
    x1 = asarray(x1)
    side = "right" if right else side
    if x1.ndim != 1:
        x2 = asarray(x2)
        if x1.ndim == 0 or x1.shape[:-1] != x2.shape[:-1]:
            raise _fail(
                ShapeError,
                f"searchsorted: x1 has shape {x1.shape}, but has to be [n], or have the rows of "
                f"x2, whose shape is {x2.shape}",
            )
    if side not in ("left", "right"):
        raise _fail(OptionError, f"searchsorted: side is {side!r}, but has to be 'left' or 'right'")
    count = x1.shape[-1]
    steps = _MOST_STEPS if isinstance(count, SymbolicSize) else count.bit_length()
    keys, wanted = _comparable(x1, x2)
    shape = wanted.shape if isinstance(wanted, Tensor) else ()
    if sorter is not None:
        keys = take_along_axis(keys, sorter, axis=-1)
    low = full(shape, 0, dtype=int64, device=keys.device)
    high = low + count
    for _ in range(steps):
        middle = (low + high) // 2
        place = _ops.minimum(middle, count - 1)
        key = take(keys, place) if keys.ndim == 1 else take_along_axis(keys, place, axis=-1)
        beyond = _comes_before(key, wanted) if side == "left" else ~_comes_before(wanted, key)
        searching = low < high
        low = _ops.where(searching & beyond, middle + 1, low)
        high = _ops.where(searching & ~beyond, middle, high)
    return low


def _comparable(x: Tensor, other: Operand) -> tuple[Tensor, Operand]:
    """Both in their common dtype. One of Python's numbers stays one: it may be out of its range."""
    if isinstance(other, complex):
        other = asarray(other)
    if is_number(other) and not x.dtype.is_complex:
        return (
            x if x.dtype.kind == "floating" or not _is_float(other) else astype(x, float64)
        ), other
    dtype = result_type(x, asarray(other))
    return astype(x, dtype, copy=False), astype(asarray(other), dtype, copy=False)


def _is_float(number: Operand) -> bool:
    return isinstance(number, float) or (
        isinstance(number, Tensor) and number.dtype.kind == "floating"
    )


def _comes_before(x: Operand, y: Operand) -> Tensor:
    if not (isinstance(x, Tensor) and isinstance(y, Tensor) and x.dtype.is_complex):
        return _ops.less(x, y) | (_is_nan(y) & ~_is_nan(x))
    first, second = real(x), real(y)
    x_late, y_late = _is_nan(imag(x)), _is_nan(imag(y))
    if_equal = _comes_before(imag(x), imag(y))
    are_equal = (first == second) | (_is_nan(first) & _is_nan(second))
    if_less, if_greater = ~x_late | y_late, y_late & ~x_late
    by_others = _ops.where(first > second, if_greater, _is_nan(second))
    return _ops.where(are_equal, if_equal, _ops.where(first < second, if_less, by_others))


def _is_nan(x: Operand) -> Tensor:
    """Whether x is NaN; no integer is."""
    return _ops.not_equal(x, x)


def bucketize(x: Operand, boundaries: Tensor, *, right: bool = False) -> Tensor:
    """Which of the intervals between the boundaries [n], in ascending order, x is in: 0 to n.

    With ``right`` an interval has its left boundary, else its right one, as PyTorch's function.
    """
    return searchsorted(boundaries, x, side="right" if right else "left")


def isin(x1: Operand, x2: Operand, /, *, invert: bool = False) -> Tensor:
    """Whether the elements of x1 are among those of x2; with ``invert`` whether they are not."""
    if is_number(x2):
        return _ops.not_equal(x1, x2) if invert else _ops.equal(x1, x2)
    keys, wanted = _comparable(reshape(asarray(x2), -1), x1)
    keys = sort_with_indices(keys, 0).values
    count = keys.shape[0]
    if count == 0:
        shape = wanted.shape if isinstance(wanted, Tensor) else ()
        return full(shape, invert, dtype=bool_, device=keys.device)
    place = _ops.minimum(searchsorted(keys, wanted), count - 1)
    return _ops.equal(take(keys, place), wanted) != bool(invert)


def topk(x: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Sorted:
    """The k largest (or smallest) elements along ``dim`` in order, and where they are (int64).

    NaN counts as the smallest of the largest and as the largest of the smallest.

    Raises:
        OutOfBoundsError: there are fewer than k.
    """
    x = asarray(x)
    place, k = normalize_axis(dim, x.ndim, "topk"), _size(k, "topk: k")
    if isinstance(x.shape[place], int) and not 0 <= k <= x.shape[place]:
        raise _fail(OutOfBoundsError, f"topk: there are {x.shape[place]} elements, not {k}")
    return Sorted(
        *(narrow(part, place, 0, k) for part in sort_with_indices(x, place, descending=largest))
    )


def kthvalue(x: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Sorted:
    """The k-th smallest element along ``dim``, the first being 1, and where it is (int64).

    Raises:
        OutOfBoundsError: there are fewer than k.
    """
    x = asarray(x)
    place, k = normalize_axis(dim, x.ndim, "kthvalue"), _size(k, "kthvalue: k")
    if isinstance(x.shape[place], int) and not 1 <= k <= x.shape[place]:
        raise _fail(OutOfBoundsError, f"kthvalue: k is {k} of {x.shape[place]} elements")
    kept = (narrow(part, place, k - 1, 1) for part in sort_with_indices(x, place))
    return Sorted(*(part if keepdim else squeeze(part, place) for part in kept))


def median(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The median of all, or along ``dim`` with where it is: of two in the middle the lower one.

    NaN if any is.

    Raises:
        ShapeError: there is no element.
    """
    x = asarray(x)
    if dim is None:
        return median(reshape(x, -1), 0)[0]
    place = normalize_axis(dim, x.ndim, "median")
    count = x.shape[place]
    if count == 0:
        raise _fail(ShapeError, f"median: there is no element along axis {place} of {x.shape}")
    found = kthvalue(x, (count + 1) // 2, place, True)
    if x.dtype.kind == "floating":
        # NaNs are the last in order.
        last = kthvalue(x, count, place, True)
        is_nan = _ops.isnan(last.values)
        found = Sorted(*(_ops.where(is_nan, *pair) for pair in zip(last, found, strict=True)))
    return found if keepdim else Sorted(*(squeeze(part, place) for part in found))


def _shares(q: Operand, x: Tensor) -> Tensor:
    """A tensor of shares, or a number in the precision of x, where x is."""
    if isinstance(q, Tensor):
        return q
    return asarray(q, dtype=float64 if x.dtype is float64 else None, device=x.device)


def quantile(x: Tensor, q: Operand, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The quantiles q (from 0 to 1; a number or [m]) of all, or along ``dim``, between two
    elements interpolated linearly; NaN if any is. With [m] the first dimension is that of q.

    Raises:
        ShapeError: there is no element. DTypeError: x is of integers. OutOfRangeError: q is not in
            [0, 1].
    """
    x = asarray(x)
    if x.dtype.kind != "floating":
        raise _fail(DTypeError, f"quantile: the elements have to be floating, not {x.dtype.name}")
    q = _shares(q, x)
    check_range(q, 0, 1, "quantile: q")
    shape = x.shape
    if dim is None:
        x, place = reshape(x, -1), 0
        kept = [1] * len(shape)
    else:
        place = normalize_axis(dim, x.ndim, "quantile")
        kept = [1 if axis == place else size for axis, size in enumerate(shape)]
    count = x.shape[place]
    if count == 0:
        raise _fail(ShapeError, f"quantile: there is no element along axis {place} of {shape}")
    ordered = sort_with_indices(x, place).values
    rank = reshape(astype(q, float64), -1) * (count - 1)
    below = astype(_ops.floor(rank), int64)
    wide = float64 if x.dtype is float64 else float32
    lower = astype(take(ordered, below, axis=place), wide)
    upper = astype(take(ordered, _ops.minimum(below + 1, count - 1), axis=place), wide)
    weight = reshape(
        rank - _ops.floor(rank), [-1 if axis == place else 1 for axis in range(x.ndim)]
    )
    between = lower + (upper - lower) * astype(weight, wide)
    result = astype(_ops.where(weight == 0, lower, between), x.dtype)
    is_nan = _ops.isnan(narrow(ordered, place, count - 1, 1))
    result = _ops.where(is_nan, float("nan"), result)
    result = moveaxis(result, place, 0)
    if not keepdim:
        kept = [] if dim is None else [size for axis, size in enumerate(kept) if axis != place]
    return reshape(result, [*q.shape, *kept])


def bincount(
    x: Tensor, weights: Tensor | None = None, minlength: int = 0, *, length: int | None = None
) -> Tensor:
    """How often each integer from 0 on is in x [n], or the sum of the weights where it is.

    Args:
        x: integers that are not negative.
        weights: [n], or None: 1 for each.
        minlength: the least length of the result, which else is the largest integer and 1.
        length: that of the result, so that the function can be compiled; integers that are not
            below it, or negative, are not counted then.

    Raises:
        ShapeError: x has not one dimension. OutOfBoundsError: an integer is negative.
        UnsupportedError: without ``length``, in what is exported, lowered or mapped by vmap.
    """
    x = integer_indices(x, "bincount")
    if x.ndim != 1:
        raise _fail(ShapeError, f"bincount: x has shape {x.shape}, but has to be [n]")
    updates = full(x.shape, 1, dtype=int64, device=x.device) if weights is None else weights
    if length is not None:
        from .ops import segment_sum

        return segment_sum(updates, x, _size(length, "bincount: length"))
    most = full((), -1, dtype=int64) if x.shape[0] == 0 else max(x)
    least = _size(minlength, "bincount: minlength")
    known = known_count(most, "bincount", "the largest element", "length") + 1
    length = builtins.max(known, least)
    if _core.is_tracing() and bool((x < 0).any()):
        raise _fail(OutOfBoundsError, "bincount: an integer is negative")
    check_indices(x, length, "bincount")
    totals = full(length, 0, dtype=updates.dtype, device=x.device)
    return _core.apply("weft.scatter_add", (totals, x, updates), {"axis": 0})

"""Reductions of segments: elements of one segment are combined, as JAX's functions of these names.

A segment is named by a number for each element, in any order. A graph's messages are summed at the
nodes that they go to by one call::

    weft.ops.segment_sum(messages, target, num_segments=nodes)
"""

from __future__ import annotations

import math

from . import _core
from ._core import Tensor
from ._creation import _fail, _iota, _size, asarray, full
from ._dtypes import bool_, iinfo, int64
from ._errors import DTypeError, OptionError, ShapeError
from ._manipulation import (
    astype,
    concat,
    integer_indices,
    narrow,
    normalize_axis,
    reshape,
    signed_indices,
)
from ._ops import where
from ._reductions import cumulative_sum, max
from ._scatter_reduction import combined
from ._searching import known_count, searchsorted

__all__ = ["segment_max", "segment_min", "segment_prod", "segment_sum"]


def segment_sum(
    data: Tensor,
    segment_ids: Tensor,
    num_segments: int | None = None,
    indices_are_sorted: bool = False,
    unique_indices: bool = False,
) -> Tensor:
    """The sums of the elements of each segment, in their order: [num_segments, ...].

    Args:
        data: [n, ...], of an integer, floating or complex dtype; in each segment the elements of
            the other dimensions are combined apart.
        segment_ids: integers [n], of data's first dimensions if there are more. Elements of a
            segment below 0 or beyond the last one count for none.
        num_segments: how many there are; None: one more than the largest of the ids, which has to
            be known.
        indices_are_sorted, unique_indices: no result depends on them.

    Returns:
        data's dtype; 0 where a segment is empty.

    Raises:
        ShapeError: the ids are not of data's first dimensions, or there are fewer than no segments.
        DTypeError: the ids are no integers, or the elements can't be combined. UnsupportedError:
            without ``num_segments``, in what is exported, lowered or mapped by vmap.
    """
    return _segments("segment_sum", "sum", data, segment_ids, num_segments)


def segment_prod(
    data: Tensor,
    segment_ids: Tensor,
    num_segments: int | None = None,
    indices_are_sorted: bool = False,
    unique_indices: bool = False,
) -> Tensor:
    """The products of the elements of each segment; 1 where one is empty. See `segment_sum`."""
    return _segments("segment_prod", "prod", data, segment_ids, num_segments)


def segment_max(
    data: Tensor,
    segment_ids: Tensor,
    num_segments: int | None = None,
    indices_are_sorted: bool = False,
    unique_indices: bool = False,
) -> Tensor:
    """The largest element of each segment, NaN if one is. Where a segment is empty the least number
    of the dtype, -inf of floating ones. Elements that are equal share the derivative. See
    `segment_sum`."""
    return _segments("segment_max", "amax", data, segment_ids, num_segments)


def segment_min(
    data: Tensor,
    segment_ids: Tensor,
    num_segments: int | None = None,
    indices_are_sorted: bool = False,
    unique_indices: bool = False,
) -> Tensor:
    """The smallest element of each segment, NaN if one is. Where a segment is empty the greatest
    number of the dtype, inf of floating ones. Elements that are equal share the derivative. See
    `segment_sum`."""
    return _segments("segment_min", "amin", data, segment_ids, num_segments)


def _neutral(x: Tensor, kind: str) -> float | int:
    """What changes no element that it is combined with."""
    if kind in ("sum", "mean"):
        return 0
    if kind == "prod":
        return 1
    if x.dtype.kind == "floating":
        return -math.inf if kind == "amax" else math.inf
    limits = iinfo(x.dtype)
    return limits.min if kind == "amax" else limits.max


def _segments(
    name: str, kind: str, data: Tensor, segment_ids: Tensor, num_segments: int | None
) -> Tensor:
    data, ids = asarray(data), signed_indices(integer_indices(segment_ids, name))
    if ids.ndim == 0 or data.shape[: ids.ndim] != ids.shape:
        raise _fail(
            ShapeError,
            f"{name}: ids of shape {ids.shape} do not fit elements of shape {data.shape}; they "
            "have to be of its first dimensions",
        )
    if data.dtype is bool_ or (data.dtype.is_complex and kind in ("amax", "amin")):
        raise _fail(DTypeError, f"{name}: elements of {data.dtype.name} can't be combined")
    rest = data.shape[ids.ndim :]
    ids = reshape(ids, -1)
    count = _known_segments(name, ids) if num_segments is None else _size(num_segments, name)
    if isinstance(count, int) and count < 0:
        raise _fail(ShapeError, f"{name}: num_segments is {count}, but counts segments")
    # What counts for no segment goes to one more, which is left out.
    places = where((ids >= 0) & (ids < count), ids, count)
    start = full((count + 1, *rest), _neutral(data, kind), dtype=data.dtype, device=data.device)
    whole = combined(kind, start, places, reshape(data, (ids.shape[0], *rest)))
    return narrow(whole, 0, 0, count).clone()


def _known_segments(name: str, ids: Tensor) -> int:
    if ids.shape[0] == 0:
        return 0
    return known_count(max(ids), name, "how many segments there are", "num_segments") + 1


_TORCH_KINDS = {"sum": "sum", "mean": "mean", "prod": "prod", "max": "amax", "min": "amin"}


def segment_reduce(
    data: Tensor,
    reduce: str,
    *,
    lengths: Tensor | None = None,
    indices: Tensor | None = None,
    offsets: Tensor | None = None,
    axis: int = 0,
    unsafe: bool = False,
    initial: float | None = None,
) -> Tensor:
    """The elements along ``axis`` combined in segments that follow each other, as PyTorch's
    function of that name.

    Args:
        data: [..., n, ...], floating.
        reduce: "sum", "mean", "max", "min" or "prod".
        lengths: [..., S], of data's dimensions before the axis: how long each segment is.
        indices: has to be None, as in PyTorch.
        offsets: instead of lengths: [..., S + 1], where each begins, and the end of the last one.
        axis: the last dimension of the lengths.
        unsafe: no result depends on it.
        initial: is combined with the elements of each segment.

    Returns:
        [..., S, ...]. Of an empty segment ``initial``; without one 0, NaN ("mean"), -inf, inf or 1.

    Raises:
        OptionError: ``reduce`` is another, or not one of lengths and offsets is given.
        DTypeError: data is not floating, or the lengths are no integers. ShapeError: the lengths do
            not fit; in a compiled function what lies beyond them counts for no segment.
    """
    data = asarray(data)
    if reduce not in _TORCH_KINDS:
        names = ", ".join(map(repr, _TORCH_KINDS))
        raise _fail(OptionError, f"segment_reduce: reduce is {reduce!r}, but has to be of {names}")
    if data.dtype.kind != "floating":
        raise _fail(
            DTypeError, f"segment_reduce: data is {data.dtype.name}, but has to be floating"
        )
    if indices is not None or (lengths is None) == (offsets is None):
        raise _fail(OptionError, "segment_reduce: give either lengths or offsets")
    place = normalize_axis(axis, data.ndim, "segment_reduce")
    ends, count = _ends(data, place, lengths, offsets)
    before, length, rest = data.shape[:place], data.shape[place], data.shape[place + 1 :]
    rows = math.prod(before)
    flat = reshape(data, (rows * length, *rest))
    ids = searchsorted(ends, _iota((rows * length,), 0, int64, data.device), side="right")
    kind = _TORCH_KINDS[reduce]
    first = _neutral(data, kind) if initial is None else initial
    start = full((rows * count + 1, *rest), first, dtype=data.dtype, device=data.device)
    whole = combined("sum" if kind == "mean" else kind, start, ids, flat)
    result = narrow(whole, 0, 0, rows * count)
    if kind == "mean":
        begins = concat([full(1, 0, dtype=int64, device=data.device), ends[:-1]])
        sizes = reshape(ends - begins, (-1, *(1 for _ in rest)))
        if initial is not None:
            sizes = where(sizes == 0, 1, sizes)
        result = result / astype(sizes, data.dtype)
    return reshape(result, (*before, count, *rest))


def _ends(
    data: Tensor, place: int, lengths: Tensor | None, offsets: Tensor | None
) -> tuple[Tensor, int]:
    """Where each segment of the rows behind each other ends, and how many a row has."""
    given = signed_indices(
        integer_indices(offsets if lengths is None else lengths, "segment_reduce")
    )
    if given.ndim != place + 1 or given.shape[:-1] != data.shape[:place]:
        raise _fail(
            ShapeError,
            f"segment_reduce: lengths or offsets of shape {given.shape} do not fit data of shape "
            f"{data.shape} along axis {place}: they have its dimensions before that, and one more",
        )
    if lengths is None:
        if given.shape[-1] == 0:
            raise _fail(ShapeError, "segment_reduce: offsets have an element more than segments")
        given = given[..., 1:] - given[..., :-1]
    total = data.shape[place]
    if not (_core.is_tracing() or given._is_tracer):
        fits = (given >= 0).all() & (given.sum(-1) == total).all()
        if not bool(fits):
            raise _fail(
                ShapeError,
                f"segment_reduce: the lengths of segments have to be 0 or more, and {total} "
                "together, as the axis is",
            )
    return cumulative_sum(reshape(given, -1), axis=0), given.shape[-1]

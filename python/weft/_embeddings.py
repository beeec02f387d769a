"""Rows of tables by their numbers, alone or in bags, with PyTorch's arguments."""

from __future__ import annotations

import math

from . import _core, _ops
from ._core import Tensor
from ._creation import _fail, full, ones, zeros
from ._dtypes import int64
from ._errors import OptionError, OutOfBoundsError, ShapeError, UnsupportedError
from ._manipulation import (
    astype,
    check_indices,
    expand_dims,
    integer_indices,
    narrow,
    reshape,
    transpose,
    without_negative,
)
from ._manipulation import embedding as _rows
from ._reductions import argmax, cumulative_sum, sum
from ._sorting import sort_with_indices
from ._windows import pick, pick_each, widened


def _refuse_max_norm(max_norm: float | None, name: str) -> None:
    if max_norm is not None:
        raise _fail(
            UnsupportedError,
            f"{name}: max_norm changes the weight while it is read; scale its rows before, as by "
            "weft.norm(weight, axis=1, keepdims=True)",
        )


def _padding_row(padding_idx: int | None, count: int, name: str) -> int | None:
    """The number of the row that is padding. Raises OutOfBoundsError."""
    if padding_idx is None:
        return None
    if not -count <= padding_idx < count:
        raise _fail(
            OutOfBoundsError, f"{name}: padding_idx {padding_idx} is out of range for {count} rows"
        )
    return padding_idx % count


def _by_frequency(rows: Tensor, indices: Tensor, count: int) -> Tensor:
    """The rows, whose gradients are divided by how often each is among the indices."""
    flat = reshape(indices, -1)
    zero = full(count, 0, dtype=rows.dtype, device=rows.device)
    once = ones(flat.shape, dtype=rows.dtype, device=rows.device)
    counts = _core.apply("weft.scatter_add", (zero, flat, once), {"axis": 0})
    share = expand_dims(_ops.reciprocal(pick(counts, indices, 0)), axis=-1)
    still = rows.detach()
    return still + _ops.where(_ops.isfinite(still), rows - still, 0.0) * share


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """The rows of weight [N, D] at ``input`` [...]: [..., D].

    Args:
        input: integers in [0, N).
        weight: the table.
        padding_idx: a row that gets no gradient.
        max_norm: is not supported.
        norm_type: of ``max_norm``.
        scale_grad_by_freq: whether the gradient of a row is divided by how often it is read.
        sparse: is accepted; gradients have the same values, but are never sparse.

    Raises:
        OutOfBoundsError: an index, or ``padding_idx``, is out of range. In a compiled function the
            row of such an index is NaN. UnsupportedError: ``max_norm`` is given.
    """
    _refuse_max_norm(max_norm, "embedding")
    rows, indices = _rows(input, weight), integer_indices(input, "embedding")
    if scale_grad_by_freq:
        rows = _by_frequency(rows, indices, weight.shape[0])
    padding = _padding_row(padding_idx, weight.shape[0], "embedding")
    if padding is None:
        return rows
    is_padding = expand_dims(indices == padding, axis=-1)
    return _ops.where(is_padding, rows.detach(), rows)


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """Sums, means or largest elements of bags of rows of weight [N, D]: [bags, D]; 0 of none.

    Args:
        input: integers in [0, N): [bags, n], or [n] with ``offsets``.
        weight: the table.
        offsets: where each bag begins, in ascending order; the first is 0.
        max_norm: is not supported.
        norm_type: of ``max_norm``.
        scale_grad_by_freq: whether the gradient of a row is divided by how often it is read; not
            for the mode "max".
        mode: "sum", "mean" or "max".
        sparse: is accepted; gradients have the same values, but are never sparse.
        per_sample_weights: by what each row is multiplied, in the input's shape; for "sum".
        include_last_offset: whether the last offset is the end of the last bag.
        padding_idx: a row that is left out of the bags.

    Raises:
        OutOfBoundsError: an index or offset is out of range. In a compiled function what such an
            index decides is NaN. ShapeError: the shapes do not fit. OptionError: the options do not
            go together. UnsupportedError: ``max_norm`` is given.
    """
    name = "embedding_bag"
    _refuse_max_norm(max_norm, name)
    _check_bag_options(mode, scale_grad_by_freq, per_sample_weights)
    indices = integer_indices(input, name)
    if indices.ndim not in (1, 2) or (offsets is None) != (indices.ndim == 2):
        raise _fail(
            ShapeError,
            f"{name}: the input has shape {indices.shape}, but has to be [bags, n], or [n] "
            "with offsets",
        )
    rows = _rows(indices, weight)
    if scale_grad_by_freq:
        rows = _by_frequency(rows, indices, weight.shape[0])
    rows = widened(rows)
    if per_sample_weights is not None:
        if per_sample_weights.shape != indices.shape:
            raise _fail(
                ShapeError,
                f"{name}: per_sample_weights of shape {per_sample_weights.shape} do not fit an "
                f"input of shape {indices.shape}",
            )
        rows = rows * expand_dims(per_sample_weights, axis=-1)
    padding = _padding_row(padding_idx, weight.shape[0], name)
    kept = None if padding is None else indices != padding
    if offsets is None:
        result = _rectangular_bags(rows, kept, mode)
    else:
        result = _bags_at(rows, kept, mode, offsets, include_last_offset)
    return astype(result, weight.dtype, copy=False)


def _check_bag_options(
    mode: str, scale_grad_by_freq: bool, per_sample_weights: Tensor | None
) -> None:
    if mode not in ("sum", "mean", "max"):
        raise _fail(
            OptionError, f'embedding_bag: mode is {mode!r}, but has to be "sum", "mean" or "max"'
        )
    if mode == "max" and scale_grad_by_freq:
        raise _fail(OptionError, 'embedding_bag: mode "max" takes no scale_grad_by_freq')
    if mode != "sum" and per_sample_weights is not None:
        raise _fail(OptionError, f"embedding_bag: mode {mode!r} takes no per_sample_weights")


def _rectangular_bags(rows: Tensor, kept: Tensor | None, mode: str) -> Tensor:
    """Of rows [bags, n, D], of which those count that are ``kept`` [bags, n]."""
    bags, n, width = rows.shape
    if n == 0:
        return zeros(bags, width, dtype=rows.dtype, device=rows.device)
    counted = None if kept is None else expand_dims(kept, axis=-1)
    if mode == "max":
        seen = rows if counted is None else _ops.where(counted, rows, -math.inf)
        best = expand_dims(argmax(seen.detach(), axis=1), axis=-1)
        rows = reshape(pick_each(transpose(rows, 1, 2), best), (bags, width))
    else:
        rows = sum(rows if counted is None else _ops.where(counted, rows, 0.0), axis=1)
    if kept is None:
        return rows if mode != "mean" else rows / n
    counts = expand_dims(sum(kept, axis=1), axis=-1)
    if mode == "mean":
        return rows / astype(_ops.maximum(counts, 1), rows.dtype)
    return _ops.where(counts > 0, rows, 0.0)


def _bags_at(
    rows: Tensor, kept: Tensor | None, mode: str, offsets: Tensor, include_last_offset: bool
) -> Tensor:
    """Of rows [n, D], of which those count that are ``kept`` [n], in bags that begin at the
    offsets."""
    offsets = integer_indices(offsets, "embedding_bag")
    length, width = rows.shape
    count = offsets.shape[0] - bool(include_last_offset) if offsets.ndim == 1 else -1
    if isinstance(count, int) and count < 0:
        raise _fail(
            ShapeError,
            f"embedding_bag: the offsets have shape {offsets.shape}, but have to be [bags], or "
            "[bags + 1] with include_last_offset",
        )
    bags = _bag_of_each(offsets, length)
    if _core.is_tracing() or offsets._is_tracer:
        # What comes before the first offset is in no bag: it makes the first one NaN.
        rows = _ops.where(expand_dims(bags < 0, axis=-1), math.nan, rows)
        bags = _ops.maximum(bags, 0)
    bags = bags if kept is None else _ops.where(kept, bags, count)
    inside = bags < count
    counts = _added(full(count, 0, dtype=int64, device=rows.device), bags, astype(inside, int64))
    any_there = expand_dims(counts > 0, axis=-1)
    if mode == "max":
        starts = cumulative_sum(counts, axis=0) - counts
        return _ops.where(any_there, _largest_of_bags(rows, bags, starts), 0.0)
    # What is in no bag is not added, but would have the gradient of a bag that there is not.
    rows = _ops.where(expand_dims(inside, axis=-1), rows, 0.0)
    total = _added(zeros(count, width, dtype=rows.dtype, device=rows.device), bags, rows)
    if mode == "sum":
        return total
    return total / astype(expand_dims(_ops.maximum(counts, 1), axis=-1), rows.dtype)


def _bag_of_each(offsets: Tensor, length: int) -> Tensor:
    """The number of the last offset that is not behind each of ``length`` places; -1 before all."""
    name = "embedding_bag"
    check_indices(offsets[:1], 1, name, "the first offset")
    places = without_negative(offsets, length + 1, name, "offset")
    begun = full(length + 1, 0, dtype=int64, device=offsets.device)
    begun = _added(begun, places, full(offsets.shape, 1, dtype=int64, device=offsets.device))
    return narrow(cumulative_sum(begun, axis=0), 0, 0, length) - 1


def _added(x: Tensor, places: Tensor, updates: Tensor) -> Tensor:
    """x with the updates added along the first dimension; those behind its end are left out."""
    return _core.apply("weft.scatter_add", (x, places, updates), {"axis": 0})


def _largest_of_bags(rows: Tensor, bags: Tensor, starts: Tensor) -> Tensor:
    """The largest element of each column [n] of rows [n, D] in each bag, the first of equals.

    Each column is brought in order twice: by size, then by bag; each bag's first is its largest.
    """
    columns = transpose(rows, 0, 1)
    length = columns.shape[1]
    if isinstance(length, int) and length == 0:
        return zeros(starts.shape[0], rows.shape[1], dtype=rows.dtype, device=rows.device)
    by_size = sort_with_indices(columns.detach(), 1, descending=True).indices
    by_bag = sort_with_indices(pick(bags, by_size, 0), 1).indices
    order = pick_each(by_size, by_bag)
    largest = pick_each(columns, pick(order, _ops.minimum(starts, length - 1), 1))
    return transpose(largest, 0, 1)

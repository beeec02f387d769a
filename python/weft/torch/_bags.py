"""Rules for what combines rows of a table or of segments: bags of embeddings, segments."""

from __future__ import annotations

from typing import Any

import weft
from weft.nn import functional

from .._creation import _fail
from .._errors import UnsupportedError
from ._rules import TABLE, gradient

_MODES = ("sum", "mean", "max")
Maybe = weft.Tensor | None


def _bag_of_rows(offsets: weft.Tensor, rows: int) -> weft.Tensor:
    """Of each row the number of its bag, as PyTorch calls offset2bag."""
    places = weft.arange(rows, dtype=offsets.dtype)
    return weft.searchsorted(offsets, places, right=True).astype(offsets.dtype) - 1


@TABLE.rule("aten._embedding_bag_forward_only.default", "aten._embedding_bag.default")
def _embedding_bag(
    weight: weft.Tensor,
    indices: weft.Tensor,
    offsets: weft.Tensor,
    by_frequency: bool = False,
    mode: int = 0,
    sparse: bool = False,
    scale: Maybe = None,
    with_last: bool = False,
    padding: int = -1,
) -> tuple:
    """The bags, and what PyTorch's gradient reads: of each row its bag, of each bag how many rows
    count, and of each element of a largest one its row of the table."""
    bags = offsets.shape[0] - int(with_last)
    result = functional.embedding_bag(
        indices,
        weight,
        offsets,
        mode=_MODES[mode],
        per_sample_weights=scale,
        include_last_offset=with_last,
        padding_idx=None if padding < 0 else padding,
    )
    bag = _bag_of_rows(offsets, indices.shape[0])
    kept = (indices != padding).astype(offsets.dtype)
    sizes = weft.zeros((bags,), dtype=offsets.dtype).index_add(0, bag, kept)
    if mode == 2:
        return result, bag, sizes, _places_of_largest(result, weight, indices, bag, kept)
    is_fast = mode == 0 and padding < 0 and weight.dtype in (weft.float32, weft.float16)
    return result, weft.zeros((0,), dtype=bag.dtype) if is_fast else bag, sizes, sizes


def _places_of_largest(
    result: weft.Tensor,
    weight: weft.Tensor,
    indices: weft.Tensor,
    bag: weft.Tensor,
    kept: weft.Tensor,
) -> weft.Tensor:
    """Of each element the row of the table that it is of: the first row of the bag that has it."""
    rows, columns = indices.shape[0], weight.shape[1]
    if isinstance(rows, int) and rows == 0:
        return weft.zeros(result.shape, dtype=indices.dtype)
    has_it = (weft.embedding(indices, weight) == weft.take(result, bag, axis=0)) & (
        kept.unsqueeze(-1) > 0
    )
    places = weft.arange(rows, dtype=weft.int64).unsqueeze(-1)
    found = weft.where(has_it, places, rows - 1)
    last = weft.broadcast_to(weft.asarray(rows - 1), result.shape)
    of_bag = weft.broadcast_to(bag.astype(weft.int64).unsqueeze(-1), (rows, columns))
    return weft.take(indices, last.scatter_reduce(0, of_bag, found, "amin"), axis=0)


@TABLE.rule("aten._embedding_bag_backward.default")
def _embedding_bag_backward(
    grad: weft.Tensor,
    indices: weft.Tensor,
    offsets: weft.Tensor,
    _: weft.Tensor,
    sizes: weft.Tensor,
    largest: weft.Tensor,
    count: int,
    by_frequency: bool,
    mode: int,
    sparse: bool,
    scale: Maybe,
    padding: int = -1,
) -> weft.Tensor:
    if by_frequency or sparse:
        raise _fail(UnsupportedError, "gradients that are sparse or divided by frequencies")
    table = weft.zeros((count, grad.shape[1]), dtype=grad.dtype)
    if mode == 2:
        wanted = weft.where((sizes > 0).unsqueeze(-1), grad, weft.zeros_like(grad))
        return table.scatter_add(0, largest.astype(weft.int64), wanted)
    if mode == 1:
        grad = grad / weft.maximum(sizes, 1).astype(grad.dtype).unsqueeze(-1)
    rows = weft.take(grad, _bag_of_rows(offsets, indices.shape[0]), axis=0)
    if scale is not None:
        rows = rows * scale.unsqueeze(-1)
    rows = weft.where((indices == padding).unsqueeze(-1), weft.zeros_like(rows), rows)
    return table.index_add(0, indices, rows)


@TABLE.rule("aten._embedding_bag_per_sample_weights_backward.default")
def _embedding_bag_scale_backward(
    grad: weft.Tensor,
    weight: weft.Tensor,
    indices: weft.Tensor,
    offsets: weft.Tensor,
    _: weft.Tensor,
    mode: int,
    padding: int = -1,
) -> weft.Tensor:
    rows = weft.take(grad, _bag_of_rows(offsets, indices.shape[0]), axis=0)
    found = weft.sum(rows * weft.embedding(indices, weight), axis=1)
    return weft.where(indices == padding, weft.zeros_like(found), found)


@TABLE.rule("aten.segment_reduce.default")
def _segment_reduce(data: weft.Tensor, reduce: str, **options: Any) -> weft.Tensor:
    return weft.ops.segment_reduce(data, reduce, **options)


@TABLE.rule("aten._segment_reduce_backward.default")
def _segment_reduce_backward(
    grad: weft.Tensor, output: weft.Tensor, data: weft.Tensor, reduce: str, **options: Any
) -> weft.Tensor:
    return gradient(lambda x: _segment_reduce(x, reduce, **options), (data,), grad)[0]

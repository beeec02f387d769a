"""Rules for indices: gather, scatter, index, index_put, embeddings."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

import weft

from .._creation import _fail
from .._errors import UnsupportedError
from ._rules import TABLE, as_dtype, method

for _name, _overloads in (
    ("scatter_add", ("default",)),
    ("index_select", ("default",)),
    ("index_add", ("default",)),
    ("index_copy", ("default",)),
):
    method(_name, *(f"aten.{_name}.{overload}" for overload in _overloads))


@TABLE.rule("aten.gather.default")
def _gather(
    x: weft.Tensor, axis: int, index: weft.Tensor, *, sparse_grad: bool = False
) -> weft.Tensor:
    return x.gather(axis, index)


@TABLE.rule("aten.scatter.src", "aten.scatter.value")
def _scatter(x: weft.Tensor, axis: int, index: weft.Tensor, source: Any) -> weft.Tensor:
    return x.scatter(axis, index, source)


@TABLE.rule("aten.scatter_reduce.two")
def _scatter_reduce(
    x: weft.Tensor, axis: int, index: weft.Tensor, source: weft.Tensor, reduce: str,
    *, include_self: bool = True,
) -> weft.Tensor:
    return x.scatter_reduce(axis, index, source, reduce, include_self=include_self)


def _places(indices: Sequence[weft.Tensor | None]) -> tuple:
    """The index in Python's syntax; a mask would make a shape that depends on values."""
    for index in indices:
        if index is not None and index.dtype in (weft.bool, weft.uint8):
            raise _fail(UnsupportedError, "an index by a mask: its shape depends on values")
    return tuple(builtins.slice(None) if index is None else index for index in indices)


@TABLE.rule("aten.index.Tensor", "aten._unsafe_index.Tensor")
def _index(x: weft.Tensor, indices: Sequence[weft.Tensor | None]) -> weft.Tensor:
    return x[_places(indices)]


@TABLE.rule("aten.index_put.default", "aten._unsafe_index_put.default")
def _index_put(
    x: weft.Tensor, indices: Sequence[weft.Tensor | None], values: weft.Tensor,
    accumulate: bool = False,
) -> weft.Tensor:
    place = x.at[_place_of_put(x, indices)]
    put = as_dtype(values, x.dtype)
    return place.add(put) if accumulate else place.set(put)


def _place_of_put(x: weft.Tensor, indices: Sequence[weft.Tensor | None]) -> Any:
    """As for reading; one mask alone is a choice of elements, whose shape is known."""
    return _places(indices)


@TABLE.rule("aten.embedding.default")
def _embedding(weight: weft.Tensor, indices: weft.Tensor, *_: Any) -> weft.Tensor:
    return weft.embedding(indices, weight)


@TABLE.rule("aten.embedding_dense_backward.default")
def _embedding_backward(
    grad: weft.Tensor, indices: weft.Tensor, count: int, padding: int, by_frequency: bool
) -> weft.Tensor:
    if by_frequency:
        raise _fail(UnsupportedError, "gradients of embeddings are not divided by frequencies")
    flat = weft.reshape(indices, (-1,))
    rows = weft.reshape(grad, (flat.shape[0], grad.shape[-1]))
    if padding >= 0:
        rows = weft.where((flat == padding).unsqueeze(1), weft.zeros_like(rows), rows)
    table = weft.zeros((count, grad.shape[-1]), dtype=grad.dtype)
    return table.index_add(0, flat, rows)


@TABLE.rule("aten.masked_scatter.default")
def _masked_scatter(x: weft.Tensor, mask: weft.Tensor, source: weft.Tensor) -> weft.Tensor:
    return x.masked_scatter(mask, source)


@TABLE.rule("aten.bucketize.Tensor")
def _bucketize(
    x: weft.Tensor, edges: weft.Tensor, *, out_int32: bool = False, right: bool = False
) -> weft.Tensor:
    found = weft.bucketize(x, edges, right=right)
    return as_dtype(found, weft.int32 if out_int32 else weft.int64)

"""Rules for indices: gather, scatter, index, index_put, embeddings."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from typing import Any

import weft
from weft.nn import functional

from .._creation import _fail
from .._errors import UnsupportedError
from ._rules import TABLE, as_dtype


def _of_rows(function: Callable, name: str) -> Callable:
    """A rule along one dimension, which a scalar has as well in ATen."""

    def rule(x: weft.Tensor, axis: int, index: weft.Tensor, *rest: Any, **options: Any) -> Any:
        if name.startswith("scatter") and _is_empty(index):
            return x  # whatever the other dimensions are
        if x.ndim:
            return function(x, axis, index, *rest, **options)
        row = weft.reshape(x, (1,))
        rows = [weft.reshape(r, (1,)) if isinstance(r, weft.Tensor) else r for r in rest]
        found = function(row, 0, weft.reshape(index, (1,)), *rows, **options)
        return weft.reshape(found, ())

    return rule


def _by_numbers(function: Callable) -> Callable:
    """A rule whose sums of booleans are those of their numbers."""

    def rule(x: weft.Tensor, axis: int, index: weft.Tensor, *rest: Any, **options: Any) -> Any:
        if x.dtype != weft.bool:
            return function(x, axis, index, *rest, **options)
        wide = [r.astype(weft.uint8) if isinstance(r, weft.Tensor) else r for r in rest]
        return function(x.astype(weft.uint8), axis, index, *wide, **options).astype(weft.bool)

    return rule


def _is_empty(x: weft.Tensor) -> bool:
    return any(isinstance(size, int) and size == 0 for size in x.shape)


for _name in ("scatter_add", "index_select", "index_add", "index_copy"):
    TABLE.rule(f"aten.{_name}.default")(_of_rows(_by_numbers(getattr(weft.Tensor, _name)), _name))
TABLE.rule("aten.scatter.src", "aten.scatter.value")(_of_rows(weft.Tensor.scatter, "scatter"))


@TABLE.rule("aten.gather.default")
def _gather(
    x: weft.Tensor, axis: int, index: weft.Tensor, *, sparse_grad: bool = False
) -> weft.Tensor:
    if _is_empty(index):
        return weft.zeros(index.shape, dtype=x.dtype)  # whose dimensions ATen does not compare
    return x.gather(axis, index)


@TABLE.rule("aten.scatter.reduce")
def _scatter_with(
    x: weft.Tensor, axis: int, index: weft.Tensor, source: weft.Tensor, *, reduce: str
) -> weft.Tensor:
    return _scatter_reduce(x, axis, index, source, {"add": "sum", "multiply": "prod"}[reduce])


@TABLE.rule("aten.scatter_reduce.two")
def _scatter_reduce(
    x: weft.Tensor,
    axis: int,
    index: weft.Tensor,
    source: weft.Tensor,
    reduce: str,
    *,
    include_self: bool = True,
) -> weft.Tensor:
    scatter = _of_rows(_by_numbers(weft.Tensor.scatter_reduce), "scatter_reduce")
    return scatter(x, axis, index, source, reduce, include_self=include_self)


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
    x: weft.Tensor,
    indices: Sequence[weft.Tensor | None],
    values: weft.Tensor,
    accumulate: bool = False,
) -> weft.Tensor:
    mask = next((index for index in indices if index is not None), None)
    if mask is not None and _is_choice(indices, values):
        before = len(indices) - 1
        wide = weft.reshape(mask, (*mask.shape, *(1,) * (x.ndim - before - mask.ndim)))
        value = as_dtype(weft.reshape(values, ()), x.dtype)
        return weft.where(wide, x + value if accumulate else value, x)
    place = x.at[_places(indices)]
    put = as_dtype(values, x.dtype)
    return place.add(put) if accumulate else place.set(put)


def _is_choice(indices: Sequence[Any], values: weft.Tensor) -> bool:
    """One mask, the last index, and one value: a choice for each element."""
    return (
        all(index is None for index in indices[:-1])
        and indices[-1].dtype == weft.bool
        and all(isinstance(size, int) and size == 1 for size in values.shape)
    )


@TABLE.rule("aten.embedding.default")
def _embedding(
    weight: weft.Tensor,
    indices: weft.Tensor,
    padding: int = -1,
    by_frequency: bool = False,
    sparse: bool = False,
) -> weft.Tensor:
    if not weight.requires_grad:  # else what padding and frequencies do to gradients
        return weft.embedding(indices, weight)
    row = padding if padding >= 0 else None
    return functional.embedding(indices, weight, row, scale_grad_by_freq=by_frequency)


@TABLE.rule("aten.embedding_dense_backward.default")
def _embedding_backward(
    grad: weft.Tensor, indices: weft.Tensor, count: int, padding: int, by_frequency: bool
) -> weft.Tensor:
    flat = weft.reshape(indices, (-1,))
    rows = weft.reshape(grad, (flat.shape[0], grad.shape[-1]))
    if by_frequency:
        ones = weft.ones(flat.shape, dtype=grad.dtype)
        times = weft.zeros((count,), dtype=grad.dtype).index_add(0, flat, ones)
        rows = rows / weft.take(times, flat, axis=0).unsqueeze(1)
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


@TABLE.rule("aten.as_strided.default")
def _as_strided(
    x: weft.Tensor, sizes: Sequence[int], strides: Sequence[int], offset: int | None = None
) -> weft.Tensor:
    """Of dense memory without an offset, which the graph makes sure of."""
    places = _places_in_memory(sizes, strides, offset)
    return weft.take(weft.reshape(x, (-1,)), places, axis=0).reshape(tuple(sizes))


def _places_in_memory(
    sizes: Sequence[int], strides: Sequence[int], offset: int | None
) -> weft.Tensor:
    places = weft.asarray(offset or 0)
    for size, stride in zip(sizes, strides, strict=True):
        places = places.unsqueeze(-1) + weft.arange(size, dtype=weft.int64) * stride
    return weft.reshape(places, (-1,))


@TABLE.rule("aten.as_strided_scatter.default")
def _as_strided_scatter(
    x: weft.Tensor,
    source: weft.Tensor,
    sizes: Sequence[int],
    strides: Sequence[int],
    offset: int | None = None,
) -> weft.Tensor:
    places = _places_in_memory(sizes, strides, offset)
    put = weft.reshape(as_dtype(source, x.dtype), (-1,))
    return weft.reshape(weft.reshape(x, (-1,)).at[places].set(put), x.shape)

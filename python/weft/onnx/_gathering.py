"""Ops that read and write at places that tensors name, that search and that sort."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .._core import Tensor
from .._creation import _fail
from .._errors import UnsupportedError
from ._rules import rule, weft
from ._values import number


def _places(indices: Tensor, size: Any) -> Tensor:
    """Indices, of which negative ones count from the end, as such that do not."""
    wide = indices.astype("int64")
    return weft.where(wide < 0, wide + size, wide)


@rule("Gather")
def _gather(x: Tensor, indices: Tensor, *, axis: int = 0) -> Tensor:
    place = axis % x.ndim
    flat = weft.take(x, weft.reshape(_places(indices, x.shape[place]), -1), axis=place)
    return weft.reshape(flat, (*x.shape[:place], *indices.shape, *x.shape[place + 1 :]))


@rule("GatherElements")
def _gather_elements(x: Tensor, indices: Tensor, *, axis: int = 0) -> Tensor:
    return weft.gather(x, axis % x.ndim, _places(indices, x.shape[axis]))


def _row_numbers(indices: Tensor, shape: Any) -> Tensor:
    """The number of each row that a last dimension of indices names, among those of ``shape``."""
    result: Any = 0
    for place, size in enumerate(shape):
        result = result * size + _places(indices[..., place], size)
    return result


@rule("GatherND")
def _gather_nd(x: Tensor, indices: Tensor, *, batch_dims: int = 0) -> Tensor:
    depth = indices.shape[-1]
    batch, inner = x.shape[:batch_dims], x.shape[batch_dims : batch_dims + depth]
    rest = x.shape[batch_dims + depth :]
    rows = _row_numbers(indices, inner)
    count, each = math.prod(batch), math.prod(inner)
    named = math.prod(indices.shape[batch_dims:-1])
    rows = weft.reshape(rows, (count, named)) + weft.reshape(weft.arange(count) * each, (count, 1))
    flat = weft.reshape(x, (count * each, math.prod(rest)))
    made = weft.take(flat, weft.reshape(rows, -1), axis=0)
    return weft.reshape(made, (*indices.shape[:-1], *rest))


_REDUCTIONS = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}


def _scattered(x: Tensor, axis: int, places: Tensor, updates: Tensor, reduction: str) -> Tensor:
    if reduction == "none":
        return weft.scatter(x, axis, places, updates)
    if reduction not in _REDUCTIONS:
        raise _fail(UnsupportedError, f"the reduction {reduction!r} is not known")
    return weft.scatter_reduce(x, axis, places, updates, _REDUCTIONS[reduction])


@rule("Scatter", "ScatterElements")
def _scatter_elements(
    x: Tensor, indices: Tensor, updates: Tensor, *, axis: int = 0, reduction: str = "none"
) -> Tensor:
    return _scattered(x, axis % x.ndim, _places(indices, x.shape[axis]), updates, reduction)


@rule("ScatterND")
def _scatter_nd(x: Tensor, indices: Tensor, updates: Tensor, *, reduction: str = "none") -> Tensor:
    depth = indices.shape[-1]
    rows = weft.reshape(_row_numbers(indices, x.shape[:depth]), (-1, 1))
    count, width = math.prod(x.shape[:depth]), math.prod(x.shape[depth:])
    flat = weft.reshape(x, (count, width))
    values = weft.reshape(updates, (math.prod(indices.shape[:-1]), width))
    places = weft.broadcast_to(rows, values.shape)
    return weft.reshape(_scattered(flat, 0, places, values, reduction), x.shape)


@rule("TensorScatter")
def _tensor_scatter(
    cache: Tensor,
    update: Tensor,
    indices: Tensor | None = None,
    *,
    axis: int = -2,
    mode: str = "linear",
) -> Tensor:
    place = axis % cache.ndim
    length = update.shape[place]
    batch = cache.shape[0]
    begin = weft.zeros(batch, dtype="int64") if indices is None else indices.astype("int64")
    where = weft.reshape(begin, (batch, 1)) + weft.arange(length)
    if mode == "circular":
        where = weft.remainder(where, cache.shape[place])
    shape = [1] * cache.ndim
    shape[0], shape[place] = batch, length
    places = weft.broadcast_to(weft.reshape(where, shape), update.shape)
    return weft.scatter(cache, place, places, update)


@rule("OneHot", known=(1,))
def _one_hot(indices: Tensor, depth: Any, values: Tensor, *, axis: int = -1) -> Tensor:
    count = int(number(depth))
    rank = indices.ndim + 1
    place = axis % rank
    where = weft.expand_dims(_places(indices, count), axis=place)
    shape = [1] * rank
    shape[place] = count
    hot = where == weft.reshape(weft.arange(count), shape)
    return weft.where(hot, values[1], values[0])


@rule("NonZero")
def _non_zero(x: Tensor) -> Tensor:
    return weft.stack(list(weft.nonzero(weft.reshape(x, (1,)) if x.ndim == 0 else x)), axis=0)


@rule("Compress")
def _compress(x: Tensor, condition: Tensor, *, axis: int | None = None) -> Tensor:
    size = math.prod(x.shape) if axis is None else x.shape[axis]
    return weft.compress(condition[:size], weft.reshape(x, -1) if axis is None else x, axis or 0)


@rule("TopK")
def _top_k_by_attribute(x: Tensor, *, k: int, axis: int = -1) -> Any:
    return _top_k(x, k, axis=axis)


@rule("TopK", since=10, known=(1,))
def _top_k(x: Tensor, k: Any, *, axis: int = -1, largest: int = 1, sorted: int = 1) -> Any:
    count = int(number(k))
    order = weft.argsort(x, axis=axis, descending=bool(largest))
    place = axis % x.ndim
    chosen = order[(slice(None),) * place + (slice(0, count),)]
    return weft.gather(x, place, chosen), chosen


@rule("Unique")
def _unique(x: Tensor, *, axis: int | None = None, sorted: int = 1) -> Any:
    if axis is not None:
        raise _fail(UnsupportedError, "Unique of slices along an axis")
    flat = weft.reshape(x, -1)
    values, first, inverse, counts = weft.unique_all(flat)
    if not sorted:
        # In the order in which they come first.
        order = weft.argsort(first)
        values, first, counts = (weft.take(part, order, axis=0) for part in (values, first, counts))
        inverse = weft.take(weft.argsort(order), inverse, axis=0)
    return values, first, weft.reshape(inverse, -1), counts


@rule("ReverseSequence")
def _reverse_sequence(
    x: Tensor, lengths: Tensor, *, batch_axis: int = 1, time_axis: int = 0
) -> Tensor:
    shape = [1] * x.ndim
    shape[batch_axis] = x.shape[batch_axis]
    ends = weft.reshape(lengths.astype("int64"), shape)
    shape = [1] * x.ndim
    shape[time_axis] = x.shape[time_axis]
    times = weft.reshape(weft.arange(x.shape[time_axis]), shape)
    places = weft.where(times < ends, ends - 1 - times, times)
    return weft.gather(x, time_axis, weft.broadcast_to(places, x.shape))


@rule("ai.onnx.ml.ArrayFeatureExtractor")
def _array_feature_extractor(x: Tensor, places: Tensor) -> Tensor:
    made = weft.take(x, weft.reshape(places, -1), axis=x.ndim - 1)
    return weft.reshape(made, (1, -1)) if x.ndim == 1 else made


@rule("ai.onnx.ml.Binarizer")
def _binarizer(x: Tensor, *, threshold: float = 0.0) -> Tensor:
    return (x > threshold).astype(x.dtype)


@rule("ai.onnx.ml.Scaler")
def _scaler(x: Tensor, *, offset: Any, scale: Any) -> Tensor:
    moved = x.astype("float32") - np.asarray(offset, np.float32)
    return moved * np.asarray(scale, np.float32)

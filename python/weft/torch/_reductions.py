"""Rules for reductions, scans, sorts and softmax."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

import weft

from ._rules import TABLE, as_dtype, floating, method, weft_dtype

Axes = Sequence[int] | int | None


def _axes(x: weft.Tensor, axes: Axes) -> Any:
    """ATen's empty list of dimensions stands for all of them, and a scalar has a dimension."""
    if axes is None or not x.ndim:
        return None
    return axes if isinstance(axes, int) else tuple(axes) or None


def _whole(x: weft.Tensor, dtype: torch.dtype | None) -> weft.Tensor:
    """The operand of a sum: booleans and integers as int64, unless another dtype is asked for."""
    if dtype is not None:
        wanted = weft_dtype(dtype)
        return as_dtype(weft.real(x) if x.dtype.is_complex and not wanted.is_complex else x, wanted)
    return as_dtype(x, weft.int64) if weft.isdtype(x.dtype, ("bool", "integral")) else x


@TABLE.rule("aten.sum.dim_IntList", "aten.sum.default")
def _sum(
    x: weft.Tensor, axes: Axes = None, keepdim: bool = False, *, dtype: torch.dtype | None = None
) -> weft.Tensor:
    whole = _whole(x, dtype)
    return weft.sum(whole, axis=_axes(x, axes), keepdims=keepdim, dtype=whole.dtype)


@TABLE.rule("aten.prod.default", "aten.prod.dim_int")
def _prod(
    x: weft.Tensor, axes: Axes = None, keepdim: bool = False, *, dtype: torch.dtype | None = None
) -> weft.Tensor:
    whole = _whole(x, dtype)
    return weft.prod(whole, axis=_axes(x, axes), keepdims=keepdim, dtype=whole.dtype)


@TABLE.rule("aten.mean.default", "aten.mean.dim")
def _mean(
    x: weft.Tensor, axes: Axes = None, keepdim: bool = False, *, dtype: torch.dtype | None = None
) -> weft.Tensor:
    whole = x if dtype is None else as_dtype(x, weft_dtype(dtype))
    return weft.mean(whole, axis=_axes(x, axes), keepdims=keepdim)


@TABLE.rule("aten.var.correction", "aten.var.dim")
def _var(
    x: weft.Tensor,
    axes: Axes = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> weft.Tensor:
    taken = (1.0 if unbiased else 0.0) if correction is None else float(correction)
    return weft.var(x, axis=_axes(x, axes), correction=taken, keepdims=keepdim)


@TABLE.rule("aten.var_mean.correction")
def _var_mean(
    x: weft.Tensor, axes: Axes = None, *, correction: float | None = None, keepdim: bool = False
) -> tuple[weft.Tensor, weft.Tensor]:
    variance = _var(x, axes, keepdim=keepdim, correction=correction)
    return variance, weft.mean(x, axis=_axes(x, axes), keepdims=keepdim)


def _of_bool(function: Any, x: weft.Tensor, **options: Any) -> weft.Tensor:
    """The largest and the smallest of booleans are those of their numbers."""
    if x.dtype != weft.bool:
        return function(x, **options)
    return function(x.astype(weft.uint8), **options).astype(weft.bool)


@TABLE.rule("aten.amax.default")
def _amax(x: weft.Tensor, axes: Axes = (), keepdim: bool = False) -> weft.Tensor:
    return _of_bool(weft.max, x, axis=_axes(x, axes), keepdims=keepdim)


@TABLE.rule("aten.amin.default")
def _amin(x: weft.Tensor, axes: Axes = (), keepdim: bool = False) -> weft.Tensor:
    return _of_bool(weft.min, x, axis=_axes(x, axes), keepdims=keepdim)


@TABLE.rule("aten.max.default")
def _max_all(x: weft.Tensor) -> weft.Tensor:
    return _of_bool(weft.max, x)


@TABLE.rule("aten.min.default")
def _min_all(x: weft.Tensor) -> weft.Tensor:
    return _of_bool(weft.min, x)


@TABLE.rule("aten.any.default", "aten.any.dim", "aten.any.dims")
def _any(x: weft.Tensor, axes: Axes = None, keepdim: bool = False) -> weft.Tensor:
    found = weft.any(as_dtype(x, weft.bool), axis=_axes(x, axes), keepdims=keepdim)
    return as_dtype(found, x.dtype if x.dtype == weft.uint8 else weft.bool)


@TABLE.rule("aten.all.default", "aten.all.dim", "aten.all.dims")
def _all(x: weft.Tensor, axes: Axes = None, keepdim: bool = False) -> weft.Tensor:
    found = weft.all(as_dtype(x, weft.bool), axis=_axes(x, axes), keepdims=keepdim)
    return as_dtype(found, x.dtype if x.dtype == weft.uint8 else weft.bool)


def _arg(function: Any) -> Any:
    def rule(x: weft.Tensor, axis: int | None = None, keepdim: bool = False) -> weft.Tensor:
        found = function(x, axis=axis if x.ndim else None)
        if not keepdim or not x.ndim:
            return found
        return weft.reshape(found, (1,) * x.ndim) if axis is None else found.unsqueeze(axis)

    return rule


TABLE.rule("aten.argmax.default")(_arg(weft.argmax))
TABLE.rule("aten.argmin.default")(_arg(weft.argmin))


def _with_places(largest: bool) -> Any:
    def rule(x: weft.Tensor, axis: int, keepdim: bool = False) -> tuple[weft.Tensor, weft.Tensor]:
        if not x.ndim:
            return x, weft.zeros((), dtype=weft.int64)
        values, places = x.max(axis, keepdim) if largest else x.min(axis, keepdim)
        return values, places

    return rule


TABLE.rule("aten.max.dim")(_with_places(True))
TABLE.rule("aten.min.dim")(_with_places(False))


@TABLE.rule("aten.cumsum.default")
def _cumsum(x: weft.Tensor, axis: int, *, dtype: torch.dtype | None = None) -> weft.Tensor:
    whole = _whole(x, dtype)
    return weft.cumulative_sum(whole, axis=axis, dtype=whole.dtype) if x.ndim else whole


@TABLE.rule("aten.cumprod.default")
def _cumprod(x: weft.Tensor, axis: int, *, dtype: torch.dtype | None = None) -> weft.Tensor:
    whole = _whole(x, dtype)
    return weft.cumulative_prod(whole, axis=axis, dtype=whole.dtype) if x.ndim else whole


@TABLE.rule("aten.logcumsumexp.default")
def _logcumsumexp(x: weft.Tensor, axis: int) -> weft.Tensor:
    return x.logcumsumexp(axis) if x.ndim else x


@TABLE.rule("aten.cummax.default")
def _cummax(x: weft.Tensor, axis: int) -> Any:
    return tuple(x.cummax(axis)) if x.ndim else (x, weft.zeros((), dtype=weft.int64))


@TABLE.rule("aten.cummin.default")
def _cummin(x: weft.Tensor, axis: int) -> Any:
    return tuple(x.cummin(axis)) if x.ndim else (x, weft.zeros((), dtype=weft.int64))


@TABLE.rule("aten.sort.default")
def _sort(x: weft.Tensor, axis: int = -1, descending: bool = False) -> Any:
    if not x.ndim:
        return x, weft.zeros((), dtype=weft.int64)
    return tuple(x.sort(axis, descending=descending))


@TABLE.rule("aten.sort.stable")
def _stable_sort(
    x: weft.Tensor, *, stable: bool = True, dim: int = -1, descending: bool = False
) -> Any:
    return _sort(x, dim, descending)


@TABLE.rule("aten.topk.default")
def _topk(
    x: weft.Tensor, count: int, axis: int = -1, largest: bool = True, is_sorted: bool = True
) -> Any:
    if not x.ndim:
        places = weft.zeros((), dtype=weft.int64)
        return (x, places) if count else (weft.reshape(x, (1,))[:0], places.reshape(1)[:0])
    return tuple(x.topk(count, axis, largest=largest))


@TABLE.rule("aten.logsumexp.default")
def _logsumexp(x: weft.Tensor, axes: Axes, keepdim: bool = False) -> weft.Tensor:
    if x.dtype.is_complex:
        return _complex_logsumexp(x, axes, keepdim)
    return weft.logsumexp(as_dtype(x, floating(x.dtype)), axis=_axes(x, axes), keepdims=keepdim)


def _complex_logsumexp(x: weft.Tensor, axes: Axes, keepdim: bool) -> weft.Tensor:
    """Real parts are shifted by their largest; the imaginary part is an angle."""
    over = _axes(x, axes)
    largest = weft.max(weft.real(x), axis=over, keepdims=True)
    shift = weft.where(weft.isfinite(largest), largest, weft.zeros_like(largest))
    total = weft.log(weft.sum(weft.exp(x - shift), axis=over, keepdims=keepdim))
    return total + weft.reshape(shift, total.shape)


@TABLE.rule("aten.linalg_vector_norm.default")
def _vector_norm(
    x: weft.Tensor,
    order: float = 2,
    axes: Axes = None,
    keepdim: bool = False,
    *,
    dtype: torch.dtype | None = None,
) -> weft.Tensor:
    whole = x if dtype is None else as_dtype(x, weft_dtype(dtype))
    return weft.linalg.vector_norm(whole, axis=_axes(x, axes), keepdims=keepdim, ord=order)


@TABLE.rule("aten._softmax.default")
def _softmax(x: weft.Tensor, axis: int, half_to_float: bool = False) -> weft.Tensor:
    whole = as_dtype(x, weft.float32) if half_to_float else x
    return weft.softmax(whole, dim=axis) if x.ndim else weft.ones_like(whole)


@TABLE.rule("aten._log_softmax.default")
def _log_softmax(x: weft.Tensor, axis: int, half_to_float: bool = False) -> weft.Tensor:
    whole = as_dtype(x, weft.float32) if half_to_float else x
    return weft.log_softmax(whole, dim=axis) if x.ndim else weft.zeros_like(whole)


@TABLE.rule("aten._safe_softmax.default")
def _safe_softmax(x: weft.Tensor, axis: int, dtype: torch.dtype | None = None) -> weft.Tensor:
    whole = x if dtype is None else as_dtype(x, weft_dtype(dtype))
    empty = weft.all(whole == -math.inf, axis=axis, keepdims=True)
    return weft.where(empty, weft.zeros_like(whole), weft.softmax(whole, dim=axis))


# Values at places of an order, of which PyTorch leaves open which of equal ones it names.
method("median", "aten.median.default")
method("nanmedian", "aten.nanmedian.default")
method("histc", "aten.histc.default")
method("histogram", "aten.histogram.bin_ct", "aten.histogram.bins_tensor")
method("dist", "aten.dist.default")
method("put", "aten.put.default")


@TABLE.rule("aten.index_reduce.default")
def _index_reduce(
    x: weft.Tensor, axis: int, index: Any, source: Any, *args: Any, **kwargs: Any
) -> weft.Tensor:
    if x.ndim:
        return x.index_reduce(axis, index, source, *args, **kwargs)
    row = x.reshape(1).index_reduce(0, index.reshape(-1), source.reshape(-1), *args, **kwargs)
    return row.reshape(())


def _selection(name: str) -> Any:
    def rule(x: weft.Tensor, *args: Any, **kwargs: Any) -> tuple:
        if not x.ndim:
            return x, weft.zeros((), dtype=weft.int64)
        return tuple(getattr(x, name)(*args, **kwargs))

    return rule


for _name in ("median.dim", "nanmedian.dim", "kthvalue.default", "mode.default"):
    TABLE.rule(f"aten.{_name}")(_selection(_name.partition(".")[0]))


@TABLE.rule("aten.searchsorted.Tensor", "aten.searchsorted.Scalar")
def _searchsorted(
    edges: weft.Tensor,
    values: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: weft.Tensor | None = None,
) -> weft.Tensor:
    found = weft.searchsorted(edges, values, side=side or "left", right=right, sorter=sorter)
    return as_dtype(found, weft.int32 if out_int32 else weft.int64)

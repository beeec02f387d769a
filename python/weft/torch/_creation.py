"""Rules for tensors that are made of numbers alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

import weft

from .._dtypes import DType
from ._rules import _DEFAULTS, TABLE, _kind_of_number, weft_dtype


def _dtype(dtype: torch.dtype | None, like: Any) -> DType:
    """The dtype asked for, else that of a tensor or of a number."""
    if dtype is not None:
        return weft_dtype(dtype)
    return like.dtype if isinstance(like, weft.Tensor) else _DEFAULTS[_kind_of_number(like)]


@TABLE.rule("aten.full.default")
def _full(
    shape: Sequence[int], value: Any, *, dtype: torch.dtype | None = None, **_: Any
) -> weft.Tensor:
    return weft.broadcast_to(weft.asarray(value, dtype=_dtype(dtype, value)), tuple(shape))


@TABLE.rule("aten.full_like.default", "aten.fill.Scalar", "aten.fill.Tensor")
def _full_like(
    x: weft.Tensor, value: Any, *, dtype: torch.dtype | None = None, **_: Any
) -> weft.Tensor:
    return weft.broadcast_to(weft.asarray(value, dtype=_dtype(dtype, x)), x.shape)


def _filled(number: float) -> None:
    """zeros, ones and their kin."""
    name = "ones" if number else "zeros"

    def of_shape(
        shape: Sequence[int], *, dtype: torch.dtype | None = None, **_: Any
    ) -> weft.Tensor:
        return _full(shape, number, dtype=dtype or torch.get_default_dtype())

    def of_tensor(x: weft.Tensor, *, dtype: torch.dtype | None = None, **_: Any) -> weft.Tensor:
        return _full_like(x, number, dtype=dtype)

    def of_kin(
        x: weft.Tensor, shape: Sequence[int], *, dtype: torch.dtype | None = None, **_: Any
    ) -> weft.Tensor:
        return weft.broadcast_to(weft.asarray(number, dtype=_dtype(dtype, x)), tuple(shape))

    TABLE.rule(f"aten.{name}.default")(of_shape)
    TABLE.rule(f"aten.{name}_like.default")(of_tensor)
    TABLE.rule(f"aten.new_{name}.default")(of_kin)
    if not number:
        TABLE.rule("aten.empty.memory_format", "aten.empty_permuted.default")(of_empty)
        TABLE.rule("aten.empty_like.default")(of_tensor)
        TABLE.rule("aten.new_empty.default")(of_kin)
        TABLE.rule("aten.zero.default")(of_tensor)


def of_empty(
    shape: Sequence[int], *_: Any, dtype: torch.dtype | None = None, **__: Any
) -> weft.Tensor:
    """Memory that nobody has written yet: zeros."""
    return _full(shape, 0, dtype=dtype or torch.get_default_dtype())


_filled(0)
_filled(1)


@TABLE.rule("aten.new_empty_strided.default")
def _new_empty_strided(
    x: weft.Tensor,
    shape: Sequence[Any],
    strides: Any,
    *,
    dtype: torch.dtype | None = None,
    **_: Any,
) -> weft.Tensor:
    return weft.zeros(tuple(shape), dtype=_dtype(dtype, x))


@TABLE.rule("aten.empty_strided.default")
def _empty_strided(
    shape: Sequence[int], strides: Sequence[int], *, dtype: torch.dtype | None = None, **_: Any
) -> weft.Tensor:
    return of_empty(shape, dtype=dtype)


@TABLE.rule("aten.new_full.default")
def _new_full(
    x: weft.Tensor,
    shape: Sequence[int],
    value: Any,
    *,
    dtype: torch.dtype | None = None,
    **_: Any,
) -> weft.Tensor:
    return weft.broadcast_to(weft.asarray(value, dtype=_dtype(dtype, x)), tuple(shape))


@TABLE.rule("aten.scalar_tensor.default")
def _scalar_tensor(value: Any, *, dtype: torch.dtype | None = None, **_: Any) -> weft.Tensor:
    return weft.asarray(value, dtype=weft_dtype(dtype or torch.get_default_dtype()))


@TABLE.rule("aten.arange.start_step", "aten.arange.start", "aten.arange.default")
def _arange(
    start: Any, stop: Any = None, step: Any = 1, *, dtype: torch.dtype | None = None, **_: Any
) -> weft.Tensor:
    first, end = (0, start) if stop is None else (start, stop)
    if dtype is None:
        inexact = any(isinstance(number, float) for number in (first, end, step))
        dtype = torch.get_default_dtype() if inexact else torch.int64
    return weft.arange(first, end, step, dtype=weft_dtype(dtype))


@TABLE.rule("prims.iota.default")
def _iota(count: int, *, start: int, step: int, dtype: torch.dtype, **_: Any) -> weft.Tensor:
    return weft.arange(start, start + step * count, step, dtype=weft_dtype(dtype))


@TABLE.rule("aten.eye.default", "aten.eye.m")
def _eye(
    rows: int, columns: int | None = None, *, dtype: torch.dtype | None = None, **_: Any
) -> weft.Tensor:
    wanted = weft_dtype(dtype or torch.get_default_dtype())
    return weft.eye(rows, columns, dtype=wanted)


def _triangle(name: str) -> None:
    function = getattr(weft, name)

    def rule(
        rows: int, columns: int, offset: int = 0, *, dtype: torch.dtype | None = None, **_: Any
    ) -> weft.Tensor:
        return function(rows, columns, offset).astype(weft_dtype(dtype or torch.int64))

    TABLE.rule(f"aten.{name}.default")(rule)


_triangle("tril_indices")
_triangle("triu_indices")

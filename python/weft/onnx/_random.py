"""Ops that draw random numbers: of weft's generator, whatever the seed of the model is."""

from __future__ import annotations

from typing import Any

from .._core import Tensor
from ._rules import rule, weft
from ._values import dtype_of


def _drawn(shape: Any, dtype: Any, seed: float | None, normal: bool) -> Tensor:
    kind = dtype if dtype.itemsize >= 4 else weft.float32
    draw = weft.random.randn if normal else weft.random.rand
    return draw(*shape, dtype=kind).astype(dtype)


@rule("RandomUniform")
def _uniform(
    *, dtype: int = 1, high: float = 1.0, low: float = 0.0, seed: float | None = None, shape: Any
) -> Tensor:
    return _drawn(shape, dtype_of(dtype), seed, False) * (high - low) + low


@rule("RandomNormal")
def _normal(
    *, dtype: int = 1, mean: float = 0.0, scale: float = 1.0, seed: float | None = None, shape: Any
) -> Tensor:
    return _drawn(shape, dtype_of(dtype), seed, True) * scale + mean


@rule("RandomUniformLike")
def _uniform_like(
    x: Tensor,
    *,
    dtype: int | None = None,
    high: float = 1.0,
    low: float = 0.0,
    seed: float | None = None,
) -> Tensor:
    kind = x.dtype if dtype is None else dtype_of(dtype)
    return _drawn(x.shape, kind, seed, False) * (high - low) + low


@rule("RandomNormalLike")
def _normal_like(
    x: Tensor,
    *,
    dtype: int | None = None,
    mean: float = 0.0,
    scale: float = 1.0,
    seed: float | None = None,
) -> Tensor:
    kind = x.dtype if dtype is None else dtype_of(dtype)
    return _drawn(x.shape, kind, seed, True) * scale + mean

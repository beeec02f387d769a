"""Rules for normalisations that ATen keeps whole, and their backward ops."""

from __future__ import annotations

from collections.abc import Sequence

import weft
from weft.nn import functional

from ._rules import TABLE, as_dtype

Maybe = weft.Tensor | None


def _statistics(
    x: weft.Tensor, axes: tuple[int, ...], eps: float
) -> tuple[weft.Tensor, weft.Tensor]:
    """Mean and reciprocal deviation over the axes, which stay as ones; at least in float32."""
    wide = as_dtype(x, weft.promote_types(x.dtype, weft.float32))
    variance = weft.var(wide, axis=axes, keepdims=True)
    return weft.mean(wide, axis=axes, keepdims=True), weft.rsqrt(variance + eps)


@TABLE.rule("aten.native_layer_norm.default")
def _layer_norm(
    x: weft.Tensor, shape: Sequence[int], weight: Maybe, bias: Maybe, eps: float
) -> tuple:
    axes = tuple(range(x.ndim - len(shape), x.ndim))
    result = functional.layer_norm(x, tuple(shape), weight, bias, eps)
    return (result, *_statistics(x, axes, eps))


@TABLE.rule("aten.native_group_norm.default")
def _group_norm(
    x: weft.Tensor,
    weight: Maybe,
    bias: Maybe,
    batch: int,
    channels: int,
    positions: int,
    groups: int,
    eps: float,
) -> tuple:
    result = functional.group_norm(x, groups, weight, bias, eps)
    grouped = weft.reshape(x, (batch, groups, channels // groups * positions))
    mean, rstd = _statistics(grouped, (2,), eps)
    return result, weft.squeeze(mean, axis=2), weft.squeeze(rstd, axis=2)


@TABLE.rule("aten._native_batch_norm_legit_no_training.default")
def _batch_norm_eval(
    x: weft.Tensor,
    weight: Maybe,
    bias: Maybe,
    mean: weft.Tensor,
    variance: weft.Tensor,
    momentum: float,
    eps: float,
) -> tuple:
    result = functional.batch_norm(x, mean, variance, weight, bias, False, momentum, eps)
    return result, weft.zeros((0,), dtype=mean.dtype), weft.zeros((0,), dtype=mean.dtype)


def _batch_norm_train(x: weft.Tensor, weight: Maybe, bias: Maybe, eps: float) -> tuple:
    axes = (0, *range(2, x.ndim))
    result = functional.batch_norm(x, None, None, weight, bias, True, 0.1, eps)
    wide = as_dtype(x, weft.promote_types(x.dtype, weft.float32))
    return result, weft.mean(wide, axis=axes), weft.var(wide, axis=axes)


@TABLE.rule("aten._native_batch_norm_legit.no_stats")
def _batch_norm_no_stats(
    x: weft.Tensor, weight: Maybe, bias: Maybe, training: bool, momentum: float, eps: float
) -> tuple:
    result, mean, variance = _batch_norm_train(x, weight, bias, eps)
    return result, mean, weft.rsqrt(variance + eps)


@TABLE.rule("aten._native_batch_norm_legit_functional.default")
def _batch_norm_functional(
    x: weft.Tensor,
    weight: Maybe,
    bias: Maybe,
    mean: weft.Tensor,
    variance: weft.Tensor,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple:
    if not training:
        return (*_batch_norm_eval(x, weight, bias, mean, variance, momentum, eps), mean, variance)
    result, now, spread = _batch_norm_train(x, weight, bias, eps)
    unbiased = weft.var(as_dtype(x, spread.dtype), axis=(0, *range(2, x.ndim)), correction=1.0)
    new_mean = now * momentum + mean * (1 - momentum)
    new_variance = unbiased * momentum + variance * (1 - momentum)
    rstd = weft.rsqrt(spread + eps)
    return (
        *(result, now, rstd),
        *(as_dtype(new_mean, mean.dtype), as_dtype(new_variance, variance.dtype)),
    )


@TABLE.rule("aten._weight_norm_interface_backward.default")
def _weight_norm_backward(
    grad: weft.Tensor, v: weft.Tensor, g: weft.Tensor, norms: weft.Tensor, dim: int
) -> tuple:
    """The gradients of g * v / |v|, the norm over all dimensions but this one."""
    others = tuple(axis for axis in range(v.ndim) if axis != dim)
    wide = as_dtype(norms, v.dtype)
    along = weft.sum(grad * v, axis=others, keepdims=True) / wide
    return g / wide * (grad - v * (along / wide)), along

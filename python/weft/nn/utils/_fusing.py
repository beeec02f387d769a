"""Layers for inference that include the batch normalisation behind them."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

from ... import _ops
from ..._autodiff import no_grad
from ..._core import Tensor
from ..._creation import _fail, ones_like, zeros_like
from ..._errors import OptionError
from ..._manipulation import reshape
from .._module import Module
from .._parameter import Parameter

Layer = TypeVar("Layer", bound=Module)


@no_grad()
def _fused(
    weight: Tensor, bias: Tensor | None, statistics: tuple[Any, ...], eps: float, axis: int
) -> tuple[Parameter, Parameter]:
    """Weight and bias, scaled and shifted along the axis of the weight's channels.

    ``statistics`` are the running mean and variance, and the weight and bias of the normalisation.
    """
    mean, variance, scale, shift = statistics
    factor = _ops.rsqrt(variance + eps) * (ones_like(mean) if scale is None else scale)
    shape = [-1 if place == axis else 1 for place in range(weight.ndim)]
    start = zeros_like(mean) if bias is None else bias
    moved = (start - mean) * factor + (zeros_like(mean) if shift is None else shift)
    requires_bias = weight.requires_grad if bias is None else bias.requires_grad
    return (
        Parameter((weight * reshape(factor, shape)).astype(weight.dtype), weight.requires_grad),
        Parameter(moved.astype(weight.dtype), requires_bias),
    )


def fuse_conv_bn_weights(
    conv_w: Tensor,
    conv_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of a convolution that includes a batch normalisation behind it.

    Args:
        conv_w, conv_b: those of the convolution; no bias is one of zeros.
        bn_rm, bn_rv, bn_eps, bn_w, bn_b: the normalisation's running mean and variance, epsilon,
            weight and bias.
        transpose: the convolution is a transposed one, whose weight has its channels in dimension
            1.
    """
    statistics = (bn_rm, bn_rv, bn_w, bn_b)
    return _fused(conv_w, conv_b, statistics, bn_eps, axis=1 if transpose else 0)


def fuse_linear_bn_weights(
    linear_w: Tensor,
    linear_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of a linear layer that includes a batch normalisation behind it."""
    return _fused(linear_w, linear_b, (bn_rm, bn_rv, bn_w, bn_b), bn_eps, axis=0)


def _checked_copy(layer: Layer, bn: Any, name: str) -> Layer:
    if layer.training or bn.training:
        raise _fail(
            OptionError, f"{name}: both layers have to be in evaluation; call eval() before"
        )
    if bn.running_mean is None or bn.running_var is None:
        raise _fail(OptionError, f"{name}: the normalisation has no running statistics")
    return copy.deepcopy(layer)


def fuse_conv_bn_eval(conv: Layer, bn: Any, transpose: bool = False) -> Layer:
    """A convolution that gives what ``conv`` and behind it ``bn`` give, both in evaluation.

    Raises:
        OptionError: one is in training, or ``bn`` has no running statistics.
    """
    fused: Any = _checked_copy(conv, bn, "fuse_conv_bn_eval")
    fused.weight, fused.bias = fuse_conv_bn_weights(
        *(fused.weight, fused.bias, bn.running_mean, bn.running_var),
        *(bn.eps, bn.weight, bn.bias, transpose),
    )
    return fused


def fuse_linear_bn_eval(linear: Layer, bn: Any) -> Layer:
    """A linear layer that gives what ``linear`` and behind it ``bn`` give, both in evaluation.

    Raises:
        OptionError: one is in training, ``bn`` has no running statistics, or another number of
            features.
    """
    fused: Any = _checked_copy(linear, bn, "fuse_linear_bn_eval")
    if bn.num_features not in (1, fused.out_features):
        raise _fail(
            OptionError,
            f"fuse_linear_bn_eval: the normalisation has {bn.num_features} features, but the "
            f"layer {fused.out_features}",
        )
    fused.weight, fused.bias = fuse_linear_bn_weights(
        *(fused.weight, fused.bias, bn.running_mean, bn.running_var),
        *(bn.eps, bn.weight, bn.bias),
    )
    return fused

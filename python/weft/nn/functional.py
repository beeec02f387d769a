"""Functions of neural networks with PyTorch's names and arguments."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .. import _functional, _ops
from .._attention import scaled_dot_product_attention
from .._core import Tensor
from .._creation import _fail, asarray
from .._errors import OptionError, OutOfBoundsError, ShapeError
from .._functional import (
    adaptive_avg_pool2d,
    avg_pool2d,
    batch_norm,
    conv2d,
    dropout,
    elu,
    layer_norm,
    leaky_relu,
    linear,
    log_softmax,
    max_pool2d,
    softmax,
)
from .._manipulation import expand_dims, one_hot
from .._manipulation import pad as _pad
from .._ops import relu, sigmoid, silu, softplus, tanh
from ._loss_functions import (
    binary_cross_entropy_with_logits,
    cross_entropy,
    l1_loss,
    mse_loss,
    nll_loss,
)

__all__ = [
    "adaptive_avg_pool2d",
    "avg_pool2d",
    "batch_norm",
    "binary_cross_entropy_with_logits",
    "conv2d",
    "cross_entropy",
    "dropout",
    "elu",
    "embedding",
    "gelu",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "max_pool2d",
    "mse_loss",
    "nll_loss",
    "one_hot",
    "pad",
    "relu",
    "scaled_dot_product_attention",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "tanh",
]


def gelu(x: Tensor, approximate: str = "none") -> Tensor:
    """x times the normal distribution function of x, or its approximation by "tanh".

    Raises:
        OptionError: ``approximate`` is neither "none" nor "tanh".
    """
    if approximate == "none":
        return _ops.gelu(x)
    if approximate != "tanh":
        raise _fail(
            OptionError, f'gelu: approximate has to be "none" or "tanh", not {approximate!r}'
        )
    inner = (x + x * x * x * 0.044715) * math.sqrt(2.0 / math.pi)
    return x * 0.5 * (tanh(inner) + 1.0)


def pad(x: Tensor, pad: Sequence[int], value: float = 0.0) -> Tensor:
    """x with ``value`` around it: sizes before and after the last dimension, the one before, ...

    Raises:
        ShapeError: an odd number of sizes, too many of them, or negative ones.
    """
    if len(pad) % 2 or len(pad) > 2 * x.ndim:
        raise _fail(
            ShapeError,
            f"pad: {tuple(pad)} has to be pairs of sizes for at most the "
            f"{x.ndim} dimensions of shape {x.shape}",
        )
    pairs = [(pad[i], pad[i + 1]) for i in range(0, len(pad), 2)]
    return _pad(x, [(0, 0)] * (x.ndim - len(pairs)) + pairs[::-1], value)


def embedding(indices: Tensor, weight: Tensor, padding_idx: int | None = None) -> Tensor:
    """The rows of weight [N, D] at ``indices`` [...]: [..., D].

    The row ``padding_idx`` gets no gradient.
    """
    rows = _functional.embedding(indices, weight)
    if padding_idx is None:
        return rows
    if not -weight.shape[0] <= padding_idx < weight.shape[0]:
        raise _fail(
            OutOfBoundsError,
            f"embedding: padding_idx {padding_idx} is out of range for {weight.shape[0]} rows",
        )
    is_padding = expand_dims(asarray(indices) == padding_idx % weight.shape[0], axis=-1)
    return _ops.where(is_padding, rows.detach(), rows)

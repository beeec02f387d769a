"""Functions of neural networks with PyTorch's names and arguments."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .. import _functional, _ops
from .._core import Tensor
from .._creation import _fail, asarray
from .._errors import DTypeError, ShapeError
from .._functional import (
    adaptive_avg_pool2d,
    avg_pool2d,
    batch_norm,
    binary_cross_entropy_with_logits,
    conv2d,
    dropout,
    elu,
    l1_loss,
    layer_norm,
    leaky_relu,
    linear,
    log_softmax,
    max_pool2d,
    mse_loss,
    scaled_dot_product_attention,
    softmax,
)
from .._manipulation import expand_dims, moveaxis, one_hot, reshape, take
from .._manipulation import pad as _pad
from .._ops import relu, sigmoid, silu, softplus, tanh
from .._reductions import sum

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
        ValueError: ``approximate`` is neither "none" nor "tanh".
    """
    if approximate == "none":
        return _ops.gelu(x)
    if approximate != "tanh":
        raise ValueError(f'gelu: approximate has to be "none" or "tanh", not {approximate!r}')
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
    is_padding = expand_dims(asarray(indices) == padding_idx % weight.shape[0], axis=-1)
    return _ops.where(is_padding, rows.detach(), rows)


def _class_rows(scores: Tensor, target: Tensor, name: str) -> tuple[Tensor, Tensor]:
    """Scores [rows, C] and classes [rows] of [N, C, ...] with [N, ...], or [C] with []."""
    places = (*scores.shape[:1], *scores.shape[2:]) if scores.ndim > 1 else ()
    if scores.ndim == 0 or target.shape != places:
        raise _fail(
            ShapeError,
            f"{name}: scores [N, C, ...] of shape {scores.shape} need a target "
            f"of shape {places}, not {target.shape}",
        )
    if target.dtype.kind != "integer":
        raise _fail(
            DTypeError,
            f"{name}: the target has dtype {target.dtype.name}, but class numbers are integers",
        )
    classes = scores.shape[1] if scores.ndim > 1 else scores.shape[0]
    last = moveaxis(scores, 1, -1) if scores.ndim > 2 else scores
    # As int64, so that every ignore_index can be compared.
    numbers = reshape(target, (target._size,)).astype("int64")
    return reshape(last, (target._size, classes)), numbers


def _reduced_rows(
    losses: Tensor,
    target: Tensor,
    counted: Tensor,
    weight: Tensor | None,
    reduction: str,
    shape: tuple[int, ...],
    name: str,
) -> Tensor:
    """Losses of rows, weighted by class and without ignored rows, reduced."""
    losses = _ops.where(counted, losses, 0.0)
    if weight is not None:
        losses = losses * _ops.where(counted, take(weight, target, axis=0), 0.0)
    if reduction == "none":
        return reshape(losses, shape)
    if reduction == "sum":
        return sum(losses)
    if reduction != "mean":
        raise _fail(
            ShapeError, f'{name}: reduction is {reduction!r}, but has to be "mean", "sum" or "none"'
        )
    shares = (
        counted.astype(losses.dtype)
        if weight is None
        else _ops.where(counted, take(weight, target, axis=0), 0.0)
    )
    return sum(losses) / sum(shares)


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """-log_softmax(input) at the target classes.

    Args:
        input: floating logits [N, C, ...] or [C].
        target: class numbers [N, ...] or [], or probabilities of the logits' shape (floating).
        weight: a factor for each class [C]; "mean" then divides by the factors' sum.
        ignore_index: rows with this target count for nothing.
        reduction: "mean", "sum" or "none".

    Raises:
        ShapeError: the shapes do not fit. DTypeError: the target is of bool dtype.
    """
    input, target = asarray(input), asarray(target)
    if target.dtype.kind == "floating":
        return _soft_cross_entropy(input, target, weight, reduction, label_smoothing)
    rows, classes = _class_rows(input, target, "cross_entropy")
    counted = classes != ignore_index
    classes = _ops.where(counted, classes, 0)
    losses = _functional.cross_entropy(rows, classes, reduction="none")
    if label_smoothing == 0.0:
        return _reduced_rows(
            losses, classes, counted, weight, reduction, target.shape, "cross_entropy"
        )
    smooth = -log_softmax(rows, -1)
    smooth = _reduced_smooth(smooth, weight, counted)
    kept = _reduced_rows(losses, classes, counted, weight, "none", (target._size,), "cross_entropy")
    mixed = kept * (1.0 - label_smoothing) + smooth * (label_smoothing / rows.shape[1])
    if reduction != "mean":
        return reshape(mixed, target.shape) if reduction == "none" else sum(mixed)
    shares = counted.astype(mixed.dtype) if weight is None else take(weight, classes, axis=0)
    return sum(mixed) / sum(_ops.where(counted, shares, 0.0))


def _reduced_smooth(losses: Tensor, weight: Tensor | None, counted: Tensor) -> Tensor:
    """The classes' losses of each row, summed with their weights."""
    return _ops.where(counted, sum(losses if weight is None else losses * weight, axis=-1), 0.0)


def _soft_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None, reduction: str, label_smoothing: float
) -> Tensor:
    if target.shape != input.shape:
        raise _fail(
            ShapeError,
            f"cross_entropy: probabilities of shape {target.shape} for logits "
            f"of shape {input.shape}",
        )
    axis = 1 if input.ndim > 1 else 0
    classes = input.shape[axis]
    if label_smoothing:
        target = target * (1.0 - label_smoothing) + label_smoothing / classes
    losses = -log_softmax(input, axis) * target
    if weight is not None:
        losses = losses * reshape(weight, [-1 if i == axis else 1 for i in range(input.ndim)])
    rows = sum(losses, axis=axis)
    if reduction == "mean":
        return sum(rows) / _functional.at_least_one(rows._size)
    return rows if reduction == "none" else sum(rows)


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """-input at the target classes; input [N, C, ...] are logarithms of probabilities.

    See `cross_entropy` for the other arguments.
    """
    input, target = asarray(input), asarray(target)
    rows, classes = _class_rows(input, target, "nll_loss")
    counted = classes != ignore_index
    classes = _ops.where(counted, classes, 0)
    losses = -sum(rows * one_hot(classes, rows.shape[1], dtype=rows.dtype), axis=-1)
    return _reduced_rows(losses, classes, counted, weight, reduction, target.shape, "nll_loss")

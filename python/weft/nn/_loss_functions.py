"""Losses, with PyTorch's names and arguments."""

from __future__ import annotations

import math

from .. import _core, _ops
from .._core import Tensor
from .._creation import _fail, _iota, asarray
from .._dtypes import int64
from .._errors import DTypeError, OptionError, ShapeError
from .._functional import at_least_one, log_softmax
from .._manipulation import expand_dims, moveaxis, reshape, take, without_negative
from .._reductions import mean, sum


def check_reduction(reduction: object, name: str) -> None:
    """Raises OptionError unless it is one of PyTorch's three."""
    if reduction not in ("mean", "sum", "none"):
        raise _fail(
            OptionError,
            f'{name}: reduction is {reduction!r}, but has to be "mean", "sum" or "none"',
        )


# Of elements ---------------------------------------------------------------------------------


def _pair(input: Tensor, target: Tensor, name: str) -> tuple[Tensor, Tensor]:
    """Both as tensors, which have to be of one shape: none is broadcast."""
    x, y = asarray(input), asarray(target)
    if x.shape != y.shape:
        raise _fail(
            ShapeError,
            f"{name}: the input has shape {x.shape}, the target {y.shape}; they have to be equal",
        )
    if x.dtype.kind != "floating":
        raise _fail(
            DTypeError,
            f"{name}: the input has dtype {x.dtype.name}, but has to be floating; convert it by "
            "astype(weft.float32)",
        )
    return x, y


def _reduced(losses: Tensor, reduction: str, name: str) -> Tensor:
    check_reduction(reduction, name)
    if reduction == "none":
        return losses
    return mean(losses) if reduction == "mean" else sum(losses)


def mse_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """The squared difference of two tensors of one shape.

    Raises:
        ShapeError: the shapes differ. OptionError: there is no such reduction.
    """
    x, y = _pair(input, target, "mse_loss")
    difference = x - y
    return _reduced(difference * difference, reduction, "mse_loss")


def l1_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """The absolute difference of two tensors of one shape.

    Raises:
        ShapeError: the shapes differ. OptionError: there is no such reduction.
    """
    x, y = _pair(input, target, "l1_loss")
    return _reduced(_ops.abs(x - y), reduction, "l1_loss")


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """The cross entropy of sigmoid(input) and the target, both of one shape.

    Args:
        weight: a factor for each loss, broadcast.
        pos_weight: a factor for the share of the positive class, broadcast.

    Raises:
        ShapeError: the shapes differ. OptionError: there is no such reduction.
    """
    name = "binary_cross_entropy_with_logits"
    x, y = _pair(input, target, name)
    # log(1 + exp(-|x|)) keeps its digits where the loss is small.
    small = _ops.log1p(_ops.exp(-_ops.abs(x)))
    losses: Tensor
    if pos_weight is None:
        losses = _ops.maximum(x, 0.0) - x * y + small
    else:
        positive = asarray(pos_weight) * y
        losses = (-y + 1.0) * (_ops.maximum(x, 0.0) + small) + positive * (
            _ops.maximum(-x, 0.0) + small
        )
    if weight is not None:
        losses = losses * asarray(weight)
    return _reduced(losses, reduction, name)


# Of classes ----------------------------------------------------------------------------------


def _class_rows(
    scores: Tensor, target: Tensor, ignore_index: int, name: str
) -> tuple[Tensor, Tensor, Tensor]:
    """Scores [rows, C], which rows count, and their classes, of [N, C, ...] with [N, ...].

    Or of [C] with []. Rows that do not count get class 0.
    """
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
    if scores.dtype.kind != "floating":
        raise _fail(
            DTypeError,
            f"{name}: the input has dtype {scores.dtype.name}, but has to be floating; convert it "
            "by astype(weft.float32)",
        )
    classes = scores.shape[1] if scores.ndim > 1 else scores.shape[0]
    last = moveaxis(scores, 1, -1) if scores.ndim > 2 else scores
    # As int64, so that every ignore_index can be compared.
    numbers = reshape(target, (target._size,)).astype("int64")
    counted = numbers != ignore_index
    chosen = without_negative(_ops.where(counted, numbers, 0), classes, name, "class")
    return reshape(last, (target._size, classes)), counted, chosen


def _class_weights(weight: Tensor, scores: Tensor, name: str) -> Tensor:
    result = asarray(weight)
    classes = scores.shape[1 if scores.ndim > 1 else 0] if scores.ndim else 1
    if result.shape != (classes,):
        raise _fail(
            ShapeError,
            f"{name}: the weight has shape {result.shape}, but has to have one factor for each of "
            f"{classes} classes",
        )
    return result


def _picked(rows: Tensor, classes: Tensor) -> Tensor:
    """The element of each row [rows, C] at its class; NaN where that is out of range."""
    size = rows.shape[1]
    own = expand_dims(classes, axis=1)
    is_class = _iota((1, size), 1, int64, rows.device) == own
    picked = sum(_ops.where(is_class, rows, 0.0), axis=-1)
    return _ops.where(classes < size, picked, math.nan)


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
    check_reduction(reduction, name)
    losses = _ops.where(counted, losses, 0.0)
    shares = counted.astype(losses.dtype)
    if weight is not None:
        shares = _ops.where(counted, take(weight, target, axis=0), 0.0)
        losses = losses * shares
    if reduction == "none":
        return reshape(losses, shape)
    return sum(losses) if reduction == "sum" else sum(losses) / sum(shares)


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
        OutOfBoundsError: a class is out of range. In a compiled function the loss is NaN.
        OptionError: there is no such reduction.
    """
    input, target = asarray(input), asarray(target)
    weight = None if weight is None else _class_weights(weight, input, "cross_entropy")
    check_reduction(reduction, "cross_entropy")
    if target.dtype.kind == "floating":
        return _soft_cross_entropy(input, target, weight, reduction, label_smoothing)
    rows, counted, classes = _class_rows(input, target, ignore_index, "cross_entropy")
    losses = _core.apply("weft.cross_entropy", (rows, classes))
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
        return sum(rows) / at_least_one(rows._size)
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
    weight = None if weight is None else _class_weights(weight, input, "nll_loss")
    rows, counted, classes = _class_rows(input, target, ignore_index, "nll_loss")
    losses = -_picked(rows, classes)
    return _reduced_rows(losses, classes, counted, weight, reduction, target.shape, "nll_loss")

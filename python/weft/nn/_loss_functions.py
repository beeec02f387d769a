"""Losses, with PyTorch's names and arguments: of elements, and of classes.

Losses of elements are computed in float32 for float16 and bfloat16, and rounded once.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from .. import _core, _ops
from .._autocast import wide
from .._core import Tensor
from .._creation import _fail, _iota, asarray
from .._dtypes import int64
from .._errors import DTypeError, OptionError, ShapeError
from .._functional import at_least_one, log_softmax
from .._manipulation import astype, expand_dims, moveaxis, reshape, take, without_negative
from .._reductions import mean, sum
from .._windows import floating, widened
from ._precision import narrowed_loss

REDUCTIONS = ("mean", "sum", "none")


def check_reduction(reduction: object, name: str, allowed: tuple[str, ...] = REDUCTIONS) -> None:
    """Raises OptionError unless it is one of those that are allowed."""
    if reduction not in allowed:
        words = ", ".join(f'"{word}"' for word in allowed[:-1]) + f' or "{allowed[-1]}"'
        raise _fail(OptionError, f"{name}: reduction is {reduction!r}, but has to be {words}")


def chosen_reduction(
    reduction: str,
    size_average: bool | None,
    reduce: bool | None,
    name: str,
    allowed: tuple[str, ...] = REDUCTIONS,
) -> str:
    """``reduction``, or what PyTorch's older arguments say in its place.

    Raises:
        OptionError: there is no such reduction, or an older argument is neither a bool nor None.
    """
    for argument, value in (("size_average", size_average), ("reduce", reduce)):
        if value is not None and not isinstance(value, bool):
            raise _fail(
                OptionError,
                f"{name}: {argument} is {value!r}, but has to be None, as reduction= takes its "
                "place, or a bool",
            )
    if size_average is None and reduce is None:
        check_reduction(reduction, name, allowed)
        return reduction
    if reduce is False:
        return "none"
    return "sum" if size_average is False else "mean"


def reduced(losses: Tensor, reduction: str) -> Tensor:
    """Losses, their mean or their sum."""
    if reduction == "none":
        return losses
    return mean(losses) if reduction == "mean" else sum(losses)


# Of elements ---------------------------------------------------------------------------------


def floating_pair(input: Tensor, target: Tensor, name: str) -> tuple[Tensor, Tensor]:
    """Both as floating tensors, which have to be of one shape: none is broadcast."""
    x, y = asarray(input), asarray(target)
    if x.shape != y.shape:
        raise _fail(
            ShapeError,
            f"{name}: the input has shape {x.shape}, the target {y.shape}; they have to be equal",
        )
    x = wide(floating(x, name))
    return x, wide(as_float_beside(x, y))


def as_float_beside(x: Tensor, target: Tensor) -> Tensor:
    """A target of integers or bools in the dtype of x."""
    return target if target.dtype.kind == "floating" else astype(target, x.dtype)


def loss_of_elements(
    name: str,
    input: Tensor,
    target: Tensor,
    reduction: str,
    formula: Callable[[Tensor, Tensor], Tensor],
    weight: Tensor | None = None,
) -> Tensor:
    """The formula of both, times the weight, reduced.

    Raises:
        ShapeError: the shapes differ. DTypeError: the input is not floating.
    """
    x, y = floating_pair(input, target, name)
    losses = formula(widened(x), widened(y))
    if weight is not None:
        losses = losses * widened(weight)
    return narrowed_loss(reduced(losses, reduction), x, y, weight)


def _own_weight(weight: Tensor | None, input: Tensor, name: str) -> Tensor | None:
    """A weight for each element. Raises ShapeError."""
    factors = None if weight is None else asarray(weight)
    if factors is not None and factors.shape != asarray(input).shape:
        raise _fail(
            ShapeError,
            f"{name}: the weight has shape {factors.shape}, but has to have that of the input, "
            f"{asarray(input).shape}",
        )
    return factors


def _weighted_mean(
    name: str,
    input: Tensor,
    target: Tensor,
    reduction: str,
    formula: Callable[[Tensor, Tensor], Tensor],
    weight: Tensor | None,
) -> Tensor:
    """As `loss_of_elements`, but "mean" is over the sum of the weights."""
    factors = _own_weight(weight, input, name)
    if factors is None or reduction != "mean":
        return loss_of_elements(name, input, target, reduction, formula, factors)
    x, y = floating_pair(input, target, name)
    shares = widened(factors)
    losses = formula(widened(x), widened(y)) * shares
    return narrowed_loss(sum(losses) / sum(shares), x, y, factors)


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """The squared difference of two tensors of one shape.

    Args:
        size_average, reduce: PyTorch's older names of the reductions; see ``reduction``.
        reduction: "mean", "sum" or "none".
        weight: a factor for each loss, of the same shape; "mean" then divides by their sum.

    Raises:
        ShapeError: the shapes differ. DTypeError: the input is not floating. OptionError: there is
            no such reduction.
    """
    reduction = chosen_reduction(reduction, size_average, reduce, "mse_loss")

    def squared(x: Tensor, y: Tensor) -> Tensor:
        difference = x - y
        return difference * difference

    return _weighted_mean("mse_loss", input, target, reduction, squared, weight)


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """The absolute difference of two tensors of one shape; see `mse_loss` for the arguments."""
    reduction = chosen_reduction(reduction, size_average, reduce, "l1_loss")
    return _weighted_mean("l1_loss", input, target, reduction, lambda x, y: _ops.abs(x - y), weight)


def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """The absolute difference minus beta / 2; below beta a parabola, as `huber_loss` over beta.

    See `mse_loss` for the other arguments.

    Raises:
        OptionError: ``beta`` is negative, or there is no such reduction.
    """
    name = "smooth_l1_loss"
    reduction = chosen_reduction(reduction, size_average, reduce, name)
    if beta < 0:
        raise _fail(OptionError, f"{name}: beta is {beta}, but must not be negative")

    def smooth(x: Tensor, y: Tensor) -> Tensor:
        distance = _ops.abs(x - y)
        if beta == 0:
            return distance
        near = distance < beta
        # Far away the square may overflow.
        inner = _ops.where(near, distance, 0.0)
        return _ops.where(near, inner / beta * inner * 0.5, distance - 0.5 * beta)

    return loss_of_elements(name, input, target, reduction, smooth)


def huber_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """Half the squared difference up to delta, beyond it a line of slope delta (Huber, 1964).

    Args:
        weight: a factor for each loss, of the same shape; "mean" does not divide by their sum.

    Raises:
        ShapeError: the shapes differ. DTypeError: the input is not floating. OptionError: ``delta``
            is not positive, or there is no such reduction.
    """
    name = "huber_loss"
    check_reduction(reduction, name)
    if not delta > 0:
        raise _fail(OptionError, f"{name}: delta is {delta}, but has to be positive")

    def huber(x: Tensor, y: Tensor) -> Tensor:
        distance = _ops.abs(x - y)
        near = distance <= delta
        # Far away the square may overflow.
        inner = _ops.where(near, distance, 0.0)
        return _ops.where(near, inner * inner * 0.5, (distance - 0.5 * delta) * delta)

    factors = _own_weight(weight, input, name)
    return loss_of_elements(name, input, target, reduction, huber, factors)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """The cross entropy of sigmoid(input) and the target, both of one shape.

    Args:
        weight: a factor for each loss, broadcast.
        pos_weight: a factor for the share of the positive class, broadcast.

    See `mse_loss` for the other arguments.
    """
    name = "binary_cross_entropy_with_logits"
    reduction = chosen_reduction(reduction, size_average, reduce, name)

    def entropy(x: Tensor, y: Tensor) -> Tensor:
        # log(1 + exp(-|x|)) keeps its digits where the loss is small.
        small = _ops.log1p(_ops.exp(-_ops.abs(x)))
        if pos_weight is None:
            return _ops.maximum(x, 0.0) - x * y + small
        positive = widened(asarray(pos_weight)) * y
        return (-y + 1.0) * (_ops.maximum(x, 0.0) + small) + positive * (
            _ops.maximum(-x, 0.0) + small
        )

    factors = None if weight is None else asarray(weight)
    return loss_of_elements(name, input, target, reduction, entropy, factors)


# Of classes ----------------------------------------------------------------------------------


def class_rows(scores: Tensor, target: Tensor, name: str) -> tuple[Tensor, Tensor]:
    """Scores [rows, C] and their classes [rows] (int64), of [N, C, ...] with [N, ...].

    Or of [C] with []. Raises ShapeError and DTypeError, naming the function.
    """
    places = (*scores.shape[:1], *scores.shape[2:]) if scores.ndim > 1 else ()
    if scores.ndim == 0 or target.shape != places:
        raise _fail(
            ShapeError,
            f"{name}: scores [N, C, ...] of shape {scores.shape} need a target "
            f"of shape {places}, not {target.shape}",
        )
    floating(scores, name)
    classes = scores.shape[1] if scores.ndim > 1 else scores.shape[0]
    last = moveaxis(scores, 1, -1) if scores.ndim > 2 else scores
    numbers = class_numbers(target, name)
    return reshape(last, (target._size, classes)), reshape(numbers, (target._size,))


def class_numbers(target: Tensor, name: str) -> Tensor:
    """Classes as int64. Raises DTypeError, naming the function."""
    if target.dtype.kind != "integer":
        raise _fail(
            DTypeError,
            f"{name}: the target has dtype {target.dtype.name}, but class numbers are integers",
        )
    return astype(target, int64, copy=False)


def _counted_rows(
    scores: Tensor, target: Tensor, ignore_index: int, name: str
) -> tuple[Tensor, Tensor, Tensor]:
    """As `class_rows`, with which rows count in between; those that do not get class 0."""
    rows, numbers = class_rows(scores, target, name)
    counted = numbers != ignore_index
    chosen = _ops.where(counted, numbers, 0)
    return rows, counted, without_negative(chosen, rows.shape[1], name, "class")


def class_weights(weight: Tensor, scores: Tensor, name: str) -> Tensor:
    """A factor for each class of scores [N, C, ...] or [C]. Raises ShapeError for others."""
    result = asarray(weight)
    classes = scores.shape[1 if scores.ndim > 1 else 0] if scores.ndim else 1
    if result.shape != (classes,):
        raise _fail(
            ShapeError,
            f"{name}: the weight has shape {result.shape}, but has to have one factor for each of "
            f"{classes} classes",
        )
    return result


def picked(rows: Tensor, classes: Tensor) -> Tensor:
    """The element of each row [..., C] at its class [...]; NaN where that is out of range."""
    size = rows.shape[-1]
    is_class = class_range(rows) == expand_dims(classes, axis=-1)
    values = sum(_ops.where(is_class, rows, 0.0), axis=-1)
    return _ops.where(classes < size, values, math.nan)


def class_range(rows: Tensor) -> Tensor:
    """The numbers of the classes of rows [..., C]: [C]."""
    return _iota(rows.shape[-1:], 0, int64, rows.device)


def _reduced_rows(
    losses: Tensor,
    target: Tensor,
    counted: Tensor,
    weight: Tensor | None,
    reduction: str,
    shape: tuple[int, ...],
) -> Tensor:
    """Losses of rows, weighted by class and without ignored rows, reduced."""
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
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """-log_softmax(input) at the target classes.

    Args:
        input: floating logits [N, C, ...] or [C].
        target: class numbers [N, ...] or [], or probabilities of the logits' shape (floating).
        weight: a factor for each class [C]; "mean" then divides by the factors' sum.
        size_average, reduce: PyTorch's older names of the reductions; see ``reduction``.
        ignore_index: rows with this target count for nothing.
        reduction: "mean", "sum" or "none".

    Raises:
        ShapeError: the shapes do not fit. DTypeError: the target is of bool dtype.
        OutOfBoundsError: a class is out of range. In a compiled function the loss is NaN.
        OptionError: there is no such reduction.
    """
    input, target = asarray(input), asarray(target)
    weight = None if weight is None else class_weights(weight, input, "cross_entropy")
    reduction = chosen_reduction(reduction, size_average, reduce, "cross_entropy")
    if target.dtype.kind == "floating":
        return _soft_cross_entropy(input, target, weight, reduction, label_smoothing)
    rows, counted, classes = _counted_rows(input, target, ignore_index, "cross_entropy")
    losses = _core.apply("weft.cross_entropy", (rows, classes))
    if label_smoothing == 0.0:
        return _reduced_rows(losses, classes, counted, weight, reduction, target.shape)
    smooth = -log_softmax(rows, -1)
    smooth = _reduced_smooth(smooth, weight, counted)
    kept = _reduced_rows(losses, classes, counted, weight, "none", (target._size,))
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
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-input at the target classes; input [N, C, ...] are logarithms of probabilities.

    See `cross_entropy` for the other arguments.
    """
    input, target = asarray(input), asarray(target)
    weight = None if weight is None else class_weights(weight, input, "nll_loss")
    reduction = chosen_reduction(reduction, size_average, reduce, "nll_loss")
    rows, counted, classes = _counted_rows(input, target, ignore_index, "nll_loss")
    losses = -picked(rows, classes)
    return _reduced_rows(losses, classes, counted, weight, reduction, target.shape)

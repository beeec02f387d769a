"""Losses of pairs, triplets and labels with a margin, with PyTorch's names and arguments.

They are computed in float32 for float16 and bfloat16, and rounded once.
"""

from __future__ import annotations

from collections.abc import Callable

from .. import _ops
from .._core import Tensor
from .._creation import _fail, asarray
from .._errors import OptionError, ShapeError
from .._manipulation import clip, expand_dims, reshape, take, without_negative
from .._reductions import any, cumulative_sum, mean, sum
from .._windows import floating, widened
from ._distances import pairwise_distance
from ._loss_functions import (
    as_float_beside,
    check_reduction,
    chosen_reduction,
    class_numbers,
    class_range,
    class_rows,
    class_weights,
    loss_of_elements,
    picked,
    reduced,
)
from ._precision import narrowed_loss

#: Added to the squared lengths of `cosine_embedding_loss`.
_LEAST_SQUARE = 1e-12

# Of elements and pairs -----------------------------------------------------------------------


def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The input where the target is 1, max(margin - input, 0) where it is -1, else their sum.

    Args:
        input, target: of one shape.
        size_average, reduce: PyTorch's older names of the reductions; see ``reduction``.
        reduction: "mean", "sum" or "none".

    Raises:
        ShapeError: the shapes differ. DTypeError: the input is not floating. OptionError: there is
            no such reduction.
    """
    name = "hinge_embedding_loss"
    reduction = chosen_reduction(reduction, size_average, reduce, name)

    def hinge(x: Tensor, y: Tensor) -> Tensor:
        apart = _ops.where(y != 1, clip(-x + margin, min=0.0), 0.0)
        return apart + _ops.where(y != -1, x, 0.0)

    return loss_of_elements(name, input, target, reduction, hinge)


def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """log(1 + exp(-target * input)), without overflow, of targets 1 and -1.

    See `hinge_embedding_loss` for the arguments.
    """
    name = "soft_margin_loss"
    reduction = chosen_reduction(reduction, size_average, reduce, name)
    return loss_of_elements(name, input, target, reduction, lambda x, y: _ops.softplus(-y * x))


def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(margin - target * (input1 - input2), 0), of targets 1 and -1.

    Args:
        input1, input2, target: of one number of dimensions; their shapes are broadcast.
        size_average, reduce: PyTorch's older names of the reductions; see ``reduction``.
        reduction: "mean", "sum" or "none".

    Raises:
        ShapeError: the shapes do not fit. DTypeError: an input is not floating. OptionError: there
            is no such reduction.
    """
    name = "margin_ranking_loss"
    reduction = chosen_reduction(reduction, size_average, reduce, name)
    x1, x2 = floating(input1, name), floating(input2, name)
    y = as_float_beside(x1, asarray(target))
    _check_ranks(name, x1, x2, y)
    losses = clip(widened(y) * (widened(x2) - widened(x1)) + margin, min=0.0)
    return narrowed_loss(reduced(losses, reduction), x1, x2, y)


def _check_ranks(name: str, *tensors: Tensor) -> None:
    if len({x.ndim for x in tensors}) > 1:
        shapes = ", ".join(str(x.shape) for x in tensors)
        raise _fail(ShapeError, f"{name}: shapes {shapes} need one number of dimensions")


def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """1 - cos of vectors where the target is 1, max(cos - margin, 0) where it is -1, else 0.

    Args:
        input1, input2: floating [N, D] or [D].
        target: [N] or [].
        size_average, reduce: PyTorch's older names of the reductions; see ``reduction``.
        reduction: "mean", "sum" or "none".

    Raises:
        ShapeError: the shapes do not fit. DTypeError: an input is not floating. OptionError: there
            is no such reduction.
    """
    name = "cosine_embedding_loss"
    reduction = chosen_reduction(reduction, size_average, reduce, name)
    first, second = floating(input1, name), floating(input2, name)
    y = asarray(target)
    if y.ndim > 1 or {first.ndim, second.ndim} != {y.ndim + 1}:
        raise _fail(
            ShapeError,
            f"{name}: inputs of shapes {first.shape} and {second.shape} with a target of shape "
            f"{y.shape} have to be [N, D] with [N], or [D] with []",
        )
    x1, x2 = widened(first), widened(second)
    lengths = [_ops.sqrt(sum(x * x, axis=-1) + _LEAST_SQUARE) for x in (x1, x2)]
    cosine = sum(x1 * x2, axis=-1) / (lengths[0] * lengths[1])
    losses = _ops.where(y == 1, 1.0 - cosine, 0.0)
    losses = losses + _ops.where(y == -1, clip(cosine - margin, min=0.0), 0.0)
    return narrowed_loss(reduced(losses, reduction), first, second)


# Of triplets ---------------------------------------------------------------------------------


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """max(d(anchor, positive) - d(anchor, negative) + margin, 0) of a distance d.

    Args:
        anchor, positive, negative: of one number of dimensions.
        distance_function: of two of them; None: `pairwise_distance`.
        margin: positive.
        swap: d(positive, negative) counts where it is less than d(anchor, negative) (Balntas et
            al., 2016).
        reduction: "mean", "sum" or "none".

    Raises:
        ShapeError: the shapes do not fit. DTypeError: an input is not floating. OptionError: the
            margin is not positive, or there is no such reduction.
    """
    name = "triplet_margin_with_distance_loss"
    check_reduction(reduction, name)
    distance = pairwise_distance if distance_function is None else distance_function
    return _triplet_loss(name, (anchor, positive, negative), distance, margin, swap, reduction)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """`triplet_margin_with_distance_loss` of `pairwise_distance` with p and eps: of [..., D].

    Args:
        size_average, reduce: PyTorch's older names of the reductions; see ``reduction``.

    See there for the other arguments, and for what it raises.
    """
    name = "triplet_margin_loss"
    reduction = chosen_reduction(reduction, size_average, reduce, name)

    def distance(x1: Tensor, x2: Tensor) -> Tensor:
        return pairwise_distance(x1, x2, p, eps)

    return _triplet_loss(name, (anchor, positive, negative), distance, margin, swap, reduction)


def _triplet_loss(
    name: str,
    triplet: tuple[Tensor, Tensor, Tensor],
    distance: Callable[[Tensor, Tensor], Tensor],
    margin: float,
    swap: bool,
    reduction: str,
) -> Tensor:
    if not margin > 0:
        raise _fail(OptionError, f"{name}: margin is {margin}, but has to be positive")
    originals = [floating(x, name) for x in triplet]
    _check_ranks(name, *originals)
    anchor, positive, negative = (widened(x) for x in originals)
    apart = distance(anchor, negative)
    if swap:
        apart = _ops.minimum(apart, distance(positive, negative))
    losses = clip(distance(anchor, positive) - apart + margin, min=0.0)
    return narrowed_loss(reduced(losses, reduction), *originals)


# Of labels -----------------------------------------------------------------------------------


def _score_rows(name: str, input: Tensor) -> Tensor:
    """Scores [N, C] or [C]. Raises ShapeError and DTypeError."""
    scores = floating(input, name)
    if scores.ndim not in (1, 2) or scores.shape[-1] == 0:
        raise _fail(
            ShapeError,
            f"{name}: the input has shape {scores.shape}, but has to be [N, C] or [C] with a class "
            "at least",
        )
    return scores


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The mean over the classes of max(margin - own + other, 0) to the power of p.

    "own" is the score of the target's class, for which itself the loss is 0.

    Args:
        input: floating scores [N, C] or [C].
        target: class numbers [N] or [].
        p: 1 or 2.
        weight: a factor for each class [C].
        size_average, reduce: PyTorch's older names of the reductions; see ``reduction``.
        reduction: "mean", "sum" or "none".

    Raises:
        ShapeError: the shapes do not fit. DTypeError: the input is not floating, or the target not
            of integers. OutOfBoundsError: a class is out of range. In a compiled function the loss
            is NaN. OptionError: p is another number, or there is no such reduction.
    """
    name = "multi_margin_loss"
    reduction = chosen_reduction(reduction, size_average, reduce, name)
    if p not in (1, 2):
        raise _fail(OptionError, f"{name}: p is {p!r}, but has to be 1 or 2")
    scores, numbers = _score_rows(name, input), asarray(target)
    factors = None if weight is None else class_weights(weight, scores, name)
    rows, classes = class_rows(scores, numbers, name)
    rows = widened(rows)
    classes = without_negative(classes, rows.shape[1], name, "class")
    hinge = _ops.relu(margin - expand_dims(picked(rows, classes), axis=-1) + rows)
    powers = hinge if p == 1 else hinge * hinge
    own = class_range(rows) == expand_dims(classes, axis=-1)
    losses = mean(_ops.where(own, 0.0, powers), axis=-1)
    if factors is not None:
        losses = losses * take(widened(factors), classes, axis=0)
    return narrowed_loss(reduced(reshape(losses, numbers.shape), reduction), scores, factors)


def multilabel_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The sum of max(1 - own + other, 0) over the labels' scores and those of the other classes.

    Args:
        input: floating scores [N, C] or [C]; the sum is over C.
        target: of the same shape: the labels of each row, up to the first negative number.
        size_average, reduce: PyTorch's older names of the reductions; see ``reduction``.
        reduction: "mean", "sum" or "none".

    Raises:
        ShapeError: the shapes do not fit. DTypeError: the input is not floating, or the target not
            of integers. OutOfBoundsError: a label is out of range. In a compiled function the loss
            is NaN. OptionError: there is no such reduction.
    """
    name = "multilabel_margin_loss"
    reduction = chosen_reduction(reduction, size_average, reduce, name)
    scores, numbers = _score_rows(name, input), class_numbers(asarray(target), name)
    if numbers.shape != scores.shape:
        raise _fail(
            ShapeError,
            f"{name}: the input has shape {scores.shape}, the target {numbers.shape}; they have to "
            "be equal",
        )
    classes = scores.shape[-1]
    listed = cumulative_sum(numbers < 0, axis=-1) == 0
    labels = without_negative(_ops.where(listed, numbers, 0), classes, name, "label")
    rows = expand_dims(widened(scores), axis=-2)
    is_listed = expand_dims(listed, axis=-1)
    is_label = (class_range(scores) == expand_dims(labels, axis=-1)) & is_listed
    hinge = _ops.relu(1.0 - expand_dims(picked(rows, labels), axis=-1) + rows)
    counted = is_listed & ~any(is_label, axis=-2, keepdims=True)
    losses = sum(_ops.where(counted, hinge, 0.0), axis=(-2, -1)) / classes
    return narrowed_loss(reduced(losses, reduction), scores)


def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The mean over the last dimension of the cross entropies of sigmoid(input) and the target.

    Args:
        input, target: of one shape [..., C].
        weight: a factor for each cross entropy, broadcast.
        size_average, reduce: PyTorch's older names of the reductions; see ``reduction``.
        reduction: "mean", "sum" or "none".

    Raises:
        ShapeError: the shapes differ, or there is no dimension. DTypeError: the input is not
            floating. OptionError: there is no such reduction.
    """
    name = "multilabel_soft_margin_loss"
    reduction = chosen_reduction(reduction, size_average, reduce, name)
    if asarray(input).ndim == 0:
        raise _fail(ShapeError, f"{name}: the input has shape (), but has to be [..., C]")

    def entropies(x: Tensor, y: Tensor) -> Tensor:
        losses = y * _ops.softplus(-x) + (1.0 - y) * _ops.softplus(x)
        return mean(losses if weight is None else losses * widened(asarray(weight)), axis=-1)

    return loss_of_elements(name, input, target, reduction, entropies)

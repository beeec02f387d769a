"""Losses between distributions, with PyTorch's names and arguments.

They are computed in float32 for float16 and bfloat16, and rounded once.
"""

from __future__ import annotations

import math

from .. import _ops
from .._core import Tensor
from .._creation import _fail, asarray, full
from .._errors import OptionError, ShapeError
from .._manipulation import expand_dims
from .._windows import floating, widened
from ._distances import at_least
from ._loss_functions import (
    REDUCTIONS,
    as_float_beside,
    check_reduction,
    chosen_reduction,
    loss_of_elements,
    reduced,
)
from ._precision import narrowed_loss

#: What PyTorch limits the cross entropy of probabilities by: the logarithms, and what the
#: derivative is over.
_LEAST_LOGARITHM, _LEAST_SPREAD = -100.0, 1e-12


def _bounded_logarithms(x: Tensor) -> tuple[Tensor, Tensor]:
    """log(x) and log(1 - x), at least -100; their derivatives are (1 - x) / d and -x / d with d of
    x * (1 - x), but at least 1e-12. NaN where x is not in [0, 1]."""
    inside = x * (1.0 - x) > _LEAST_SPREAD
    middle = _ops.where(inside, x, 0.5)
    # Towards the ends a line through the value, of which the step is 0 but not its derivative.
    end = _ops.stop_gradient(x)
    step = (x - end) / _LEAST_SPREAD
    logarithm = _ops.maximum(_ops.log(end), _LEAST_LOGARITHM) + step * (1.0 - end)
    of_rest = _ops.maximum(_ops.log1p(-end), _LEAST_LOGARITHM) - step * end
    return (
        _ops.where(inside, _ops.log(middle), logarithm),
        _ops.where(inside, _ops.log1p(-middle), of_rest),
    )


def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-(target * log(input) + (1 - target) * log(1 - input)), with logarithms of at least -100.

    Args:
        input: probabilities; where one is not in [0, 1] the loss is NaN.
        target: of the input's shape.
        weight: a factor for each loss, broadcast.
        size_average, reduce: PyTorch's older names of the reductions; see ``reduction``.
        reduction: "mean", "sum" or "none".

    The derivative by the input is at most 1e12, as PyTorch's.

    Raises:
        ShapeError: the shapes differ. DTypeError: the input is not floating. OptionError: there is
            no such reduction.
    """
    name = "binary_cross_entropy"
    reduction = chosen_reduction(reduction, size_average, reduce, name)

    def entropy(x: Tensor, y: Tensor) -> Tensor:
        logarithm, of_rest = _bounded_logarithms(x)
        return (y - 1.0) * of_rest - y * logarithm

    factors = None if weight is None else asarray(weight)
    return loss_of_elements(name, input, target, reduction, entropy, factors)


def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """target * (log(target) - input), the divergence of Kullback and Leibler of each element.

    Args:
        input: logarithms of probabilities.
        target: probabilities, of the input's shape, or with ``log_target`` their logarithms.
        size_average, reduce: PyTorch's older names of the reductions; see ``reduction``.
        reduction: "mean" (over all elements), "batchmean" (over the first dimension, as the
            divergence is defined), "sum" or "none".

    At a target of 0 the derivative by it is that of -target * input.

    Raises:
        ShapeError: the shapes differ. DTypeError: the input is not floating. OptionError: there is
            no such reduction.
    """
    allowed = (*REDUCTIONS, "batchmean")
    reduction = chosen_reduction(reduction, size_average, reduce, "kl_div", allowed)

    def divergence(x: Tensor, y: Tensor) -> Tensor:
        if log_target:
            return _ops.exp(y) * (y - x)
        is_zero = y == 0
        return _ops.where(is_zero, 0.0, y * _ops.log(_ops.where(is_zero, 1.0, y))) - y * x

    if reduction != "batchmean":
        return loss_of_elements("kl_div", input, target, reduction, divergence)
    total = loss_of_elements("kl_div", input, target, "sum", divergence)
    return total / asarray(input).shape[0] if total.ndim < asarray(input).ndim else total


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-log of the probability of the target by Poisson's distribution, without log(target!).

    Args:
        input: the mean, or with ``log_input`` its logarithm.
        target: the number, of the input's shape.
        full: Stirling's approximation of log(target!) is added where the target is above 1.
        size_average, reduce: PyTorch's older names of the reductions; see ``reduction``.
        eps: added to the mean before its logarithm is taken.
        reduction: "mean", "sum" or "none".

    Raises:
        ShapeError: the shapes differ. DTypeError: the input is not floating. OptionError: there is
            no such reduction.
    """
    name = "poisson_nll_loss"
    reduction = chosen_reduction(reduction, size_average, reduce, name)

    def likelihood(x: Tensor, y: Tensor) -> Tensor:
        losses = _ops.exp(x) - y * x if log_input else x - y * _ops.log(x + eps)
        if not full:
            return losses
        counted = y > 1
        count = _ops.where(counted, y, 1.0)
        stirling = count * _ops.log(count) - count + _ops.log(count * (2.0 * math.pi)) * 0.5
        return losses + _ops.where(counted, stirling, 0.0)

    return loss_of_elements(name, input, target, reduction, likelihood)


def _variances(var: Tensor | float, x: Tensor) -> Tensor:
    """Variances that broadcast to x. Raises OptionError and ShapeError."""
    if not isinstance(var, Tensor) and isinstance(var, (int, float)):
        if var < 0:
            raise _fail(OptionError, f"gaussian_nll_loss: var is {var}, but must not be negative")
        return full(x.shape, var, dtype=x.dtype, device=x.device)
    variances = as_float_beside(x, asarray(var))
    if variances.shape == x.shape:
        return variances
    if variances.shape == x.shape[:-1]:
        return expand_dims(variances, axis=-1)
    pairs = list(zip(x.shape, variances.shape))
    differing = [own for size, own in pairs if own != size]
    if variances.ndim != x.ndim or differing != [1]:
        raise _fail(
            ShapeError,
            f"gaussian_nll_loss: var has shape {variances.shape}, but has to be that of the input, "
            f"{x.shape}, or that without its last dimension or with 1 for one of them",
        )
    return variances


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """-log of the density of the target by a normal distribution, without log(2 pi) / 2.

    Args:
        input: the mean.
        target: broadcasts with the input.
        var: the variance, which counts as ``eps`` at least, but with the derivative as if it did
            not; of the input's shape, or that without its last dimension or with 1 for one of them.
            Where it is negative the loss is NaN.
        full: log(2 pi) / 2 is added.
        reduction: "mean", "sum" or "none".

    Raises:
        ShapeError: the shapes do not fit. DTypeError: the input is not floating. OptionError: a
            number for the variance is negative, or there is no such reduction.
    """
    name = "gaussian_nll_loss"
    check_reduction(reduction, name)
    x = floating(input, name)
    y, variances = as_float_beside(x, asarray(target)), _variances(var, x)
    wide = widened(variances)
    spread = _ops.where(wide < 0, math.nan, at_least(wide, eps))
    difference = widened(x) - widened(y)
    losses = (_ops.log(spread) + difference * difference / spread) * 0.5
    if full:
        losses = losses + 0.5 * math.log(2.0 * math.pi)
    return narrowed_loss(reduced(losses, reduction), x, y, variances)

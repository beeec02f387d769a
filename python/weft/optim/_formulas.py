"""Formulas that several optimizers share."""

from __future__ import annotations

from typing import Any

from .. import _ops
from .._core import Tensor
from .._dtypes import float64
from ._groups import ParameterGroup


def mixed(kept: Tensor, new: Tensor, share: Any) -> Tensor:
    """``kept``, of which this share is replaced by ``new``."""
    return kept + (new - kept) * share


def mean_square(kept: Tensor, new: Tensor, share: Any) -> Tensor:
    """A mean of squares that keeps this share, the square of ``new`` added."""
    return kept * share + new * new * (1.0 - share)


def decayed(gradient: Tensor, value: Tensor, group: ParameterGroup) -> Tensor:
    """The gradient, with that of half the squares times the group's weight_decay."""
    weight_decay = group["weight_decay"]
    return gradient if weight_decay == 0 else gradient + value * weight_decay


def shrunk(value: Tensor, group: ParameterGroup, lr: Tensor) -> Tensor:
    """The parameter made smaller by lr * weight_decay."""
    weight_decay = group["weight_decay"]
    return value if weight_decay == 0 else value * (1.0 - lr * weight_decay).astype(value.dtype)


def counted(state: dict[str, Any]) -> Tensor:
    """Counts a step; the count in float64, for differences of nearly equal numbers."""
    count = state["step"] + 1.0
    state["step"].assign(count)
    return count.astype(float64)


def mean_and_root(
    gradient: Tensor, state: dict[str, Any], group: ParameterGroup
) -> tuple[Tensor, Tensor, Tensor]:
    """Adds a gradient to the mean and the mean square that are kept of Adam's kind, and counts it.

    Returns:
        the mean; the root of the mean square (with amsgrad the largest so far) as it would be of
        more gradients, plus eps; the count in float64.
    """
    beta1, beta2 = group["betas"]
    mean = mixed(state["exp_avg"], gradient, 1.0 - beta1)
    square = mean_square(state["exp_avg_sq"], gradient, beta2)
    count = counted(state)
    largest = square
    if group["amsgrad"]:
        largest = _ops.maximum(state["max_exp_avg_sq"], square)
        state["max_exp_avg_sq"].assign(largest)
    state["exp_avg"].assign(mean)
    state["exp_avg_sq"].assign(square)
    correction = _ops.sqrt(1.0 - beta2**count).astype(gradient.dtype)
    return mean, _ops.sqrt(largest) / correction + group["eps"], count


def along_momentum(
    group: ParameterGroup, buffer: Tensor, added: Tensor, plain: Tensor, nesterov: bool = False
) -> Tensor:
    """Updates a buffer of directions, and returns the new direction.

    Where a schedule has set the momentum to 0, that is ``plain``, and the buffer stays.
    """
    momentum = group["momentum"]
    kept = buffer * momentum + added
    direction = plain + kept * momentum if nesterov else kept
    if group.moves("momentum"):
        still = group.tensor("momentum") == 0
        direction = _ops.where(still, plain, direction)
        kept = _ops.where(still, buffer, kept)
    buffer.assign(kept)
    return direction

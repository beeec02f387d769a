"""RMSprop (Hinton, lecture 6e of "Neural networks for machine learning", 2012)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .. import _ops
from .._core import Tensor
from ._formulas import along_momentum, counted, decayed, mean_square, mixed
from ._groups import ParameterGroup, check_option
from ._optimizer import Optimizer


class RMSprop(Optimizer):
    """parameter -= lr * gradient / (root of the mean square + eps).

    Args:
        params: see `Optimizer`.
        lr: the learning rate.
        alpha: the share of the former mean square that is kept.
        eps: added to the root.
        weight_decay: this multiple of the parameter is added to its gradient.
        momentum: the share of the former direction that is kept.
        centered: divides by the root of the variance (Graves, 2013).
        foreach, capturable: no result depends on them.
        maximize: follows the gradient upwards.
        differentiable: has to be False.

    Raises:
        OptionError: an option is negative. UnsupportedError: differentiable is True.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "alpha": alpha,
                "eps": eps,
                "centered": centered,
                "weight_decay": weight_decay,
                "capturable": capturable,
                "foreach": foreach,
                "maximize": maximize,
                "differentiable": differentiable,
            },
        )

    def _check(self, group: ParameterGroup) -> None:
        for name in ("lr", "eps", "momentum", "weight_decay", "alpha"):
            check_option(self, name, group[name])

    def _names(self, group: ParameterGroup, parameter: Tensor) -> tuple[str, ...]:
        buffer = ("momentum_buffer",) if group.uses("momentum") else ()
        return ("step", "square_avg", *buffer, *(("grad_avg",) if group["centered"] else ()))

    def _update(
        self,
        parameter: Tensor,
        gradient: Tensor,
        state: dict[str, Any],
        group: ParameterGroup,
        lr: Tensor,
    ) -> None:
        counted(state)
        gradient = decayed(gradient, parameter, group)
        square = mean_square(state["square_avg"], gradient, group["alpha"])
        state["square_avg"].assign(square)
        if group["centered"]:
            mean = mixed(state["grad_avg"], gradient, 1.0 - group["alpha"])
            state["grad_avg"].assign(mean)
            square = square - mean * mean
        direction = gradient / (_ops.sqrt(square) + group["eps"])
        if group.uses("momentum"):
            direction = along_momentum(group, state["momentum_buffer"], direction, direction)
        parameter.assign(parameter - direction * lr.astype(parameter.dtype))

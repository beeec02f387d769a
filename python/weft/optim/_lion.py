"""Lion (Chen et al., "Symbolic discovery of optimization algorithms", 2023)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .. import _ops
from .._core import Tensor
from ._adam import check_betas
from ._formulas import shrunk
from ._groups import ParameterGroup, check_option
from ._optimizer import Optimizer


class Lion(Optimizer):
    """Steps of the size lr, by the signs of the momentum with the gradient (algorithm 2).

    Args:
        params: see `Optimizer`.
        lr: the learning rate: about a tenth of Adam's.
        betas: the shares of the momentum in the direction of a step, and in the next momentum.
        weight_decay: parameters are shrunk by lr * weight_decay.
        maximize: follows the gradient upwards.

    Raises:
        OptionError: an option is negative, or a beta is 1 or more.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": tuple(betas),
                "weight_decay": weight_decay,
                "maximize": maximize,
            },
        )

    def _check(self, group: ParameterGroup) -> None:
        for name in ("lr", "weight_decay"):
            check_option(self, name, group[name])
        check_betas(self, group)

    def _names(self, group: ParameterGroup, parameter: Tensor) -> tuple[str, ...]:
        return ("exp_avg",)

    def _update(
        self,
        parameter: Tensor,
        gradient: Tensor,
        state: dict[str, Any],
        group: ParameterGroup,
        lr: Tensor,
    ) -> None:
        momentum, (beta1, beta2) = state["exp_avg"], group["betas"]
        direction = _ops.sign(momentum * beta1 + gradient * (1.0 - beta1))
        value = shrunk(parameter.detach(), group, lr)
        parameter.assign(value - direction * lr.astype(parameter.dtype))
        momentum.assign(momentum * beta2 + gradient * (1.0 - beta2))

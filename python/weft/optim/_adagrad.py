"""Adagrad (Duchi, Hazan and Singer, 2011) and Adadelta (Zeiler, 2012)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .. import _ops
from .._core import Tensor
from .._creation import _fail, full_like
from .._errors import OptionError
from ._formulas import counted, decayed, mean_square
from ._groups import ParameterGroup, check_option
from ._optimizer import Optimizer


class Adagrad(Optimizer):
    """parameter -= lr * gradient / (root of the sum of all squares so far + eps).

    Args:
        params: see `Optimizer`.
        lr: the learning rate.
        lr_decay: step t has the rate lr / (1 + (t - 1) * lr_decay).
        weight_decay: this multiple of the parameter is added to its gradient.
        initial_accumulator_value: what the sums of squares start from.
        eps: added to the root.
        foreach, fused: no result depends on them.
        maximize: follows the gradient upwards.
        differentiable: has to be False.

    Raises:
        OptionError: an option is negative. UnsupportedError: differentiable is True.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "lr_decay": lr_decay,
                "eps": eps,
                "weight_decay": weight_decay,
                "initial_accumulator_value": initial_accumulator_value,
                "foreach": foreach,
                "maximize": maximize,
                "differentiable": differentiable,
                "fused": fused,
            },
        )

    def _check(self, group: ParameterGroup) -> None:
        for name in ("lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps"):
            check_option(self, name, group[name])

    def _names(self, group: ParameterGroup, parameter: Tensor) -> tuple[str, ...]:
        return ("step", "sum")

    def _made(
        self,
        name: str,
        parameter: Tensor,
        group: ParameterGroup,
        kept: Mapping[str, Tensor | None],
    ) -> Tensor:
        if name == "sum":
            return full_like(parameter, self.defaults["initial_accumulator_value"]).detach()
        return super()._made(name, parameter, group, kept)

    def _update(
        self,
        parameter: Tensor,
        gradient: Tensor,
        state: dict[str, Any],
        group: ParameterGroup,
        lr: Tensor,
    ) -> None:
        count = counted(state)
        gradient = decayed(gradient, parameter, group)
        total = state["sum"] + gradient * gradient
        state["sum"].assign(total)
        rate = (lr / (1.0 + (count - 1.0) * group["lr_decay"])).astype(parameter.dtype)
        parameter.assign(parameter - gradient / (_ops.sqrt(total) + group["eps"]) * rate)


class Adadelta(Optimizer):
    """Steps of about the size of those before: gradients are divided by the root of their mean
    square, and multiplied by that of the steps'.

    Args:
        params: see `Optimizer`.
        lr: what steps are multiplied by.
        rho: the share of the former mean squares that is kept.
        eps: added to the mean squares.
        weight_decay: this multiple of the parameter is added to its gradient.
        foreach, capturable: no result depends on them.
        maximize: follows the gradient upwards.
        differentiable: has to be False.

    Raises:
        OptionError: an option is negative, or rho is above 1. UnsupportedError: differentiable is
            True.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "rho": rho,
                "eps": eps,
                "weight_decay": weight_decay,
                "maximize": maximize,
                "capturable": capturable,
                "foreach": foreach,
                "differentiable": differentiable,
            },
        )

    def _check(self, group: ParameterGroup) -> None:
        for name in ("lr", "eps", "weight_decay"):
            check_option(self, name, group[name])
        if not 0.0 <= group["rho"] <= 1.0:
            raise _fail(OptionError, f"Adadelta: rho has to be in [0, 1], not {group['rho']!r}")

    def _names(self, group: ParameterGroup, parameter: Tensor) -> tuple[str, ...]:
        return ("step", "square_avg", "acc_delta")

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
        rho, eps, steps = group["rho"], group["eps"], state["acc_delta"]
        square = mean_square(state["square_avg"], gradient, rho)
        state["square_avg"].assign(square)
        direction = _ops.sqrt(steps + eps) / _ops.sqrt(square + eps) * gradient
        steps.assign(mean_square(steps, direction, rho))
        parameter.assign(parameter - direction * lr.astype(parameter.dtype))

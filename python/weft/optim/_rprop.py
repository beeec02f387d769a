"""Resilient backpropagation (Riedmiller and Braun, 1993)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .. import _ops
from .._core import Tensor
from .._creation import _fail
from .._errors import OptionError
from .._manipulation import broadcast_to
from ._formulas import counted
from ._groups import ParameterGroup, check_option
from ._optimizer import Optimizer


class Rprop(Optimizer):
    """Steps by the signs of gradients, of sizes that grow while the sign of each stays the same.

    Args:
        params: see `Optimizer`.
        lr: the size of the first step.
        etas: what sizes are multiplied by when the sign has changed, and when it has not.
        step_sizes: the smallest and the largest size.
        foreach, capturable: no result depends on them.
        maximize: follows the gradient upwards.
        differentiable: has to be False.

    Raises:
        OptionError: lr is negative, or not 0 < etas[0] < 1 < etas[1]. UnsupportedError:
            differentiable is True.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "etas": tuple(etas),
                "step_sizes": tuple(step_sizes),
                "foreach": foreach,
                "maximize": maximize,
                "differentiable": differentiable,
                "capturable": capturable,
            },
        )

    def _check(self, group: ParameterGroup) -> None:
        check_option(self, "lr", group["lr"])
        down, up = group["etas"]
        if not 0.0 < down < 1.0 < up:
            raise _fail(
                OptionError, f"Rprop: etas have to be below and above 1, not {down} and {up}"
            )

    def _names(self, group: ParameterGroup, parameter: Tensor) -> tuple[str, ...]:
        return ("step", "prev", "step_size")

    def _made(
        self,
        name: str,
        parameter: Tensor,
        group: ParameterGroup,
        kept: Mapping[str, Tensor | None],
    ) -> Tensor:
        if name == "step_size":
            lr = group.tensor("lr").astype(parameter.dtype).to(parameter.device)
            return broadcast_to(lr, parameter.shape).clone()
        return super()._made(name, parameter, group, kept)

    def _update(
        self,
        parameter: Tensor,
        gradient: Tensor,
        state: dict[str, Any],
        group: ParameterGroup,
        lr: Tensor,
    ) -> None:
        down, up = group["etas"]
        count = counted(state)
        agreement = gradient * state["prev"]
        turned = agreement < 0
        # What is not a number stays so.
        other = _ops.where(agreement == 0, 1.0, agreement)
        factor = _ops.where(agreement > 0, up, _ops.where(turned, down, other))
        # The learning rate of the first step counts, not that of when the optimizer was made.
        former = _ops.where(count == 1.0, lr.astype(parameter.dtype), state["step_size"])
        size = (former * factor).clip(*group["step_sizes"])
        gradient = _ops.where(turned, 0.0, gradient)
        parameter.assign(parameter - _ops.sign(gradient) * size)
        state["prev"].assign(gradient)
        state["step_size"].assign(size)

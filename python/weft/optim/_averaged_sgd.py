"""Averaged stochastic gradient descent (Polyak and Juditsky, 1992)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .. import _ops
from .._core import Tensor
from .._creation import ones
from .._dtypes import float32, float64
from ._formulas import counted, decayed
from ._groups import ParameterGroup, check_option
from ._optimizer import Optimizer


class ASGD(Optimizer):
    """Gradient descent with a falling rate; ``state[parameter]["ax"]`` is the mean parameter.

    Args:
        params: see `Optimizer`.
        lr: the learning rate at the start.
        lambd: parameters shrink by this multiple of the rate at each step.
        alpha: the power of the count of steps that the rate falls with.
        t0: the step from which on parameters are averaged.
        weight_decay: this multiple of the parameter is added to its gradient.
        foreach, capturable: no result depends on them.
        maximize: follows the gradient upwards.
        differentiable: has to be False.

    Raises:
        OptionError: lr or weight_decay is negative. UnsupportedError: differentiable is True.
    """

    _scalars = frozenset({"step", "eta", "mu"})

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0.0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "lambd": lambd,
                "alpha": alpha,
                "t0": t0,
                "weight_decay": weight_decay,
                "foreach": foreach,
                "maximize": maximize,
                "differentiable": differentiable,
                "capturable": capturable,
            },
        )

    def _check(self, group: ParameterGroup) -> None:
        for name in ("lr", "weight_decay"):
            check_option(self, name, group[name])

    def _names(self, group: ParameterGroup, parameter: Tensor) -> tuple[str, ...]:
        return ("step", "eta", "mu", "ax")

    def _made(
        self,
        name: str,
        parameter: Tensor,
        group: ParameterGroup,
        kept: Mapping[str, Tensor | None],
    ) -> Tensor:
        if name == "mu":
            return ones((), dtype=float32, device=parameter.device)
        if name == "eta":
            return group.tensor("lr").astype(float32).to(parameter.device)
        return super()._made(name, parameter, group, kept)

    def _update(
        self,
        parameter: Tensor,
        gradient: Tensor,
        state: dict[str, Any],
        group: ParameterGroup,
        lr: Tensor,
    ) -> None:
        dtype, lambd = parameter.dtype, group["lambd"]
        count = counted(state)
        gradient = decayed(gradient, parameter, group)
        # The learning rate of the first step counts, not that of when the optimizer was made.
        kept = _ops.where(count == 1.0, lr.astype(float32), state["eta"])
        rate = kept.astype(float64)
        value = parameter * (1.0 - lambd * rate).astype(dtype) - gradient * rate.astype(dtype)
        mean, share = state["ax"], state["mu"]
        moved = mean + (value - mean) * share.astype(dtype)
        mean.assign(_ops.where(share == 1.0, value, moved))
        rate = lr / (1.0 + lambd * lr * count) ** group["alpha"]
        state["eta"].assign(rate.astype(float32))
        averaged = _ops.maximum(count - group["t0"], 1.0)
        share.assign(_ops.divide(1.0, averaged).astype(float32))
        parameter.assign(value)

"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .. import _ops
from .._core import Tensor
from .._creation import _fail, asarray
from .._errors import OptionError
from .._reductions import any
from ._formulas import along_momentum, decayed
from ._groups import ParameterGroup, check_option
from ._optimizer import Optimizer


class SGD(Optimizer):
    """parameter -= lr * gradient, with momentum.

    Args:
        params: see `Optimizer`.
        lr: the learning rate.
        momentum: the share of the former direction that is kept.
        dampening: the share of the gradient that is left out of the direction.
        weight_decay: this multiple of the parameter is added to its gradient.
        nesterov: looks ahead along the new direction (needs momentum, and no dampening).
        maximize: follows the gradient upwards.
        foreach, fused: no result depends on them.
        differentiable: has to be False.

    Raises:
        OptionError: an option is negative, or nesterov is used without momentum.
        UnsupportedError: differentiable is True.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
                "maximize": maximize,
                "foreach": foreach,
                "differentiable": differentiable,
                "fused": fused,
            },
        )

    def _check(self, group: ParameterGroup) -> None:
        for name in ("lr", "momentum", "weight_decay"):
            check_option(self, name, group[name])
        if group["nesterov"] and (not group.uses("momentum") or group["dampening"] != 0):
            raise _fail(OptionError, "SGD: nesterov needs momentum, and no dampening")

    def _names(self, group: ParameterGroup, parameter: Tensor) -> tuple[str, ...]:
        if not group.uses("momentum"):
            return ()
        return ("momentum_buffer",) if group["dampening"] == 0 else ("momentum_buffer", "step")

    def _made(
        self,
        name: str,
        parameter: Tensor,
        group: ParameterGroup,
        kept: Mapping[str, Tensor | None],
    ) -> Tensor:
        made = super()._made(name, parameter, group, kept)
        buffer = kept.get("momentum_buffer")
        # A direction that is there already is not the first one.
        return made if name != "step" or buffer is None else made + any(buffer != 0)

    def _update(
        self,
        parameter: Tensor,
        gradient: Tensor,
        state: dict[str, Any],
        group: ParameterGroup,
        lr: Tensor,
    ) -> None:
        direction = decayed(gradient, parameter, group)
        if group.uses("momentum"):
            added = direction
            if group["dampening"] != 0:
                # The first direction is the whole gradient.
                all_of_it = asarray(1.0, dtype=parameter.dtype, device=parameter.device)
                share = _ops.where(state["step"] == 0, all_of_it, 1.0 - group["dampening"])
                added = direction * share
                # A momentum of 0 leaves the directions for later.
                state["step"] += group.tensor("momentum") != 0 if group.moves("momentum") else 1
            buffer, nesterov = state["momentum_buffer"], group["nesterov"]
            direction = along_momentum(group, buffer, added, direction, nesterov)
        parameter.assign(parameter - direction * lr.astype(parameter.dtype))

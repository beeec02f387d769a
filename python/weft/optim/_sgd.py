"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .. import _ops
from .._core import Tensor
from .._creation import asarray, zeros_like
from .._dtypes import float32
from ._optimizer import Optimizer, ParameterGroup, check_option


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

    Raises:
        ValueError: an option is negative, or nesterov is used without momentum.
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
            },
        )

    def _check(self, group: ParameterGroup) -> None:
        for name in ("lr", "momentum", "weight_decay"):
            check_option(self, name, group[name])
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise ValueError("SGD: nesterov needs momentum, and no dampening")

    def _start(self, parameter: Tensor, group: ParameterGroup) -> dict[str, Tensor]:
        if group["momentum"] == 0:
            return {}
        start = {"momentum_buffer": zeros_like(parameter)}
        if group["dampening"] != 0:
            start["step"] = asarray(0.0, dtype=float32, device=parameter.device)
        return start

    def _update(
        self,
        parameter: Tensor,
        gradient: Tensor,
        state: dict[str, Tensor],
        group: ParameterGroup,
        lr: Tensor,
    ) -> None:
        direction = gradient
        if group["weight_decay"] != 0:
            direction = direction + parameter * group["weight_decay"]
        if group["momentum"] != 0:
            buffer = state["momentum_buffer"]
            added = direction
            if "step" in state:
                # The first direction is the whole gradient.
                share = _ops.where(state["step"] == 0, 1.0, 1.0 - group["dampening"])
                added = direction * share.astype(parameter.dtype)
                state["step"] += 1
            kept = buffer * group["momentum"] + added
            buffer.assign(kept)
            direction = direction + kept * group["momentum"] if group["nesterov"] else kept
        parameter.assign(parameter - direction * lr.astype(parameter.dtype))

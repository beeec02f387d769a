"""Adam (Kingma and Ba, 2015) and AdamW (Loshchilov and Hutter, 2019)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .. import _ops
from .._core import Tensor
from .._dtypes import float64
from ._optimizer import Optimizer, ParameterGroup, check_option


class Adam(Optimizer):
    """Steps of about lr: the mean gradient over the root of its mean square.

    Args:
        params: see `Optimizer`.
        lr: the learning rate.
        betas: the shares of the former mean and mean square that are kept.
        eps: added to the root.
        weight_decay: this multiple of the parameter is added to its gradient.
        amsgrad: divides by the largest mean square so far.
        maximize: follows the gradient upwards.

    Raises:
        OptionError: an option is negative, or a beta is 1 or more.
    """

    decoupled = False

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": tuple(betas),
                "eps": eps,
                "weight_decay": weight_decay,
                "amsgrad": amsgrad,
                "maximize": maximize,
            },
        )

    def _check(self, group: Mapping[str, Any]) -> None:
        for name in ("lr", "eps", "weight_decay"):
            check_option(self, name, group[name])
        for number, beta in enumerate(group["betas"]):
            check_option(self, f"betas[{number}]", beta, below=1.0)

    def _names(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        largest = ("max_exp_avg_sq",) if group["amsgrad"] else ()
        return ("step", "exp_avg", "exp_avg_sq", *largest)

    def _update(
        self,
        parameter: Tensor,
        gradient: Tensor,
        state: dict[str, Tensor],
        group: ParameterGroup,
        lr: Tensor,
    ) -> None:
        dtype, (beta1, beta2) = parameter.dtype, group["betas"]
        value = parameter.detach()
        if group["weight_decay"] != 0:
            if self.decoupled:
                value = value * (1.0 - lr * group["weight_decay"]).astype(dtype)
            else:
                gradient = gradient + value * group["weight_decay"]
        mean = state["exp_avg"] + (gradient - state["exp_avg"]) * (1.0 - beta1)
        square = state["exp_avg_sq"] * beta2 + gradient * gradient * (1.0 - beta2)
        step = state["step"] + 1.0
        # In float64, as these are differences of nearly equal numbers; they are scalars.
        count = step.astype(float64)
        size = (lr / (1.0 - beta1**count)).astype(dtype)
        root = _ops.sqrt(1.0 - beta2**count).astype(dtype)
        largest = square
        if group["amsgrad"]:
            largest = _ops.maximum(state["max_exp_avg_sq"], square)
            state["max_exp_avg_sq"].assign(largest)
        parameter.assign(value - mean / (_ops.sqrt(largest) / root + group["eps"]) * size)
        state["exp_avg"].assign(mean)
        state["exp_avg_sq"].assign(square)
        state["step"].assign(step)


class AdamW(Adam):
    """Adam, with parameters shrunk by lr * weight_decay themselves instead of by their gradients.

    See `Adam`.
    """

    decoupled = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)

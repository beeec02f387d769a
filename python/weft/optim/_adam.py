"""Adam (Kingma and Ba, 2015) and AdamW (Loshchilov and Hutter, 2019)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .._core import Tensor
from ._formulas import decayed, mean_and_root, shrunk
from ._groups import ParameterGroup, check_option
from ._optimizer import Optimizer


def check_betas(optimizer: object, group: ParameterGroup) -> None:
    """Raises OptionError unless each of the group's betas is at least 0 and less than 1."""
    for number, beta in enumerate(group["betas"]):
        check_option(optimizer, f"betas[{number}]", beta, below=1.0)


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
        decoupled_weight_decay: shrinks the parameter itself, as `AdamW` does.
        foreach, capturable, fused: no result depends on them.
        differentiable: has to be False.

    Raises:
        OptionError: an option is negative, or a beta is 1 or more.
        UnsupportedError: differentiable is True.
    """

    #: Whether parameters are shrunk themselves, whatever the group says.
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
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
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
                "foreach": foreach,
                "capturable": capturable,
                "differentiable": differentiable,
                "fused": fused,
                "decoupled_weight_decay": decoupled_weight_decay,
            },
        )

    def _check(self, group: ParameterGroup) -> None:
        for name in ("lr", "eps", "weight_decay"):
            check_option(self, name, group[name])
        check_betas(self, group)

    def _names(self, group: ParameterGroup, parameter: Tensor) -> tuple[str, ...]:
        largest = ("max_exp_avg_sq",) if group["amsgrad"] else ()
        return ("step", "exp_avg", "exp_avg_sq", *largest)

    def _update(
        self,
        parameter: Tensor,
        gradient: Tensor,
        state: dict[str, Any],
        group: ParameterGroup,
        lr: Tensor,
    ) -> None:
        value = parameter.detach()
        if self.decoupled or group["decoupled_weight_decay"]:
            value = shrunk(value, group, lr)
        else:
            gradient = decayed(gradient, value, group)
        mean, root, count = mean_and_root(gradient, state, group)
        size = (lr / (1.0 - group["betas"][0] ** count)).astype(parameter.dtype)
        parameter.assign(value - mean / root * size)


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
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )

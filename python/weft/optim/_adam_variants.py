"""Relatives of Adam: Adamax (Kingma, Ba, 2015), NAdam (Dozat, 2016), RAdam (Liu et al., 2020)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .. import _ops
from .._core import Tensor
from .._creation import ones
from .._dtypes import float32, float64
from ._adam import check_betas
from ._formulas import counted, decayed, mean_square, mixed, shrunk
from ._groups import ParameterGroup, check_option
from ._optimizer import Optimizer


class _AdamVariant(Optimizer):
    """What the relatives share: options, and two means for each parameter."""

    _kept: tuple[str, ...] = ("step", "exp_avg", "exp_avg_sq")

    def _check(self, group: ParameterGroup) -> None:
        for name in ("lr", "eps", "weight_decay"):
            check_option(self, name, group[name])
        check_betas(self, group)

    def _names(self, group: ParameterGroup, parameter: Tensor) -> tuple[str, ...]:
        return self._kept


class Adamax(_AdamVariant):
    """Adam with the largest gradient so far, decayed, in place of the root of the mean square.

    Args:
        params: see `Optimizer`.
        lr: the learning rate.
        betas: the shares of the former mean and of the largest gradient that are kept.
        eps: added to the sizes of gradients.
        weight_decay: this multiple of the parameter is added to its gradient.
        foreach, capturable: no result depends on them.
        maximize: follows the gradient upwards.
        differentiable: has to be False.

    Raises:
        OptionError: an option is negative, or a beta is 1 or more. UnsupportedError: differentiable
            is True.
    """

    _kept = ("step", "exp_avg", "exp_inf")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": tuple(betas),
                "eps": eps,
                "weight_decay": weight_decay,
                "foreach": foreach,
                "maximize": maximize,
                "differentiable": differentiable,
                "capturable": capturable,
            },
        )

    def _update(
        self,
        parameter: Tensor,
        gradient: Tensor,
        state: dict[str, Any],
        group: ParameterGroup,
        lr: Tensor,
    ) -> None:
        beta1, beta2 = group["betas"]
        count = counted(state)
        gradient = decayed(gradient, parameter, group)
        mean = mixed(state["exp_avg"], gradient, 1.0 - beta1)
        largest = _ops.maximum(state["exp_inf"] * beta2, _ops.abs(gradient) + group["eps"])
        size = (lr / (1.0 - beta1**count)).astype(parameter.dtype)
        parameter.assign(parameter - mean / largest * size)
        state["exp_avg"].assign(mean)
        state["exp_inf"].assign(largest)


class NAdam(_AdamVariant):
    """Adam with Nesterov's momentum: it looks ahead along the mean gradient.

    Args:
        params: see `Optimizer`.
        lr: the learning rate.
        betas: the shares of the former mean and mean square that are kept.
        eps: added to the root.
        weight_decay: this multiple of the parameter is added to its gradient.
        momentum_decay: how fast the first beta grows from its half.
        decoupled_weight_decay: shrinks the parameter by lr * weight_decay itself instead.
        foreach, capturable: no result depends on them.
        maximize: follows the gradient upwards.
        differentiable: has to be False.

    Raises:
        OptionError: an option is negative, or a beta is 1 or more. UnsupportedError: differentiable
            is True.
    """

    _kept = ("step", "mu_product", "exp_avg", "exp_avg_sq")
    _scalars = frozenset({"step", "mu_product"})

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": tuple(betas),
                "eps": eps,
                "weight_decay": weight_decay,
                "momentum_decay": momentum_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
                "foreach": foreach,
                "capturable": capturable,
                "differentiable": differentiable,
            },
        )

    def _check(self, group: ParameterGroup) -> None:
        super()._check(group)
        check_option(self, "momentum_decay", group["momentum_decay"])

    def _made(
        self,
        name: str,
        parameter: Tensor,
        group: ParameterGroup,
        kept: Mapping[str, Tensor | None],
    ) -> Tensor:
        if name == "mu_product":
            return ones((), dtype=float32, device=parameter.device)
        return super()._made(name, parameter, group, kept)

    def _update(
        self,
        parameter: Tensor,
        gradient: Tensor,
        state: dict[str, Any],
        group: ParameterGroup,
        lr: Tensor,
    ) -> None:
        dtype, (beta1, beta2), decay = parameter.dtype, group["betas"], group["momentum_decay"]
        count = counted(state)
        value = parameter.detach()
        if group["decoupled_weight_decay"]:
            value = shrunk(value, group, lr)
        else:
            gradient = decayed(gradient, value, group)
        now, following = (
            beta1 * (1.0 - 0.5 * 0.96 ** (moment * decay)) for moment in (count, count + 1.0)
        )
        product = state["mu_product"] * now.astype(float32)
        state["mu_product"].assign(product)
        mean = mixed(state["exp_avg"], gradient, 1.0 - beta1)
        square = mean_square(state["exp_avg_sq"], gradient, beta2)
        root = _ops.sqrt(square / (1.0 - beta2**count).astype(dtype)) + group["eps"]
        exact = product.astype(float64)
        own = (lr * (1.0 - now) / (1.0 - exact)).astype(dtype)
        ahead = (lr * following / (1.0 - exact * following)).astype(dtype)
        parameter.assign(value - gradient / root * own - mean / root * ahead)
        state["exp_avg"].assign(mean)
        state["exp_avg_sq"].assign(square)


class RAdam(_AdamVariant):
    """Adam that divides by the root of the mean square only once that is known well enough.

    Args:
        params: see `Optimizer`.
        lr: the learning rate.
        betas: the shares of the former mean and mean square that are kept.
        eps: added to the root.
        weight_decay: this multiple of the parameter is added to its gradient.
        decoupled_weight_decay: shrinks the parameter by lr * weight_decay itself instead.
        foreach, capturable: no result depends on them.
        maximize: follows the gradient upwards.
        differentiable: has to be False.

    Raises:
        OptionError: an option is negative, or a beta is 1 or more. UnsupportedError: differentiable
            is True.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": tuple(betas),
                "eps": eps,
                "weight_decay": weight_decay,
                "maximize": maximize,
                "foreach": foreach,
                "capturable": capturable,
                "decoupled_weight_decay": decoupled_weight_decay,
                "differentiable": differentiable,
            },
        )

    def _update(
        self,
        parameter: Tensor,
        gradient: Tensor,
        state: dict[str, Any],
        group: ParameterGroup,
        lr: Tensor,
    ) -> None:
        dtype, (beta1, beta2) = parameter.dtype, group["betas"]
        count = counted(state)
        value = parameter.detach()
        if group["decoupled_weight_decay"]:
            value = shrunk(value, group, lr)
        else:
            gradient = decayed(gradient, value, group)
        mean = mixed(state["exp_avg"], gradient, 1.0 - beta1)
        square = mean_square(state["exp_avg_sq"], gradient, beta2)
        power = beta2**count
        # The length of the average that the mean square is like; at most `longest`.
        longest = 2.0 / (1.0 - beta2) - 1.0
        length = longest - 2.0 * count * power / (1.0 - power)
        known = length > 5.0
        rectified = (length - 4.0) * (length - 2.0) * longest
        scale = rectified / ((longest - 4.0) * (longest - 2.0) * length) * (1.0 - power)
        factor = _ops.sqrt(_ops.where(known, scale, 1.0)).astype(dtype)
        adapted = factor / (_ops.sqrt(square) + group["eps"])
        size = (lr / (1.0 - beta1**count)).astype(dtype)
        parameter.assign(value - mean * size * _ops.where(known, adapted, 1.0))
        state["exp_avg"].assign(mean)
        state["exp_avg_sq"].assign(square)

"""Adafactor (Shazeer and Stern, 2018)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from .. import _ops
from .._core import Tensor
from .._creation import _fail
from .._dtypes import finfo, float64
from .._errors import OptionError
from .._reductions import mean, norm
from ._formulas import counted, mixed, shrunk
from ._groups import ParameterGroup, check_option
from ._optimizer import Optimizer


class Adafactor(Optimizer):
    """Adam's steps with little memory: of the mean squares of a matrix only those of its rows and
    columns are kept, and no mean gradient.

    Args:
        params: see `Optimizer`; those of more than two dimensions are many matrices.
        lr: the largest relative size of a step; step t has at most 1 / sqrt(t).
        beta2_decay: step t replaces this power of t of the mean squares.
        eps: the least root of a mean square (None: that between numbers of the dtype around 1), and
            the least size of a parameter.
        d: updates whose root mean square is larger are scaled down to it.
        weight_decay: parameters are shrunk by lr * weight_decay.
        foreach: no result depends on it.
        maximize: follows the gradient upwards.

    Raises:
        OptionError: beta2_decay is above 0, d below 1, or another option negative.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "beta2_decay": beta2_decay,
                "eps": tuple(eps),
                "d": d,
                "weight_decay": weight_decay,
                "foreach": foreach,
                "maximize": maximize,
            },
        )

    def _check(self, group: ParameterGroup) -> None:
        for name in ("lr", "weight_decay"):
            check_option(self, name, group[name])
        for number, eps in enumerate(group["eps"]):
            if number or eps is not None:
                check_option(self, f"eps[{number}]", eps)
        if group["beta2_decay"] > 0 or group["d"] < 1:
            raise _fail(
                OptionError,
                "Adafactor: beta2_decay has to be at most 0 and d at least 1, not "
                f"{group['beta2_decay']} and {group['d']}",
            )

    def _names(self, group: ParameterGroup, parameter: Tensor) -> tuple[str, ...]:
        return ("step", "row_var", "col_var") if parameter.ndim > 1 else ("step", "variance")

    def _shape(self, name: str, parameter: Tensor) -> tuple[int, ...]:
        shape = parameter.shape
        if name == "row_var":
            return (*shape[:-1], 1)
        return (*shape[:-2], 1, shape[-1]) if name == "col_var" else super()._shape(name, parameter)

    def _update(
        self,
        parameter: Tensor,
        gradient: Tensor,
        state: dict[str, Any],
        group: ParameterGroup,
        lr: Tensor,
    ) -> None:
        dtype, (least, least_size) = parameter.dtype, group["eps"]
        least = finfo(dtype).eps if least is None else least
        count, root = counted(state), math.sqrt(parameter._size)
        share = (count ** group["beta2_decay"]).astype(dtype)
        size = _ops.maximum(norm(parameter.detach()).astype(float64) / root, least_size)
        size = size * _ops.minimum(lr, 1.0 / _ops.sqrt(count))
        value = shrunk(parameter.detach(), group, lr)
        if parameter.ndim > 1:
            square = self._factored(gradient, state, share, least)
        else:
            square = mixed(state["variance"], gradient * gradient, share)
            state["variance"].assign(square)
        update = _ops.rsqrt(_ops.maximum(square, least * least)) * gradient
        excess = norm(update).astype(float64) / (root * group["d"])
        parameter.assign(value - update * (size / _ops.maximum(excess, 1.0)).astype(dtype))

    def _factored(
        self, gradient: Tensor, state: dict[str, Any], share: Tensor, least: float
    ) -> Tensor:
        """The mean squares of matrices from those of their rows and columns."""
        for name, axis in (("row_var", -1), ("col_var", -2)):
            length = norm(gradient, axis=axis, keepdims=True)
            square = length * length / gradient.shape[axis]
            state[name].assign(mixed(state[name], square, share))
        rows, columns = state["row_var"], state["col_var"]
        return rows * columns / _ops.maximum(mean(rows, axis=-2, keepdims=True), least)

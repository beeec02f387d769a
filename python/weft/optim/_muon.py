"""Muon (Jordan et al., 2024; Liu et al., 2025): momentum, made orthogonal."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from .. import _ops
from .._core import Tensor
from .._creation import _fail
from .._dtypes import bfloat16, float32
from .._errors import OptionError, ShapeError
from .._manipulation import matrix_transpose
from .._reductions import norm
from ._formulas import mixed
from ._groups import ParameterGroup, check_option
from ._optimizer import Optimizer

#: For each way to adjust the rate its factor for a matrix of so many rows and columns.
_RATIOS: dict[str | None, Callable[[int, int], float]] = {
    None: lambda rows, columns: math.sqrt(max(1.0, rows / columns)),
    "original": lambda rows, columns: math.sqrt(max(1.0, rows / columns)),
    "match_rms_adamw": lambda rows, columns: 0.2 * math.sqrt(max(rows, columns)),
}


def _product(left: Tensor, right: Tensor) -> Tensor:
    """The product of two bfloat16 matrices in float32, in which those of elements are exact."""
    return left.astype(float32) @ right.astype(float32)


def orthogonalized(
    matrix: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float
) -> Tensor:
    """A matrix with about the singular vectors of this one, and singular values around 1.

    Newton and Schulz's iteration of the odd polynomial a x + b x^3 + c x^5 of the singular values,
    in bfloat16.
    """
    a, b, c = coefficients
    tall = matrix.shape[0] > matrix.shape[1]
    x = (matrix_transpose(matrix) if tall else matrix).astype(bfloat16)
    x = x / _ops.maximum(norm(x), eps)
    for _ in range(steps):
        gram = _product(x, matrix_transpose(x)).astype(bfloat16)
        polynomial = (gram.astype(float32) * b + _product(gram, gram) * c).astype(bfloat16)
        x = (x.astype(float32) * a + _product(polynomial, x)).astype(bfloat16)
    return matrix_transpose(x) if tall else x


class Muon(Optimizer):
    """Steps along the momentum of matrices, all of whose singular values are made about equal.

    Args:
        params: see `Optimizer`; matrices, while others are for another optimizer.
        lr: the learning rate.
        weight_decay: parameters are shrunk by lr * weight_decay.
        momentum: the share of the former direction that is kept.
        nesterov: looks ahead along the new direction.
        ns_coefficients: the polynomial of the iteration.
        eps: the least norm that a direction is divided by.
        ns_steps: how often the polynomial is applied.
        adjust_lr_fn: "original" (as None) multiplies the rate by sqrt(max(1, rows / columns)),
            "match_rms_adamw" by 0.2 * sqrt(max(rows, columns)).

    Raises:
        OptionError: an option is out of range. ShapeError: a parameter is no matrix.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "weight_decay": weight_decay,
                "momentum": momentum,
                "nesterov": nesterov,
                "ns_coefficients": tuple(ns_coefficients),
                "eps": eps,
                "ns_steps": ns_steps,
                "adjust_lr_fn": adjust_lr_fn,
            },
        )

    def _check(self, group: ParameterGroup) -> None:
        for name in ("lr", "weight_decay", "momentum", "eps"):
            check_option(self, name, group[name])
        check_option(self, "ns_steps", group["ns_steps"], below=100)
        if len(group["ns_coefficients"]) != 3:
            raise _fail(OptionError, "Muon: ns_coefficients have to be 3 numbers")
        if group["adjust_lr_fn"] not in _RATIOS:
            raise _fail(
                OptionError,
                "Muon: adjust_lr_fn has to be None, 'original' or 'match_rms_adamw', not "
                f"{group['adjust_lr_fn']!r}",
            )

    def _check_parameter(self, parameter: Any) -> None:
        super()._check_parameter(parameter)
        if parameter.ndim != 2:
            raise _fail(
                ShapeError,
                f"Muon: a parameter has shape {parameter.shape}, but has to be a matrix; give "
                "others to another optimizer, as AdamW",
            )

    def _names(self, group: ParameterGroup, parameter: Tensor) -> tuple[str, ...]:
        return ("momentum_buffer",)

    def _update(
        self,
        parameter: Tensor,
        gradient: Tensor,
        state: dict[str, Any],
        group: ParameterGroup,
        lr: Tensor,
    ) -> None:
        dtype, momentum, buffer = parameter.dtype, group["momentum"], state["momentum_buffer"]
        buffer.assign(mixed(buffer, gradient, 1.0 - momentum))
        direction = mixed(gradient, buffer, momentum) if group["nesterov"] else buffer
        update = orthogonalized(
            direction, group["ns_coefficients"], group["ns_steps"], group["eps"]
        ).astype(dtype)
        ratio = _RATIOS[group["adjust_lr_fn"]](*parameter.shape)
        value = parameter * (1.0 - lr * group["weight_decay"]).astype(dtype)
        parameter.assign(value - update * (lr * ratio).astype(dtype))

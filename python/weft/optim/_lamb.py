"""LAMB (You et al., "Large batch optimization for deep learning", 2020)."""

from __future__ import annotations

from typing import Any

from .. import _ops
from .._core import Tensor
from ._adam import AdamW
from ._formulas import counted, decayed, mean_square, mixed
from ._groups import ParameterGroup
from ._transforms import trust_ratio


class LAMB(AdamW):
    """Adam's steps, each parameter's as long as the parameter, times the learning rate.

    The weight decay is part of the step before its length is measured. Arguments and errors are
    those of `AdamW`; ``amsgrad`` divides by the largest mean square so far.
    """

    def _update(
        self,
        parameter: Tensor,
        gradient: Tensor,
        state: dict[str, Any],
        group: ParameterGroup,
        lr: Tensor,
    ) -> None:
        dtype, (beta1, beta2) = parameter.dtype, group["betas"]
        value = parameter.detach()
        mean = mixed(state["exp_avg"], gradient, 1.0 - beta1)
        square = mean_square(state["exp_avg_sq"], gradient, beta2)
        count = counted(state)
        root = _ops.sqrt(1.0 - beta2**count).astype(dtype)
        largest = square
        if group["amsgrad"]:
            largest = _ops.maximum(state["max_exp_avg_sq"], square)
            state["max_exp_avg_sq"].assign(largest)
        step = mean / (_ops.sqrt(largest) / root + group["eps"])
        step = decayed(step / (1.0 - beta1**count).astype(dtype), value, group)
        parameter.assign(value - step * (trust_ratio(value, step) * lr.astype(dtype)))
        state["exp_avg"].assign(mean)
        state["exp_avg_sq"].assign(square)

"""LAMB (You et al., "Large batch optimization for deep learning", 2020)."""

from __future__ import annotations

from typing import Any

from .._core import Tensor
from ._adam import AdamW
from ._formulas import decayed, mean_and_root
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
        dtype, value = parameter.dtype, parameter.detach()
        mean, root, count = mean_and_root(gradient, state, group)
        correction = (1.0 - group["betas"][0] ** count).astype(dtype)
        step = decayed(mean / root / correction, value, group)
        parameter.assign(value - step * (trust_ratio(value, step) * lr.astype(dtype)))

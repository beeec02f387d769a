"""Losses that PyTorch takes apart into another function than eager mode computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.fx
from torch.nn import _reduction as _Reduction

#: What ATen's numbers for reductions stand for.
_NONE, _MEAN = 0, 1


def multilabel_margin_loss(
    input: torch.Tensor, target: torch.Tensor, reduction: int = _MEAN
) -> torch.Tensor:
    """The loss whose labels end before the first -1.

    PyTorch's own decomposition adds, for each number behind it, the margins of class 0.
    """
    rows = (1, -1) if input.ndim < 2 else input.shape
    scores, labels = input.reshape(rows), target.reshape(rows)
    count = scores.shape[1]
    is_listed = (labels == -1).cumsum(1) == 0
    labels = torch.where(is_listed, labels, 0)
    is_label = torch.zeros_like(scores).scatter_add(1, labels, is_listed.to(scores.dtype)) > 0
    margins = 1 - scores.gather(1, labels).unsqueeze(2) + scores.unsqueeze(1)
    counted = is_listed.unsqueeze(2) & ~is_label.unsqueeze(1)
    losses = torch.where(counted, margins.clamp(min=0), 0).sum((1, 2)) / count
    if reduction == _NONE:
        return losses if input.ndim > 1 else losses[0]
    return losses.mean() if reduction == _MEAN else losses.sum()


def _multilabel_margin_loss(
    input: torch.Tensor,
    target: torch.Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> torch.Tensor:
    """The same as `torch.nn.functional` has it."""
    if size_average is not None or reduce is not None:
        number = _Reduction.legacy_get_enum(size_average, reduce)
    else:
        number = _Reduction.get_enum(reduction)
    return multilabel_margin_loss(input, target, number)


#: By what a graph of TorchDynamo names.
REPLACED: dict[Any, Callable] = {
    torch.nn.functional.multilabel_margin_loss: _multilabel_margin_loss,
    torch._C._nn.multilabel_margin_loss: multilabel_margin_loss,
}


def replace_losses(module: torch.fx.GraphModule) -> None:
    """Puts functions that are right for those that PyTorch would take apart into others."""
    for part in module.modules():
        if isinstance(part, torch.fx.GraphModule):
            found = [node for node in part.graph.nodes if node.target in REPLACED]
            for node in found:
                node.target = REPLACED[node.target]
            if found:
                part.recompile()

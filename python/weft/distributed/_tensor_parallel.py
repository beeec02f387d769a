"""Layers whose weight is divided among processes (Shoeybi et al., "Megatron-LM", 2019)."""

from __future__ import annotations

from typing import Any

from .._autodiff import no_grad
from .._core import Tensor
from .._creation import _fail
from .._errors import ShapeError
from ..nn import Linear, Module
from ..nn import functional as functions
from ..nn._parameter import Parameter
from ._groups import Group, require_group
from ._operations import all_gather, broadcast, merge, replicate


def _share_of(count: int, group: Group, name: str) -> slice:
    if count % group.size:
        raise _fail(
            ShapeError, f"{name}: {count} features are not divisible by {group.size} processes"
        )
    part = count // group.size
    return slice(group.rank * part, (group.rank + 1) * part)


def _whole(layer: Linear, group: Group) -> tuple[Tensor, Tensor | None]:
    """Weight and bias that all members have: those of member 0."""
    with no_grad():
        weight = broadcast(layer.weight.detach(), 0, group)
        bias = None if layer.bias is None else broadcast(layer.bias.detach(), 0, group)
    return weight, bias


class ColumnParallelLinear(Module):
    """A `Linear` of which each process has some of the outputs; a `RowParallelLinear` may follow.

    Args:
        in_features, out_features, bias: those of `Linear`, of all processes together.
        gather_output: whether each gets all outputs; else its own [..., out_features / processes].
        group: None: all processes.

    The input is the same in all processes, and so is the loss that they compute. The weight begins
    as that of one `Linear`, in member 0, divided.

    Raises:
        ShapeError: out_features is not divisible by the number of processes.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        gather_output: bool = False,
        group: Group | None = None,
    ) -> None:
        super().__init__()
        self._group = require_group(group, "ColumnParallelLinear")
        self.gather_output = gather_output
        own = _share_of(out_features, self._group, "ColumnParallelLinear")
        weight, offset = _whole(Linear(in_features, out_features, bias=bias), self._group)
        self.weight = Parameter(weight[own].clone())
        self.bias = None if offset is None else Parameter(offset[own].clone())

    def forward(self, x: Tensor) -> Tensor:
        """This process's outputs, or all."""
        made = functions.linear(replicate(x, group=self._group), self.weight, self.bias)
        if not self.gather_output:
            return made
        # All go on with the same outputs: of as many equal cotangents the mean is one.
        return all_gather(made, axis=-1, tiled=True, mean=True, group=self._group)


class RowParallelLinear(Module):
    """A `Linear` of which each process has some of the inputs, as `ColumnParallelLinear` gives.

    Args:
        in_features, out_features, bias: those of `Linear`, of all processes together.
        input_is_parallel: whether the input is this process's own [..., in_features / processes];
            else it takes that part of what all have.
        group: None: all processes.

    Raises:
        ShapeError: in_features is not divisible by the number of processes.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        input_is_parallel: bool = True,
        group: Group | None = None,
    ) -> None:
        super().__init__()
        self._group = require_group(group, "RowParallelLinear")
        self.input_is_parallel = input_is_parallel
        self._inputs = _share_of(in_features, self._group, "RowParallelLinear")
        weight, offset = _whole(Linear(in_features, out_features, bias=bias), self._group)
        self.weight = Parameter(weight[:, self._inputs].clone())
        self.bias = None if offset is None else Parameter(offset.clone())

    def forward(self, x: Tensor) -> Any:
        """The outputs, the same in all processes."""
        if not self.input_is_parallel:
            x = replicate(x, group=self._group)[..., self._inputs]
        made = merge(functions.linear(x, self.weight), self._group)
        return made if self.bias is None else made + self.bias

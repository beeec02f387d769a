"""The tensors that a module owns."""

from __future__ import annotations

from typing import Any

from .._core import Tensor
from .._creation import zeros


class Parameter(Tensor):
    """A tensor that a module registers when it is assigned to an attribute.

    Args:
        data: a tensor, array or nested sequence of floating dtype; its history is left behind.
        requires_grad: whether gradients are accumulated in ``grad``.
    """

    def __new__(cls, data: Any, requires_grad: bool = True) -> Parameter:
        source = data.detach() if isinstance(data, Tensor) else data
        return super().__new__(cls, source, None, requires_grad)

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        """A parameter of the same value and attributes; the gradient stays with this one."""
        result: Parameter = super().__deepcopy__(memo)
        result.grad = None
        return result


def adopted(value: Tensor, requires_grad: bool = True) -> Parameter:
    """A parameter that has a tensor's value without a copy of it."""
    parameter = Parameter(zeros(value.shape, dtype=value.dtype), requires_grad)
    parameter._replace(value)
    return parameter


class Buffer(Tensor):
    """A tensor that a module registers as a buffer when it is assigned to an attribute.

    Args:
        data: a tensor, array or nested sequence; its history is left behind.
        persistent: whether it is part of the module's ``state_dict``.
    """

    persistent: bool

    def __new__(cls, data: Any, *, persistent: bool = True) -> Buffer:
        source = data.detach() if isinstance(data, Tensor) else data
        result: Buffer = super().__new__(cls, source, None, False)
        result.persistent = persistent
        return result

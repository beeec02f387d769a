"""What modules own, by the names of PyTorch's module of this name."""

from typing import Any

from .._refused import refusing as _refusing
from ._lazy import UninitializedBuffer, UninitializedParameter, _Uninitialized
from ._parameter import Buffer, Parameter

__all__ = ["Buffer", "Parameter", "UninitializedBuffer", "UninitializedParameter", "is_lazy"]


def is_lazy(param: Any) -> bool:
    """Whether a parameter or buffer gets its shape with the first input."""
    return isinstance(param, _Uninitialized)


#: What to write in the place of names that PyTorch has here.
__getattr__ = _refusing("nn.parameter")

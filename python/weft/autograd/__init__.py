"""Gradients as PyTorch's programs ask for them.

`weft.grad`, `weft.vjp` and the others transform functions; what is here takes tensors that were
computed while gradients were recorded, or defines functions with a gradient of their own.
"""

import typing as _typing
from importlib import import_module as _import_module

from . import functional
from .. import _core
from .._refused import refuse as _refuse
from ._check import gradcheck, gradgradcheck
from ._function import Function, once_differentiable
from ._grad import backward, grad
from . import _tensor_hooks
from .._autodiff import enable_grad, inference_mode, no_grad, set_grad_enabled

__all__ = [
    "Function",
    "backward",
    "enable_grad",
    "functional",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "inference_mode",
    "no_grad",
    "once_differentiable",
    "set_grad_enabled",
]

_core.Tensor.register_hook = _tensor_hooks.register_hook
_core.Tensor.register_post_accumulate_grad_hook = _tensor_hooks.register_post_accumulate_grad_hook
_core.Tensor.retain_grad = _tensor_hooks.retain_grad
_core.Tensor.retains_grad = property(_tensor_hooks.retains_grad)


if not _typing.TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """What watches, when it is asked for."""
        if name == "profiler":
            return _import_module(".profiler", __name__)
        _refuse("autograd", name)

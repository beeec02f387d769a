"""Helpers for training, and for what comes after it."""

from __future__ import annotations

from collections.abc import Iterable

from .. import _ops
from .._autodiff import no_grad
from .._core import Tensor
from .._creation import asarray
from .._dtypes import float32, promote_types
from .._linear import vecdot
from .._manipulation import reshape, stack
from .._reductions import sum
from ._narrow_weights import narrow_weights

__all__ = ["clip_grad_norm_", "clip_grad_value_", "narrow_weights", "parameters_to_vector"]


def _with_gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    tensors = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    return [tensor for tensor in tensors if tensor.grad is not None]


@no_grad()
def clip_grad_norm_(parameters: Tensor | Iterable[Tensor], max_norm: float) -> Tensor:
    """Scales gradients so that their common Euclidean norm is at most max_norm; the norm before."""
    tensors = _with_gradients(parameters)
    if not tensors:
        return asarray(0.0)
    # The squares of large halves are beyond their range.
    flat = [
        reshape(tensor.grad, -1).astype(promote_types(tensor.grad.dtype, float32))
        for tensor in tensors
    ]
    total = _ops.sqrt(sum(stack([vecdot(gradient, gradient) for gradient in flat])))
    factor = _ops.minimum(max_norm / (total + 1e-6), 1.0)
    for tensor in tensors:
        tensor.grad.mul_(factor.astype(tensor.grad.dtype))
    return total


@no_grad()
def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Limits each element of the gradients to [-clip_value, clip_value]."""
    for tensor in _with_gradients(parameters):
        tensor.grad.assign(tensor.grad.clip(-clip_value, clip_value))


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All elements one after the other, 1-D."""
    from .._manipulation import concat

    return concat([reshape(parameter, -1) for parameter in parameters])

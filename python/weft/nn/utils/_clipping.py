"""Limiting gradients, and parameters as one vector."""

from __future__ import annotations

import math
from collections.abc import Iterable

from ... import _ops
from ..._autodiff import no_grad
from ..._core import Tensor
from ..._creation import _fail, asarray
from ..._dtypes import float32, promote_types
from ..._errors import DTypeError, GradientError, ShapeError
from ..._manipulation import astype, concat, narrow, reshape, stack
from ..._reductions import max, norm


def _as_list(tensors: Tensor | Iterable[Tensor]) -> list[Tensor]:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def _with_gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    return [tensor for tensor in _as_list(parameters) if tensor.grad is not None]


@no_grad()
def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The norm of order ``norm_type`` of all elements of all tensors, in float32 or wider.

    Args:
        tensors: one or several, which may differ in shape and dtype.
        norm_type: a positive number, or inf for the largest absolute value.
        error_if_nonfinite: raises GradientError for an infinite norm or NaN. The value is read for
            that, so that the function can't be compiled.
        foreach: accepted, and changes nothing.

    Raises:
        OptionError: the order is not positive. GradientError: see above.
    """
    # The squares of large halves are beyond their range.
    flat = [
        astype(reshape(x, -1), promote_types(x.dtype, float32))
        for x in _as_list(tensors)
        if x._size
    ]
    order = float(norm_type)
    parts = [norm(x, ord=order) for x in flat]
    if not parts:
        return asarray(0.0)
    total = max(stack(parts)) if order == math.inf else norm(stack(parts), ord=order)
    if error_if_nonfinite and not bool(_ops.isfinite(total)):
        raise _fail(
            GradientError,
            f"the norm of order {order} of the gradients is {total.item()}, which is not finite; "
            "with error_if_nonfinite=False they would be scaled by it all the same",
        )
    return total


@no_grad()
def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    total_norm: Tensor,
    foreach: bool | None = None,
) -> None:
    """Scales gradients, whose norm is ``total_norm``, so that it is at most ``max_norm``."""
    factor = _ops.minimum(max_norm / (total_norm + 1e-6), 1.0)
    for tensor in _with_gradients(parameters):
        tensor.grad.mul_(astype(factor, tensor.grad.dtype))


@no_grad()
def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scales gradients so that their common norm is at most ``max_norm``; returns it as it was.

    The arguments are those of `get_total_norm`, which says what is raised.
    """
    tensors = _with_gradients(parameters)
    gradients = [tensor.grad for tensor in tensors]
    total = get_total_norm(gradients, norm_type, error_if_nonfinite, foreach)
    clip_grads_with_norm_(tensors, max_norm, total, foreach)
    return total


@no_grad()
def clip_grad_value_(
    parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None
) -> None:
    """Limits each element of the gradients to [-clip_value, clip_value]."""
    for tensor in _with_gradients(parameters):
        tensor.grad.assign(tensor.grad.clip(-clip_value, clip_value))


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All elements one after the other, 1-D."""
    return concat([reshape(parameter, -1) for parameter in parameters])


@no_grad()
def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Gives parameters the elements of a vector for their values, one after the other.

    Raises:
        DTypeError: ``vec`` is no tensor. ShapeError: it has fewer elements than the parameters.
    """
    if not isinstance(vec, Tensor):
        raise _fail(DTypeError, f"vector_to_parameters: a {type(vec).__name__} is no tensor")
    tensors, start = _as_list(parameters), 0
    needed = sum(tensor._size for tensor in tensors)
    if vec.ndim != 1 or vec.shape[0] < needed:
        raise _fail(
            ShapeError,
            f"vector_to_parameters: the vector has shape {vec.shape}, but has to be [{needed}]",
        )
    for tensor in tensors:
        part = reshape(narrow(vec, 0, start, tensor._size), tensor.shape)
        tensor.assign(astype(part, tensor.dtype))
        start += tensor._size

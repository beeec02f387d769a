"""Filling tensors with starting values, in place, with PyTorch's names.

The numbers come from `weft.random`, so that `weft.random.seed` decides them.
"""

from __future__ import annotations

import math

from .. import random
from .._autodiff import no_grad
from .._core import Tensor
from .._creation import _fail, eye, full
from .._errors import OptionError, ShapeError

__all__ = [
    "calculate_gain",
    "constant_",
    "eye_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]


@no_grad()
def _assign(tensor: Tensor, value: Tensor) -> Tensor:
    tensor.assign(value)
    return tensor


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0) -> Tensor:
    """Numbers uniform in [a, b)."""
    return _assign(
        tensor, random.uniform(tensor.shape, a, b, dtype=tensor.dtype, device=tensor.device)
    )


def _normal_like(tensor: Tensor, mean: float, std: float) -> Tensor:
    return random.normal(tensor.shape, mean, std, dtype=tensor.dtype, device=tensor.device)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0) -> Tensor:
    """Normally distributed numbers."""
    return _assign(tensor, _normal_like(tensor, mean, std))


def trunc_normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0
) -> Tensor:
    """Normally distributed numbers, those outside of [a, b] drawn anew until inside."""
    from .._ops import where

    values = _normal_like(tensor, mean, std)
    outside = (values < a) | (values > b)
    while bool(outside.any()):
        values = where(outside, _normal_like(tensor, mean, std), values)
        outside = (values < a) | (values > b)
    return _assign(tensor, values)


def constant_(tensor: Tensor, val: float) -> Tensor:
    """One number everywhere."""
    return _assign(tensor, full(tensor.shape, val, dtype=tensor.dtype, device=tensor.device))


def zeros_(tensor: Tensor) -> Tensor:
    """Zeros."""
    return constant_(tensor, 0.0)


def ones_(tensor: Tensor) -> Tensor:
    """Ones."""
    return constant_(tensor, 1.0)


def eye_(tensor: Tensor) -> Tensor:
    """Ones on the diagonal of a matrix. Raises ShapeError unless there are two dimensions."""
    if tensor.ndim != 2:
        raise _fail(ShapeError, f"eye_: a matrix is needed, not shape {tensor.shape}")
    return _assign(tensor, eye(*tensor.shape, dtype=tensor.dtype, device=tensor.device))


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """By how much weights before a nonlinearity are to be scaled.

    Raises:
        OptionError: the nonlinearity is unknown.
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        return math.sqrt(2.0 / (1.0 + slope * slope))
    gains = {
        "linear": 1.0,
        "conv1d": 1.0,
        "conv2d": 1.0,
        "sigmoid": 1.0,
        "tanh": 5.0 / 3.0,
        "relu": math.sqrt(2.0),
        "selu": 0.75,
    }
    if nonlinearity not in gains:
        raise _fail(
            OptionError,
            f"calculate_gain: {nonlinearity!r} is none of {', '.join(['leaky_relu', *gains])}",
        )
    return gains[nonlinearity]


def _fans(tensor: Tensor) -> tuple[int, int]:
    """How many inputs an output depends on, and the other way."""
    if tensor.ndim < 2:
        raise _fail(
            ShapeError, f"fan in and fan out need at least 2 dimensions, not shape {tensor.shape}"
        )
    window = math.prod(tensor.shape[2:])
    return tensor.shape[1] * window, tensor.shape[0] * window


def _fan(tensor: Tensor, mode: str) -> int:
    if mode not in ("fan_in", "fan_out"):
        raise _fail(OptionError, f'the mode has to be "fan_in" or "fan_out", not {mode!r}')
    return _fans(tensor)[mode == "fan_out"]


def kaiming_uniform_(
    tensor: Tensor, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu"
) -> Tensor:
    """Uniform in ±gain * sqrt(3 / fan) (He et al., 2015). Raises ShapeError below 2 dimensions."""
    if tensor._size == 0:
        return tensor
    bound = calculate_gain(nonlinearity, a) * math.sqrt(3.0 / _fan(tensor, mode))
    return uniform_(tensor, -bound, bound)


def kaiming_normal_(
    tensor: Tensor, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu"
) -> Tensor:
    """Normal with deviation gain / sqrt(fan). Raises ShapeError below 2 dimensions."""
    if tensor._size == 0:
        return tensor
    return normal_(tensor, 0.0, calculate_gain(nonlinearity, a) / math.sqrt(_fan(tensor, mode)))


def xavier_uniform_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """Uniform in ±gain * sqrt(6 / (fan in + fan out)) (Glorot and Bengio, 2010)."""
    bound = gain * math.sqrt(6.0 / sum(_fans(tensor)))
    return uniform_(tensor, -bound, bound)


def xavier_normal_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """Normal with deviation gain * sqrt(2 / (fan in + fan out))."""
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / sum(_fans(tensor))))

"""Filling tensors with starting values, in place, with PyTorch's names.

The numbers come from `weft.random`, so that `weft.random.seed` decides them.
"""

from __future__ import annotations

import math

from .. import random
from .._autodiff import no_grad
from .._core import Tensor
from .._creation import _fail, eye, full, zeros_like
from .._dtypes import float32, promote_types
from .._errors import OptionError, ShapeError
from .._manipulation import astype, narrow, pad, reshape, tile, transpose
from .._refused import refusing as _refusing
from .._sorting import argsort

__all__ = [
    "calculate_gain",
    "constant",
    "constant_",
    "dirac",
    "dirac_",
    "eye_",
    "kaiming_normal",
    "kaiming_normal_",
    "kaiming_uniform",
    "kaiming_uniform_",
    "normal",
    "normal_",
    "ones_",
    "orthogonal",
    "orthogonal_",
    "sparse",
    "sparse_",
    "trunc_normal_",
    "uniform",
    "uniform_",
    "xavier_normal",
    "xavier_normal_",
    "xavier_uniform",
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
        **{f"conv{dimensions}d": 1.0 for dimensions in (1, 2, 3)},
        **{f"conv_transpose{dimensions}d": 1.0 for dimensions in (1, 2, 3)},
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


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """The weight of a convolution that gives its input: one in the middle of the window between
    channels of the same number, in each group; zeros elsewhere.

    Args:
        tensor: [channels out, channels in, *window], of one to three dimensions of the window.
        groups: how many parts the channels out fall into.

    Raises:
        ShapeError: there are other dimensions, or the groups do not divide the channels.
    """
    if tensor.ndim not in (3, 4, 5) or groups < 1 or tensor.shape[0] % groups:
        raise _fail(
            ShapeError,
            f"dirac_: a weight of 3 to 5 dimensions is needed whose first is divided by {groups}, "
            f"not shape {tensor.shape}",
        )
    channels, window = tensor.shape[1], tensor.shape[2:]
    same = eye(tensor.shape[0] // groups, channels, dtype=tensor.dtype, device=tensor.device)
    points = reshape(tile(same, (groups, 1)), (*tensor.shape[:2], *[1] * len(window)))
    if 0 in window:
        return tensor
    around = [(size // 2, size - 1 - size // 2) for size in window]
    return _assign(tensor, pad(points, [(0, 0), (0, 0), *around]))


#: Rows that are made orthonormal together.
_BLOCK = 32
#: Steps until the smallest singular value of such rows, relative to the largest, has grown from any
#: that random rows have to 1, by a factor of 1.5 each; and from nearly 1.
_MANY_STEPS, _FEW_STEPS = 36, 6


def _nearest_orthonormal(rows: Tensor, steps: int) -> Tensor:
    """Orthonormal rows next to rows whose singular values are in (0, sqrt(3)).

    By Newton's iteration for the polar decomposition (Björck and Bowie, 1971).
    """
    for _ in range(steps):
        rows = rows * 1.5 - (rows @ transpose(rows, 0, 1)) @ rows * 0.5
    return rows


def _random_orthonormal(count: int, length: int, like: Tensor) -> Tensor:
    """Orthonormal rows [count, length], count <= length, uniform among all such.

    Block by block: normal rows, less their part along the rows before, made orthonormal; and the
    same once more, as what is left may be small beside its rounding errors.
    """
    drawn = random.normal((count, length), dtype=like.dtype, device=like.device)
    # The largest singular value is hardly ever larger (Davidson and Szarek, 2001).
    limit = math.sqrt(min(_BLOCK, count)) + math.sqrt(length) + 6.0
    result = zeros_like(drawn)
    for start in range(0, count, _BLOCK):
        size = min(_BLOCK, count - start)
        block = narrow(drawn, 0, start, size) * (math.sqrt(3.0) / limit)
        for steps in (_MANY_STEPS, _FEW_STEPS):
            block = block - (block @ transpose(result, 0, 1)) @ result
            block = _nearest_orthonormal(block, steps)
        result[start : start + size] = block
    return result


@no_grad()
def orthogonal_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """A random matrix with orthonormal rows, or columns if there are more rows, times ``gain``
    (Saxe et al., 2014).

    Dimensions behind the second count as columns. It is drawn uniformly, as by PyTorch, though not
    by a QR decomposition.

    Raises:
        ShapeError: there are less than two dimensions.
    """
    if tensor.ndim < 2:
        raise _fail(
            ShapeError, f"orthogonal_: at least 2 dimensions are needed, not shape {tensor.shape}"
        )
    if tensor._size == 0:
        return tensor
    rows, columns = tensor.shape[0], math.prod(tensor.shape[1:])
    wide = full((), 0.0, dtype=promote_types(tensor.dtype, float32), device=tensor.device)
    matrix = _random_orthonormal(min(rows, columns), max(rows, columns), wide) * gain
    matrix = transpose(matrix, 0, 1) if rows > columns else matrix
    return _assign(tensor, astype(reshape(matrix, tensor.shape), tensor.dtype))


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01) -> Tensor:
    """Normally distributed numbers, and in each column a share of zeros (Martens, 2010).

    Args:
        tensor: a matrix.
        sparsity: the share, in [0, 1], rounded up to a number of rows.
        std: the deviation of the others.

    Raises:
        ShapeError: it is no matrix. OptionError: the share is out of range.
    """
    if tensor.ndim != 2:
        raise _fail(ShapeError, f"sparse_: a matrix is needed, not shape {tensor.shape}")
    if not 0 <= sparsity <= 1:
        raise _fail(OptionError, f"sparse_: sparsity has to be in [0, 1], not {sparsity}")
    from .._ops import where

    keys = random.uniform(tensor.shape, device=tensor.device)
    # The order of the order is the rank of each element in its column.
    ranks = argsort(argsort(keys, axis=0), axis=0)
    zeros = math.ceil(sparsity * tensor.shape[0])
    return _assign(tensor, where(ranks < zeros, 0.0, _normal_like(tensor, 0.0, std)))


#: PyTorch's older names.
constant = constant_
dirac = dirac_
kaiming_normal = kaiming_normal_
kaiming_uniform = kaiming_uniform_
normal = normal_
orthogonal = orthogonal_
sparse = sparse_
uniform = uniform_
xavier_normal = xavier_normal_
xavier_uniform = xavier_uniform_


#: What to write in the place of names that PyTorch has here.
__getattr__ = _refusing("nn.init")

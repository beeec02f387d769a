"""Operations of neural networks, with PyTorch's names and signatures."""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from typing import cast

from . import _core
from ._core import SymbolicSize, Tensor
from ._creation import _fail, _size, asarray, ones, zeros
from ._dtypes import as_dtype, float32, promote_types
from ._errors import DTypeError, OptionError, ShapeError
from ._manipulation import astype, normalize_axis, pad, reshape, scatter_add
from ._manipulation import embedding as _embedding
from ._reductions import mean

Pair = int | Sequence[int]


def _pair(value: Pair | str, name: str) -> list[int]:
    items = value if isinstance(value, (list, tuple)) else [value, value]
    values = [_size(cast(int, item), name) for item in items]
    if len(values) != 2:
        raise _fail(ShapeError, f"{name} has to be an integer or two, not {value}")
    return values


def _floating(x: Tensor, name: str) -> Tensor:
    x = asarray(x)
    if x.dtype.kind != "floating":
        raise _fail(
            DTypeError,
            f"{name}: the input has dtype {x.dtype.name}, but has to be "
            "floating; convert it by astype(weft.float32)",
        )
    return x


def _check_dims(x: Tensor, count: int, name: str, layout: str) -> None:
    if x.ndim != count:
        raise _fail(ShapeError, f"{name}: the input has shape {x.shape}, but has to be {layout}")


def softmax(x: Tensor, dim: int = -1, dtype: object = None) -> Tensor:
    """exp(x) over its sum along ``dim``; integers are converted to float32."""
    return _along_axis("softmax", x, dim, dtype)


def log_softmax(x: Tensor, dim: int = -1, dtype: object = None) -> Tensor:
    """The logarithm of `softmax`, computed accurately."""
    return _along_axis("log_softmax", x, dim, dtype)


def _along_axis(name: str, x: Tensor, dim: int, dtype: object) -> Tensor:
    x = asarray(x)
    if dtype is not None or x.dtype.kind != "floating":
        x = astype(x, as_dtype(dtype or float32))
    return _core.apply("weft." + name, (x,), {"axis": normalize_axis(dim, x.ndim, name)})


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x weight^T + bias: x [..., K], weight [N, K], bias [N].

    Of different dtypes, x and the weight are converted as for ``x @ weight.T``; compiled for a
    processor, the product reads a narrower weight where it is.

    Raises:
        ShapeError: the shapes do not fit.
    """
    if weight.ndim != 2:
        raise _fail(
            ShapeError, f"linear: the weight has shape {weight.shape}, but has to be [N, K]"
        )
    if x.shape[-1:] != weight.shape[-1:]:
        raise _fail(
            ShapeError,
            f"linear: the input has shape {x.shape}, but the weight "
            f"{weight.shape} needs a last dimension of {weight.shape[-1]}",
        )
    if x.dtype is not weight.dtype:
        dtype = promote_types(x.dtype, weight.dtype)
        x, weight = astype(x, dtype), astype(weight, dtype)
    rows = reshape(x, (math.prod(x.shape[:-1]), x.shape[-1]))
    product = _core.apply("weft.matmul", (rows, weight), {"transpose_rhs": True})
    result = reshape(product, (*x.shape[:-1], weight.shape[0]))
    return result if bias is None else result + bias


def conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Pair | str = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor:
    """A convolution: x [N, C, H, W], weight [O, C / groups, KH, KW], bias [O].

    ``padding`` may be "valid" or (with stride 1) "same", which for an even window pads one more
    behind than in front.

    Raises:
        ShapeError: the channels, groups or window do not fit. OptionError: the padding is neither
            numbers nor one of these.
    """
    x, weight = _floating(x, "conv2d"), _floating(weight, "conv2d (weight)")
    _check_dims(x, 4, "conv2d", "[N, C, H, W]")
    _check_dims(weight, 4, "conv2d (weight)", "[O, C / groups, KH, KW]")
    strides, dilations = _pair(stride, "conv2d: stride"), _pair(dilation, "conv2d: dilation")
    behind = [0, 0]
    if padding == "same":
        if strides != [1, 1]:
            raise _fail(OptionError, 'conv2d: padding "same" needs stride 1')
        totals = [d * (k - 1) for d, k in zip(dilations, weight.shape[2:], strict=True)]
        borders, behind = [total // 2 for total in totals], [total % 2 for total in totals]
    elif isinstance(padding, str) and padding != "valid":
        raise _fail(
            OptionError, f'conv2d: padding is {padding!r}, but has to be numbers, "valid" or "same"'
        )
    else:
        borders = [0, 0] if padding == "valid" else _pair(padding, "conv2d: padding")
    if groups < 1:
        raise _fail(OptionError, f"conv2d: groups is {groups}, but has to be at least 1")
    if x.shape[1] != weight.shape[1] * groups or weight.shape[0] % groups:
        needed = (
            f"the weight needs a multiple of {groups} filters, not {weight.shape[0]}"
            if weight.shape[0] % groups
            else f"the input needs {weight.shape[1] * groups} channels"
        )
        raise _fail(
            ShapeError,
            f"conv2d: an input of shape {x.shape} and a weight of shape "
            f"{weight.shape} do not fit with {groups} groups: {needed}",
        )
    if any(behind):
        x = pad(x, [(0, 0), (0, 0), (0, behind[0]), (0, behind[1])])
    return _core.apply(
        "weft.conv2d",
        (x, weight) if bias is None else (x, weight, bias),
        {"strides": strides, "padding": borders, "dilations": dilations, "groups": groups},
    )


def _pool(name: str, x: Tensor, kernel_size: Pair, stride: Pair | None, padding: Pair) -> Tensor:
    x = _floating(x, name)
    _check_dims(x, 4, name, "[N, C, H, W]")
    window = _pair(kernel_size, f"{name}: kernel_size")
    strides = window if stride is None else _pair(stride, f"{name}: stride")
    borders = _pair(padding, f"{name}: padding")
    if any(2 * border > size for border, size in zip(borders, window, strict=True)):
        raise _fail(
            ShapeError, f"{name}: padding {borders} is more than half of the window {window}"
        )
    return _core.apply(
        "weft." + name, (x,), {"window": window, "strides": strides, "padding": borders}
    )


def max_pool2d(
    x: Tensor, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0
) -> Tensor:
    """The largest element of each window of x [N, C, H, W]; the stride defaults to the window."""
    return _pool("max_pool2d", x, kernel_size, stride, padding)


def avg_pool2d(
    x: Tensor, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0
) -> Tensor:
    """The mean of each window of x [N, C, H, W]; the stride defaults to the window."""
    return _pool("avg_pool2d", x, kernel_size, stride, padding)


def adaptive_avg_pool2d(x: Tensor, output_size: Pair) -> Tensor:
    """Means of windows such that the result is [N, C, *output_size], which has to divide H, W."""
    sizes = _pair(output_size, "adaptive_avg_pool2d: output_size")
    _check_dims(x, 4, "adaptive_avg_pool2d", "[N, C, H, W]")
    if any(size < 1 for size in sizes):
        raise _fail(ShapeError, f"adaptive_avg_pool2d: {sizes} has a size below 1")
    if any(have % want for have, want in zip(x.shape[2:], sizes, strict=True)):
        raise _fail(ShapeError, f"adaptive_avg_pool2d: {sizes} does not divide shape {x.shape}")
    window = [have // want for have, want in zip(x.shape[2:], sizes, strict=True)]
    return avg_pool2d(x, window)


def layer_norm(
    x: Tensor,
    normalized_shape: int | Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """x brought to mean 0 and variance 1 over its last dimensions, times weight plus bias.

    Raises:
        ShapeError: x does not end with ``normalized_shape``.
    """
    x = _floating(x, "layer_norm")
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if x.shape[x.ndim - len(shape) :] != shape:
        raise _fail(
            ShapeError, f"layer_norm: the input has shape {x.shape}, but has to end with {shape}"
        )
    weight = ones(shape, dtype=x.dtype, device=x.device) if weight is None else weight
    bias = zeros(shape, dtype=x.dtype, device=x.device) if bias is None else bias
    return _core.apply("weft.layer_norm", (x, weight, bias), {"epsilon": float(eps)})


def batch_norm(
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """x [N, C, ...] normalised per channel; in training by its own statistics.

    In training the running statistics, where given, are updated: mean and unbiased variance with
    weight ``momentum``.
    """
    x = _floating(x, "batch_norm")
    if x.ndim < 2:
        raise _fail(
            ShapeError, f"batch_norm: the input has shape {x.shape}, but has to be [N, C, ...]"
        )
    axes = [0, *range(2, x.ndim)]
    channels = x.shape[1]
    if training or running_mean is None or running_var is None:
        count = x._size // builtins.max(channels, 1)
        average = mean(x, axis=axes)
        variance = _core.apply("weft.variance", (x,), {"axes": axes, "correction": 0.0})
        if running_mean is not None and running_var is not None:
            _update_statistics(running_mean, running_var, average, variance, momentum, count)
    else:
        average, variance = running_mean, running_var
    weight = ones((channels,), dtype=x.dtype, device=x.device) if weight is None else weight
    bias = zeros((channels,), dtype=x.dtype, device=x.device) if bias is None else bias
    return _core.apply(
        "weft.batch_norm", (x, average, variance, weight, bias), {"epsilon": float(eps)}
    )


def at_least_one(count: int) -> int | Tensor:
    """A count to divide by, which is 1 if it is none."""
    from ._ops import maximum

    return maximum(asarray(count), 1) if isinstance(count, SymbolicSize) else builtins.max(count, 1)


def _update_statistics(
    running_mean: Tensor,
    running_var: Tensor,
    average: Tensor,
    variance: Tensor,
    momentum: float,
    count: int,
) -> None:
    from ._autodiff import no_grad

    with no_grad():
        unbiased = variance.detach() * (count / at_least_one(count - 1))
        running_mean.assign(running_mean * (1 - momentum) + average.detach() * momentum)
        running_var.assign(running_var * (1 - momentum) + unbiased * momentum)


def dropout(x: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """x with elements set to 0 with probability ``p``, the others divided by 1 - p."""
    if not 0 <= p <= 1:
        raise _fail(ShapeError, f"dropout: the probability has to be in [0, 1], not {p}")
    x = _floating(x, "dropout")
    if not training or p == 0:
        return x.clone()
    if p == 1:
        return x * 0.0
    from .random import _next_key

    return _core.apply("weft.dropout", (x, _next_key(x.device)), {"probability": float(p)})


def embedding(indices: Tensor, weight: Tensor) -> Tensor:
    """The rows of weight [N, D] at ``indices`` [...]: [..., D]."""
    return _embedding(indices, weight)


def leaky_relu(x: Tensor, negative_slope: float = 0.01) -> Tensor:
    """x where it is positive, else x times the slope."""
    from ._ops import where

    x = _floating(x, "leaky_relu")
    return where(x > 0, x, x * negative_slope)


def elu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """x where it is positive, else alpha * (exp(x) - 1)."""
    from ._ops import expm1, where

    x = _floating(x, "elu")
    positive = x > 0
    return where(positive, x, expm1(where(positive, 0.0, x)) * alpha)


__all__ = [
    "adaptive_avg_pool2d",
    "avg_pool2d",
    "batch_norm",
    "conv2d",
    "dropout",
    "elu",
    "embedding",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "max_pool2d",
    "pad",
    "scatter_add",
    "softmax",
]

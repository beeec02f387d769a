"""Normalisation, with PyTorch's names and arguments."""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence

from . import _core, _ops
from ._autodiff import no_grad
from ._core import Tensor
from ._creation import _fail, ones, zeros
from ._dtypes import finfo
from ._errors import ShapeError
from ._functional import at_least_one
from ._manipulation import astype, pad, permute_dims, reshape
from ._reductions import mean
from ._windows import check_least, floating, sizes_of, widened


def _ending(x: Tensor, normalized_shape: int | Sequence[int], name: str) -> tuple[int, ...]:
    """The shape, with which x has to end. Raises ShapeError."""
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if x.shape[x.ndim - len(shape) :] != shape:
        raise _fail(
            ShapeError, f"{name}: the input has shape {x.shape}, but has to end with {shape}"
        )
    return shape


def layer_norm(
    input: Tensor,
    normalized_shape: int | Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """The input brought to mean 0 and variance 1 over its last dimensions, times weight plus bias.

    Raises:
        ShapeError: it does not end with ``normalized_shape``.
    """
    x = floating(input, "layer_norm")
    shape = _ending(x, normalized_shape, "layer_norm")
    weight = ones(shape, dtype=x.dtype, device=x.device) if weight is None else weight
    bias = zeros(shape, dtype=x.dtype, device=x.device) if bias is None else bias
    return _core.apply("weft.layer_norm", (x, weight, bias), {"epsilon": float(eps)})


def rms_norm(
    input: Tensor,
    normalized_shape: int | Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    """The input over the root of the mean of its squares over its last dimensions, times weight
    (Zhang and Sennrich, 2019).

    Args:
        input: floating.
        normalized_shape: the sizes of the last dimensions.
        weight: of that shape.
        eps: is added to the mean; None: the distance from 1 to the next number of the dtype, of
            float32 for halves.

    Raises:
        ShapeError: the input or the weight does not fit ``normalized_shape``. DTypeError: the input
            is not floating.
    """
    x = floating(input, "rms_norm")
    shape = _ending(x, normalized_shape, "rms_norm")
    if weight is not None and weight.shape != shape:
        raise _fail(
            ShapeError, f"rms_norm: the weight has shape {weight.shape}, but has to be {shape}"
        )
    wide = widened(x)
    axes = tuple(range(x.ndim - len(shape), x.ndim))
    added = float(finfo(wide.dtype).eps) if eps is None else float(eps)
    result = wide * _ops.rsqrt(mean(wide * wide, axis=axes, keepdims=True) + added)
    return astype(result if weight is None else result * weight, x.dtype, copy=False)


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """[N, C, ...] brought to mean 0 and variance 1 in each group of channels, times weight [C] plus
    bias [C] (Wu and He, 2018).

    Raises:
        ShapeError: the groups do not divide the channels, or weight or bias does not fit them.
            DTypeError: the input is not floating.
    """
    x = floating(input, "group_norm")
    if x.ndim < 2:
        raise _fail(
            ShapeError, f"group_norm: the input has shape {x.shape}, but has to be [N, C, ...]"
        )
    (groups,) = sizes_of(num_groups, 1, "group_norm: num_groups")
    if groups < 1 or x.shape[1] % groups:
        raise _fail(
            ShapeError,
            f"group_norm: {groups} groups do not divide the {x.shape[1]} channels of shape "
            f"{x.shape}",
        )
    return _normalized_groups("group_norm", x, groups, weight, bias, eps)


def _normalized_groups(
    name: str,
    x: Tensor,
    groups: int,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
) -> Tensor:
    n, channels, *inner = x.shape
    for part, what in ((weight, "weight"), (bias, "bias")):
        if part is not None and part.shape != (channels,):
            raise _fail(
                ShapeError,
                f"{name}: the {what} has shape {part.shape}, but has to be ({channels},)",
            )
    members = channels // groups * math.prod(inner)
    rows = reshape(widened(x), (n * groups, members))
    result = reshape(layer_norm(rows, (members,), eps=eps), x.shape)
    each = (channels, *(1 for _ in inner))
    if weight is not None:
        result = result * reshape(weight, each)
    if bias is not None:
        result = result + reshape(bias, each)
    return astype(result, x.dtype, copy=False)


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """[N, C, ...] normalised per channel of each n; without ``use_input_stats`` by the running
    statistics [C] (Ulyanov et al., 2016).

    With it the running statistics, where given, are updated: with weight ``momentum`` by the means
    over N of mean and unbiased variance.

    Raises:
        ShapeError: the input has less than 3 dimensions, or one value per channel. DTypeError: it
            is not floating.
    """
    x = floating(input, "instance_norm")
    if not use_input_stats:
        return batch_norm(x, running_mean, running_var, weight, bias, False, momentum, eps)
    if x.ndim < 3:
        raise _fail(
            ShapeError, f"instance_norm: the input has shape {x.shape}, but has to be [N, C, ...]"
        )
    count = math.prod(x.shape[2:])
    if count == 1:
        raise _fail(
            ShapeError,
            f"instance_norm: an input of shape {x.shape} has one value per channel, which has no "
            "variance",
        )
    if running_mean is not None and running_var is not None:
        axes = list(range(2, x.ndim))
        average = mean(x, axis=axes)
        variance = _core.apply("weft.variance", (x,), {"axes": axes, "correction": 0.0})
        of_all = (mean(average, axis=0), mean(variance, axis=0))
        _update_statistics(running_mean, running_var, *of_all, momentum, count)
    return _normalized_groups("instance_norm", x, x.shape[1], weight, bias, eps)


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """[N, C, ...] normalised per channel; in training by its own statistics.

    In training the running statistics, where given, are updated: mean and unbiased variance with
    weight ``momentum``. A batch without elements has no statistics, and changes none.
    """
    x = floating(input, "batch_norm")
    if x.ndim < 2:
        raise _fail(
            ShapeError, f"batch_norm: the input has shape {x.shape}, but has to be [N, C, ...]"
        )
    axes = [0, *range(2, x.ndim)]
    channels = x.shape[1]
    if x._size == 0:
        average = zeros((channels,), dtype=x.dtype, device=x.device)
        variance = ones((channels,), dtype=x.dtype, device=x.device)
    elif training or running_mean is None or running_var is None:
        average = mean(x, axis=axes)
        variance = _core.apply("weft.variance", (x,), {"axes": axes, "correction": 0.0})
        if running_mean is not None and running_var is not None:
            count = x._size // builtins.max(channels, 1)
            _update_statistics(running_mean, running_var, average, variance, momentum, count)
    else:
        average, variance = running_mean, running_var
    weight = ones((channels,), dtype=x.dtype, device=x.device) if weight is None else weight
    bias = zeros((channels,), dtype=x.dtype, device=x.device) if bias is None else bias
    return _core.apply(
        "weft.batch_norm", (x, average, variance, weight, bias), {"epsilon": float(eps)}
    )


def _update_statistics(
    running_mean: Tensor,
    running_var: Tensor,
    average: Tensor,
    variance: Tensor,
    momentum: float,
    count: int,
) -> None:
    with no_grad():
        unbiased = variance.detach() * (count / at_least_one(count - 1))
        running_mean.assign(running_mean * (1 - momentum) + average.detach() * momentum)
        running_var.assign(running_var * (1 - momentum) + unbiased * momentum)


def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """[N, C, ...] over (k + alpha * the mean of the squares of ``size`` channels around) ** beta
    (Krizhevsky et al., 2012); beyond the first and last channel are zeros.

    Raises:
        ShapeError: the input has less than 3 dimensions, or the size is below 1. DTypeError: the
            input is not floating.
    """
    x = floating(input, "local_response_norm")
    if x.ndim < 3:
        raise _fail(
            ShapeError,
            f"local_response_norm: the input has shape {x.shape}, but has to be [N, C, ...]",
        )
    (size,) = sizes_of(size, 1, "local_response_norm: size")
    check_least([size], 1, "local_response_norm: size")
    if x._size == 0:
        return x.clone()
    wide = widened(x)
    # The places take the part of channels, which the operation has last, and the channels that of
    # rows.
    rows = reshape(wide * wide, (x.shape[0], x.shape[1], 1, math.prod(x.shape[2:])))
    around = pad(rows, [(0, 0), (size // 2, (size - 1) // 2), (0, 0), (0, 0)])
    options = {"window": [size, 1], "strides": [1, 1], "padding": [0, 0]}
    pooled = _core.apply("weft.avg_pool2d", (permute_dims(around, (0, 3, 1, 2)),), options)
    means = reshape(permute_dims(pooled, (0, 2, 3, 1)), x.shape)
    return astype(wide / (means * alpha + k) ** beta, x.dtype, copy=False)

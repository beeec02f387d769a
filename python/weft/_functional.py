"""Operations of neural networks, with PyTorch's names and signatures."""

from __future__ import annotations

import math
from collections.abc import Sequence

from . import _core
from ._core import SymbolicSize, Tensor
from ._creation import _fail, asarray, ones, zeros
from ._dtypes import as_dtype, float32
from ._errors import DTypeError, ShapeError
from ._manipulation import astype, normalize_axis, pad, reshape, scatter_add, transpose
from ._manipulation import embedding as _embedding
from ._reductions import mean, sum

Pair = int | Sequence[int]


def _pair(value: Pair | str, name: str) -> list[int]:
    values = [value, value] if isinstance(value, int) else [int(item) for item in value]
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
    """x weight^T + bias: x [..., K], weight [N, K], bias [N]."""
    if x.shape[-1:] != weight.shape[-1:]:
        raise _fail(
            ShapeError,
            f"linear: the input has shape {x.shape}, but the weight "
            f"{weight.shape} needs a last dimension of {weight.shape[-1]}",
        )
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

    ``padding`` may be "valid" or (with stride 1 and an odd window) "same".

    Raises:
        ShapeError: the channels, groups or window do not fit.
    """
    x = _floating(x, "conv2d")
    _check_dims(x, 4, "conv2d", "[N, C, H, W]")
    _check_dims(weight, 4, "conv2d (weight)", "[O, C / groups, KH, KW]")
    strides, dilations = _pair(stride, "conv2d: stride"), _pair(dilation, "conv2d: dilation")
    if padding == "same":
        if strides != [1, 1]:
            raise _fail(ShapeError, 'conv2d: padding "same" needs stride 1')
        borders = [d * (k - 1) // 2 for d, k in zip(dilations, weight.shape[2:], strict=True)]
    else:
        borders = [0, 0] if padding == "valid" else _pair(padding, "conv2d: padding")
    if groups < 1 or x.shape[1] != weight.shape[1] * groups or weight.shape[0] % groups:
        raise _fail(
            ShapeError,
            f"conv2d: an input of shape {x.shape} and a weight of shape "
            f"{weight.shape} do not fit with {groups} groups: the input needs "
            f"{weight.shape[1] * groups} channels",
        )
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
        count = x._size // max(channels, 1)
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

    return maximum(asarray(count), 1) if isinstance(count, SymbolicSize) else max(count, 1)


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
        return x
    if p == 1:
        return x * 0.0
    from .random import _next_key

    return _core.apply("weft.dropout", (x, _next_key(x.device)), {"probability": float(p)})


def embedding(indices: Tensor, weight: Tensor) -> Tensor:
    """The rows of weight [N, D] at ``indices`` [...]: [..., D]."""
    return _embedding(indices, weight)


def _reduced(losses: Tensor, reduction: str, name: str) -> Tensor:
    if reduction == "mean":
        return mean(losses)
    if reduction == "sum":
        return sum(losses)
    if reduction == "none":
        return losses
    raise _fail(
        ShapeError, f'{name}: reduction is {reduction!r}, but has to be "mean", "sum" or "none"'
    )


def cross_entropy(
    logits: Tensor, target: Tensor, reduction: str = "mean", label_smoothing: float = 0.0
) -> Tensor:
    """-log_softmax(logits) at the target: logits [N, C] or [C], target [N] or [] of integers.

    A floating target of the logits' shape gives the probability of each class.

    Raises:
        ShapeError: the shapes do not fit. DTypeError: the target is bool.
    """
    logits, target = _floating(logits, "cross_entropy"), asarray(target)
    if target.dtype.kind == "floating":
        if target.shape != logits.shape:
            raise _fail(
                ShapeError,
                f"cross_entropy: probabilities of shape {target.shape} for "
                f"logits of shape {logits.shape}",
            )
        return _reduced(-sum(log_softmax(logits) * target, axis=-1), reduction, "cross_entropy")
    if target.dtype.kind != "integer":
        raise _fail(
            DTypeError,
            f"cross_entropy: the target has dtype {target.dtype.name}, but has "
            "to be of integers (class numbers) or floating (probabilities)",
        )
    if target.shape != logits.shape[:-1] or logits.ndim not in (1, 2):
        raise _fail(
            ShapeError,
            f"cross_entropy: logits of shape {logits.shape} need a target of "
            f"shape {logits.shape[:-1]}, not {target.shape}; logits are [N, C]",
        )
    single = logits.ndim == 1
    rows = reshape(logits, (1, -1)) if single else logits
    losses = _core.apply("weft.cross_entropy", (rows, reshape(target, (rows.shape[0],))))
    if label_smoothing:
        uniform = -mean(log_softmax(rows), axis=-1)
        losses = losses * (1 - label_smoothing) + uniform * label_smoothing
    return _reduced(reshape(losses, ()) if single else losses, reduction, "cross_entropy")


def nll_loss(log_probabilities: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """-log_probabilities at the target: [N, C], [N]."""
    from ._manipulation import one_hot

    chosen = one_hot(target, log_probabilities.shape[-1], dtype=log_probabilities.dtype)
    return _reduced(-sum(log_probabilities * chosen, axis=-1), reduction, "nll_loss")


def mse_loss(x: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """The squared difference."""
    if x.shape != target.shape:
        raise _fail(
            ShapeError, f"mse_loss: the input has shape {x.shape}, the target {target.shape}"
        )
    difference = x - target
    return _reduced(difference * difference, reduction, "mse_loss")


def l1_loss(x: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """The absolute difference."""
    from ._ops import abs

    return _reduced(abs(x - target), reduction, "l1_loss")


def binary_cross_entropy_with_logits(x: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """The cross entropy of sigmoid(x) and the target, both of one shape."""
    from ._ops import softplus

    return _reduced(softplus(x) - x * target, reduction, "binary_cross_entropy_with_logits")


def leaky_relu(x: Tensor, negative_slope: float = 0.01) -> Tensor:
    """x where it is positive, else x times the slope."""
    from ._ops import where

    return where(x > 0, x, x * negative_slope)


def elu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """x where it is positive, else alpha * (exp(x) - 1)."""
    from ._ops import expm1, minimum, where

    return where(x > 0, x, expm1(minimum(x, 0.0)) * alpha)


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
) -> Tensor:
    """softmax(query key^T * scale + mask) value.

    query [..., L, E], key [..., S, E], value [..., S, V]; the mask [..., L, S] is floating (added)
    or bool (true: may be seen). The scale defaults to 1 / sqrt(E).

    Raises:
        ShapeError: the shapes do not fit, or both a mask and is_causal are given.
    """
    query = _floating(query, "scaled_dot_product_attention")
    factor = 1.0 / math.sqrt(max(query.shape[-1], 1)) if scale is None else float(scale)
    if attn_mask is None and dropout_p == 0.0:
        return _core.apply(
            "weft.scaled_dot_product_attention",
            (query, key, value),
            {"scale": factor, "causal": bool(is_causal)},
        )
    if attn_mask is not None and is_causal:
        raise _fail(ShapeError, "scaled_dot_product_attention: give a mask or is_causal, not both")
    from ._manipulation import tril
    from ._ops import where

    scores = (query @ transpose(key, -2, -1)) * factor
    if is_causal:
        attn_mask = tril(ones(scores.shape[-2:], device=scores.device)) > 0
    if attn_mask is not None:
        masked = attn_mask.dtype.kind == "bool"
        scores = where(attn_mask, scores, -math.inf) if masked else scores + attn_mask
    return dropout(softmax(scores), dropout_p) @ value


__all__ = [
    "adaptive_avg_pool2d",
    "avg_pool2d",
    "batch_norm",
    "binary_cross_entropy_with_logits",
    "conv2d",
    "cross_entropy",
    "dropout",
    "elu",
    "embedding",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "max_pool2d",
    "mse_loss",
    "nll_loss",
    "pad",
    "scaled_dot_product_attention",
    "scatter_add",
    "softmax",
]

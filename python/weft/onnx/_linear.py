"""Products of matrices, normalizations, and dropout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._core import Tensor
from .._creation import _fail
from .._errors import UnsupportedError
from ..nn import functional
from ._rules import rule, weft
from ._values import number

rule("MatMul")(lambda a, b: weft.matmul(a, b))
rule("Einsum")(lambda *operands, equation: weft.einsum(equation, *operands))
rule("Det")(lambda x: weft.linalg.det(x))


@rule("Gemm")
def _gemm(
    a: Tensor,
    b: Tensor,
    c: Tensor | None = None,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    trans_a: int = 0,
    trans_b: int = 0,
) -> Tensor:
    a, b = (a.mT if trans_a else a), (b.mT if trans_b else b)
    made = weft.matmul(a, b)
    made = made if alpha == 1.0 else (made * alpha).astype(made.dtype)
    if c is None:
        return made
    return made + (c if beta == 1.0 else (c * beta).astype(c.dtype))


def _by_channel(x: Tensor, values: Tensor) -> Tensor:
    """Numbers of each channel, as they broadcast to x [N, C, ...]."""
    return weft.reshape(values, (-1, *[1] * (x.ndim - 2))) if x.ndim > 1 else values


@rule("BatchNormalization")
def _batch_normalization(
    x: Tensor,
    scale: Tensor,
    bias: Tensor,
    mean: Tensor,
    variance: Tensor,
    *,
    epsilon: float = 1e-5,
    momentum: float = 0.9,
    training_mode: int = 0,
    spatial: int = 1,
    node: Any,
) -> Any:
    if not spatial:
        raise _fail(UnsupportedError, "BatchNormalization with spatial=0")
    if not training_mode and len(node.outputs) > 1 and any(node.outputs[1:]):
        training_mode = 1
    if not training_mode and x.ndim > 1 and len({t.dtype for t in (x, scale, mean)}) == 1:
        return functional.batch_norm(x, mean, variance, scale, bias, False, 0.1, epsilon)
    wide = x.astype("float32") if x.dtype.itemsize < 4 else x
    means, variances = mean.astype(wide.dtype), variance.astype(wide.dtype)
    running: tuple[Tensor, ...] = ()
    if training_mode:
        axes = (0, *range(2, x.ndim))
        means = weft.mean(wide, axis=axes)
        variances = weft.var(wide, axis=axes)
        kept = mean * momentum + means.astype(mean.dtype) * (1 - momentum)
        spread = variance * momentum + variances.astype(mean.dtype) * (1 - momentum)
        running = (kept.astype(mean.dtype), spread.astype(variance.dtype))
    parts = [_by_channel(x, part.astype(wide.dtype)) for part in (scale, bias, means, variances)]
    made = (wide - parts[2]) / weft.sqrt(parts[3] + epsilon) * parts[0] + parts[1]
    return (made.astype(x.dtype), *running)


@rule("InstanceNormalization")
def _instance_normalization(
    x: Tensor, scale: Tensor, bias: Tensor, *, epsilon: float = 1e-5
) -> Tensor:
    # A channel may have one element, which PyTorch's instance_norm refuses.
    return functional.group_norm(x, x.shape[1], scale, bias, epsilon)


@rule("GroupNormalization", since=21)
def _group_normalization(
    x: Tensor,
    scale: Tensor,
    bias: Tensor,
    *,
    epsilon: float = 1e-5,
    num_groups: int,
    stash_type: int = 1,
) -> Tensor:
    return functional.group_norm(x, num_groups, scale, bias, epsilon)


@rule("LayerNormalization", "com.microsoft.LayerNormalization")
def layer_normalization(
    x: Tensor,
    scale: Tensor,
    bias: Tensor | None = None,
    *,
    axis: int = -1,
    epsilon: float = 1e-5,
    stash_type: int = 1,
    node: Any = None,
) -> Any:
    """The normalized tensor; with more outputs the means and inverse deviations too."""
    place = axis % x.ndim
    shape = tuple(x.shape[place:])
    fits = tuple(scale.shape) == shape and (bias is None or tuple(bias.shape) == shape)
    outputs = 1 if node is None else len(node.outputs)
    if outputs == 1 and fits:
        return functional.layer_norm(x, shape, scale, bias, epsilon)
    axes = tuple(range(place, x.ndim))
    wide = x.astype("float32") if x.dtype.itemsize < 4 else x
    mean = weft.mean(wide, axis=axes, keepdims=True)
    inverse = weft.reciprocal(weft.sqrt(weft.var(wide, axis=axes, keepdims=True) + epsilon))
    made = ((wide - mean) * inverse).astype(x.dtype) * scale
    if stash_type == 1:
        mean, inverse = mean.astype("float32"), inverse.astype("float32")
    return (made if bias is None else made + bias), mean, inverse


@rule("RMSNormalization")
def _rms_normalization(
    x: Tensor, scale: Tensor, *, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1
) -> Tensor:
    shape = tuple(x.shape[axis % x.ndim :])
    if tuple(scale.shape) == shape and scale.dtype == x.dtype:
        return functional.rms_norm(x, shape, scale, epsilon)
    return functional.rms_norm(x, shape, None, epsilon) * scale


@rule("MeanVarianceNormalization")
def _mean_variance_normalization(x: Tensor, *, axes: Sequence[int] = (0, 2, 3)) -> Tensor:
    # The definition's body mixes dtypes where x is narrow.
    wide = x.astype("float32") if x.dtype.itemsize < 4 else x
    places = tuple(axes)
    centered = wide - weft.mean(wide, axis=places, keepdims=True)
    deviation = weft.sqrt(weft.mean(weft.square(centered), axis=places, keepdims=True))
    return (centered / (deviation + 1e-9)).astype(x.dtype)


@rule("LRN")
def _lrn(
    x: Tensor, *, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0, size: int
) -> Tensor:
    before = (size - 1) // 2
    squares = functional.pad(weft.square(x), [0, 0] * (x.ndim - 2) + [before, size - 1 - before])
    total: Any = 0
    for shift in range(size):
        total = total + squares[:, shift : shift + x.shape[1]]
    return x / (bias + alpha / size * total) ** beta


@rule("LpNormalization")
def _lp_normalization(x: Tensor, *, axis: int = -1, p: int = 2) -> Tensor:
    size = weft.abs(x) if p == 1 else weft.square(x)
    norm = weft.sum(size, axis=axis, keepdims=True)
    norm = norm if p == 1 else weft.sqrt(norm)
    return weft.where(norm == 0, 0, x / weft.where(norm == 0, 1, norm)).astype(x.dtype)


@rule("Dropout")
def _dropout_of_inference(x: Tensor, *, ratio: float = 0.5, node: Any) -> Any:
    return x, weft.ones_like(x, dtype="bool")


@rule("Dropout", since=12, known=(1, 2))
def _dropout(x: Tensor, ratio: Any = None, training: Any = None, *, seed: int | None = None) -> Any:
    rate = 0.5 if ratio is None else float(number(ratio))
    if training is None or not bool(number(training)) or rate == 0:
        return x, weft.ones_like(x, dtype="bool")
    kept = weft.random.rand(*x.shape) >= rate
    return weft.where(kept, x / (1 - rate), 0).astype(x.dtype), kept

"""The ops of com.microsoft that exporters and optimizers write most."""

from __future__ import annotations

from typing import Any

from .._core import Tensor
from .._creation import _fail
from .._errors import UnsupportedError
from ..nn import functional
from ._linear import layer_normalization
from ._rules import rule, weft

rule("com.microsoft.Gelu")(lambda x: functional.gelu(x))
rule("com.microsoft.BiasGelu")(lambda x, bias: functional.gelu(x + bias))
rule("com.microsoft.QuickGelu")(lambda x, *, alpha=1.702: x * weft.sigmoid(alpha * x))


@rule("com.microsoft.FastGelu")
def _fast_gelu(x: Tensor, bias: Tensor | None = None) -> Tensor:
    return functional.gelu(x if bias is None else x + bias, approximate="tanh")


@rule("com.microsoft.FusedMatMul")
def _fused_mat_mul(
    a: Tensor,
    b: Tensor,
    *,
    alpha: float = 1.0,
    trans_a: int = 0,
    trans_b: int = 0,
    trans_batch_a: int = 0,
    trans_batch_b: int = 0,
) -> Tensor:
    if trans_batch_a or trans_batch_b:
        raise _fail(UnsupportedError, "FusedMatMul that transposes batches")
    made = weft.matmul(a.mT if trans_a else a, b.mT if trans_b else b)
    return made if alpha == 1.0 else made * alpha


@rule("SimplifiedLayerNormalization", "com.microsoft.SimplifiedLayerNormalization")
def _simplified(
    x: Tensor, scale: Tensor, *, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1
) -> Tensor:
    return functional.rms_norm(x, tuple(x.shape[axis % x.ndim :]), scale, epsilon)


@rule("com.microsoft.SkipLayerNormalization")
def _skip(
    x: Tensor,
    skip: Tensor,
    gamma: Tensor,
    beta: Tensor | None = None,
    bias: Tensor | None = None,
    *,
    epsilon: float = 1e-12,
) -> tuple:
    total = x + skip if bias is None else x + bias + skip
    return layer_normalization(total, gamma, beta, epsilon=epsilon), None, None, total


@rule("com.microsoft.SkipSimplifiedLayerNormalization")
def _skip_simplified(
    x: Tensor, skip: Tensor, gamma: Tensor, bias: Tensor | None = None, *, epsilon: float = 1e-12
) -> tuple:
    total = x + skip if bias is None else x + bias + skip
    made = functional.rms_norm(total, tuple(total.shape[-1:]), gamma, epsilon)
    return made, None, None, total


@rule("com.microsoft.EmbedLayerNormalization")
def _embed(
    ids: Tensor,
    segments: Tensor | None,
    words: Tensor,
    positions: Tensor,
    kinds: Tensor | None,
    gamma: Tensor,
    beta: Tensor,
    mask: Tensor | None = None,
    places: Tensor | None = None,
    *,
    epsilon: float = 1e-12,
    mask_index_type: int = 0,
) -> tuple:
    total = weft.take(words, ids, axis=0)
    length = ids.shape[1]
    total = total + (positions[:length] if places is None else weft.take(positions, places, axis=0))
    if segments is not None and kinds is not None:
        total = total + weft.take(kinds, segments, axis=0)
    counts = weft.zeros(ids.shape[0], dtype="int32")
    if mask is not None:
        counts = weft.sum(mask, axis=1).astype("int32")
    return layer_normalization(total, gamma, beta, epsilon=epsilon), counts, total


def heads(x: Tensor, count: Any) -> Tensor:
    """[N, L, H E] as [N, H, L, E]."""
    apart = weft.reshape(x, (*x.shape[:2], count, x.shape[2] // count))
    return weft.permute_dims(apart, (0, 2, 1, 3))


def joined(x: Tensor) -> Tensor:
    """[N, H, L, E] as [N, L, H E]."""
    moved = weft.permute_dims(x, (0, 2, 1, 3))
    return weft.reshape(moved, (*moved.shape[:2], x.shape[1] * x.shape[3]))


def _seen(mask: Tensor, keys: Any) -> Tensor:
    """A mask of lengths [N], of keys [N, S], or of queries too [N, L, S], as [N, 1, 1 or L, S]."""
    if mask.ndim == 1:
        return (weft.arange(keys) < weft.reshape(mask.astype("int64"), (-1, 1, 1, 1))) != 0
    flags = mask != 0
    return flags[:, None, None] if mask.ndim == 2 else flags[:, None]


@rule("com.microsoft.Attention")
def _attention(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    mask: Tensor | None = None,
    past: Tensor | None = None,
    attention_bias: Tensor | None = None,
    *,
    num_heads: int,
    unidirectional: int = 0,
    scale: float = 0.0,
    mask_filter_value: float = -10000.0,
    qkv_hidden_sizes: Any = None,
) -> Tensor:
    if past is not None or attention_bias is not None:
        raise _fail(UnsupportedError, "com.microsoft.Attention with a past or an added bias")
    made = weft.matmul(x, weight)
    made = made if bias is None else made + bias
    third = made.shape[2] // 3
    ends = [third, 2 * third]
    if qkv_hidden_sizes:
        ends = [qkv_hidden_sizes[0], qkv_hidden_sizes[0] + qkv_hidden_sizes[1]]
    parts = [made[..., : ends[0]], made[..., ends[0] : ends[1]], made[..., ends[1] :]]
    q, k, v = (heads(part, num_heads) for part in parts)
    return joined(_attended(q, k, v, mask, bool(unidirectional), scale))


def _attended(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, causal: bool, scale: float
) -> Tensor:
    seen = None if mask is None else _seen(mask, k.shape[2])
    if causal and seen is not None:
        lower = weft.tril(weft.ones((q.shape[2], k.shape[2]), dtype="bool"))
        seen, causal = seen & lower, False
    return functional.scaled_dot_product_attention(
        q, k, v, attn_mask=seen, is_causal=causal, scale=scale or None
    )


@rule("com.microsoft.MultiHeadAttention")
def _multi_head_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    bias: Tensor | None = None,
    mask: Tensor | None = None,
    added: Tensor | None = None,
    *,
    num_heads: int,
    scale: float = 0.0,
    unidirectional: int = 0,
    mask_filter_value: float = -10000.0,
) -> Tensor:
    if added is not None:
        raise _fail(UnsupportedError, "com.microsoft.MultiHeadAttention with an added bias")
    if bias is not None:
        first, second = q.shape[2], q.shape[2] + k.shape[2]
        q, k, v = q + bias[:first], k + bias[first:second], v + bias[second:]
    q, k, v = (heads(part, num_heads) for part in (q, k, v))
    return joined(_attended(q, k, v, mask, bool(unidirectional), scale))

"""Attention, with PyTorch's name and signature."""

from __future__ import annotations

import math

from . import _core
from ._autocast import autocast_dtype
from ._core import Tensor
from ._creation import _fail, asarray, ones
from ._dtypes import float32, float64
from ._errors import DTypeError, ShapeError
from ._functional import _floating, dropout, softmax
from ._manipulation import astype, broadcast_shapes, broadcast_to, reshape, transpose, tril
from ._ops import where
from ._reductions import max

_NAME = "scaled_dot_product_attention"


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(query key^T * scale + mask) value.

    query [..., L, E], key [..., S, E], value [..., S, V], whose other dimensions broadcast. The
    scale defaults to 1 / sqrt(E). On processors one kernel, which holds neither the scores of all
    keys nor a mask that is repeated; with ``dropout_p`` several kernels, which do.

    Args:
        attn_mask: broadcasts to [..., L, S]; floating (added), or bool (true: may be seen). A query
            that may see no key gets zeros.
        dropout_p: the probability of dropping a weight.
        is_causal: query i sees the keys up to i.
        enable_gqa: query [..., H, L, E] has a multiple of the heads of key and value
            [..., K, S, E]; each of theirs serves H / K neighbours, and is not copied for them.

    Raises:
        ShapeError: the shapes do not fit, or both a mask and is_causal are given.
        DTypeError: query, key and value differ in their dtype, or the mask is of integers.
    """
    query, key, value = (_floating(x, _NAME) for x in (query, key, value))
    _check(query, key, value)
    if attn_mask is not None and is_causal:
        raise _fail(ShapeError, f"{_NAME}: give a mask or is_causal, not both")
    factor = 1.0 / math.sqrt(query.shape[-1] or 1) if scale is None else float(scale)
    groups = _groups(query, key, value) if enable_gqa else 1
    batch = broadcast_shapes(*(x.shape[: -3 if enable_gqa else -2] for x in (query, key, value)))
    if enable_gqa:
        batch = (*batch, query.shape[-3])
        query = broadcast_to(query, (*batch, *query.shape[-2:]))
    mask = None
    if attn_mask is not None:
        mask = mask_of_scores(attn_mask, query, (*batch, query.shape[-2], key.shape[-2]))
    length, heads = query.shape[-2], batch
    if enable_gqa:
        rows, heads = groups * length, (*batch[:-1], key.shape[-3])
        query = reshape(query, (*heads, rows, query.shape[-1]))
        mask = None if mask is None else reshape(mask, (*heads, rows, key.shape[-2]))
    query, key, value = (broadcast_to(x, (*heads, *x.shape[-2:])) for x in (query, key, value))
    if dropout_p == 0.0:
        mixed = attend(query, key, value, mask, factor, is_causal, groups)
    else:
        scores = (query @ transpose(key, -2, -1)) * factor
        weights = attention_weights(masked(scores, mask, is_causal, groups))
        mixed = dropout(astype(weights, value.dtype), dropout_p) @ value
    return reshape(mixed, (*batch, length, value.shape[-1])) if enable_gqa else mixed


def _check(query: Tensor, key: Tensor, value: Tensor) -> None:
    if min(query.ndim, key.ndim, value.ndim) < 2:
        raise _fail(
            ShapeError,
            f"{_NAME}: query, key and value need at least 2 dimensions, not "
            f"shapes {query.shape}, {key.shape} and {value.shape}",
        )
    if autocast_dtype() is None and not query.dtype == key.dtype == value.dtype:
        raise _fail(
            DTypeError,
            f"{_NAME}: query, key and value have the dtypes {query.dtype.name}, {key.dtype.name} "
            f"and {value.dtype.name}, but need one; convert them by astype",
        )


def _groups(query: Tensor, key: Tensor, value: Tensor) -> int:
    """How many heads of the query share one of the keys."""
    if (
        min(query.ndim, key.ndim, value.ndim) < 3
        or key.shape[-3] != value.shape[-3]
        or key.shape[-3] == 0
        or query.shape[-3] % key.shape[-3]
    ):
        raise _fail(
            ShapeError,
            f"{_NAME}: with enable_gqa, query [..., H, L, E], key [..., K, S, E] and value "
            f"[..., K, S, V] need H to be a multiple of K, not shapes {query.shape}, {key.shape} "
            f"and {value.shape}",
        )
    return query.shape[-3] // key.shape[-3]


def mask_of_scores(mask: Tensor, query: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The mask, of a dtype and of the shape of the scores."""
    mask = asarray(mask)
    if mask.dtype.kind not in ("bool", "floating"):
        raise _fail(
            DTypeError,
            f"{_NAME}: the mask has dtype {mask.dtype.name}, but "
            "has to be bool (true: may be seen) or floating (added)",
        )
    if mask.dtype.kind == "floating" and (mask.dtype == float64) != (query.dtype == float64):
        mask = astype(mask, float64 if query.dtype == float64 else float32)
    if mask.ndim > len(shape) or any(
        have not in (1, want)
        for have, want in zip(mask.shape, shape[len(shape) - mask.ndim :], strict=True)
    ):
        raise _fail(
            ShapeError, f"{_NAME}: the mask of shape {mask.shape} does not broadcast to {shape}"
        )
    return broadcast_to(mask, shape)


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    scale: float,
    causal: bool,
    groups: int = 1,
) -> Tensor:
    """The op: query [B..., groups L, E], key [B..., S, E], value [B..., S, V], all of one dtype.

    The mask is as for `scaled_dot_product_attention`, of shape [B..., groups L, S]. The queries are
    ``groups`` runs of L; causal positions are those in a run.
    """
    return _core.apply(
        "weft." + _NAME,
        (query, key, value) if mask is None else (query, key, value, mask),
        {"scale": scale, "causal": bool(causal), "groups": groups if causal else 1},
    )


def masked(scores: Tensor, mask: Tensor | None, causal: bool, groups: int = 1) -> Tensor:
    """Scores [..., groups L, S] with what may not be seen at -inf, or with the mask added."""
    if causal:
        rows, keys = scores.shape[-2] // groups, scores.shape[-1]
        seen = tril(ones((rows, keys), device=scores.device)) > 0
        apart = reshape(scores, (*scores.shape[:-2], groups, rows, keys))
        scores = reshape(where(seen, apart, -math.inf), scores.shape)
    if mask is None:
        return scores
    return where(mask, scores, -math.inf) if mask.dtype.kind == "bool" else scores + mask


def attention_weights(scores: Tensor) -> Tensor:
    """The softmax of masked scores along the last axis; 0 in rows where all of them are -inf."""
    if scores.shape[-1] == 0:
        return softmax(scores)
    hidden = max(scores, axis=-1, keepdims=True) == -math.inf
    return where(hidden, 0.0, softmax(where(hidden, 0.0, scores)))


__all__ = ["scaled_dot_product_attention"]

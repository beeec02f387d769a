"""Rules for products of matrices, and attention."""

from __future__ import annotations

import math
from typing import Any

import weft
from weft.nn import functional

from .._creation import _fail
from .._errors import UnsupportedError
from ._rules import TABLE, as_dtype, gradient, weft_dtype

TABLE.rule("aten.mm.default", "aten.bmm.default", "aten.mv.default", "aten.dot.default")(
    weft.matmul
)
TABLE.rule("aten.matmul.default")(weft.matmul)
TABLE.rule("aten.linear.default")(functional.linear)


def _sum_of(start: weft.Tensor, product: weft.Tensor, beta: Any, alpha: Any) -> weft.Tensor:
    """beta * start + alpha * product; a beta of 0 leaves out NaN of the start too."""
    scaled = product if alpha == 1 else product * as_dtype(alpha, product.dtype)
    if beta == 0:
        return scaled
    return scaled + (start if beta == 1 else start * as_dtype(beta, start.dtype))


@TABLE.rule("aten.addmm.default", "aten.baddbmm.default", "aten.addmv.default")
def _addmm(
    start: weft.Tensor, x: weft.Tensor, y: weft.Tensor, *, beta: Any = 1, alpha: Any = 1
) -> weft.Tensor:
    product = weft.matmul(x, y)
    if beta == 0:
        product = weft.broadcast_to(product, product.shape)
    return _sum_of(start, product, beta, alpha)


def _attention(
    query: weft.Tensor, key: weft.Tensor, value: weft.Tensor, is_causal: bool, mask: Any, scale: Any
) -> weft.Tensor:
    return functional.scaled_dot_product_attention(
        *(query, key, value),
        attn_mask=mask,
        is_causal=is_causal,
        scale=scale,
        enable_gqa=query.shape[-3] != key.shape[-3],
    )


@TABLE.rule("aten._scaled_dot_product_flash_attention_for_cpu.default")
def _flash_attention(
    query: weft.Tensor,
    key: weft.Tensor,
    value: weft.Tensor,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    attn_mask: weft.Tensor | None = None,
    scale: float | None = None,
) -> tuple[weft.Tensor, weft.Tensor]:
    """The result, and the logarithms of the sums, which no program has that does not read them."""
    if dropout_p:
        raise _fail(UnsupportedError, "attention with dropout draws its numbers inside")
    result = _attention(query, key, value, is_causal, attn_mask, scale)
    factor = query.shape[-1] ** -0.5 if scale is None else scale
    if query.shape[-3] != key.shape[-3]:
        key = weft.repeat(key, query.shape[-3] // key.shape[-3], axis=-3)
    scores = weft.matmul(query, weft.matrix_transpose(key)) * factor
    if is_causal:
        allowed = weft.tril(weft.ones(scores.shape[-2:], dtype=weft.bool))
        scores = weft.where(allowed, scores, -math.inf)
    if attn_mask is not None:
        scores = scores + attn_mask
    return result, weft.logsumexp(as_dtype(scores, weft.float32), axis=-1)


@TABLE.rule("weft.attention_backward.default")
def _attention_backward(
    grad: weft.Tensor,
    query: weft.Tensor,
    key: weft.Tensor,
    value: weft.Tensor,
    is_causal: bool,
    mask: weft.Tensor | None,
    scale: float | None,
) -> tuple:
    def forward(query: weft.Tensor, key: weft.Tensor, value: weft.Tensor) -> weft.Tensor:
        return _attention(query, key, value, is_causal, mask, scale)

    return gradient(forward, (query, key, value), grad)


@TABLE.rule("aten._scaled_dot_product_flash_attention_for_cpu_backward.default")
def _flash_attention_backward(
    grad: weft.Tensor,
    query: weft.Tensor,
    key: weft.Tensor,
    value: weft.Tensor,
    out: weft.Tensor,
    logsumexp: weft.Tensor,
    dropout_p: float,
    is_causal: bool,
    *,
    attn_mask: weft.Tensor | None = None,
    scale: float | None = None,
) -> tuple:
    if dropout_p:
        raise _fail(UnsupportedError, "attention with dropout draws its numbers inside")
    return _attention_backward(grad, query, key, value, is_causal, attn_mask, scale)


@TABLE.rule("transformers.grouped_mm_fallback.default")
def _by_groups(x: weft.Tensor, weights: weft.Tensor, ends: weft.Tensor) -> weft.Tensor:
    """Rows [S, K] times a matrix [G, K, N] of their group; each group ends before a row, and those
    behind all groups are zeros. Every row is multiplied by every matrix.
    """
    row = weft.expand_dims(weft.arange(x.shape[0], dtype=ends.dtype, device=x.device), axis=1)
    result = weft.zeros((x.shape[0], weights.shape[2]), dtype=x.dtype, device=x.device)
    # From the last group on, so that a row's is the first that ends behind it.
    for group in reversed(range(weights.shape[0])):
        result = weft.where(row < ends[group], weft.matmul(x, weights[group]), result)
    return result


@TABLE.rule("transformers.grouped_mm_fallback_backward.default")
def _by_groups_backward(
    x: weft.Tensor, weights: weft.Tensor, ends: weft.Tensor, grad: weft.Tensor
) -> tuple:
    return gradient(lambda *given: _by_groups(*given, ends), (x, weights), grad)


@TABLE.rule("aten._grouped_mm.default")
def _grouped_mm(
    x: weft.Tensor,
    weights: weft.Tensor,
    offs: weft.Tensor | None = None,
    bias: weft.Tensor | None = None,
    out_dtype: Any = None,
) -> weft.Tensor:
    if bias is not None or x.ndim != 2 or weights.ndim != 3 or offs is None:
        raise _fail(
            UnsupportedError,
            "grouped_mm is read for rows [S, K], matrices [G, K, N] and offs, without a bias",
        )
    found = _by_groups(x, weights, offs)
    return found if out_dtype is None else as_dtype(found, weft_dtype(out_dtype))


@TABLE.rule("aten._cdist_forward.default")
def _cdist(x: weft.Tensor, y: weft.Tensor, p: float, mode: int | None = None) -> weft.Tensor:
    return weft.cdist(x, y, p)


@TABLE.rule("aten._cdist_backward.default")
def _cdist_backward(
    grad: weft.Tensor, x: weft.Tensor, y: weft.Tensor, p: float, distances: weft.Tensor
) -> weft.Tensor:
    return gradient(lambda operand: weft.cdist(operand, y, p), (x,), grad)[0]


@TABLE.rule("aten.addbmm.default")
def _addbmm(
    start: weft.Tensor, x: weft.Tensor, y: weft.Tensor, *, beta: Any = 1, alpha: Any = 1
) -> weft.Tensor:
    return _sum_of(start, start.addbmm(x, y, beta=0), beta, alpha)


TABLE.rule("aten._pdist_forward.default")(functional.pdist)


@TABLE.rule("aten._pdist_backward.default")
def _pdist_backward(
    grad: weft.Tensor, x: weft.Tensor, p: float, distances: weft.Tensor
) -> weft.Tensor:
    return gradient(lambda operand: functional.pdist(operand, p), (x,), grad)[0]


@TABLE.rule("aten._trilinear.default")
def _trilinear(
    x: weft.Tensor,
    weight: weft.Tensor,
    y: weft.Tensor,
    expand_x: list[int],
    expand_weight: list[int],
    expand_y: list[int],
    summed: list[int],
    unroll_dim: int = 1,
) -> weft.Tensor:
    """The product of all three in one space of dimensions, summed over some of them."""

    def expanded(operand: weft.Tensor, places: list[int]) -> weft.Tensor:
        for place in sorted(places):
            operand = operand.unsqueeze(place)
        return operand

    product = expanded(x, expand_x) * expanded(weight, expand_weight) * expanded(y, expand_y)
    return weft.sum(product, axis=tuple(summed)) if summed else product

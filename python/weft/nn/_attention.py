"""Multi-head attention."""

from __future__ import annotations

import math

from .. import _ops
from .._core import Tensor
from .._creation import _fail, empty, ones
from .._errors import ShapeError
from .._functional import attention_weights
from .._manipulation import transpose, tril
from . import functional, init
from ._layers import Linear
from ._module import Module
from ._parameter import Parameter


class MultiheadAttention(Module):
    """Attention in ``num_heads`` subspaces: query [L, N, E], key and value [S, N, E].

    Args:
        embed_dim: E, a multiple of num_heads.
        dropout: the probability of dropping a weight in training.
        bias: with biases of the projections.
        batch_first: inputs and results are [N, L, E] instead.

    Attributes:
        in_proj_weight: [3 E, E]; in_proj_bias: [3 E]; out_proj: a Linear(E, E).

    Raises:
        ShapeError: num_heads does not divide embed_dim.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        batch_first: bool = False,
        dtype: object = None,
    ) -> None:
        super().__init__()
        if num_heads < 1 or embed_dim < 1 or embed_dim % num_heads:
            raise _fail(
                ShapeError, f"MultiheadAttention: {num_heads} heads do not divide {embed_dim}"
            )
        self.embed_dim, self.num_heads, self.dropout = embed_dim, num_heads, dropout
        self.batch_first = batch_first
        self.in_proj_weight = Parameter(empty(3 * embed_dim, embed_dim, dtype=dtype))
        self.register_parameter(
            "in_proj_bias", Parameter(empty(3 * embed_dim, dtype=dtype)) if bias else None
        )
        self.out_proj = Linear(embed_dim, embed_dim, bias, dtype=dtype)
        init.xavier_uniform_(self.in_proj_weight)
        for start in (self.in_proj_bias, self.out_proj.bias):
            if start is not None:
                init.zeros_(start)

    def _heads(self, x: Tensor, part: int) -> Tensor:
        """Projected to [N, heads, length, E / heads]; x is [N, length, E]."""
        rows = slice(part * self.embed_dim, (part + 1) * self.embed_dim)
        bias = None if self.in_proj_bias is None else self.in_proj_bias[rows]
        projected = functional.linear(x, self.in_proj_weight[rows], bias)
        split = projected.reshape(*x.shape[:2], self.num_heads, self.embed_dim // self.num_heads)
        return transpose(split, 1, 2)

    def _bias(
        self,
        scores: Tensor,
        key_padding_mask: Tensor | None,
        attn_mask: Tensor | None,
        is_causal: bool,
    ) -> Tensor:
        """Scores [N, heads, L, S] with what may not be seen at -inf."""
        if is_causal:
            scores = _ops.where(
                tril(ones(scores.shape[-2:], device=scores.device)) > 0, scores, -math.inf
            )
        if attn_mask is not None:
            if attn_mask.ndim == 3:
                attn_mask = attn_mask.reshape(scores.shape)
            scores = (
                _ops.where(attn_mask, -math.inf, scores)
                if attn_mask.dtype.kind == "bool"
                else scores + attn_mask
            )
        if key_padding_mask is not None:
            hidden = key_padding_mask.reshape(scores.shape[0], 1, 1, scores.shape[-1])
            scores = (
                _ops.where(hidden, -math.inf, scores)
                if hidden.dtype.kind == "bool"
                else scores + hidden
            )
        return scores

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """The result [L, N, E], and the weights [N, L, S] (per head if not averaged) or None.

        Args:
            key_padding_mask: [N, S], true (or -inf) where a key is padding.
            attn_mask: [L, S] or [N * heads, L, S], true where a key may not be seen, or added.

        Raises:
            ShapeError: the inputs have not three dimensions.
        """
        if not query.ndim == key.ndim == value.ndim == 3:
            raise _fail(
                ShapeError,
                "MultiheadAttention: query, key and value need 3 dimensions, "
                f"not shapes {query.shape}, {key.shape} and {value.shape}",
            )
        inputs = [query, key, value]
        if not self.batch_first:
            inputs = [transpose(x, 0, 1) for x in inputs]
        q, k, v = (self._heads(x, part) for part, x in enumerate(inputs))
        drops = self.training and self.dropout > 0
        if not (need_weights or drops) and key_padding_mask is None and attn_mask is None:
            weights, mixed = (
                None,
                functional.scaled_dot_product_attention(q, k, v, is_causal=is_causal),
            )
        else:
            scores = (q @ transpose(k, -2, -1)) * (1.0 / math.sqrt(q.shape[-1]))
            scores = self._bias(scores, key_padding_mask, attn_mask, is_causal)
            weights = functional.dropout(attention_weights(scores), self.dropout, drops)
            mixed = weights @ v
        joined = transpose(mixed, 1, 2).reshape(*inputs[0].shape)
        result = self.out_proj(joined)
        result = result if self.batch_first else transpose(result, 0, 1)
        if not need_weights or weights is None:
            return result, None
        return result, weights.mean(axis=1) if average_attn_weights else weights

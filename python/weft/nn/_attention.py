"""Multi-head attention."""

from __future__ import annotations

import functools
import math

from .. import _ops
from .._attention import attend, attention_weights, mask_of_scores, masked
from .._core import Tensor
from .._creation import _fail, asarray, empty
from .._errors import DTypeError, ShapeError
from .._manipulation import astype, transpose
from . import functional, init
from ._layers import Linear
from ._module import Module
from ._parameter import Parameter


def _check_mask(name: str, mask: Tensor | None, shapes: list[tuple[int, ...]]) -> None:
    """Raises ShapeError or DTypeError if there is a mask that is none."""
    if mask is None:
        return
    if mask.dtype.kind not in ("bool", "floating"):
        raise _fail(
            DTypeError,
            f"MultiheadAttention: {name} has dtype {mask.dtype.name}, but has to be bool (true: "
            "may not be seen) or floating (added)",
        )
    if mask.shape not in shapes:
        raise _fail(
            ShapeError,
            f"MultiheadAttention: {name} has shape {mask.shape}, but has to be "
            + " or ".join(map(str, shapes[:2])),
        )


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

    def _mask(
        self, key_padding_mask: Tensor | None, attn_mask: Tensor | None, shape: tuple[int, ...]
    ) -> Tensor | None:
        """Both masks as one of F's attention, which broadcasts to ``shape``: [N, heads, L, S]."""
        masks = []
        _check_mask("attn_mask", attn_mask, [(shape[0] * shape[1], *shape[2:]), shape[2:], shape])
        _check_mask("key_padding_mask", key_padding_mask, [(shape[0], shape[3])])
        if attn_mask is not None:
            masks.append(attn_mask.reshape(shape) if attn_mask.ndim == 3 else attn_mask)
        if key_padding_mask is not None:
            masks.append(key_padding_mask.reshape(shape[0], 1, 1, shape[3]))
        if not masks:
            return None
        if all(mask.dtype.kind == "bool" for mask in masks):
            return functools.reduce(_ops.logical_and, [_ops.logical_not(mask) for mask in masks])
        added = [
            _ops.where(mask, -math.inf, 0.0) if mask.dtype.kind == "bool" else mask
            for mask in masks
        ]
        return functools.reduce(_ops.add, added)

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
        shape = (*q.shape[:-1], k.shape[-2])
        mask = self._mask(
            None if key_padding_mask is None else asarray(key_padding_mask),
            None if attn_mask is None else asarray(attn_mask),
            shape,
        )
        if mask is not None:
            mask = mask_of_scores(mask, q, shape)
        scale = 1.0 / math.sqrt(q.shape[-1])
        if not (need_weights or drops):
            weights, mixed = None, attend(q, k, v, mask, scale, is_causal)
        else:
            scores = masked((q @ transpose(k, -2, -1)) * scale, mask, is_causal)
            weights = functional.dropout(attention_weights(scores), self.dropout, drops)
            weights = astype(weights, v.dtype)
            mixed = weights @ v
        joined = transpose(mixed, 1, 2).reshape(*inputs[0].shape)
        result = self.out_proj(joined)
        result = result if self.batch_first else transpose(result, 0, 1)
        if not need_weights or weights is None:
            return result, None
        return result, weights.mean(axis=1) if average_attn_weights else weights

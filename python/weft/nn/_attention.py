"""Multi-head attention."""

from __future__ import annotations

import functools
import math

from .. import _ops
from .._attention import attend, attention_weights, mask_of_scores, masked
from .._core import Tensor
from .._creation import _fail, asarray, empty, ones, zeros
from .._errors import DTypeError, ShapeError
from .._manipulation import (
    astype,
    broadcast_to,
    concat,
    expand_dims,
    pad,
    reshape,
    transpose,
    tril,
)
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
    """Attention in ``num_heads`` subspaces: query [L, N, E], key [S, N, kdim], value [S, N, vdim].

    Args:
        embed_dim: E, a multiple of num_heads.
        dropout: the probability of dropping a weight in training.
        bias: with biases of the projections.
        add_bias_kv: a learned key and a learned value stand behind those that are given.
        add_zero_attn: a key and a value of zeros stand behind all others.
        kdim, vdim: the features of key and value; None: E.
        batch_first: inputs and results are [N, L, E] instead.

    Attributes:
        in_proj_weight: [3 E, E]; in_proj_bias: [3 E]; out_proj: a Linear(E, E). If kdim or vdim
            is another one, q_proj_weight [E, E], k_proj_weight [E, kdim] and v_proj_weight
            [E, vdim] in the place of the first.
        bias_k, bias_v: [1, 1, E], the learned key and value; None without.

    Raises:
        ShapeError: num_heads does not divide embed_dim.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: object = None,
        dtype: object = None,
    ) -> None:
        super().__init__()
        if num_heads < 1 or embed_dim < 1 or embed_dim % num_heads:
            raise _fail(
                ShapeError, f"MultiheadAttention: {num_heads} heads do not divide {embed_dim}"
            )
        self.embed_dim, self.num_heads, self.dropout = embed_dim, num_heads, dropout
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self.batch_first, self.head_dim = batch_first, embed_dim // num_heads
        self.add_zero_attn = add_zero_attn
        is_joined = self.kdim == self.vdim == embed_dim
        shapes = {
            "in_proj_weight": (3 * embed_dim, embed_dim) if is_joined else None,
            "q_proj_weight": None if is_joined else (embed_dim, embed_dim),
            "k_proj_weight": None if is_joined else (embed_dim, self.kdim),
            "v_proj_weight": None if is_joined else (embed_dim, self.vdim),
            "in_proj_bias": (3 * embed_dim,) if bias else None,
        }
        learned = (1, 1, embed_dim) if add_bias_kv else None
        for name, shape in {**shapes, "bias_k": learned, "bias_v": learned}.items():
            value = None if shape is None else empty(shape, dtype=dtype, device=device)
            self.register_parameter(name, None if value is None else Parameter(value))
        self.out_proj = Linear(embed_dim, embed_dim, bias, device=device, dtype=dtype)
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        for name in ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight"):
            if getattr(self, name) is not None:
                init.xavier_uniform_(getattr(self, name))
        for learned in (self.bias_k, self.bias_v):
            if learned is not None:
                init.xavier_normal_(learned)
        for start in (self.in_proj_bias, self.out_proj.bias):
            if start is not None:
                init.zeros_(start)

    def _projected(self, x: Tensor, part: int) -> Tensor:
        """x [N, length, features] as queries, keys or values: [N, length, E]."""
        rows = slice(part * self.embed_dim, (part + 1) * self.embed_dim)
        bias = None if self.in_proj_bias is None else self.in_proj_bias[rows]
        if self.in_proj_weight is not None:
            weight = self.in_proj_weight[rows]
        else:
            weight = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)[part]
        result = functional.linear(x, weight, bias)
        learned = (None, self.bias_k, self.bias_v)[part]
        if learned is None:
            return result
        return concat(
            [result, broadcast_to(astype(learned, result.dtype), (x.shape[0], 1, self.embed_dim))],
            axis=1,
        )

    def _heads(self, x: Tensor, part: int) -> Tensor:
        """Projected to [N, heads, length, E / heads]; x is [N, length, features]."""
        projected = self._projected(x, part)
        if self.add_zero_attn and part > 0:
            nothing = zeros(x.shape[0], 1, self.embed_dim, dtype=projected.dtype, device=x.device)
            projected = concat([projected, nothing], axis=1)
        shape = (*projected.shape[:2], self.num_heads, self.head_dim)
        return transpose(reshape(projected, shape), 1, 2)

    def _mask(
        self,
        key_padding_mask: Tensor | None,
        attn_mask: Tensor | None,
        is_causal: bool,
        shape: tuple[int, ...],
    ) -> Tensor | None:
        """All masks as one of F's attention, which broadcasts to ``shape``: [N, heads, L, S].

        The keys behind the S that are given may be seen.
        """
        masks = []
        _check_mask("attn_mask", attn_mask, [(shape[0] * shape[1], *shape[2:]), shape[2:], shape])
        _check_mask("key_padding_mask", key_padding_mask, [(shape[0], shape[3])])
        if attn_mask is not None:
            masks.append(attn_mask.reshape(shape) if attn_mask.ndim == 3 else attn_mask)
        if key_padding_mask is not None:
            masks.append(key_padding_mask.reshape(shape[0], 1, 1, shape[3]))
        if is_causal:
            masks.append(tril(ones(shape[2:], device=self.out_proj.weight.device)) == 0)
        if not masks:
            return None
        if all(mask.dtype.kind == "bool" for mask in masks):
            joined = functools.reduce(_ops.logical_and, [_ops.logical_not(mask) for mask in masks])
        else:
            added = [
                _ops.where(mask, -math.inf, 0.0) if mask.dtype.kind == "bool" else mask
                for mask in masks
            ]
            joined = functools.reduce(_ops.add, added)
        more = (self.bias_k is not None) + self.add_zero_attn
        seen = joined.dtype.kind == "bool"
        return pad(joined, [(0, 0)] * (joined.ndim - 1) + [(0, more)], seen) if more else joined

    def _batches(self, query: Tensor, key: Tensor, value: Tensor) -> list[Tensor]:
        """The inputs as [N, length, features]. Raises ShapeError."""
        if not query.ndim == key.ndim == value.ndim or query.ndim not in (2, 3):
            raise _fail(
                ShapeError,
                "MultiheadAttention: query, key and value need 3 dimensions, or 2 without a "
                f"batch, not shapes {query.shape}, {key.shape} and {value.shape}",
            )
        inputs = [query, key, value]
        if query.ndim == 2:
            inputs = [expand_dims(x) for x in inputs]
        elif not self.batch_first:
            inputs = [transpose(x, 0, 1) for x in inputs]
        if not inputs[0].shape[0] == inputs[1].shape[0] == inputs[2].shape[0] or (
            inputs[1].shape[1] != inputs[2].shape[1]
        ):
            raise _fail(
                ShapeError,
                "MultiheadAttention: query, key and value need one batch, key and value one "
                f"length, not shapes {query.shape}, {key.shape} and {value.shape}",
            )
        return inputs

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

        Without a batch all are without N. A query that may see no key gets zeros.

        Args:
            key_padding_mask: [N, S], true (or -inf) where a key is padding.
            attn_mask: [L, S] or [N * heads, L, S], true where a key may not be seen, or added.
            is_causal: query i sees the keys up to i, also without a mask that says so.

        Raises:
            ShapeError: the inputs or masks do not fit.
        """
        inputs = self._batches(query, key, value)
        q, k, v = (self._heads(x, part) for part, x in enumerate(inputs))
        drops = self.training and self.dropout > 0
        given = (*q.shape[:-1], inputs[1].shape[1])
        has_more = given[-1] != k.shape[-2]
        padding = None if key_padding_mask is None else asarray(key_padding_mask)
        if padding is not None and query.ndim == 2:
            padding = expand_dims(padding)
        hidden = None if attn_mask is None else asarray(attn_mask)
        mask = self._mask(padding, hidden, is_causal and has_more, given)
        # A mask has what is causal, if the keys behind the given ones are not.
        is_causal = is_causal and not has_more
        if mask is not None:
            mask = mask_of_scores(mask, q, (*q.shape[:-1], k.shape[-2]))
        scale = 1.0 / math.sqrt(q.shape[-1])
        if not (need_weights or drops):
            weights, mixed = None, attend(q, k, v, mask, scale, is_causal)
        else:
            scores = masked((q @ transpose(k, -2, -1)) * scale, mask, is_causal)
            weights = functional.dropout(attention_weights(scores), self.dropout, drops)
            weights = astype(weights, v.dtype)
            mixed = weights @ v
        joined = reshape(transpose(mixed, 1, 2), (*inputs[0].shape[:2], self.embed_dim))
        result = self.out_proj(joined)
        if query.ndim == 2:
            result = result[0]
        elif not self.batch_first:
            result = transpose(result, 0, 1)
        if not need_weights or weights is None:
            return result, None
        weights = weights.mean(axis=1) if average_attn_weights else weights
        return result, weights[0] if query.ndim == 2 else weights

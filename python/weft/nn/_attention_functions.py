"""Attention in several subspaces, of inputs that are projected."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

from .. import _ops
from .._attention import attend, attention_weights, mask_of_scores, masked
from .._core import Tensor
from .._creation import _fail, asarray, ones, zeros
from .._errors import DTypeError, OptionError, ShapeError, UnsupportedError
from .._functional import dropout, linear
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


class Heads(NamedTuple):
    """What attention in several subspaces is made of, apart from its inputs."""

    embed_dim: int
    num_heads: int
    #: Of queries, keys and values.
    weights: tuple[Tensor, Tensor, Tensor]
    biases: tuple[Tensor | None, Tensor | None, Tensor | None]
    #: The learned key and value, or None, and whether a key and a value of zeros stand behind.
    learned: tuple[Tensor | None, Tensor | None]
    add_zero_attn: bool
    #: 0 but in training.
    dropout: float
    project: Callable[[Tensor], Tensor]

    def _heads(self, x: Tensor, part: int) -> Tensor:
        """Projected to [N, heads, length, E / heads]; x is [N, length, features]."""
        result = linear(x, self.weights[part], self.biases[part])
        learned = (None, *self.learned)[part]
        row = (x.shape[0], 1, self.embed_dim)
        if learned is not None:
            result = concat([result, broadcast_to(astype(learned, result.dtype), row)], axis=1)
        if self.add_zero_attn and part > 0:
            result = concat([result, zeros(row, dtype=result.dtype, device=x.device)], axis=1)
        shape = (*result.shape[:2], self.num_heads, self.embed_dim // self.num_heads)
        return transpose(reshape(result, shape), 1, 2)

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
            masks.append(tril(ones(shape[2:], device=self.weights[0].device)) == 0)
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
        more = (self.learned[0] is not None) + self.add_zero_attn
        seen = joined.dtype.kind == "bool"
        return pad(joined, [(0, 0)] * (joined.ndim - 1) + [(0, more)], seen) if more else joined

    def attend(
        self,
        inputs: list[Tensor],
        key_padding_mask: Tensor | None,
        attn_mask: Tensor | None,
        is_causal: bool,
        need_weights: bool,
    ) -> tuple[Tensor, Tensor | None]:
        """The result [N, L, E] of query, key and value [N, length, features], and the weights
        [N, heads, L, S] or None."""
        q, k, v = (self._heads(x, part) for part, x in enumerate(inputs))
        given = (*q.shape[:-1], inputs[1].shape[1])
        has_more = given[-1] != k.shape[-2]
        mask = self._mask(key_padding_mask, attn_mask, is_causal and has_more, given)
        # A mask has what is causal, if the keys behind the given ones are not.
        is_causal = is_causal and not has_more
        if mask is not None:
            mask = mask_of_scores(mask, q, (*q.shape[:-1], k.shape[-2]))
        scale = 1.0 / math.sqrt(q.shape[-1])
        if not (need_weights or self.dropout > 0):
            weights, mixed = None, attend(q, k, v, mask, scale, is_causal)
        else:
            scores = masked((q @ transpose(k, -2, -1)) * scale, mask, is_causal)
            weights = dropout(attention_weights(scores), self.dropout, self.dropout > 0)
            weights = astype(weights, v.dtype)
            mixed = weights @ v
        joined = reshape(transpose(mixed, 1, 2), (*inputs[0].shape[:2], self.embed_dim))
        return self.project(joined), weights if need_weights else None


def _batches(inputs: list[Tensor], batch_first: bool) -> list[Tensor]:
    """Query, key and value as [N, length, features]. Raises ShapeError."""
    shapes = [x.shape for x in inputs]
    if len({len(shape) for shape in shapes}) > 1 or len(shapes[0]) not in (2, 3):
        raise _fail(
            ShapeError,
            "MultiheadAttention: query, key and value need 3 dimensions, or 2 without a "
            f"batch, not shapes {shapes[0]}, {shapes[1]} and {shapes[2]}",
        )
    if len(shapes[0]) == 2:
        inputs = [expand_dims(x) for x in inputs]
    elif not batch_first:
        inputs = [transpose(x, 0, 1) for x in inputs]
    if not inputs[0].shape[0] == inputs[1].shape[0] == inputs[2].shape[0] or (
        inputs[1].shape[1] != inputs[2].shape[1]
    ):
        raise _fail(
            ShapeError,
            "MultiheadAttention: query, key and value need one batch, key and value one "
            f"length, not shapes {shapes[0]}, {shapes[1]} and {shapes[2]}",
        )
    return inputs


def attended(
    heads: Heads,
    given: tuple[Tensor, Tensor, Tensor],
    batch_first: bool,
    key_padding_mask: Tensor | None,
    need_weights: bool,
    attn_mask: Tensor | None,
    average_attn_weights: bool,
    is_causal: bool,
) -> tuple[Tensor, Tensor | None]:
    """The result and the weights in the layout of the inputs; see `MultiheadAttention.forward`."""
    single = given[0].ndim == 2
    padding = None if key_padding_mask is None else asarray(key_padding_mask)
    if padding is not None and single:
        padding = expand_dims(padding)
    hidden = None if attn_mask is None else asarray(attn_mask)
    inputs = _batches(list(given), batch_first)
    result, weights = heads.attend(inputs, padding, hidden, is_causal, need_weights)
    if single:
        result = result[0]
    elif not batch_first:
        result = transpose(result, 0, 1)
    if weights is None:
        return result, None
    weights = weights.mean(axis=1) if average_attn_weights else weights
    return result, weights[0] if single else weights


def thirds(joined: Tensor | None, embed_dim: int) -> Any:
    """The rows for queries, keys and values; None of each without any."""
    if joined is None:
        return (None, None, None)
    return tuple(joined[part * embed_dim : (part + 1) * embed_dim] for part in range(3))


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """What `nn.MultiheadAttention` computes, of its parameters: query [L, N, E], key and value
    [S, N, ...], or without N.

    Args:
        embed_dim_to_check: E.
        use_separate_proj_weight: with three weights in the place of ``in_proj_weight``.
        static_k, static_v: only None.
        others: attributes and arguments of that module.

    Raises:
        ShapeError: the shapes do not fit. OptionError: weights are missing. UnsupportedError: a
            static key or value is given.
    """
    if static_k is not None or static_v is not None:
        raise _fail(
            UnsupportedError,
            "multi_head_attention_forward: static keys and values are not taken; use "
            "scaled_dot_product_attention, whose keys and values are projected already",
        )
    embed_dim = query.shape[-1]
    if embed_dim != embed_dim_to_check or num_heads < 1 or embed_dim % num_heads:
        raise _fail(
            ShapeError,
            f"multi_head_attention_forward: {num_heads} heads of {embed_dim_to_check} features do "
            f"not fit queries of {embed_dim}",
        )
    separate = (q_proj_weight, k_proj_weight, v_proj_weight)
    weights: Any = separate if use_separate_proj_weight else thirds(in_proj_weight, embed_dim)
    if any(weight is None for weight in weights):
        raise _fail(OptionError, "multi_head_attention_forward: a weight of a projection is None")
    heads = Heads(
        embed_dim,
        num_heads,
        weights,
        thirds(in_proj_bias, embed_dim),
        (bias_k, bias_v),
        add_zero_attn,
        dropout_p if training else 0.0,
        lambda joined: linear(joined, out_proj_weight, out_proj_bias),
    )
    masks = (key_padding_mask, need_weights, attn_mask, average_attn_weights, is_causal)
    return attended(heads, (query, key, value), False, *masks)

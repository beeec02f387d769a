"""Attention as ONNX has it, where it is one kernel of weft's."""

from __future__ import annotations

import math
from typing import Any

from .._core import Tensor
from ..nn import functional
from ._microsoft import heads, joined
from ._rules import rule, weft


def _is_plain(node: Any) -> bool:
    """Whether one output is asked for, of queries, keys, values and a mask alone."""
    plain = {"is_causal", "kv_num_heads", "q_num_heads", "scale"}
    return (
        all(row.name in plain for row in node.attribute)
        and not any(node.input[4:])
        and not any(node.output[1:])
    )


@rule("Attention", when=_is_plain)
def _attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None = None,
    *,
    is_causal: int = 0,
    kv_num_heads: int | None = None,
    q_num_heads: int | None = None,
    scale: float | None = None,
) -> Tensor:
    flat = q.ndim == 3
    if flat:
        q, k, v = heads(q, q_num_heads), heads(k, kv_num_heads), heads(v, kv_num_heads)
    rows, keys = q.shape[2], k.shape[2]
    if mask is not None and mask.shape[-1] is not keys and repr(mask.shape[-1]) != repr(keys):
        # Keys that a mask does not tell of are not seen.
        value = 0 if mask.dtype.kind == "bool" else -math.inf
        mask = functional.pad(mask, [0, keys - mask.shape[-1]], value=value)
    if mask is not None and is_causal:
        seen = weft.tril(weft.ones((rows, keys), dtype="bool"))
        mask = mask & seen if mask.dtype.kind == "bool" else weft.where(seen, mask, -math.inf)
        is_causal = 0
    made = functional.scaled_dot_product_attention(
        *(q, k, v, mask),
        is_causal=bool(is_causal),
        scale=scale,
        enable_gqa=repr(q.shape[1]) != repr(k.shape[1]),
    )
    return joined(made) if flat else made

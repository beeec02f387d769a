"""Attention of several heads: causal, masked, of one query on a long cache, of shared heads."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import peers
import weft
from functions import function_case
from harness import Case

SHAPES = [(12, 128, 128, 64), (8, 1024, 1024, 64), (12, 1, 1024, 64)]
"""Heads, queries, keys, width of a head; one sequence."""
SHARED = [(16, 4, 256, 256, 64), (16, 4, 1, 1024, 64)]
"""Heads of the queries, those of keys and values, queries, keys, width of a head."""


def cases() -> Iterator[Case]:
    generator = np.random.default_rng(0)
    for heads, queries, keys, width in SHAPES:
        sizes = heads, heads, queries, keys, width
        for causal in (False, True) if queries > 1 else (False,):
            yield _case(generator, sizes, causal=causal)
        if queries > 1:
            yield _case(generator, sizes, hidden=keys // 4)
    for sizes in SHARED:
        yield _case(generator, sizes)


def _case(
    generator: np.random.Generator,
    sizes: tuple[int, int, int, int, int],
    *,
    causal: bool = False,
    hidden: int = 0,
) -> Case:
    """One sequence; the last ``hidden`` keys are hidden from all queries by a mask."""
    heads, shared, queries, keys, width = sizes
    query = generator.standard_normal((1, heads, queries, width), np.float32)
    key, value = generator.standard_normal((2, 1, shared, keys, width), np.float32)
    seen = np.arange(keys)[None, None, None] < keys - hidden
    options = {"is_causal": causal} | ({"enable_gqa": True} if heads != shared else {})
    torch, jax = peers.torch(), peers.jax()

    def by_jax(q, k, v, *masks):
        inputs = (x.swapaxes(1, 2) for x in (q, k, v))
        mask = masks[0] if masks else None
        result = jax.nn.dot_product_attention(*inputs, mask=mask, is_causal=causal)
        return result.swapaxes(1, 2)

    def repeated(q, k, v, *masks):
        keys_and_values = (x.repeat_interleave(heads // shared, 1) for x in (k, v))
        return torch.nn.functional.scaled_dot_product_attention(
            q, *keys_and_values, *masks, is_causal=causal
        )

    kind = ", causal" * causal + ", padded" * (hidden > 0)
    return function_case(
        f"attention {heads}x{queries}x{width}, {keys} keys"
        + (f" of {shared} heads" if heads != shared else kind),
        lambda *xs: weft.nn.functional.scaled_dot_product_attention(*xs, **options),
        lambda *xs: torch.nn.functional.scaled_dot_product_attention(*xs, **options),
        (query, key, value, *([seen] if hidden else [])),
        jax=by_jax,
        exported=repeated if heads != shared else None,
        operations=4.0 * heads * queries * keys * width / (2 if causal else 1),
    )

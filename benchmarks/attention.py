"""Attention of several heads, also causal, also of one query on a long cache."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import peers
import weft
from functions import function_case
from harness import Case

SHAPES = [(12, 128, 128, 64), (8, 1024, 1024, 64), (12, 1, 1024, 64)]
"""Heads, queries, keys, width of a head; one sequence."""


def cases() -> Iterator[Case]:
    generator = np.random.default_rng(0)
    attend = weft.nn.functional.scaled_dot_product_attention
    torch, jax = peers.torch(), peers.jax()
    for heads, queries, keys, width in SHAPES:
        query = generator.standard_normal((1, heads, queries, width), np.float32)
        key, value = generator.standard_normal((2, 1, heads, keys, width), np.float32)
        for causal in (False, True) if queries > 1 else (False,):

            def by_jax(q, k, v, causal=causal):
                inputs = (x.swapaxes(1, 2) for x in (q, k, v))
                return jax.nn.dot_product_attention(*inputs, is_causal=causal).swapaxes(1, 2)

            def by_torch(q, k, v, causal=causal):
                functional = torch.nn.functional
                return functional.scaled_dot_product_attention(q, k, v, is_causal=causal)

            yield function_case(
                f"attention {heads}x{queries}x{width}, {keys} keys{', causal' * causal}",
                lambda q, k, v, causal=causal: attend(q, k, v, is_causal=causal),
                by_torch,
                (query, key, value),
                jax=by_jax,
                operations=4.0 * heads * queries * keys * width / (2 if causal else 1),
            )

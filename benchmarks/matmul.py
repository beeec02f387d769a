"""Products of f32 matrices, and linear layers, whose weight [N, K] is transposed and kept."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import peers
import weft
from functions import function_case
from harness import Case

SHAPES = [(size, size, size) for size in (128, 512, 1000, 1024, 2048)]
SHAPES += [(128, 3072, 768), (32, 1024, 1024), (8, 1024, 1024), (1, 4096, 4096)]
"""M, K, N."""


def cases() -> Iterator[Case]:
    generator = np.random.default_rng(0)
    for m, k, n in SHAPES:
        x = generator.standard_normal((m, k), np.float32)
        y = generator.standard_normal((k, n), np.float32)
        yield function_case(
            f"matmul {m}x{k}x{n}",
            lambda a, b: a @ b,
            lambda a, b: a @ b,
            (x, y),
            numpy=lambda a, b: a @ b,
            jax=lambda a, b: a @ b,
            compiled=False,  # It calls what eager mode calls.
            operations=2.0 * m * k * n,
        )
    for m, k, n in SHAPES:
        yield _linear(generator, m, k, n)


def _linear(generator: np.random.Generator, m: int, k: int, n: int) -> Case:
    weight = generator.standard_normal((n, k), np.float32)
    bias = generator.standard_normal(n, np.float32)
    ours = weft.nn.Linear(k, n)
    ours.load_state_dict({"weight": weft.asarray(weight), "bias": weft.asarray(bias)})
    theirs = None
    if torch := peers.torch():
        theirs = torch.nn.Linear(k, n).requires_grad_(False)
        theirs.load_state_dict({"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)})
    turned = weight.T
    return function_case(
        f"nn.Linear({k}, {n}) of {m} rows",
        lambda x: ours(x),
        lambda x: theirs(x),
        (generator.standard_normal((m, k), np.float32),),
        numpy=lambda x: x @ turned + bias,
        compiled=False,
        operations=2.0 * m * k * n,
    )

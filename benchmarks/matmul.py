"""Products of f32 matrices."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import peers
import weft
from harness import WEFT, Bar, Case

SHAPES = [(512, 512, 512), (1024, 1024, 1024), (128, 3072, 768), (32, 1024, 1024)]
"""M, K, N."""


def cases() -> Iterator[Case]:
    generator = np.random.default_rng(0)
    product = weft.jit(lambda a, b: a @ b)
    for m, k, n in SHAPES:
        x = generator.standard_normal((m, k), np.float32)
        y = generator.standard_normal((k, n), np.float32)
        yield _case(product, x, y)


def _case(product: weft.jit, x: np.ndarray, y: np.ndarray) -> Case:
    (m, k), n = x.shape, y.shape[1]
    a, b = weft.asarray(x), weft.asarray(y)
    contenders = {WEFT: lambda: product(a, b), "numpy": lambda: x @ y}
    if torch := peers.torch():
        c, d = torch.from_numpy(x), torch.from_numpy(y)
        contenders["torch"] = lambda: c @ d
    if peers.jax():
        contenders["jax"] = peers.jax_call(lambda a, b: a @ b, x, y)
    bar = Bar(">= 0.9 of NumPy, PyTorch", 1 / 0.9, ("numpy", "torch")) if m == 1024 else None
    return Case(f"matmul {m}x{k}x{n}", contenders, bar, operations=2.0 * m * k * n)

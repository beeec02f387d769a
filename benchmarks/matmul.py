"""Products of f32 matrices."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import peers
import weft
from harness import WEFT, Bar, Case

SHAPES = [(512, 512, 512), (1024, 1024, 1024), (128, 3072, 768), (32, 1024, 1024)]
SHAPES += [(8, 1024, 1024), (1, 4096, 4096)]
"""M, K, N."""
FEW_ROWS = [(1, 4096, 4096), (2, 4096, 4096), (8, 1024, 4096)]
"""M, K, N of products with a weight [N, K], as a linear layer has it."""


def cases() -> Iterator[Case]:
    generator = np.random.default_rng(0)
    product = weft.jit(lambda a, b: a @ b)
    for m, k, n in SHAPES:
        x = generator.standard_normal((m, k), np.float32)
        y = generator.standard_normal((k, n), np.float32)
        yield _case(product, x, y, f"matmul {m}x{k}x{n}")
    layer = weft.jit(lambda a, b: a @ b.T)
    for m, k, n in FEW_ROWS:
        x = generator.standard_normal((m, k), np.float32)
        weight = generator.standard_normal((n, k), np.float32)
        yield _case(layer, x, weight, f"linear {m}x{k}x{n}, weight [N, K]", turned=True)


def _case(product: weft.jit, x: np.ndarray, y: np.ndarray, name: str, turned=False) -> Case:
    (m, k), n = x.shape, y.shape[0 if turned else 1]
    a, b = weft.asarray(x), weft.asarray(y)
    right = y.T if turned else y
    contenders = {WEFT: lambda: product(a, b), "numpy": lambda: x @ right}
    if torch := peers.torch():
        c, d = torch.from_numpy(x), torch.from_numpy(y)
        d = d.T if turned else d
        contenders["torch"] = lambda: c @ d
    if peers.jax():
        contenders["jax"] = peers.jax_call(lambda a, b: a @ (b.T if turned else b), x, y)
    bar = Bar(">= 0.9 of NumPy, PyTorch", 1 / 0.9, ("numpy", "torch")) if m in (1, 1024) else None
    return Case(name, contenders, bar, operations=2.0 * m * k * n)

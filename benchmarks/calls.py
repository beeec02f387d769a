"""What a call costs when there is next to nothing to compute."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import peers
import weft
from harness import WEFT, Bar, Case


def cases() -> Iterator[Case]:
    x, y = np.ones(16, np.float32), np.full(16, 2, np.float32)
    yield _compiled(x, y)
    yield _eager(x, y)


def _compiled(x: np.ndarray, y: np.ndarray) -> Case:
    compiled = weft.jit(lambda a, b: a + b)
    a, b = weft.asarray(x), weft.asarray(y)
    contenders = {WEFT: lambda: compiled(a, b)}
    if peers.torch_compiles():
        torch = peers.torch()
        torch_add = torch.compile(lambda a, b: a + b)
        c, d = torch.from_numpy(x), torch.from_numpy(y)
        contenders["torch.compile"] = lambda: torch_add(c, d)
    if peers.jax():
        contenders["jax"] = peers.jax_call(lambda a, b: a + b, x, y)
    return Case("call of a compiled a + b, 16 elements", contenders, Bar("<= 2 us", 2e-6))


def _eager(x: np.ndarray, y: np.ndarray) -> Case:
    a, b = weft.asarray(x), weft.asarray(y)
    contenders = {WEFT: lambda: a + b, "numpy": lambda: x + y}
    if torch := peers.torch():
        c, d = torch.from_numpy(x), torch.from_numpy(y)
        contenders["torch"] = lambda: c + d
    if jax := peers.jax():
        e, f = jax.numpy.asarray(x), jax.numpy.asarray(y)
        contenders["jax"] = lambda: jax.block_until_ready(e + f)
    return Case("eager a + b, 16 elements", contenders, Bar("<= 2 us", 2e-6))

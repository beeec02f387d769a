"""What a call costs when there is next to nothing to compute."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import peers
import weft
from harness import WEFT, Bar, Case

LAYERS = 100


def cases() -> Iterator[Case]:
    x, y = np.ones(16, np.float32), np.full(16, 2, np.float32)
    yield _compiled(x, y)
    yield _tree(x)
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
    return Case("call of a compiled a + b, 16 elements", contenders, Bar("<= 0.5 us", 5e-7))


def _tree(x: np.ndarray) -> Case:
    """The argument is a dictionary of layers, the layers are lists, as weights are kept."""

    def function(tree):
        return tree["layer 0"][0] + tree[f"layer {LAYERS - 1}"][1]

    def tree_of(convert: Callable) -> dict[str, list]:
        return {f"layer {n}": [convert(x.copy()), convert(x.copy())] for n in range(LAYERS)}

    compiled, tree = weft.jit(function), tree_of(weft.asarray)
    contenders = {WEFT: lambda: compiled(tree)}
    if jax := peers.jax():
        by_jax, leaves = jax.jit(function), tree_of(jax.numpy.asarray)
        contenders["jax"] = lambda: jax.block_until_ready(by_jax(leaves))
    name = f"call of a compiled function, a tree of {2 * LAYERS} tensors"
    return Case(name, contenders, Bar("<= 6 us", 6e-6))


def _eager(x: np.ndarray, y: np.ndarray) -> Case:
    a, b = weft.asarray(x), weft.asarray(y)
    contenders = {WEFT: lambda: a + b, "numpy": lambda: x + y}
    if torch := peers.torch():
        c, d = torch.from_numpy(x), torch.from_numpy(y)
        contenders["torch"] = lambda: c + d
    if jax := peers.jax():
        e, f = jax.numpy.asarray(x), jax.numpy.asarray(y)
        contenders["jax"] = lambda: jax.block_until_ready(e + f)
    return Case("eager a + b, 16 elements", contenders, Bar("<= 0.3 us", 3e-7))

"""Fused elementwise functions, reductions, and rows that are normalized: f32 matrices."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import peers
import weft
from functions import function_case
from harness import Case

ROWS, COLUMNS = 4096, 1024
REDUCED = {"of each column": 0, "of each row": 1, "of all": None}


def cases() -> Iterator[Case]:
    generator = np.random.default_rng(0)
    x, y = generator.standard_normal((2, ROWS, COLUMNS), np.float32)
    rows = x[:1024]
    w, b = generator.standard_normal((2, COLUMNS), np.float32)
    torch, jax = peers.torch(), peers.jax()
    functional, nn = torch and torch.nn.functional, jax and jax.nn
    jnp = jax and jax.numpy

    def case(name: str, ours: Callable, theirs: Callable, *arrays: np.ndarray, **more) -> Case:
        shape = "x".join(map(str, arrays[0].shape))
        return function_case(f"{name}, {shape}", ours, theirs, arrays, **more)

    add = lambda x, y: x + y  # noqa: E731
    yield case("x + y", add, add, x, y, numpy=add, jax=add)
    yield case(
        "gelu(x * w + b)",
        lambda x, w, b: weft.gelu(x * w + b),
        lambda x, w, b: functional.gelu(x * w + b),
        *(x, w, b),
        jax=lambda x, w, b: nn.gelu(x * w + b, approximate=False),
    )
    yield case(
        "tanh(sin(x) * exp(-x * x))",
        lambda x: weft.tanh(weft.sin(x) * weft.exp(-x * x)),
        lambda x: torch.tanh(torch.sin(x) * torch.exp(-x * x)),
        x,
        jax=lambda x: jnp.tanh(jnp.sin(x) * jnp.exp(-x * x)),
    )
    yield case(
        "softmax",
        lambda x: weft.softmax(x, -1),
        lambda x: functional.softmax(x, -1),
        rows,
        jax=lambda x: nn.softmax(x, -1),
    )
    yield case(
        "layer_norm",
        lambda x, w, b: weft.nn.functional.layer_norm(x, COLUMNS, w, b),
        lambda x, w, b: functional.layer_norm(x, (COLUMNS,), w, b),
        *(rows, w, b),
        jax=lambda x, w, b: nn.standardize(x, -1, epsilon=1e-5) * w + b,
    )
    for text, axis in REDUCED.items():
        yield case(
            f"sum {text}",
            lambda x, axis=axis: weft.sum(x, axis=axis),
            lambda x, axis=axis: x.sum() if axis is None else x.sum(axis),
            x,
            numpy=lambda x, axis=axis: x.sum(axis),
            jax=lambda x, axis=axis: jnp.sum(x, axis),
        )

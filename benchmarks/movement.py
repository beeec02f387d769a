"""Elements that change places: transposes, rows by their numbers, running sums, sorting."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import peers
import weft
from functions import function_case
from harness import Case

TRANSPOSES = [
    ((2048, 2048), (1, 0)),
    ((8, 64, 56, 56), (0, 2, 3, 1)),
    ((1, 3, 224, 224), (0, 2, 3, 1)),
    ((512, 512, 3, 3), (2, 3, 1, 0)),
]
TABLE, WIDTH, PICKED = 32_768, 768, 4096


def cases() -> Iterator[Case]:
    generator = np.random.default_rng(0)
    yield from _transposes(generator)
    torch = peers.torch()
    jnp = peers.jax() and peers.jax().numpy
    table = generator.standard_normal((TABLE, WIDTH), np.float32)
    numbers = generator.integers(0, TABLE, PICKED)
    yield function_case(
        f"{PICKED} rows of a table of {TABLE}x{WIDTH}",
        lambda table, numbers: weft.take(table, numbers, axis=0),
        lambda table, numbers: table[numbers],
        (table, numbers),
        numpy=lambda table, numbers: table[numbers],
        jax=lambda table, numbers: table[numbers],
    )
    rows = generator.standard_normal((1024, 1024), np.float32)
    for axis in (0, 1):
        yield function_case(
            f"cumulative_sum along axis {axis}, 1024x1024",
            lambda x, axis=axis: weft.cumulative_sum(x, axis=axis),
            lambda x, axis=axis: torch.cumsum(x, axis),
            (rows,),
            numpy=lambda x, axis=axis: np.cumsum(x, axis),
            jax=lambda x, axis=axis: jnp.cumsum(x, axis),
        )
    for x, text in ((rows, "rows, 1024x1024"), (rows.ravel(), "1,048,576 elements")):
        yield function_case(
            f"sort of {text}",
            lambda x: weft.sort(x),
            lambda x: torch.sort(x)[0],
            (x,),
            numpy=lambda x: np.sort(x),
            jax=lambda x: jnp.sort(x),
            compiled=False,  # It calls what eager mode calls.
        )


def _transposes(generator: np.random.Generator) -> Iterator[Case]:
    jax = peers.jax()
    for shape, axes in TRANSPOSES:
        size = "x".join(map(str, shape))
        yield function_case(
            f"transpose {size} by {axes}",
            lambda x, axes=axes: weft.permute_dims(x, axes),
            lambda x, axes=axes: x.permute(axes).contiguous(),
            (generator.standard_normal(shape, np.float32),),
            numpy=lambda x, axes=axes: np.ascontiguousarray(x.transpose(axes)),
            jax=lambda x, axes=axes: jax.numpy.transpose(x, axes),
        )

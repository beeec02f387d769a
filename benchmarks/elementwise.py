"""Fused elementwise ops and reductions of a 4096x1024 f32 matrix; transposes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import peers
import weft
from harness import WEFT, Bar, Case

ROWS, COLUMNS = 4096, 1024
TRANSPOSES = [
    ((2048, 2048), (1, 0)),
    ((8, 64, 56, 56), (0, 2, 3, 1)),
    ((512, 512, 3, 3), (2, 3, 1, 0)),
]


def cases() -> Iterator[Case]:
    import weft.nn.functional as F

    generator = np.random.default_rng(0)
    x = generator.standard_normal((ROWS, COLUMNS), np.float32)
    w, b = generator.standard_normal((2, COLUMNS), np.float32)
    torch = peers.torch()
    functional = torch.nn.functional if torch else None
    yield _case(
        "gelu(x * w + b)",
        lambda x, w, b: weft.gelu(x * w + b),
        lambda x, w, b: functional.gelu(x * w + b),
        (x, w, b),
    )
    yield _case(
        "softmax of rows",
        lambda x: weft.softmax(x, -1),
        lambda x: functional.softmax(x, -1),
        (x,),
    )
    yield _case(
        "layer_norm of rows",
        lambda x, w, b: F.layer_norm(x, COLUMNS, w, b),
        lambda x, w, b: functional.layer_norm(x, (COLUMNS,), w, b),
        (x, w, b),
    )
    yield from _transposes(generator)
    yield _case("sum of columns", lambda x: weft.sum(x, axis=0), lambda x: x.sum(0), (x,))


def _transposes(generator: np.random.Generator) -> Iterator[Case]:
    for shape, axes in TRANSPOSES:
        x = generator.standard_normal(shape, np.float32)
        compiled = weft.jit(lambda x, axes=axes: weft.permute_dims(x, axes))
        a = weft.asarray(x)
        contenders = {
            WEFT: lambda compiled=compiled, a=a: compiled(a),
            "numpy": lambda x=x, axes=axes: np.ascontiguousarray(x.transpose(axes)),
        }
        if torch := peers.torch():
            b = torch.from_numpy(x)
            contenders["torch"] = lambda b=b, axes=axes: b.permute(axes).contiguous()
        if peers.jax():
            transpose = peers.jax().numpy.transpose
            contenders["jax"] = peers.jax_call(partial(transpose, axes=axes), x)
        size = "x".join(map(str, shape))
        bar = Bar(">= 0.8 of the peers", 1 / 0.8, tuple(contenders)[1:])
        yield Case(f"transpose {size} by {axes}", contenders, bar)


def _case(name: str, ours: Callable, theirs: Callable, arrays: tuple[np.ndarray, ...]) -> Case:
    """The function compiled by Weft; by PyTorch in eager mode, and compiled where it can be."""
    compiled = weft.jit(ours)
    tensors = [weft.asarray(array) for array in arrays]
    contenders = {WEFT: lambda: compiled(*tensors)}
    if torch := peers.torch():
        inputs = [torch.from_numpy(array) for array in arrays]
        contenders["torch"] = lambda: theirs(*inputs)
        if peers.torch_compiles():
            torch_compiled = torch.compile(theirs)
            contenders["torch.compile"] = lambda: torch_compiled(*inputs)
    return Case(f"{name}, {ROWS}x{COLUMNS}", contenders)

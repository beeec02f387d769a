"""The kernels of docs/kernels.md beside the templates that Weft has for the same work."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import weft
from functions import LEAST_RATIO, compare
from harness import WEFT, Bar, Case
from weft import blocks

sys.path.append(str(Path(__file__).resolve().parent.parent))
from examples.block_kernels import add, attention, cumulative, layer_norm, matmul, softmax

TEMPLATE, SPELLED = "weft.jit", "weft.jit, spelled"
LONG, SHORT = 1 << 24, 1 << 16
ROWS, COLUMNS = 4096, 1024
SIDE = 1024
HEADS, PLACES, WIDTH = 8, 1024, 64


def cases() -> Iterator[Case]:
    rng = np.random.default_rng(0)

    def drawn(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape, dtype=np.float32)

    for size in (LONG, SHORT):
        yield _case(
            f"add of {size} numbers",
            lambda x, y, n=size: add[blocks.cdiv(n, 4096)](x, y, weft.spec(n), n, BLOCK=4096),
            lambda x, y: x + y,
            drawn(size),
            drawn(size),
        )
    name, x = f"{ROWS} x {COLUMNS}", drawn(ROWS, COLUMNS)
    yield _case(
        f"softmax of {name}",
        lambda x: softmax[ROWS](x, weft.spec(x.shape), BLOCK=COLUMNS),
        lambda x: weft.softmax(x, axis=1),
        x,
        spelled=_spelled_softmax,
    )
    yield _case(
        f"layer norm of {name}",
        lambda x, w, b: layer_norm[ROWS](x, w, b, weft.spec(x.shape), 1e-5, BLOCK=COLUMNS),
        lambda x, w, b: weft.nn.functional.layer_norm(x, (COLUMNS,), w, b),
        x,
        drawn(COLUMNS),
        drawn(COLUMNS),
    )
    yield _case(
        f"cumulative sum of {name}",
        lambda x: cumulative[blocks.cdiv(ROWS, 16)](x, weft.spec(x.shape), ROWS=16, BLOCK=128),
        lambda x: weft.cumulative_sum(x, axis=1),
        x,
    )
    yield from _products(drawn)


def _products(drawn: Callable[..., np.ndarray]) -> Iterator[Case]:
    m, n = 342, 256  # Thirds of the rows: whole tiles of six, few copies of the right operand.
    yield _case(
        f"product of {SIDE} x {SIDE} x {SIDE}",
        lambda a, b: matmul[blocks.cdiv(SIDE, m), blocks.cdiv(SIDE, n)](
            a, b, weft.spec((SIDE, SIDE)), BM=m, BN=n, BK=128
        ),
        lambda a, b: a @ b,
        drawn(SIDE, SIDE),
        drawn(SIDE, SIDE),
    )

    def head(q, k, v):
        grid = blocks.cdiv(PLACES, m)
        return attention[grid](q, k, v, weft.spec(q.shape), WIDTH**-0.5, BM=m, BN=64, D=WIDTH)

    yield _case(
        f"attention, {HEADS} x {PLACES} x {WIDTH}",
        weft.vmap(head),
        weft.nn.functional.scaled_dot_product_attention,
        *(drawn(HEADS, PLACES, WIDTH) for _ in range(3)),
    )


def _spelled_softmax(x: weft.Tensor) -> weft.Tensor:
    """By the operations of the kernel: that of weft.softmax knows that no exponent is positive."""
    powers = weft.exp(x - weft.max(x, axis=1, keepdims=True))
    return powers * (1.0 / weft.sum(powers, axis=1, keepdims=True))


def _case(
    name: str,
    kernel: Callable,
    plain: Callable,
    *arrays: np.ndarray,
    spelled: Callable | None = None,
) -> Case:
    """A kernel beside the operations that it stands for, both in functions that are compiled."""
    given = [weft.asarray(array) for array in arrays]
    calls = {WEFT: kernel, TEMPLATE: plain} | ({SPELLED: spelled} if spelled else {})
    contenders = {}
    for contender, function in calls.items():
        compiled = weft.jit(function)
        compare(f"{name}: {contender}", compiled(*given), plain(*given))
        contenders[contender] = lambda compiled=compiled: compiled(*given)
    bar = Bar(f">= {LEAST_RATIO} of {TEMPLATE}", 1 / LEAST_RATIO, (TEMPLATE,))
    return Case(name, contenders, bar)

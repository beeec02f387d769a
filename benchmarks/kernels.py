"""The kernels of docs/kernels.md beside the templates that Weft has for the same work."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import weft
from functions import LEAST_RATIO, compare
from harness import WEFT, Bar, Case
from weft import blocks

TEMPLATE, SPELLED = "weft.jit", "weft.jit, spelled"
LONG, SHORT = 1 << 24, 1 << 16
ROWS, COLUMNS = 4096, 1024
SIDE = 1024
HEADS, PLACES, WIDTH = 8, 1024, 64


@weft.kernel
def add(x, y, out, n, block: weft.constexpr):
    offsets = blocks.program_id(0) * block + blocks.arange(block)
    mask = offsets < n
    total = blocks.load(x, offsets, mask) + blocks.load(y, offsets, mask)
    blocks.store(out, offsets, total, mask)


@weft.kernel
def softmax(x, out, block: weft.constexpr):
    row, columns = blocks.program_id(0), blocks.arange(block)
    mask = columns < x.shape[1]
    values = blocks.load(x, (row, columns), mask, other=-weft.inf)
    powers = weft.exp(values - weft.max(values))
    blocks.store(out, (row, columns), powers * (1.0 / weft.sum(powers)), mask)


@weft.kernel
def layer_norm(x, weight, bias, out, epsilon, block: weft.constexpr):
    row, columns = blocks.program_id(0), blocks.arange(block)
    size = x.shape[1]
    mask = columns < size
    values = blocks.load(x, (row, columns), mask)
    mean = weft.sum(values) / size.astype("float32")
    centred = weft.where(mask, values - mean, 0.0)
    scale = 1.0 / weft.sqrt(weft.sum(centred * centred) / size.astype("float32") + epsilon)
    made = centred * scale * blocks.load(weight, columns, mask) + blocks.load(bias, columns, mask)
    blocks.store(out, (row, columns), made, mask)


@weft.kernel
def matmul(a, b, c, bm: weft.constexpr, bn: weft.constexpr, bk: weft.constexpr):
    rows = (blocks.program_id(0) * bm + blocks.arange(bm))[:, None]
    columns = (blocks.program_id(1) * bn + blocks.arange(bn))[None, :]
    m, k = a.shape
    n = b.shape[1]
    total = blocks.zeros((bm, bn), dtype="float32")
    for start in range(0, k, bk):
        depth = start + blocks.arange(bk)
        across, down = depth[None, :], depth[:, None]
        left = blocks.load(a, (rows, across), (rows < m) & (across < k))
        right = blocks.load(b, (down, columns), (down < k) & (columns < n))
        total += blocks.dot(left, right)
    blocks.store(c, (rows, columns), total, (rows < m) & (columns < n))


@weft.kernel
def cumulative(x, out, size: weft.constexpr, block: weft.constexpr):
    rows = (blocks.program_id(0) * size + blocks.arange(size))[:, None]
    before = blocks.zeros((size, 1), dtype="float32")
    for start in range(0, x.shape[1], block):
        columns = (start + blocks.arange(block))[None, :]
        mask = (rows < x.shape[0]) & (columns < x.shape[1])
        sums = before + weft.cumulative_sum(blocks.load(x, (rows, columns), mask), axis=1)
        blocks.store(out, (rows, columns), sums, mask)
        before = sums[:, block - 1 :]


@weft.kernel
def attention(q, k, v, out, scale, bm: weft.constexpr, bn: weft.constexpr, d: weft.constexpr):
    rows = (blocks.program_id(0) * bm + blocks.arange(bm))[:, None]
    width = blocks.arange(d)[None, :]
    queries = blocks.load(q, (rows, width), rows < q.shape[0])
    largest = blocks.full((bm,), -weft.inf, dtype="float32")
    total = blocks.zeros((bm,), dtype="float32")
    made = blocks.zeros((bm, d), dtype="float32")
    for start in range(0, k.shape[0], bn):
        place = start + blocks.arange(bn)
        there = (place < k.shape[0])[:, None]
        keys = blocks.load(k, (place[:, None], width), there)
        scores = blocks.dot(queries, keys.T) * scale
        scores = weft.where((place < k.shape[0])[None, :], scores, -weft.inf)
        grown = weft.maximum(largest, weft.max(scores, axis=1))
        powers = weft.exp(scores - grown[:, None])
        correction = weft.exp(largest - grown)
        total = total * correction + weft.sum(powers, axis=1)
        values = blocks.load(v, (place[:, None], width), there)
        made = made * correction[:, None] + blocks.dot(powers, values)
        largest = grown
    blocks.store(out, (rows, width), made / total[:, None], rows < q.shape[0])


def cases() -> Iterator[Case]:
    rng = np.random.default_rng(0)

    def drawn(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape, dtype=np.float32)

    for size in (LONG, SHORT):
        yield _case(
            f"add of {size} numbers",
            lambda x, y, n=size: add[blocks.cdiv(n, 4096)](x, y, weft.spec(n), n, block=4096),
            lambda x, y: x + y,
            drawn(size),
            drawn(size),
        )
    name, x = f"{ROWS} x {COLUMNS}", drawn(ROWS, COLUMNS)
    yield _case(
        f"softmax of {name}",
        lambda x: softmax[ROWS](x, weft.spec(x.shape), block=COLUMNS),
        lambda x: weft.softmax(x, axis=1),
        x,
        spelled=_spelled_softmax,
    )
    yield _case(
        f"layer norm of {name}",
        lambda x, w, b: layer_norm[ROWS](x, w, b, weft.spec(x.shape), 1e-5, block=COLUMNS),
        lambda x, w, b: weft.nn.functional.layer_norm(x, (COLUMNS,), w, b),
        x,
        drawn(COLUMNS),
        drawn(COLUMNS),
    )
    yield _case(
        f"cumulative sum of {name}",
        lambda x: cumulative[blocks.cdiv(ROWS, 16)](x, weft.spec(x.shape), size=16, block=128),
        lambda x: weft.cumulative_sum(x, axis=1),
        x,
    )
    yield from _products(drawn)


def _products(drawn: Callable[..., np.ndarray]) -> Iterator[Case]:
    m, n = 342, 256  # Thirds of the rows: whole tiles of six, few copies of the right operand.
    yield _case(
        f"product of {SIDE} x {SIDE} x {SIDE}",
        lambda a, b: matmul[blocks.cdiv(SIDE, m), blocks.cdiv(SIDE, n)](
            a, b, weft.spec((SIDE, SIDE)), bm=m, bn=n, bk=128
        ),
        lambda a, b: a @ b,
        drawn(SIDE, SIDE),
        drawn(SIDE, SIDE),
    )

    def head(q, k, v):
        grid = blocks.cdiv(PLACES, m)
        return attention[grid](q, k, v, weft.spec(q.shape), WIDTH**-0.5, bm=m, bn=64, d=WIDTH)

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

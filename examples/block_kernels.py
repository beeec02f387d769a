"""The kernels that docs/kernels.md shows, and benchmarks/kernels.py measures."""

from __future__ import annotations

import weft
from weft import blocks


@weft.kernel
def add(x, y, out, n, BLOCK: weft.constexpr):
    offsets = blocks.program_id(0) * BLOCK + blocks.arange(BLOCK)
    mask = offsets < n
    total = blocks.load(x, offsets, mask) + blocks.load(y, offsets, mask)
    blocks.store(out, offsets, total, mask)


@weft.kernel
def softmax(x, out, BLOCK: weft.constexpr):
    row, columns = blocks.program_id(0), blocks.arange(BLOCK)
    mask = columns < x.shape[1]
    values = blocks.load(x, (row, columns), mask, other=-weft.inf)
    powers = weft.exp(values - weft.max(values))
    blocks.store(out, (row, columns), powers * (1.0 / weft.sum(powers)), mask)


@weft.kernel
def layer_norm(x, weight, bias, out, epsilon, BLOCK: weft.constexpr):
    row, columns = blocks.program_id(0), blocks.arange(BLOCK)
    size = x.shape[1]
    mask = columns < size
    values = blocks.load(x, (row, columns), mask)
    mean = weft.sum(values) / size.astype("float32")
    centred = weft.where(mask, values - mean, 0.0)
    scale = 1.0 / weft.sqrt(weft.sum(centred * centred) / size.astype("float32") + epsilon)
    made = centred * scale * blocks.load(weight, columns, mask) + blocks.load(bias, columns, mask)
    blocks.store(out, (row, columns), made, mask)


@weft.kernel
def matmul(a, b, c, BM: weft.constexpr, BN: weft.constexpr, BK: weft.constexpr):
    rows = (blocks.program_id(0) * BM + blocks.arange(BM))[:, None]
    columns = (blocks.program_id(1) * BN + blocks.arange(BN))[None, :]
    m, k = a.shape
    n = b.shape[1]
    total = blocks.zeros((BM, BN), dtype="float32")
    for start in range(0, k, BK):
        depth = start + blocks.arange(BK)
        across, down = depth[None, :], depth[:, None]
        left = blocks.load(a, (rows, across), (rows < m) & (across < k))
        right = blocks.load(b, (down, columns), (down < k) & (columns < n))
        total += blocks.dot(left, right)
    blocks.store(c, (rows, columns), total, (rows < m) & (columns < n))


@weft.kernel
def cumulative(x, out, ROWS: weft.constexpr, BLOCK: weft.constexpr):
    rows = (blocks.program_id(0) * ROWS + blocks.arange(ROWS))[:, None]
    before = blocks.zeros((ROWS, 1), dtype="float32")
    for start in range(0, x.shape[1], BLOCK):
        columns = (start + blocks.arange(BLOCK))[None, :]
        mask = (rows < x.shape[0]) & (columns < x.shape[1])
        sums = before + weft.cumulative_sum(blocks.load(x, (rows, columns), mask), axis=1)
        blocks.store(out, (rows, columns), sums, mask)
        before = sums[:, BLOCK - 1 :]


@weft.kernel
def attention(q, k, v, out, scale, BM: weft.constexpr, BN: weft.constexpr, D: weft.constexpr):
    rows = (blocks.program_id(0) * BM + blocks.arange(BM))[:, None]
    width = blocks.arange(D)[None, :]
    queries = blocks.load(q, (rows, width), rows < q.shape[0])
    largest = blocks.full((BM,), -weft.inf, dtype="float32")
    total = blocks.zeros((BM,), dtype="float32")
    made = blocks.zeros((BM, D), dtype="float32")
    for start in range(0, k.shape[0], BN):
        place = start + blocks.arange(BN)
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


@weft.kernel
def histogram(x, out, BLOCK: weft.constexpr):
    place = blocks.program_id(0) * BLOCK + blocks.arange(BLOCK)
    there = place < x.shape[0]
    blocks.atomic_add(out, blocks.load(x, place, there), 1, there)

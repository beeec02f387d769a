"""What a kernel computes behind a product of matrices, in small shapes of any number of batches."""

from __future__ import annotations

import random

import numpy as np
import pytest
import weft
from numerics import UNIT_ROUNDOFF, assert_same_bits


def _broadcastable(draw: random.Random, shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape that broadcasts to this one."""
    kept = shape[draw.randint(0, len(shape)) :]
    return tuple(size if draw.random() < 0.6 else 1 for size in kept)


@pytest.mark.parametrize("seed", range(120))
def test_epilogues_of_batches_are_numpys(seed: int) -> None:
    draw = random.Random(seed)
    batch = tuple(draw.choice([1, 1, 2, 3, 5]) for _ in range(draw.randint(0, 3)))
    rows, depth, columns = (draw.choice([0, 1, 1, 1, 2, 3, 17]) for _ in range(3))
    shapes = [(*batch, rows, depth), (*batch, depth, columns)]
    shapes += [_broadcastable(draw, (*batch, rows, columns)) for _ in range(2)]
    generator = np.random.default_rng(seed)
    arrays = [generator.normal(size=shape).astype(np.float32) for shape in shapes]
    turned = draw.random() < 0.5
    if turned:
        arrays[1] = np.ascontiguousarray(np.swapaxes(arrays[1], -1, -2))
    # As in a residual layer: what is multiplied is added, too.
    residual = draw.random() < 0.3 and depth == columns

    def program(x, w, a, b, library):
        product = library.matmul(x, library.swapaxes(w, -1, -2) if turned else w)
        return (product + (x if residual else a)) * b

    tensors = [weft.asarray(array) for array in arrays]
    eager, compiled = program(*tensors, weft), weft.jit(program)(*tensors, weft)
    assert_same_bits(eager, compiled)
    wide = [array.astype(np.float64) for array in arrays]
    expected, sizes = program(*wide, np), program(*map(np.abs, wide), np)
    bound = (depth + 4) * UNIT_ROUNDOFF["float32"] * sizes
    assert compiled.shape == expected.shape
    assert (np.abs(np.asarray(compiled) - expected) <= bound).all()

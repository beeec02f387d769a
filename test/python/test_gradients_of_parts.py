"""Gradients of tensors that are read in parts: sums of frames of zeros, or concatenations."""

from __future__ import annotations

import random

import numpy as np
import pytest
import weft
from numerics import assert_same_bits, numpy_dtype

DTYPES = ("float32", "float32", "float64", "float16", "bfloat16")


def _parts(draw: random.Random, size: int) -> list[tuple[int, int]]:
    """Neighbours in any order, some of them missing, and at times one that lies over others."""
    cuts = sorted(draw.choices(range(size + 1), k=draw.randint(0, 20)))
    parts = [*zip([0, *cuts], [*cuts, size], strict=True)]
    parts = [part for part in parts if draw.random() < 0.9]
    if draw.random() < 0.5:
        draw.shuffle(parts)
    if draw.random() < 0.2:
        low = draw.randint(0, size)
        parts.append((low, draw.randint(low, size)))
    return parts


@pytest.mark.parametrize("seed", range(60))
def test_gradients_of_parts_are_their_cotangents(seed: int) -> None:
    draw, generator = random.Random(seed), np.random.default_rng(seed)
    shape = tuple(draw.choice([1, 2, 3, 5, 17, 64]) for _ in range(draw.randint(1, 3)))
    axis = draw.randrange(len(shape))
    parts = _parts(draw, shape[axis])
    dtype = numpy_dtype(draw.choice(DTYPES))
    places = [(slice(None),) * axis + (slice(*part),) for part in parts]
    special = [0.0, -0.0, 1.0, -2.5, np.inf, np.nan]
    x = generator.normal(size=shape).astype(dtype)
    cotangents = [
        np.where(
            generator.random(x[place].shape) < 0.3,
            generator.choice(special, size=x[place].shape),
            generator.normal(size=x[place].shape),
        ).astype(dtype)
        for place in places
    ]

    def gradient(x, *cotangents):
        def loss(x):
            read = (weft.sum(x[p] * c) for p, c in zip(places, cotangents, strict=True))
            return sum(read, weft.sum(x * 0))

        return weft.grad(loss)(x)

    tensors = [weft.asarray(array) for array in (x, *cotangents)]
    eager = gradient(*tensors)
    assert_same_bits(eager, weft.jit(gradient)(*tensors))
    expected = np.zeros(shape, np.float64)
    for place, cotangent in zip(places, cotangents, strict=True):
        expected[place] += cotangent.astype(np.float64)
    # Sums of at most two terms, rounded once.
    rounded = expected.astype(dtype).astype(np.float64)
    np.testing.assert_array_equal(np.asarray(eager.astype(weft.float64)), rounded)

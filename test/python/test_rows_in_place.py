"""Kernels of rows that write over what they read: loops of them, beside steps that keep all values.

A step reduces rows and gives rows. In a loop its result is where its argument was if each row is
read before it is written; called at once, each op has memory of its own.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import weft
from numerics import assert_same_bits

LENGTHS = [0, 1, 2, 7, 16, 17, 33, 100, 2049, 5000]
#: Few rows so long that they are cut into blocks, which are stages and tasks of their own.
LONG = 70_001
STEPS = 3

#: Of x [rows, length], of one value for each row, and of the number of a turn.
_TERMS = [
    lambda x, row, turn: x,
    lambda x, row, turn: x * 0.5,
    lambda x, row, turn: weft.exp(-x * x),
    lambda x, row, turn: weft.tanh(x) * weft.sin(x),
    lambda x, row, turn: row,
    # Read by all rows, by all of a row, from other rows, and behind where it was written.
    lambda x, row, turn: x[:1],
    lambda x, row, turn: x[:, :1],
    lambda x, row, turn: x[-1:, -1:],
    lambda x, row, turn: weft.flip(x, axis=0),
    lambda x, row, turn: weft.flip(x, axis=1),
    lambda x, row, turn: weft.roll(x, turn + 1, axis=1),
    lambda x, row, turn: weft.roll(x, turn + 1, axis=0) - weft.roll(x, -turn, axis=0),
    lambda x, row, turn: x.T if x.shape[0] == x.shape[1] else x,
]
_REDUCTIONS = [
    lambda x: weft.sum(x, axis=1, keepdims=True),
    lambda x: weft.mean(x, axis=1, keepdims=True),
    lambda x: weft.max(x, axis=1, keepdims=True) if x.shape[1] else weft.sum(x, 1, keepdims=True),
    lambda x: weft.sum(x * x, axis=1, keepdims=True),
]


def _step(choose: random.Random) -> Callable:
    """A random step: x and a value of each row, to the next of both."""
    terms = [choose.choice(_TERMS[:4]), *choose.choices(_TERMS, k=choose.randint(1, 2))]
    reduced = [choose.choice(_TERMS[:5]), *choose.choices(_TERMS, k=choose.randint(0, 1))]
    reductions = [choose.choice(_REDUCTIONS) for _ in reduced]
    turn = choose.randrange(3)
    is_normed, of_row = choose.random() < 0.5, choose.randrange(3)

    def step(x: weft.Tensor, row: weft.Tensor) -> tuple[weft.Tensor, weft.Tensor]:
        total = row * 0
        for term, reduction in zip(reduced, reductions, strict=True):
            total = total + reduction(term(x, row, turn) + x * 0)
        following = sum((term(x, row, turn) for term in terms[1:]), terms[0](x, row, turn))
        following = following / (1 + total * total) if is_normed else following - total * 0.125
        # Kept in bounds, whatever was drawn.
        following = weft.clip(following, -4, 4)
        return following, [row, row * 0.5 + weft.tanh(total), weft.tanh(total)][of_row]

    return step


def _arguments(choose: random.Random, dtype: str) -> list[weft.Tensor]:
    length = choose.choice([*LENGTHS, LONG])
    rows = choose.choice([0, 1, 2, 5, 16, 33] if length <= 100 else [1, 2, 3])
    if choose.random() < 0.2 and length <= 100:
        rows = length
    generator = np.random.default_rng(choose.randrange(2**32))
    # Some are views of a larger tensor, or lie the other way round.
    kind = choose.randrange(3)
    shape = [(rows, length), (rows + 2, length + 3), (length, rows)][kind]
    x = weft.asarray(generator.standard_normal(shape).astype(dtype))
    x = [x, x[1 : rows + 1, 2 : length + 2], x.T][kind]
    return [x, weft.asarray(generator.standard_normal((rows, 1)).astype(dtype))]


@pytest.fixture(params=[1, 2, 5])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = weft.get_num_threads()
    weft.set_num_threads(request.param)
    yield request.param
    weft.set_num_threads(before)


@pytest.mark.parametrize("seed", range(50))
def test_random_steps_in_loops(seed: int, threads: int) -> None:
    choose = random.Random(seed)
    step, dtype = _step(choose), choose.choice(["float32", "float32", "float64", "float16"])
    x, row = _arguments(choose, dtype)
    before = [np.array(x), np.array(row)]
    expected = (x, row)
    for _ in range(STEPS):
        expected = step(*expected)

    counted = weft.jit(
        lambda x, row: weft.fori_loop(0, STEPS, lambda _, state: step(*state), (x, row))
    )
    assert_same_bits(counted(x, row), expected, f"fori_loop, seed {seed}")
    assert_same_bits(weft.jit(step)(x, row), step(x, row), f"one step, seed {seed}")

    held = [x.clone(), row.clone()]

    @weft.jit
    def rebind() -> None:
        for tensor, value in zip(held, step(*held), strict=True):
            tensor.assign(value)

    for _ in range(STEPS):
        rebind()
    assert_same_bits(tuple(held), expected, f"rebound, seed {seed}")
    # What came as an argument, and what others hold, stays.
    assert_same_bits((x, row), tuple(before), f"arguments, seed {seed}")


@pytest.mark.parametrize("length", [1, 17, 2049, 10_000, LONG])
def test_a_plain_loop_over_rows(length: int, threads: int) -> None:
    """Pieces of a plain while are kernels of rows that write over the last state."""

    def halve(x, least):
        while weft.sum(x * x) > least:
            x = x * 0.5 + weft.max(x) * 0.125
        return x

    compiled = weft.jit(halve)
    numbers = np.random.default_rng(length).standard_normal(length).astype(np.float32)
    for scale in (1.0, 1.0, 3.0, 1.0, 0.5):
        x, least = weft.asarray(numbers * scale), weft.asarray(np.float32(length * 1e-8))
        assert_same_bits(compiled(x, least), halve(x, least))
        assert_same_bits(x, numbers * np.float32(scale))


def test_a_softmax_of_its_own_result_against_numpy() -> None:
    x = np.random.default_rng(0).standard_normal((37, 129))
    made = weft.jit(lambda x: weft.fori_loop(0, 5, lambda _, x: weft.softmax(x * 3, axis=1), x))(
        weft.asarray(x)
    )
    for _ in range(5):
        grown = np.exp(3 * x - (3 * x).max(axis=1, keepdims=True))
        x = grown / grown.sum(axis=1, keepdims=True)
    # Five turns, each of which triples an error of a few units in the last place.
    np.testing.assert_allclose(np.array(made), x, rtol=3**5 * 8 * 2.0**-53)

"""Parts of arguments that kernels read where they are, also beside writes to the argument."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import weft
from devices import DEVICES, moved
from numerics import assert_same_bits, to_numpy

SHAPE = (3, 4, 32)
"""Of the state: rows are as long as what tensors are aligned to, or twice as long."""


def _keys(generator: random.Random) -> Any:
    """An index of a part: runs of memory and others, whole rows and parts of them."""
    first = generator.choice([generator.randrange(3), slice(None), slice(1, None), slice(0, 2)])
    second = generator.choice(
        [generator.randrange(4), slice(None), slice(1, 3), slice(None, None, 2)]
    )
    third = generator.choice([slice(None), slice(0, 16), slice(16, None), slice(3, 19), 5])
    return (first, second, third)[: generator.randrange(1, 4)]


def _program(seed: int) -> Callable:
    """Reads and writes of parts of a state, in an order of its own. The numbers are small integers,
    so that any order of sums gives the same."""
    generator = random.Random(seed)
    steps = [(generator.choice("rrrwwskm"), _keys(generator), _keys(generator)) for _ in range(8)]

    def run(state: Any, other: Any) -> list[Any]:
        library = np if isinstance(state, np.ndarray) else weft
        results = []
        for kind, key, from_key in steps:
            if kind == "r":
                results.append(library.abs(state[key]) + 1.0)
            elif kind == "s":
                results.append(library.sum(state[key], axis=-1 if state[key].ndim else None))
            elif kind == "m":
                part = state[key[:1]]
                results.append(library.reshape(part, (-1, 32)) @ other)
            elif kind == "k":
                results.append(state[(*key, ...)])  # A view, of the state as it will be.
            else:
                value = library.max(library.abs(state[from_key]))
                state[key] = library.minimum(value, 7.0) - state[key]
        return results

    return run


@pytest.mark.parametrize("place", ["cpu", *DEVICES])
@pytest.mark.parametrize("seed", range(40))
def test_parts_of_a_state_that_is_written(seed: int, place: str) -> None:
    generator = np.random.default_rng(seed)
    start = generator.integers(-4, 5, SHAPE).astype(np.float32)
    other = generator.integers(-2, 3, (32, 32)).astype(np.float32)
    program = _program(seed)
    expected_state = start.copy()
    expected = [np.array(result) for result in program(expected_state, other)]
    for way in ("eager", "compiled", "compiled, of a state outside"):
        state, right = weft.asarray(start.copy()), weft.asarray(other)
        if place != "cpu":
            state, right = moved([state, right], weft.device(place))
        arguments = () if "outside" in way else (state, right)
        held = (state, right)
        function = (lambda held=held: program(*held)) if "outside" in way else program
        results = (function if way == "eager" else weft.jit(function))(*arguments)
        assert_same_bits([to_numpy(x.cpu()) for x in results], expected, way)
        assert_same_bits(to_numpy(state.cpu()), expected_state, way)


def test_slices_of_arguments_are_not_copied() -> None:
    """The layers of a stack of weights, the keys and values of a cache."""
    x, w = weft.ones((5, 32)), weft.ones((3, 2, 32, 32))
    together = weft.jit(lambda x, w: x @ w[0, 0] + x @ w[2, 1])
    together(x, w)
    names = [kernel.name for kernel in together.profile(x, w)]
    assert not any("slice" in name for name in names), names


def test_parts_of_a_donated_argument_outlive_its_memory() -> None:
    """The result may be where the argument was: not while a part of it is still to be read."""
    start = np.arange(4 * 32, dtype=np.float32).reshape(4, 32)

    @weft.jit
    def step(x: weft.Tensor) -> tuple:
        first = x[0] * 2.0
        x[:] = x + x[1]
        return first, x[2] - first

    state = weft.asarray(start.copy())
    for _ in range(3):
        before = to_numpy(state).copy()
        first, last = step(state)
        assert_same_bits(first, before[0] * 2)
        assert_same_bits(state, before + before[1])
        assert_same_bits(last, (before + before[1])[2] - before[0] * 2)


def test_what_was_read_before_a_write_is_read_after_it() -> None:
    """The late product reads a part of the old state, so that the new one may not be where it was.
    A state that the function finds outside is written in place where it can be."""
    start = np.arange(32 * 32, dtype=np.float32).reshape(32, 32) % 7
    state = weft.asarray(start.copy())

    @weft.jit
    def step() -> tuple:
        old = weft.stop_gradient(state[8:24])
        early = old @ state
        state[:16] = state[:16] + weft.sum(early) * 0.0 + 1.0
        return early, old @ state

    for _ in range(3):
        before = to_numpy(state).copy()
        early, late = step()
        after = before.copy()
        after[:16] += 1
        assert_same_bits(state, after)
        assert_same_bits(early, before[8:24] @ before)
        assert_same_bits(late, before[8:24] @ after)

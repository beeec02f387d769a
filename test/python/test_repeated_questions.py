"""Python loops that ask for a value in each iteration: pieces that repeat are run as cycles."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import weft
from numerics import assert_same_bits

#: Bodies over `a` and `b`, with the questions of each iteration; the loop asks for `i < bound`.
_STATEMENTS = [
    "a = a * 0.5 + b",
    "a, b = b, weft.tanh(a) + x",
    "b = weft.where(a > 0, b, a) * 0.75 + W",
    "a = a @ M",
    "a = weft.sort(a) - b * 0.25",
    "c = a.clone(); c[1] = b[0]; a = c",
    "a += b * 0.125",
    "kept = b",
    "b = kept * 0.5 + 1",
    "n = n + 1",
    "all_of_them.append(a.sum())",
]
_QUESTIONS = [
    "if (a > -1e9).all(): b = b + 0.5",
    "if a.sum() > 1e9: b = b * 2",
    "if (n % 3).item() == 0: a = a - 1",
    "if b[0] > 0.25: a = a * 0.5",
    "if n > 11: b = b * 0.25 + x",
    "if n > 23: break",
]


def _program(seed: int) -> tuple[Callable, str]:
    """A loop over tensors with up to three questions in its body."""
    choose = random.Random(seed)
    body = choose.choices(_STATEMENTS, k=choose.randint(1, 4))
    body += choose.choices(_QUESTIONS, k=choose.randint(0, 2))
    choose.shuffle(body)
    lines = [
        "def program(x, bound):",
        "    a, b, kept, n = x * 1, x + 1, x, weft.asarray(0)",
        "    i, all_of_them = bound * 0, []",
        "    while i < bound:",
        "        i = i + 1",
        *(f"        {line}" for line in body),
        "    return a, b, kept, n, i, all_of_them",
    ]
    source = "\n".join(lines)
    generator = np.random.default_rng(seed)
    names: dict[str, Any] = {
        "weft": weft,
        "W": weft.asarray(generator.standard_normal(3).astype(np.float32)),
        "M": weft.asarray(generator.standard_normal((3, 3)).astype(np.float32) * 0.3),
    }
    exec(source, names)
    return names["program"], source


def _assert_equal(actual: Any, expected: Any, message: str) -> None:
    *tensors, kept = actual
    *wanted, wanted_kept = expected
    assert len(kept) == len(wanted_kept), message
    for one, other in zip([*tensors, *kept], [*wanted, *wanted_kept], strict=True):
        assert_same_bits(one, other, message)


@pytest.mark.parametrize("seed", range(40))
def test_random_loops_of_all_lengths_give_what_the_plain_function_gives(seed: int) -> None:
    program, source = _program(seed)
    compiled = weft.jit(program)
    choose = random.Random(seed)
    # New lengths, shorter and longer ones, and those that were walked before.
    bounds = [20, 20, 35, 35, 7, 20, *(choose.choice([0, 1, 3, 20, 34, 36, 50]) for _ in range(6))]
    for bound in bounds:
        x = weft.asarray(np.float32([choose.uniform(-2, 2) for _ in range(3)]))
        arguments = x, weft.asarray(bound)
        before = np.array(x)
        _assert_equal(compiled(*arguments), program(*arguments), f"{source}\nbound {bound}")
        assert_same_bits(x, weft.asarray(before), source)


def test_a_loop_that_was_walked_runs_no_python() -> None:
    @weft.jit
    def grow(x, bound):
        while x.sum() < bound:
            x = x * 1.5
        return x

    x = weft.ones(4)
    for bound in (1e6, 1e6, 1e3, 1e3):
        grow(x, weft.asarray(bound))
    traces = grow.stats()["traces"]
    for _ in range(5):
        assert float(grow(x, weft.asarray(1e6)).sum()) >= 1e6
        assert 1e3 <= float(grow(x, weft.asarray(1e3)).sum()) < 1.5e3
    assert grow.stats()["traces"] == traces


def test_what_is_kept_of_each_iteration_stays() -> None:
    """Memory of a value that somebody reads later is not used again."""

    def states(x, bound):
        found = [x]
        while x[0] < bound:
            x = x + 1
            found.append(x)
        return found

    compiled = weft.jit(states)
    for bound in (20.0, 20.0, 30.0, 30.0, 10.0):
        found = compiled(weft.zeros(2), weft.asarray(bound))
        assert [value.tolist() for value in found] == [[i, i] for i in range(int(bound) + 1)]


def test_a_large_state_is_written_in_place() -> None:
    """An iteration costs what it writes; the state is not copied, and the argument stays."""

    def fill(x, count):
        x = x.clone()
        i = count * 0
        while i < count:
            x[i] = x[i] + 1.0
            i = i + 1
        return x

    compiled = weft.jit(fill)
    x = weft.zeros((64, 1000))
    for count in (40, 40, 12, 40):
        result = np.array(compiled(x, weft.asarray(count)))
        assert (result[:count] == 1).all()
        assert not result[count:].any()
    assert not np.array(x).any()


def test_gradients_through_a_loop_that_was_walked() -> None:
    weight = weft.asarray(0.9)
    weight.requires_grad = True

    @weft.jit
    def shrink(x):
        steps = 0
        while x.sum() > 0.1:
            x = x * weight
            steps += 1
        return x, steps

    for start in (4.0, 4.0, 2.0, 4.0):
        weight.grad = None
        result, steps = shrink(weft.asarray([start]))
        result.sum().backward()
        assert float(weight.grad) == pytest.approx(start * steps * 0.9 ** (steps - 1), rel=1e-5)


def test_threads_walk_the_same_loop() -> None:
    @weft.jit
    def count(x, bound):
        while x < bound:
            x = x + 1
        return x

    zero = weft.asarray(0)
    for bound in (100, 200, 300):
        count(zero, weft.asarray(bound))
    wrong = []

    def work(bound: int) -> None:
        for _ in range(50):
            if int(count(zero, weft.asarray(bound))) != bound:
                wrong.append(bound)

    threads = [threading.Thread(target=work, args=(bound,)) for bound in (100, 200, 300, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong

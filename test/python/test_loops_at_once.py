"""Loops that Python runs: what they cost, whose tensors their bodies get, and what is refused."""

from __future__ import annotations

import functools
import random

import numpy as np
import pytest
import weft
from loop_programs import random_array
from numerics import assert_same_bits


@pytest.mark.parametrize(
    "dtype", ["bool", "int8", "uint64", "float16", "bfloat16", "float64", "complex64"]
)
@pytest.mark.parametrize("shape", [(), (0,), (3, 2)])
def test_slices_at_once_are_those_of_a_compiled_scan(dtype, shape):
    rng = random.Random(f"{dtype} {shape}")
    numbers = weft.asarray(random_array(rng, (6, *shape), "float64")).astype(dtype)
    step = lambda c, row: (c + 1, {"row": row, "c": c})  # noqa: E731
    for reverse in (False, True):
        run = functools.partial(weft.scan, step, 0, reverse=reverse)
        one, other = run(numbers), weft.jit(run)(numbers)
        assert_same_bits(one[1]["row"], numbers)
        assert_same_bits(one[1]["row"], other[1]["row"])
        assert_same_bits(one[1]["c"], other[1]["c"])


def test_no_slice_of_a_scan_at_once_is_a_program_of_its_own():
    compiles = []
    for length in (53, 57, 61):  # lengths that no other test has
        before = weft.stats()["eager_compiles"]
        weft.scan(lambda c, row: (c + row.sum(), c), 0.0, weft.ones((length, 3)))
        weft.fori_loop(0, length, lambda i, c: c + i, 0)
        compiles.append(weft.stats()["eager_compiles"] - before)
    assert compiles[1] == compiles[2]


def test_what_a_body_at_once_writes_stays_its_own():
    x, start = weft.zeros((3, 2)), weft.zeros(2)

    def body(carry, row):
        before = carry
        row += 1
        carry += row
        return carry, before

    last, rows = weft.scan(body, start, x)
    assert last.tolist() == [3, 3]
    assert rows.tolist() == [[1, 1], [2, 2], [3, 3]]
    assert not np.asarray(x).any()
    assert not np.asarray(start).any()


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ((1.0, [2.0]), ([2.0], 1.0)),
        ({"a": 1.0}, {"b": 1.0}),
        ((1.0, None), (1.0, 2.0)),
        ([1.0, 2.0], [1.0]),
        (1.0, [1.0]),
    ],
)
def test_another_structure_is_refused_at_once_and_compiled(given, made):
    def run():
        return weft.fori_loop(0, 2, lambda i, value: made, given)

    for call in (run, weft.jit(run)):
        with pytest.raises(weft.ShapeError, match="another structure"):
            call()


def test_dicts_and_numbers_in_a_body_at_once():
    def run(x):
        def body(state, row):
            # Other orders of keys, and numbers in the place of tensors.
            return {"b": state["a"] * 1, "a": 2}, (row, 1)

        return weft.scan(body, {"a": x[0] * 0, "b": x[0]}, x)

    x = weft.asarray([1.5, 2.5, 3.5])
    eager, compiled = run(x), weft.jit(run)(x)
    assert {key: float(value) for key, value in eager[0].items()} == {"a": 2.0, "b": 2.0}
    for key in "ab":
        assert_same_bits(eager[0][key], compiled[0][key])
    for one, other in zip(eager[1], compiled[1], strict=True):
        assert_same_bits(one, other)


@pytest.mark.parametrize("compiled", [False, True])
def test_the_branch_that_does_not_run_has_a_gradient_of_zeros_when_compiled(compiled):
    """As docs/control-flow.md says: they are NaN behind an infinite derivative."""

    def loss(x):
        return weft.cond(weft.sum(x) > 0, lambda t: weft.sum(t), lambda t: 1.0, x**-2 * 0 - 1)

    def gradient(x):
        x = x.detach().clone()
        x.requires_grad = True
        result = loss(x)
        if result.requires_grad:
            result.backward()
        return weft.zeros_like(x) if x.grad is None else x.grad

    found = (weft.jit(gradient) if compiled else gradient)(weft.asarray([0.0, -1.0]))
    assert np.isnan(float(found[0])) == compiled
    assert float(found[1]) == 0


@pytest.mark.parametrize("compiled", [False, True])
def test_what_no_branch_depends_on_has_no_gradient(compiled):
    def gradient(x):
        x = x.detach().clone()
        x.requires_grad = True
        floors = [lambda t, u: t * weft.floor(u), lambda t, u: t]
        chosen = weft.cond(weft.sum(x) > -9, *floors, x * 1, weft.sqrt(x * 0))
        weft.sum(chosen + x).backward()
        return x.grad

    found = (weft.jit(gradient) if compiled else gradient)(weft.asarray([2.0, 3.0]))
    assert np.isfinite(np.asarray(found)).all()

"""Loops and branches on devices: the host walks them, the kernels run there."""

import numpy as np
import pytest
import weft
from devices import DEVICES, moved


def loops(x, w, n):
    """Loops with a count or a condition, branches, slices that are no multiples of 256 bytes."""

    def step(carry, part):
        state, count = carry
        state = weft.cond(count % 2 == 0, lambda: state * w + part, lambda: weft.sin(state) - part)
        return (state, count + 1), (state, weft.sum(state))

    carry, made = weft.scan(step, (x, n * 0), weft.stack([x, x + 1, x * 2]), reverse=True)
    grown = weft.while_loop(lambda v: weft.sum(v) < n, lambda v: v + weft.abs(w) + 1, x)
    nested = weft.fori_loop(
        0, 2, lambda i, v: weft.fori_loop(0, 2, lambda j, u: u * 2 + i * j, v), x
    )
    chosen = weft.switch(n % 3, [lambda v: v, lambda v: v * 2, lambda v: v - 1], x)
    return [*carry, *made, grown, nested, chosen]


def arguments():
    numbers = np.random.default_rng(0)
    x, w = (weft.array(numbers.standard_normal(5).astype("float32")) for _ in range(2))
    return x, w, weft.array(40)


@pytest.mark.parametrize("place", DEVICES)
def test_loops_and_branches(place):
    device = weft.device(place)
    there = moved(arguments(), device)
    compiled = weft.jit(loops)(*there)
    eager = loops(*there)
    here = loops(*arguments())
    for own, other, reference in zip(compiled, eager, here, strict=True):
        assert own.device == device
        np.testing.assert_array_equal(np.asarray(own.cpu()), np.asarray(other.cpu()))
        np.testing.assert_allclose(np.asarray(own.cpu()), np.asarray(reference), rtol=1e-4)


@pytest.mark.parametrize("place", DEVICES)
def test_gradients(place):
    device = weft.device(place)

    def loss(x, w):
        return weft.sum(
            weft.scan(lambda c, p: (weft.tanh(c * w + p), None), x, weft.stack([x, w]))[0]
        )

    x, w, _ = arguments()
    wanted = weft.grad(loss, (0, 1))(x, w)
    made = weft.jit(weft.grad(loss, (0, 1)))(*moved((x, w), device))
    for own, other in zip(made, wanted, strict=True):
        np.testing.assert_allclose(np.asarray(own.cpu()), np.asarray(other), rtol=1e-4, atol=1e-6)

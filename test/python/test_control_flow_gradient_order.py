"""Gradients of loops and branches at once: summed in the order of compiled ones, to the bit.

Programs are drawn in which one tensor is what a body begins with, what it reads slice by slice and
what it captures, several times in each, with uses of it before and behind, and bodies in bodies.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
import weft
from numerics import assert_same_bits

SIZE = 3


class _Body:
    """Draws what a body computes of vectors of `SIZE` elements."""

    def __init__(self, seed: str) -> None:
        self.random = random.Random(seed)

    def mixed(self, values: list[weft.Tensor]) -> weft.Tensor:
        """One vector, of some of the values, some of them several times."""
        result = self.random.choice(values) * 0.5
        for _ in range(self.random.randint(2, 4)):
            other = self.random.choice(values)
            result = self.random.choice(
                [
                    lambda a, b: a + b * 0.7,
                    lambda a, b: a * b * 0.3,
                    lambda a, b: weft.sin(a) + b,
                    lambda a, b: a - weft.tanh(b),
                ]
            )(result, other)
        return result

    def apply(self, depth: int, values: list[weft.Tensor], rows: weft.Tensor) -> weft.Tensor:
        """A loop or branch over the values, or at the bottom their mixture."""
        if depth == 0:
            return self.mixed(values)
        seed = str(self.random.random())

        def inside(*own: weft.Tensor) -> weft.Tensor:
            # A compiled body is traced once, one at once runs again and again: alike each time.
            return _Body(seed).apply(depth - 1, [*own, *values], rows)

        kind = self.random.choice(["cond", "switch", "scan", "reverse", "fori", "while", "map"])
        start = values[0] if self.random.random() < 0.5 else self.mixed(values)
        return {
            "cond": lambda: weft.cond(weft.sum(values[0]) > 0, inside, lambda v: v * v, start),
            "switch": lambda: weft.switch(1, [lambda v: v, inside], start),
            "scan": lambda: weft.sum(weft.stack(_scan(inside, start, rows, False)), 0),
            "reverse": lambda: weft.sum(weft.stack(_scan(inside, start, rows, True)), 0),
            "fori": lambda: weft.fori_loop(
                0, 3, lambda i, v: inside(v, v * i.astype("float32")), start
            ),
            "while": lambda: weft.while_loop(
                lambda s: s[0] < 2, lambda s: (s[0] + 1, inside(s[1])), (0, start), max_iterations=4
            )[1],
            "map": lambda: weft.sum(weft.map(inside, rows), 0),
        }[kind]()


def _scan(inside: Callable, start: weft.Tensor, rows: weft.Tensor, reverse: bool) -> list:
    last, ys = weft.scan(lambda v, x: (inside(v, x), v * x), start, rows, reverse=reverse)
    return [last, weft.sum(ys, 0)]


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("seed", range(40))
def test_sums_have_the_order_of_compiled_ones(seed: int, depth: int) -> None:
    def step(x: weft.Tensor, w: weft.Tensor) -> tuple[weft.Tensor, ...]:
        leaves = [t.detach().clone() for t in (x, w)]
        for leaf in leaves:
            leaf.requires_grad = True
        one, rows = leaves
        draw = _Body(str(seed))
        before = draw.mixed([one, rows[0]])
        looped = draw.apply(depth, [before, one], rows)
        behind = draw.mixed([looped, before, one])
        weft.sum(behind * one + looped).backward()
        return (
            behind.detach(),
            *(weft.zeros_like(t) if t.grad is None else t.grad for t in leaves),
        )

    generator = np.random.default_rng(seed)
    inputs = [weft.asarray(generator.normal(size=s).astype(np.float32)) for s in (SIZE, (4, SIZE))]
    for place, (eager, compiled) in enumerate(
        zip(step(*inputs), weft.jit(step)(*inputs), strict=True)
    ):
        # A sum that nothing was added to has no sign of zero.
        assert_same_bits(eager + 0.0, compiled + 0.0, f"value {place}")

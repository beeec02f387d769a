"""Compiled loops: what an iteration costs beside what it computes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import peers
import weft
from harness import WEFT, Bar, Case

ITERATIONS = 1000
CACHE = (4096, 64)
STEPS, BATCH, WIDTH = 128, 8, 64
EAGER_STEPS = 50
PLAIN_SIZES = (1, 100, 1_000, 10_000, 30_000)


def cases() -> Iterator[Case]:
    yield _counting()
    for size in PLAIN_SIZES:
        yield _plain_while(size)
    yield _eager_layer()
    yield _eager_scan()
    yield _row_updates()
    yield _recurrence()


def _jax_loop(body: Callable, first: np.ndarray) -> dict:
    """`body` as a while loop of as many iterations in JAX."""
    jax = peers.jax()
    if not jax:
        return {}
    loop = jax.jit(lambda x: jax.lax.fori_loop(0, ITERATIONS, lambda i, v: body(v), x))
    given = jax.numpy.asarray(first)
    return {"jax": lambda: loop(given).block_until_ready()}


def _counting() -> Case:
    """A loop whose body is next to nothing."""
    first = np.zeros(4, np.float32)

    @weft.jit
    def count(x):
        state = (weft.asarray(0), x)
        going = lambda state: state[0] < ITERATIONS  # noqa: E731
        return weft.while_loop(going, lambda state: (state[0] + 1, state[1] * 0.5 + 1.0), state)[1]

    given = weft.asarray(first)
    contenders = {WEFT: lambda: count(given), **_jax_loop(lambda v: v * 0.5 + 1.0, first)}
    return Case(f"a while loop of {ITERATIONS}", contenders, Bar("<= 2 ms", 2e-3))


def _plain_while(size: int) -> Case:
    """Python's own while on a question about values, beside the loop that is one op."""

    def plain(x, limit):
        while x.sum() < limit:
            x = x * 1.0009 + 0.01
        return x

    def one_op(x, limit):
        return weft.while_loop(lambda x: x.sum() < limit, lambda x: x * 1.0009 + 0.01, x)

    last = 0.0
    for _ in range(ITERATIONS):
        last = last * 1.0009 + 0.01
    given = weft.zeros(size), weft.asarray(np.float32(last * size * 0.9999))
    cut, whole = weft.jit(plain), weft.jit(one_op)
    contenders = {WEFT: lambda: cut(*given), "while_loop": lambda: whole(*given)}
    bar = Bar("<= 1.5 x while_loop", 1.5, ("while_loop",))
    return Case(f"a plain while of {ITERATIONS}, {size} elements", contenders, bar)


def _eager_layer() -> Case:
    """A recurrent layer that is not in a compiled function."""
    x = np.random.default_rng(0).standard_normal((EAGER_STEPS, BATCH, WIDTH)).astype(np.float32)
    contenders = {}
    for name, framework in ((WEFT, weft), ("torch", peers.torch())):
        if framework:
            layer, given = framework.nn.LSTM(WIDTH, WIDTH), framework.asarray(x)
            contenders[name] = lambda layer=layer, given=given: layer(given)
    return Case(f"nn.LSTM of {EAGER_STEPS} steps, eager", contenders)


def _eager_scan() -> Case:
    """What a scan adds to the ops of its body where Python runs them."""
    x = weft.ones((EAGER_STEPS, BATCH, WIDTH))

    def step(state, row):
        state = weft.tanh(state * 0.5 + row)
        return state, state

    def by_hand():
        state, states = x[0], []
        for row in x:
            state, _ = step(state, row)
            states.append(state)
        return weft.stack(states)

    contenders = {WEFT: lambda: weft.scan(step, x[0], x), "by hand": by_hand}
    return Case(f"a scan of {EAGER_STEPS} steps, eager", contenders)


def _row_updates() -> Case:
    """Each iteration writes a row of a tensor that is carried."""
    cache = np.zeros(CACHE, np.float32)

    def everywhere(i, cache):
        return weft.where(weft.reshape(weft.arange(CACHE[0]), (-1, 1)) == i, 1.0, cache)

    def in_place(i, cache):
        cache = cache.clone()
        cache[i] = 1.0
        return cache

    written = weft.jit(lambda cache: weft.fori_loop(0, ITERATIONS, in_place, cache))
    selected = weft.jit(lambda cache: weft.fori_loop(0, ITERATIONS, everywhere, cache))
    given = weft.asarray(cache)
    contenders = {WEFT: lambda: written(given), "where": lambda: selected(given)}
    return Case(f"{ITERATIONS} rows of {CACHE[0]}, written in a loop", contenders)


def _recurrence() -> Case:
    """A recurrent layer as a scan, beside the loop unrolled."""
    generator = np.random.default_rng(0)
    arrays = [
        generator.standard_normal(shape).astype(np.float32) * 0.1
        for shape in ((WIDTH, WIDTH), (BATCH, WIDTH), (STEPS, BATCH, WIDTH))
    ]

    def step(weight: weft.Tensor) -> Callable:
        def run(state, x):
            state = weft.tanh(state @ weight + x)
            return state, state

        return run

    @weft.jit
    def scanned(weight, state, inputs):
        return weft.scan(step(weight), state, inputs)[1]

    @weft.jit
    def unrolled(weight, state, inputs):
        run, states = step(weight), []
        for number in range(STEPS):
            state, _ = run(state, inputs[number])
            states.append(state)
        return weft.stack(states)

    given = [weft.asarray(array) for array in arrays]
    contenders = {WEFT: lambda: scanned(*given), "unrolled": lambda: unrolled(*given)}
    return Case(f"a recurrent layer of {STEPS} steps", contenders)

"""Gradient transformations against the optimizers as objects, NumPy's formulas, and each other."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import weft
from numerics import assert_same_bits, to_numpy
from weft import optim, tree

_STEPS = 6


def _tree(seed: int, dtype: str = "float32") -> dict[str, Any]:
    generator = np.random.default_rng(seed)
    make = lambda *shape: weft.asarray(generator.normal(size=shape).astype(dtype))  # noqa: E731
    return {"w": make(3, 4), "rest": [make(4), (make(), None)], "empty": make(0, 2)}


def _run(tx: optim.GradientTransformation, params: Any, compiled: bool) -> list[Any]:
    """The parameters after each of some steps of random gradients."""

    def step(gradients: Any, state: Any, params: Any) -> tuple[Any, Any]:
        updates, state = tx.update(gradients, state, params)
        return optim.apply_updates(params, updates), state

    take = weft.jit(step) if compiled else step
    state, after = tx.init(params), []
    for turn in range(_STEPS):
        params, state = take(_tree(100 + turn), state, params)
        after.append(params)
    return after


_SCHEDULE = optim.warmup_cosine_decay_schedule(0.0, 0.1, 2, 5, 0.01)

_CHAINS: dict[str, Callable[[], optim.GradientTransformation]] = {
    "identity": optim.identity,
    "scale": lambda: optim.scale(-0.5),
    "clip": lambda: optim.clip(0.3),
    "global_norm": lambda: optim.clip_by_global_norm(1.0),
    "adam": lambda: optim.chain(optim.scale_by_adam(), optim.scale_by_learning_rate(0.1)),
    "adamw": lambda: optim.chain(
        optim.clip_by_global_norm(1.0),
        optim.scale_by_adam(),
        optim.add_decayed_weights(0.1, lambda p: tree.map(lambda x: x.ndim > 1, p)),
        optim.scale_by_learning_rate(_SCHEDULE),
    ),
    "momentum": lambda: optim.chain(optim.trace(0.9), optim.scale_by_learning_rate(0.1)),
    "nesterov": lambda: optim.chain(optim.trace(0.9, True), optim.scale_by_learning_rate(0.1)),
    "rms": lambda: optim.chain(optim.scale_by_rms(), optim.scale_by_learning_rate(0.1)),
    "lion": lambda: optim.chain(optim.scale_by_lion(), optim.scale_by_learning_rate(0.1)),
    "lamb": lambda: optim.chain(
        optim.scale_by_adam(), optim.scale_by_trust_ratio(), optim.scale_by_learning_rate(0.1)
    ),
    "ema": lambda: optim.ema(0.5),
    "nested": lambda: optim.chain(optim.chain(optim.ema(0.5, False)), optim.chain()),
}


@pytest.mark.parametrize("name", _CHAINS)
def test_eager_and_compiled(name: str) -> None:
    """The same bits, the form of the parameters, and nothing changed in place."""
    params = _tree(1)
    before = [to_numpy(x).copy() for x in tree.leaves(params)]
    eager = _run(_CHAINS[name](), params, False)
    compiled = _run(_CHAINS[name](), params, True)
    assert_same_bits([tree.leaves(p) for p in eager], [tree.leaves(p) for p in compiled])
    assert tree.structure(eager[-1]) == tree.structure(params)
    assert_same_bits(tree.leaves(params), before)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("adam", lambda p: optim.Adam(p, 0.1)),
        ("momentum", lambda p: optim.SGD(p, 0.1, momentum=0.9)),
        ("nesterov", lambda p: optim.SGD(p, 0.1, momentum=0.9, nesterov=True)),
        ("lion", lambda p: optim.Lion(p, 0.1)),
        ("lamb", lambda p: optim.LAMB(p, 0.1, weight_decay=0.0)),
    ],
)
def test_as_the_optimizers(name: str, make: Callable) -> None:
    """In float32, whose roundings may differ in the order of factors."""
    params = _tree(2)
    leaves = [weft.nn.Parameter(x.clone()) for x in tree.leaves(params)]
    optimizer = make(leaves)
    for turn, after in enumerate(_run(_CHAINS[name](), params, True)):
        for leaf, gradient in zip(leaves, tree.leaves(_tree(100 + turn)), strict=True):
            leaf.grad = gradient
        optimizer.step()
        for leaf, found in zip(leaves, tree.leaves(after), strict=True):
            np.testing.assert_allclose(
                to_numpy(found), to_numpy(leaf.detach()), rtol=2e-5, atol=2e-6
            )


def test_decay_is_that_of_adamw() -> None:
    params = _tree(3)
    tx = optim.chain(
        optim.scale_by_adam(), optim.add_decayed_weights(0.2), optim.scale_by_learning_rate(0.1)
    )
    leaves = [weft.nn.Parameter(x.clone()) for x in tree.leaves(params)]
    optimizer = optim.AdamW(leaves, 0.1, weight_decay=0.2)
    for leaf, gradient in zip(leaves, tree.leaves(_tree(100)), strict=True):
        leaf.grad = gradient
    optimizer.step()
    for leaf, found in zip(leaves, tree.leaves(_run(tx, params, False)[0]), strict=True):
        np.testing.assert_allclose(to_numpy(found), to_numpy(leaf.detach()), rtol=2e-6, atol=1e-7)


def test_clipping_by_norm() -> None:
    gradients = _tree(4)
    flat = np.concatenate([to_numpy(x).ravel() for x in tree.leaves(gradients)]).astype(np.float64)
    norm = np.sqrt((flat**2).sum())
    assert float(optim.global_norm(gradients)) == pytest.approx(norm, rel=1e-6)
    for limit in (0.5, norm * 2, 0.0):
        tx = optim.clip_by_global_norm(limit)
        clipped, _ = tx.update(gradients, tx.init(gradients))
        found = np.concatenate([to_numpy(x).ravel() for x in tree.leaves(clipped)])
        np.testing.assert_allclose(found, flat * min(1, limit / norm), rtol=1e-6)
    # Squares of float16 would be beyond it.
    half = {"x": weft.full(3, 300.0, dtype="float16")}
    clipped, _ = optim.clip_by_global_norm(1.0).update(half, ())
    np.testing.assert_allclose(to_numpy(clipped["x"]).astype(float), 3**-0.5, rtol=2e-3)
    assert clipped["x"].dtype == "float16"
    zero = {"x": weft.zeros(3)}
    assert_same_bits(optim.clip_by_global_norm(0.0).update(zero, ())[0]["x"], weft.zeros(3))


def test_lamb_by_its_definition() -> None:
    value, gradient = np.array([3.0, 4.0]), np.array([0.1, -0.2])
    parameter = weft.nn.Parameter(weft.asarray(value))
    optimizer = optim.LAMB([parameter], 0.01, eps=1e-6, weight_decay=0.5)
    mean, square = np.zeros(2), np.zeros(2)
    for turn in range(1, 4):
        parameter.grad = weft.asarray(gradient * turn)
        optimizer.step()
        mean = 0.9 * mean + 0.1 * gradient * turn
        square = 0.999 * square + 0.001 * (gradient * turn) ** 2
        step = mean / (1 - 0.9**turn) / (np.sqrt(square / (1 - 0.999**turn)) + 1e-6) + 0.5 * value
        value = value - 0.01 * np.linalg.norm(value) / np.linalg.norm(step) * step
        np.testing.assert_allclose(to_numpy(parameter.detach()), value, rtol=1e-12)


_WAYS: dict[str, tuple[optim._transforms.Schedule, Callable[[int], float]]] = {
    "constant": (optim.constant_schedule(0.5), lambda n: 0.5),
    "linear": (
        optim.linear_schedule(1.0, 0.2, 8, 2),
        lambda n: 1.0 - 0.8 * min(max((n - 2) / 8, 0), 1),
    ),
    "cosine": (
        optim.cosine_decay_schedule(2.0, 10, 0.1, 2.0),
        lambda n: 2 * (0.9 * (0.5 * (1 + math.cos(math.pi * min(n / 10, 1)))) ** 2 + 0.1),
    ),
    "exponential": (optim.exponential_decay(1.0, 3, 0.5), lambda n: 0.5 ** (n / 3)),
    "staircase": (
        optim.exponential_decay(1.0, 3, 0.5, staircase=True, end_value=0.2),
        lambda n: max(0.5 ** (n // 3), 0.2),
    ),
    "growing": (
        optim.exponential_decay(1.0, 3, 2.0, end_value=5.0),
        lambda n: min(2 ** (n / 3), 5),
    ),
    "warmup": (
        optim.warmup_cosine_decay_schedule(0.0, 1.0, 4, 12, 0.1),
        lambda n: (
            n / 4 if n < 4 else 0.9 * 0.5 * (1 + math.cos(math.pi * min((n - 4) / 8, 1))) + 0.1
        ),
    ),
}


@pytest.mark.parametrize("name", _WAYS)
def test_schedules(name: str) -> None:
    schedule, expected = _WAYS[name]
    compiled = weft.jit(lambda count: weft.asarray(schedule(count)))
    for count in range(15):
        assert float(schedule(count)) == pytest.approx(expected(count), rel=1e-5, abs=1e-6)
        assert_same_bits(compiled(weft.asarray(count)), weft.asarray(schedule(weft.asarray(count))))
    tx = optim.scale_by_learning_rate(schedule)
    state = tx.init(None)
    for count in range(3):
        updates, state = tx.update(weft.ones(2), state)
        assert float(updates[0]) == pytest.approx(-expected(count), rel=1e-5, abs=1e-6)


def test_a_compiled_step_is_traced_once() -> None:
    tx = _CHAINS["adamw"]()

    @weft.jit
    def step(params: Any, state: Any, x: weft.Tensor) -> Any:
        slopes = weft.grad(lambda p: ((x @ p["w"] - 1) ** 2).mean())(params)
        updates, state = tx.update(slopes, state, params)
        return optim.apply_updates(params, updates), state

    params = {"w": weft.zeros((3, 1))}
    x = weft.asarray(np.random.default_rng(0).normal(size=(8, 3)).astype("float32"))
    state = tx.init(params)
    for _ in range(5):
        params, state = step(params, state, x)
    assert step.stats()["traces"] == 1
    assert int(state[1].count) == 5


def test_errors() -> None:
    gradients = {"x": weft.ones(2)}
    with pytest.raises(weft.OptionError, match="add_decayed_weights: update needs the parameters"):
        optim.add_decayed_weights(0.1).update(gradients, ())
    with pytest.raises(weft.OptionError, match=r"b1 has to be in \[0, 1\)"):
        optim.scale_by_adam(b1=1.0)
    with pytest.raises(weft.OptionError, match="max_norm"):
        optim.clip_by_global_norm(-1.0)
    with pytest.raises(weft.OptionError, match="a state of 0 parts for 1"):
        optim.chain(optim.identity()).update(gradients, ())
    with pytest.raises(weft.OptionError, match="1 schedules need 0 boundaries"):
        optim.join_schedules([_SCHEDULE], [3])
    with pytest.raises(weft.OptionError, match="at least one step"):
        optim.linear_schedule(0.0, 1.0, 0)
    with pytest.raises(weft.ShapeError, match="another form"):
        optim.apply_updates(gradients, {"y": weft.ones(2)})

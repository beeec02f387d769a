"""linearize and linear_transpose: against finite differences, jvp and vjp, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import weft
from numerics import assert_same_bits, eager_and_jit, to_numpy


def _smooth(x: Any) -> Any:
    return weft.sin(x) * weft.exp(x) + weft.sum(x) * x


def _looped(x: Any) -> Any:
    """A scan, nested in a scan, a branch and a checkpoint, each of which depends on x in part."""

    def step(c: Any, a: Any) -> tuple:
        inner = weft.scan(lambda d, _: (weft.cos(d) * a, d), c, None, length=2)[0]
        return weft.sin(inner) * weft.exp(a) + x[0], c * a

    c, ys = weft.scan(step, x, weft.stack([x, x * 2.0, weft.ones_like(x)]))
    both = weft.cond(weft.sum(c) > 0.0, lambda c: (c, c * 2.0), lambda c: (c, c * 3.0), c)
    again = weft.checkpoint(lambda x: weft.tanh(x * x))(x)
    return weft.sum(ys * ys) + both[0] + both[1] * again


def _differences(f: Any, x: np.ndarray, t: np.ndarray) -> np.ndarray:
    step = 1e-6
    ahead, behind = (to_numpy(f(weft.asarray(x + s * step * t))) for s in (1.0, -1.0))
    return (ahead - behind) / (2.0 * step)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("f", [_smooth, _looped])
def test_the_linear_function_is_the_derivative(f: Any, seed: int) -> None:
    random = np.random.default_rng(seed)
    x, t = random.normal(size=(2, 3))
    value, push = weft.linearize(f, weft.asarray(x))
    assert_same_bits(value, weft.jit(f)(weft.asarray(x)))
    along = push(weft.asarray(t))
    np.testing.assert_allclose(to_numpy(along), _differences(f, x, t), rtol=1e-6, atol=1e-7)
    # Compiled with the function, and under vmap: the columns of the Jacobian.
    inside = eager_and_jit(lambda x, t: weft.linearize(f, x)[1](t), *map(weft.asarray, (x, t)))
    np.testing.assert_allclose(to_numpy(inside), to_numpy(along), rtol=1e-13, atol=1e-13)
    columns = weft.vmap(push)(weft.eye(3, dtype="float64"))
    jacobian = to_numpy(weft.jacfwd(f)(weft.asarray(x)))
    np.testing.assert_allclose(to_numpy(columns).T, jacobian, rtol=1e-12, atol=1e-12)


def test_pytorch_has_the_same() -> None:
    x, t = np.random.default_rng(5).normal(size=(2, 4))
    value, push = weft.linearize(_smooth, weft.asarray(x))
    theirs = lambda x: torch.sin(x) * torch.exp(x) + torch.sum(x) * x  # noqa: E731
    other, along = torch.func.linearize(theirs, torch.from_numpy(x))
    np.testing.assert_allclose(to_numpy(value), other.numpy(), rtol=1e-14)
    pushed = along(torch.from_numpy(t)).numpy()
    np.testing.assert_allclose(to_numpy(push(weft.asarray(t))), pushed, rtol=1e-13)


def test_calls_compute_tangents_alone() -> None:
    """Neither the function nor what its derivative needs is computed again."""
    x = weft.asarray([0.3, 0.7, -1.2])

    def f(x: Any) -> Any:
        y = weft.sin(x) * weft.exp(x)
        return weft.scan(lambda c, a: (weft.tanh(c) * weft.cos(a), c), y, weft.stack([x, y]))

    _, push = weft.linearize(f, x)
    text = weft.jit(push).lower(x).ir("kernels")
    assert "weft.multiply" in text
    assert "scan" in text or "repeat" in text or "loop" in text
    for name in ("sin", "exp", "tanh", "cos"):
        assert f"weft.{name} " in weft.jit(f).lower(x).ir("kernels")
        assert f"weft.{name} " not in text


def test_trees_integers_and_mixed_results() -> None:
    tree = {"a": weft.asarray(2.0), "b": (weft.asarray([1.0, 3.0]),)}

    def f(tree: dict, y: Any) -> tuple:
        return {"sum": tree["a"] * tree["b"][0]}, weft.argmax(tree["b"][0]), y

    (total, place, same), push = weft.linearize(f, tree, 4.0)
    assert (to_numpy(total["sum"]).tolist(), int(place), float(same)) == ([2.0, 6.0], 1, 4.0)
    along = push({"a": 1.0, "b": (weft.zeros(2),)}, 0.5)
    assert to_numpy(along[0]["sum"]).tolist() == [1.0, 3.0]
    assert (int(along[1]), float(along[2])) == (0, 0.5)
    with pytest.raises(weft.ShapeError, match="linearize: 4 inputs need as many tangents, not 1"):
        weft.linearize(lambda *x: x, 1.0, 2.0, 3.0, 4.0)[1](1.0)
    with pytest.raises(weft.ShapeError, match=r"a tangent of shape \(3,\)"):
        weft.linearize(_smooth, weft.ones(2))[1](weft.ones(3))


@pytest.mark.parametrize("shape", [(), (0,), (1,), (2, 0), (3, 2)])
def test_shapes(shape: tuple[int, ...]) -> None:
    x = weft.asarray(np.random.default_rng(1).normal(size=shape))
    value, push = weft.linearize(lambda x: weft.sum(weft.sin(x), keepdims=True) * x, x)
    assert tuple(push(x).shape) == shape
    assert_same_bits(value, weft.sum(weft.sin(x), keepdims=True) * x)


def test_jvp_is_linearize_and_vjp_its_transpose() -> None:
    x, t = map(weft.asarray, np.random.default_rng(2).normal(size=(2, 3)))
    _, push = weft.linearize(_looped, x)
    _, along = weft.jvp(_looped, (x,), (t,))
    np.testing.assert_allclose(to_numpy(push(t)), to_numpy(along), rtol=1e-13)
    pulled = weft.vjp(_looped, x)[1](t)[0]
    transposed = weft.linear_transpose(push, x)(t)[0]
    np.testing.assert_allclose(to_numpy(transposed), to_numpy(pulled), rtol=1e-12, atol=1e-12)
    inside = lambda x, t: weft.linear_transpose(weft.linearize(_smooth, x)[1], x)(t)[0]  # noqa: E731
    both = eager_and_jit(inside, x, t)
    exact = weft.grad(lambda x: weft.sum(_smooth(x) * t))(x)
    np.testing.assert_allclose(to_numpy(both), to_numpy(exact), rtol=1e-13)


def test_derivatives_of_the_linear_function_reach_the_primals() -> None:
    x, t = map(weft.asarray, np.random.default_rng(3).normal(size=(2, 3)))
    ours = weft.grad(lambda x: weft.sum(weft.linearize(_smooth, x)[1](t)))(x)
    exact = weft.grad(lambda x: weft.sum(weft.jvp(_smooth, (x,), (t,))[1]))(x)
    np.testing.assert_allclose(to_numpy(ours), to_numpy(exact), rtol=1e-12, atol=1e-12)


def test_a_loop_without_a_bound_is_computed_again() -> None:
    x = weft.asarray(np.array(2.0))
    settle = lambda x: weft.while_loop(lambda y: y > 0.1, lambda y: weft.sin(y) * 0.5, x)  # noqa: E731
    value, push = weft.linearize(settle, x)
    other, along = weft.jvp(settle, (x,), (x,))
    assert_same_bits(value, other)
    assert_same_bits(push(x), along)


def test_a_failed_linearization_leaves_the_trace_as_it_was() -> None:
    odd = weft.custom_vjp(lambda x: x)
    odd.defvjp(lambda x: (x, None), lambda kept, g: (g,))

    def f(x: Any) -> Any:
        looped = weft.scan(lambda c, _: (weft.sin(c), None), x, None, length=2)[0]
        with pytest.raises(weft.UnsupportedError, match="rule for gradients only"):
            weft.linearize(lambda y: odd(weft.sin(y) * looped), x)
        return weft.cos(looped)

    x = weft.asarray([0.5, 1.5])
    assert_same_bits(weft.jit(f)(x), weft.cos(weft.sin(weft.sin(x))))


def test_transposes_of_linear_functions() -> None:
    random = np.random.default_rng(4)
    a, x = weft.asarray(random.normal(size=(2, 3))), weft.asarray(random.normal(size=3))

    def f(x: Any) -> dict:
        parts = weft.concat([x[:1], weft.zeros(2, dtype="float64")]) - 2.0 * weft.flip(x, axis=0)
        summed = weft.scan(lambda c, row: (c * 0.5 + weft.sum(row * x), None), x[0] * 0.0, a)[0]
        return {"product": a @ x / 3.0 - a @ x, "parts": (parts, summed)}

    transpose = weft.linear_transpose(f, x)
    matrix = np.stack(
        [
            np.concatenate([to_numpy(leaf).reshape(-1) for leaf in weft.tree.leaves(f(row))])
            for row in weft.eye(3, dtype="float64")
        ]
    )
    for _ in range(3):
        c = random.normal(size=6)
        tree = {"product": weft.asarray(c[:2]), "parts": (weft.asarray(c[2:5]), weft.asarray(c)[5])}
        (pulled,) = transpose(tree)
        leaves = [to_numpy(leaf) for leaf in weft.tree.leaves(tree)]
        names = np.concatenate([leaf.reshape(-1) for leaf in leaves])
        np.testing.assert_allclose(to_numpy(pulled), matrix @ names, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (weft.sin, "weft.sin.*its derivative depends on the inputs"),
        (lambda x: x * x, "weft.multiply.*its derivative depends"),
        (lambda x: x + 1.0, "weft.add.*puts in what does not depend"),
        (weft.floor, "weft.floor.*no derivative"),
        (lambda x: x % 2.0, "weft.remainder"),
        (lambda x: weft.where(x > 0.0, x, 0.0 * x), "weft.select.*decides by"),
        (lambda x: weft.where(weft.asarray([True, False]), x, 1.0), "weft.select.*puts in"),
        (lambda x: x @ x, "weft.matmul.*multiplies"),
        (lambda x: weft.concat([x, weft.ones(1)]), "weft.concatenate.*puts in"),
        (lambda x: weft.ones(2), "a result does not depend"),
        (weft.abs, "weft.abs"),
        (lambda x: x[weft.argmax(x)], "decides by|no derivative"),
        (lambda x: weft.nn.functional.gelu(x), "is not linear"),
        (lambda x: weft.scan(lambda c, a: (c * x, c), x, None, length=2)[0], "weft.multiply"),
        (lambda x: weft.cond(weft.sum(x) > 0.0, lambda x: x, lambda x: -x, x), "decides by"),
    ],
)
def test_what_is_not_linear_is_named_with_its_line(f: Any, message: str) -> None:
    with pytest.raises(weft.UnsupportedError, match=message) as caught:
        weft.linear_transpose(f, weft.asarray([1.0, 2.0]))
    assert "is not linear" in str(caught.value)
    assert str(caught.value).count("test_linearize.py:") == 2


def test_integers_have_no_transpose() -> None:
    with pytest.raises(weft.DTypeError, match="returned int64"):
        weft.linear_transpose(lambda x: weft.argmax(x), weft.ones(2))
    with pytest.raises(weft.DTypeError, match="floating and complex"):
        weft.linear_transpose(lambda x: x, weft.asarray([1, 2]))

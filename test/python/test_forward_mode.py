"""Derivatives along tangents: against differences, against gradients, against PyTorch, composed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
import weft
from numerics import assert_same_bits, eager_and_jit, to_numpy
from op_row import OpRow
from test_gradients import _DIFFERENTIABLE, STEP, TOLERANCE, _draw
from weft import linalg
from weft.nn import functional as F

_random = np.random.default_rng


def _tangents(inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    random = _random(len(inputs))
    return [random.uniform(-1, 1, x.shape).astype(x.dtype) for x in inputs]


def _leaves(result: object) -> list[weft.Tensor]:
    return list(result) if isinstance(result, (tuple, list)) else [result]


def _check(function: Callable, *inputs: np.ndarray) -> None:
    """The value to the bit, the tangent by differences, and against gradients."""
    primals = list(map(weft.asarray, inputs))
    value, tangents = _check_differences(function, inputs, TOLERANCE)
    for own, plain in zip(value, _leaves(weft.jit(function)(*primals)), strict=True):
        assert_same_bits(own, plain)
    _check_gradients(function, inputs, tangents)


def _check_differences(
    function: Callable, inputs: Sequence[np.ndarray], tolerance: float
) -> tuple[list[weft.Tensor], list[np.ndarray]]:
    """The value and the tangents, which eager and compiled functions agree on."""
    primals, along = list(map(weft.asarray, inputs)), _tangents(inputs)
    directions = list(map(weft.asarray, along))
    value, tangent = eager_and_jit(
        lambda x, t: weft.jvp(function, x, t), tuple(primals), tuple(directions)
    )

    def moved(step: float) -> list[np.ndarray]:
        there = [weft.asarray(x + step * t) for x, t in zip(inputs, along, strict=True)]
        return [to_numpy(leaf) for leaf in _leaves(weft.jit(function)(*there))]

    tangents = [to_numpy(leaf) for leaf in _leaves(tangent)]
    for up, down, slope in zip(moved(STEP), moved(-STEP), tangents, strict=True):
        expected = (up - down) / (2 * STEP)
        np.testing.assert_allclose(slope, expected, rtol=tolerance, atol=tolerance)
    return _leaves(value), tangents


def _check_gradients(
    function: Callable, inputs: Sequence[np.ndarray], tangents: list[np.ndarray]
) -> None:
    """<tangent, c> = <direction, g> for the gradients g of cotangents c."""
    primals, along = list(map(weft.asarray, inputs)), _tangents(inputs)
    cotangents = [_random(7 + n).uniform(0.5, 1.5, t.shape) for n, t in enumerate(tangents)]
    given = list(map(weft.asarray, cotangents))
    gradients = weft.vjp(function, *primals)[1](given if len(given) > 1 else given[0])
    left = sum(np.vdot(c, t) for c, t in zip(cotangents, tangents, strict=True))
    right = sum(np.vdot(to_numpy(g), t) for g, t in zip(gradients, along, strict=True))
    size = sum(np.abs(t).sum() for t in tangents) + 1.0
    assert abs(left - right) <= 1e-11 * size


@pytest.mark.parametrize("row", _DIFFERENTIABLE)
def test_ops_of_the_table(row: OpRow) -> None:
    function = getattr(weft, row.python)
    if row.python == "where":
        condition = weft.asarray(np.array([[True], [False]]))
        _check(
            lambda x, y: function(condition, x * x, y * y),
            _draw(row, (2, 3), 0),
            _draw(row, (3,), 1),
        )
        return
    shapes = [(2, 3), (3,)][: len(row.operands)]
    _check(function, *[_draw(row, shape, i) for i, shape in enumerate(shapes)])


def _matrix(n: int) -> np.ndarray:
    return _random(n).normal(size=(n, n)) + n * np.eye(n)


def _symmetric(n: int) -> np.ndarray:
    x = _matrix(n)
    return x @ x.T


_IDS = weft.asarray(np.array([2, 0, 2]))

OTHERS: dict[str, tuple[Callable, list[tuple[int, ...]]]] = {
    "reshape": (lambda x: x.reshape(6), [(2, 3)]),
    "transpose": (lambda x: weft.permute_dims(x, (1, 2, 0)), [(2, 3, 4)]),
    "broadcast": (lambda x: weft.broadcast_to(x, (4, 2, 3)), [(2, 1)]),
    "slice": (lambda x: x[1:, ::-2] * x[0, 0], [(3, 5)]),
    "pad": (lambda x: F.pad(x, (1, 2), value=1.5), [(3, 2)]),
    "concat": (lambda x, y: weft.concat([x, y, x * 2.0], axis=0), [(2, 3), (1, 3)]),
    "gather": (lambda x: weft.take(x, _IDS, axis=1), [(2, 3)]),
    "update": (lambda x, y: x.at[1:].set(y * y), [(3, 2), (2, 2)]),
    "scatter_add": (lambda x, y: x.at[_IDS].add(y), [(3, 2), (3, 2)]),
    "scatter": (lambda x, y: x.at[_IDS].set(y), [(3, 2), (3, 2)]),
    "sum": (lambda x: weft.sum(x * x, axis=1), [(3, 4)]),
    "sum of nothing": (lambda x: weft.sum(x, axis=0), [(0, 4)]),
    "prod": (lambda x: weft.prod(x, axis=1), [(3, 4)]),
    "max": (lambda x: weft.max(x, axis=1), [(3, 4)]),
    "min": (lambda x: weft.min(x), [(3, 4)]),
    "mean": (lambda x: weft.mean(x, axis=0), [(3, 4)]),
    "var": (lambda x: weft.var(x, axis=1), [(3, 4)]),
    "sort": (lambda x: weft.sort(x, axis=1), [(3, 5)]),
    "cumulative_sum": (lambda x: weft.cumulative_sum(x * x, axis=1), [(2, 5)]),
    "cumulative_prod": (lambda x: weft.cumulative_prod(x, axis=1), [(2, 5)]),
    "softmax": (lambda x: F.softmax(x, dim=-1), [(2, 5)]),
    "log_softmax": (lambda x: F.log_softmax(x, dim=0), [(2, 5)]),
    "layer_norm": (lambda x, w, b: F.layer_norm(x, (5,), w, b), [(2, 5), (5,), (5,)]),
    "cross_entropy": (lambda x: F.cross_entropy(x, _IDS), [(3, 4)]),
    "matmul": (lambda x, y: x @ y, [(2, 3, 4), (4, 5)]),
    "matmul of itself": (lambda x: x @ x.T, [(3, 4)]),
    "einsum": (lambda x, y: weft.einsum("bij,bjk->bik", x, y), [(2, 3, 4), (2, 4, 2)]),
    "convolution": (lambda x, w: F.conv2d(x, w, stride=2, padding=1), [(2, 3, 5, 5), (4, 3, 3, 3)]),
    "max_pool2d": (lambda x: F.max_pool2d(x, 2), [(1, 2, 4, 4)]),
    "avg_pool2d": (lambda x: F.avg_pool2d(x, 2), [(1, 2, 4, 4)]),
    "attention": (
        F.scaled_dot_product_attention,
        [(1, 2, 4, 3), (1, 2, 5, 3), (1, 2, 5, 3)],
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_ops(name: str) -> None:
    function, shapes = OTHERS[name]
    _check(function, *[_random(i + 1).uniform(0.3, 1.7, shape) for i, shape in enumerate(shapes)])


LINEAR_ALGEBRA: dict[str, tuple[Callable, np.ndarray]] = {
    "cholesky": (lambda x: linalg.cholesky(x @ x.T), _matrix(3)),
    "solve": (lambda x: linalg.solve(x, x[:, :2] * 2.0), _matrix(3)),
    "inv": (linalg.inv, _matrix(3)),
    "det": (linalg.det, _matrix(3)),
    "slogdet": (lambda x: linalg.slogdet(x).logabsdet, _matrix(3)),
    "qr": (lambda x: tuple(linalg.qr(x)), _random(3).normal(size=(4, 3))),
    "svdvals": (linalg.svdvals, _random(4).normal(size=(4, 3))),
    "eigh": (lambda x: linalg.eigh(x @ x.T).eigenvalues, _matrix(3)),
}


@pytest.mark.parametrize("name", LINEAR_ALGEBRA)
def test_linear_algebra(name: str) -> None:
    """LAPACK's eigenvalues have other last bits where vectors are asked for too."""
    function, x = LINEAR_ALGEBRA[name]
    _, tangents = _check_differences(function, [x], 1e-6)
    _check_gradients(function, [x], tangents)


def test_equal_eigenvalues_have_tangents_where_vectors_have_none() -> None:
    """As no one asks for the vectors, nothing divides by differences of eigenvalues."""
    x, t = weft.eye(3, dtype="float64"), weft.asarray(np.diag([1.0, 2.0, 3.0]))
    _, slope = weft.jvp(linalg.eigvalsh, (x,), (t,))
    assert np.isfinite(to_numpy(slope)).all()


def test_complex_numbers_follow_the_product_of_real_parts() -> None:
    """As a function of two real numbers: analytic or not, t is carried as a small change is."""
    random = _random(5)
    x, t = (random.normal(size=4) + 1j * random.normal(size=4) for _ in range(2))
    functions = {
        "analytic": lambda z: weft.exp(z) * z / (z + 3.0),
        "conjugate": lambda z: weft.conj(z) * z * z,
        "parts": lambda z: weft.complex(weft.imag(z) ** 2, weft.real(z)),
        "abs": lambda z: weft.abs(z) * z,
        "fft": lambda z: weft.fft.fft(z * z),
        "matmul": lambda z: z.reshape(2, 2) @ z.reshape(2, 2),
        "prod": lambda z: weft.prod(z),
    }
    for function in functions.values():
        _, slope = eager_and_jit(
            lambda x, t, f=function: weft.jvp(f, (x,), (t,)), weft.asarray(x), weft.asarray(t)
        )
        up, down = (to_numpy(weft.jit(function)(weft.asarray(x + s * t))) for s in (STEP, -STEP))
        np.testing.assert_allclose(to_numpy(slope), (up - down) / (2 * STEP), rtol=1e-7, atol=1e-7)


def _loop(x: weft.Tensor) -> weft.Tensor:
    """x is halved until it is small, which nobody knows how often it takes."""
    return weft.while_loop(
        lambda s: weft.max(weft.abs(s[0])) > 0.1,
        lambda s: (weft.sin(s[0]) * 0.5, s[1] + s[0] * s[0]),
        (x, weft.zeros_like(x)),
    )[1]


def test_while_loops_need_no_bound() -> None:
    _check_differences(weft.jit(_loop), [_random(0).uniform(1, 2, 5)], TOLERANCE)
    x = weft.asarray(_random(0).uniform(1, 2, 5))
    plain = to_numpy(x).copy()
    expected = torch.func.jacfwd(_torch_loop)(torch.from_numpy(plain), _iterations(plain))
    np.testing.assert_allclose(to_numpy(weft.jacfwd(_loop)(x)), expected.numpy(), rtol=1e-12)
    with pytest.raises(weft.UnsupportedError, match="how many iterations there are is not known"):
        weft.grad(lambda x: weft.sum(_loop(x)))(x)


def _torch_loop(x: torch.Tensor, count: int) -> torch.Tensor:
    total = torch.zeros_like(x)
    for _ in range(count):
        x, total = torch.sin(x) * 0.5, total + x * x
    return total


def _iterations(x: np.ndarray) -> int:
    count = 0
    while np.abs(x).max() > 0.1:
        x, count = np.sin(x) * 0.5, count + 1
    return count


def _recurrent(w: weft.Tensor, xs: weft.Tensor) -> weft.Tensor:
    def step(h: weft.Tensor, x: weft.Tensor) -> tuple:
        h = weft.tanh(w @ h + x)
        return h, weft.cond(weft.sum(h) > 0.0, lambda h: h * 2.0, lambda h: -h, h)

    h, ys = weft.scan(step, weft.zeros((3,), dtype=xs.dtype), xs)
    return weft.concat([weft.reshape(ys, (-1,)), h])


def test_scans_and_branches() -> None:
    _check(weft.jit(_recurrent), _matrix(3) / 5, _random(1).normal(size=(6, 3)))


def _cubic(x: weft.Tensor) -> weft.Tensor:
    return weft.sum(weft.sin(x) * x * x) + weft.prod(x)


def test_hessians_agree_with_two_reverse_modes_and_pytorch() -> None:
    x = weft.asarray(_random(2).uniform(0.5, 1.5, 4))
    ours = eager_and_jit(weft.hessian(_cubic), x)
    other = weft.jacrev(weft.jacrev(_cubic))(x)
    np.testing.assert_allclose(to_numpy(ours), to_numpy(other), rtol=1e-12, atol=1e-12)
    theirs = torch.func.hessian(lambda x: (torch.sin(x) * x * x).sum() + x.prod())(
        torch.from_numpy(to_numpy(x).copy())
    )
    np.testing.assert_allclose(to_numpy(ours), theirs.numpy(), rtol=1e-12, atol=1e-12)


def test_transformations_compose() -> None:
    random = _random(3)
    x, t = (weft.asarray(random.uniform(0.5, 1.5, (3, 4))) for _ in range(2))
    push = lambda f: lambda x, t: weft.jvp(f, (x,), (t,))[1]  # noqa: E731
    hessian = to_numpy(weft.vmap(weft.hessian(_cubic))(x))
    wanted = np.einsum("bij,bj->bi", hessian, to_numpy(t))
    every = {
        "jvp of grad": weft.vmap(push(weft.grad(_cubic)))(x, t),
        "grad of jvp": weft.vmap(weft.grad(push(_cubic)))(x, t),
        "jvp of vmap of grad": push(weft.vmap(weft.grad(_cubic)))(x, t),
    }
    for product in every.values():
        np.testing.assert_allclose(to_numpy(product), wanted, rtol=1e-11, atol=1e-11)


def test_gradients_of_gradients_of_mapped_scans() -> None:
    w = weft.asarray(_matrix(3) / 5)
    xs = weft.asarray(_random(4).normal(size=(2, 6, 3)))
    loss = lambda w: weft.sum(weft.vmap(_recurrent, in_axes=(None, 0))(w, xs) ** 2)  # noqa: E731
    t = weft.asarray(_random(5).normal(size=(3, 3)))
    forward = eager_and_jit(lambda w: weft.jvp(weft.grad(loss), (w,), (t,))[1], w)
    reverse = weft.grad(lambda w: weft.sum(weft.grad(loss)(w) * t))(w)
    np.testing.assert_allclose(to_numpy(forward), to_numpy(reverse), rtol=1e-9, atol=1e-9)


def test_tangents_of_integers_are_zeros() -> None:
    value, slope = weft.jvp(
        lambda x: (weft.argmax(x), x > 0.0, x.astype("int32")), (weft.ones(3),), (weft.ones(3),)
    )
    for leaf, tangent in zip(value, slope, strict=True):
        assert tangent.dtype == leaf.dtype
        assert not to_numpy(tangent).any()


def test_what_ends_gradients_ends_tangents() -> None:
    _, slope = weft.jvp(lambda x: x.detach() * x, (weft.asarray(3.0),), (weft.asarray(1.0),))
    assert float(slope) == 3.0
    value, slope = weft.jvp(lambda x: weft.asarray(2.0), (weft.ones(3),), (weft.ones(3),))
    assert float(value) == 2.0
    assert float(slope) == 0.0


def test_state_and_results_survive() -> None:
    """The function is called once, and tensors that it changes get their values."""
    count = weft.asarray(0.0)

    def function(x: weft.Tensor) -> weft.Tensor:
        count.assign(count + 1.0)
        return weft.scan(lambda c, _: (c * x, None), x, None, length=3)[0]

    value, slope = weft.jvp(function, (weft.asarray(2.0),), (weft.asarray(1.0),))
    assert (float(value), float(slope), float(count)) == (16.0, 32.0, 1.0)


def test_wrong_tangents_are_refused() -> None:
    x = weft.ones(3)
    with pytest.raises(weft.ShapeError, match=r"a tangent of shape \(2,\)"):
        weft.jvp(weft.sin, (x,), (weft.ones(2),))
    with pytest.raises(weft.ShapeError, match="1 primals and 2 tangents"):
        weft.jvp(weft.sin, (x,), (x, x))
    with pytest.raises(weft.DTypeError):
        weft.jvp(weft.abs, (weft.asarray(1),), (weft.asarray(1),))

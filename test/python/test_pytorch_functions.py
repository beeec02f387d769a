"""Functions that programs for PyTorch call by its names: results and gradients beside PyTorch's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import weft
from numerics import assert_same_bits, to_numpy


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def whole(high: int, *shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, high, shape)


X, Y, V, SQUARE = numbers(4, 6), numbers(4, 6, seed=1), numbers(7), numbers(2, 3, 3)
POSITIVE = SQUARE @ SQUARE.transpose(0, 2, 1) + np.eye(3)
LOWER = np.linalg.cholesky(POSITIVE)
EQUAL = whole(3, 4, 9)

#: Functions of a library and of arrays in it.
CALLS: dict[str, tuple[Callable, tuple[np.ndarray, ...]]] = {
    "as_tensor": (lambda m, x: m.as_tensor(x, dtype=m.float32), (X,)),
    "adjoint": (lambda m, x: m.adjoint(x * (1 + 2j)), (SQUARE,)),
    "atleast": (lambda m, x: [m.atleast_1d(x[0]), m.atleast_2d(x), m.atleast_3d(x)], (V,)),
    "atleast of several": (lambda m, x, y: [*m.atleast_3d(x, y), *m.atleast_2d([x[0], y])], (X, V)),
    "block_diag": (lambda m, x, y: m.block_diag(x, y, x[0]), (X, V)),
    "broadcast_tensors": (lambda m, x, y: m.broadcast_tensors(x[:, :1], y[0]), (X, Y)),
    "cartesian_prod": (lambda m, x, y: m.cartesian_prod(x, y[:2], x[:1]), (V, V)),
    "column_stack": (lambda m, x, y: m.column_stack((x[:, 0], y)), (X, Y)),
    "combinations": (lambda m, x: [m.combinations(x), m.combinations(x, 3, True)], (V,)),
    "concatenate": (lambda m, x, y: m.concatenate([x, y], dim=1), (X, Y)),
    "diagflat": (lambda m, x: m.diagflat(x[:2, :2], 1), (X,)),
    "dstack": (lambda m, x, y: m.dstack((x, y)), (X, Y)),
    "splits": (lambda m, x: [*m.hsplit(x, 3), *x.vsplit([1, 3]), *m.dsplit(x[None], 2)], (X,)),
    "logspace": (lambda m: m.logspace(-1, 2, 5, base=2), ()),
    "vander": (lambda m, x: [m.vander(x), m.vander(x, N=3, increasing=True)], (V,)),
    "unravel_index": (lambda m, i: m.unravel_index(i, (2, 3, 4)), (whole(24, 5),)),
    "unique_consecutive": (
        lambda m, x: m.unique_consecutive(x, return_inverse=True, return_counts=True),
        (EQUAL,),
    ),
    "select_scatter": (lambda m, x, y: m.select_scatter(x, y[0], 0, -1), (X, Y)),
    "slice_scatter": (lambda m, x, y: x.slice_scatter(y[:, :3], 1, 0, 6, 2), (X, Y)),
    "diagonal_scatter": (lambda m, x, y: m.diagonal_scatter(x, y[0, :4], 1), (X, Y)),
    "masked_scatter": (lambda m, x, y: x.masked_scatter(x > 0, y), (X, Y)),
    "index_put": (
        lambda m, x, y, i: [m.index_put(x, (i,), y[0]), x.index_put((i, i), y[0, :4], True)],
        (X, Y, np.array([3, 0, 3, 1])),
    ),
    "put": (lambda m, x, y: [x.put(y.long().abs(), y), x.put(y.long().abs(), y, True)], (X, Y)),
    "cummax": (lambda m, x: [*m.cummax(x, dim=1), *x.cummin(0)], (X,)),
    "cummax of equal": (lambda m, x: [*m.cummax(x, 1), *m.cummin(x, 0)], (EQUAL,)),
    "logcumsumexp": (lambda m, x: [x.logcumsumexp(1), m.logcumsumexp(x * 300, dim=0)], (X,)),
    "mode": (lambda m, x: [m.mode(x, 1).values, x.mode(0, keepdim=True).values], (EQUAL,)),
    "trapezoid": (
        lambda m, x, y: [m.trapezoid(x), m.trapz(x, y), m.trapezoid(x, dx=0.1, dim=0)],
        (X, Y),
    ),
    "trapezoid over points": (lambda m, x, y: m.trapezoid(x, y[:, 0], dim=0), (X, Y)),
    "cumulative_trapezoid": (
        lambda m, x, y: [m.cumulative_trapezoid(x, y), m.cumulative_trapezoid(x, dx=2.0)],
        (X, Y),
    ),
    "gradient": (lambda m, x: [*m.gradient(x), *m.gradient(x, spacing=0.5, dim=1)], (X,)),
    "gradient of second order": (lambda m, x: m.gradient(x, edge_order=2), (X,)),
    "gradient over points": (
        lambda m, x, p: m.gradient(x, spacing=(p,), edge_order=2),
        (V, np.sort(numbers(7, seed=3))),
    ),
    "var_mean": (
        lambda m, x: [*m.var_mean(x), *m.var_mean(x, dim=1, unbiased=False, keepdim=True)],
        (X,),
    ),
    "std_mean": (lambda m, x: m.std_mean(x, (0, 1), correction=2), (X,)),
    "cov": (lambda m, x: [m.cov(x), x[0].cov(correction=0), m.cov(x * (1 + 1j))], (X,)),
    "cov with weights": (
        lambda m, x, f, a: [m.cov(x, fweights=f), m.cov(x, fweights=f, aweights=a)],
        (X, whole(4, 6) + 1, np.abs(Y[0])),
    ),
    "corrcoef": (lambda m, x: [m.corrcoef(x), x[0].corrcoef()], (X,)),
    "histc": (lambda m, x: [m.histc(x, 5, -1, 2), x.histc(bins=4), m.histc(x * 0, 3)], (X,)),
    "cholesky": (lambda m, x: [m.cholesky(x), m.cholesky(x, upper=True)], (POSITIVE,)),
    "cholesky_solve": (
        lambda m, b, f: [m.cholesky_solve(b, f), b.cholesky_solve(f.mT.contiguous(), upper=True)],
        (SQUARE, LOWER),
    ),
    "cholesky_inverse": (lambda m, f: m.cholesky_inverse(f), (LOWER,)),
    "determinants": (lambda m, x: [m.det(x), *m.slogdet(x), x.det(), m.logdet(x)], (SQUARE,)),
    "logdet of complex": (lambda m, x: m.logdet(x * (1 + 0.5j)).exp(), (SQUARE,)),
    "inverse": (lambda m, x: [m.inverse(x), x.inverse(), m.pinverse(x[0, :, :2])], (SQUARE,)),
    "matrix_power": (lambda m, x: [m.matrix_power(x, 3), x.matrix_power(-1)], (SQUARE,)),
    "matrix_rank": (lambda m, x: m.linalg.matrix_rank(x), (SQUARE,)),
    "arange by name": (lambda m: m.arange(start=1, end=7, step=2), ()),
    "linspace by name": (lambda m: m.linspace(0, end=1, steps=5), ()),
    "searchsorted": (
        lambda m, x, y: m.searchsorted(m.cumsum(x.abs(), 1), y, right=True),
        (X, Y),
    ),
    "transforms of two axes": (
        lambda m, x: [
            m.fft.fft2(x).real,
            m.fft.ifft2(x, dim=(0, 1)).imag,
            m.fft.irfft2(m.fft.rfft2(x), s=(4, 6)),
            m.fft.fftshift(x, dim=1),
        ],
        (X,),
    ),
    "layers": (
        lambda m, x: [
            m.layer_norm(x, (6,)),
            m.conv1d(x[None], x[None, :, :2]),
            m.pixel_shuffle(x.reshape(1, 4, 2, 3), 2),
            m.cosine_similarity(x, x.flip(0), dim=1),
            m.selu(x),
        ],
        (X,),
    ),
}


def results(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


@pytest.mark.parametrize("name", CALLS)
def test_results_are_pytorchs(name: str) -> None:
    call, arrays = CALLS[name]
    theirs = results(call(torch, *map(torch.from_numpy, arrays)))
    expected = [part.resolve_conj().numpy() for part in theirs]
    eager = results(call(weft, *map(weft.asarray, arrays)))
    compiled = weft.jit(lambda *tensors: results(call(weft, *tensors)))
    assert_same_bits(compiled(*map(weft.asarray, arrays)), eager)
    for ours, wanted in zip(eager, expected, strict=True):
        found = to_numpy(ours)
        assert found.dtype == wanted.dtype
        assert found.shape == wanted.shape
        # Chains of so many operations on numbers around 1; a condition of up to 100 in solves.
        np.testing.assert_allclose(found, wanted, rtol=2e-12, atol=2e-12)


#: Gradients of what is smooth there, by the first array. Of `vander` PyTorch has none, and of
#: `cholesky_inverse` one by what is not read.
SMOOTH = [
    *("block_diag", "cartesian_prod", "column_stack", "combinations", "diagflat"),
    *("select_scatter", "slice_scatter", "diagonal_scatter", "masked_scatter", "cummax"),
    *("logcumsumexp", "trapezoid", "cumulative_trapezoid", "gradient", "var_mean", "corrcoef"),
    *("cholesky_solve", "determinants", "inverse"),
]


@pytest.mark.parametrize("name", SMOOTH)
def test_gradients_are_pytorchs(name: str) -> None:
    call, arrays = CALLS[name]

    def loss(m: Any, first: Any, *rest: Any) -> Any:
        parts = results(call(m, first, *rest))
        inexact = [part for part in parts if "int" not in str(part.dtype)]
        return sum(
            (part * part).sum() for part in inexact if not bool(m.isnan(part.detach()).any())
        )

    ours = [weft.asarray(array) for array in arrays]
    theirs = [torch.from_numpy(array) for array in arrays]
    theirs[0].requires_grad_()
    loss(torch, *theirs).backward()
    ours[0].requires_grad_()
    loss(weft, *ours).backward()
    wanted = theirs[0].grad.numpy()
    scale = max(np.abs(wanted).max(), 1)
    np.testing.assert_allclose(to_numpy(ours[0].grad), wanted, rtol=1e-10, atol=1e-10 * scale)


def test_in_place() -> None:
    for m in (torch, weft):
        x = m.zeros(3, 3)
        x.index_put_((m.tensor([0, 2, 0]), m.tensor([1, 1, 1])), m.ones(3), accumulate=True)
        assert x.tolist() == [[0, 2, 0], [0, 0, 0], [0, 1, 0]]
        x.masked_scatter_(x == 0, m.arange(9.0))
        assert x.tolist() == [[0, 2, 1], [2, 3, 4], [5, 1, 6]]
        assert x.less_(2).tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 0]]


@pytest.mark.parametrize("shape", [(3, 3), (2, 4), (7, 3), (4, 1), (3, 3, 3), (0, 2)])
@pytest.mark.parametrize("wrap", [False, True])
def test_diagonals_that_are_filled(shape: tuple[int, ...], wrap: bool) -> None:
    ours, theirs = (m.zeros(shape).fill_diagonal_(2.5, wrap) for m in (weft, torch))
    np.testing.assert_array_equal(to_numpy(ours), theirs.numpy())
    compiled = weft.jit(lambda x: x.fill_diagonal_(2.5, wrap))(weft.zeros(shape))
    assert_same_bits(compiled, ours)


def test_modes_of_gradients() -> None:
    for m in (torch, weft):
        x = m.ones(2)
        x.requires_grad_()
        with m.inference_mode():
            assert not (x * 2).requires_grad
        with m.set_grad_enabled(False):
            assert not (x * 2).requires_grad
            with m.set_grad_enabled(True):
                assert (x * 2).requires_grad
        assert (x * 2).requires_grad
        m.set_grad_enabled(False)
        assert not m.is_grad_enabled()
        m.set_grad_enabled(True)
        decorated = m.set_grad_enabled(False)(lambda x: (x * 2).requires_grad)
        assert m.is_grad_enabled()
        assert not decorated(x)


def test_classes_that_are_counted() -> None:
    for m in (torch, weft):
        one_hot = m.nn.functional.one_hot
        assert one_hot(m.tensor([2, 0])).tolist() == [[0, 0, 1], [1, 0, 0]]
    with pytest.raises(weft.UnsupportedError, match="num_classes="):
        weft.export(weft.one_hot, weft.spec(3, "int64"))


def test_keys_that_all_match() -> None:
    for m in (torch, weft):
        layer = m.nn.Linear(2, 1)
        assert str(layer.load_state_dict(layer.state_dict())) == "<All keys matched successfully>"
        found = layer.load_state_dict({"weight": layer.weight, "x": layer.bias}, strict=False)
        assert "missing_keys=['bias']" in repr(found)


def test_edges_and_errors() -> None:
    nan = weft.asarray([1.0, float("nan"), 2.0])
    np.testing.assert_array_equal(to_numpy(weft.cummax(nan, 0).values), [1, np.nan, np.nan])
    empty = weft.zeros(0, 3)
    assert weft.cummax(empty, 0).values.shape == (0, 3)
    assert weft.logcumsumexp(empty, 0).shape == (0, 3)
    assert weft.trapezoid(empty, dim=0).tolist() == [0, 0, 0]
    assert weft.unique_consecutive(empty).shape == (0,)
    assert weft.unique_consecutive(weft.asarray([1, 1, 2]), size=3).tolist() == [1, 2, 1]
    assert weft.gradient(weft.asarray([1, 3, 7]))[0].tolist() == [2, 3, 4]
    for call, error, message in [
        (lambda: weft.gradient(weft.ones(1)), weft.ShapeError, "1 elements along dimension 0"),
        (lambda: weft.hsplit(weft.ones(5), 2), weft.ShapeError, "hsplit: 5 elements"),
        (lambda: weft.histc(weft.ones(5), 0), weft.OptionError, "histc: 0 intervals"),
        (lambda: weft.cov(weft.ones(1, 1, 1)), weft.ShapeError, "cov: x has shape"),
        (lambda: weft.mode(empty, 0), weft.ShapeError, "mode: there is no element"),
        (lambda: weft.trapezoid(nan, nan[:2]), weft.ShapeError, "2 points do not fit 3"),
        (lambda: weft.block_diag(weft.ones(1, 1, 1)), weft.ShapeError, "matrices"),
        (
            lambda: weft.masked_scatter(nan, nan == nan, weft.ones(1)),
            weft.OutOfBoundsError,
            "out of",
        ),
        (lambda: weft.searchsorted(weft.ones(2, 3), nan), weft.ShapeError, "the rows of x2"),
    ]:
        with pytest.raises(error, match=message):
            call()


def test_transformations_by_pytorchs_names() -> None:
    def per_sample(m: Any) -> list[Any]:
        x, w = m.asarray(X), m.asarray(Y[0])

        def loss(w: Any, x: Any) -> Any:
            return m.tanh(w @ x) ** 2

        return [
            m.func.vmap(m.func.grad(loss), in_dims=(None, 0))(w, x),
            m.vmap(lambda x: x * 2, in_dims=1, out_dims=0)(x),
            m.func.hessian(lambda w: loss(w, x[0]))(w),
            m.func.jacrev(m.sin)(w),
            *m.func.grad_and_value(loss)(w, x[1]),
        ]

    for ours, theirs in zip(per_sample(weft), per_sample(torch), strict=True):
        np.testing.assert_allclose(to_numpy(ours), theirs.numpy(), rtol=1e-13, atol=1e-14)

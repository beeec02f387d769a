"""`weft.linalg`: kept factors, functions and patterns of matrices, against PyTorch and SciPy."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np
import pytest
import scipy.linalg
import torch
import weft
from numerics import UNIT_ROUNDOFF, assert_same_bits, eager_and_jit, to_numpy
from weft import linalg

DTYPES = ["float32", "float64", "complex64", "complex128"]
SQUARE = [(1, 1), (3, 3), (8, 8), (0, 0), (2, 4, 4), (2, 0, 3, 3)]


def _matrix(name: object, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    random = np.random.default_rng(zlib.crc32(f"{name} {shape}".encode()))
    x = random.normal(0, 1, shape)
    return (x + 1j * random.normal(0, 1, shape) if "complex" in dtype else x).astype(dtype)


def _wide(x: np.ndarray) -> torch.Tensor:
    return torch.tensor(x.astype(np.result_type(x, np.float64)))


def _assert_near(actual: object, wanted: torch.Tensor | np.ndarray, condition: float = 1) -> None:
    """To 64 n units of the norm, times a condition: what backward stable algorithms are near by."""
    array = to_numpy(actual)
    wanted = wanted.resolve_conj().numpy() if isinstance(wanted, torch.Tensor) else wanted
    assert array.shape == wanted.shape
    unit = UNIT_ROUNDOFF[str(np.empty(0, array.dtype).real.dtype)]
    size = max(1, *wanted.shape) if wanted.shape else 1
    bound = 64 * size * unit * condition * max(1.0, float(np.abs(wanted).max(initial=0)))
    assert np.abs(array - wanted).max(initial=0) <= bound


def _condition(x: np.ndarray) -> float:
    return float(np.linalg.cond(x).max(initial=1)) if x.shape[-1] else 1.0


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SQUARE)
def test_factors_and_what_they_solve(shape: tuple[int, ...], dtype: str) -> None:
    x = _matrix("lu", shape, dtype)
    theirs = torch.linalg.lu_factor_ex(torch.tensor(x))
    ours = eager_and_jit(linalg.lu_factor_ex, weft.asarray(x))
    np.testing.assert_array_equal(to_numpy(ours.pivots), theirs.pivots.numpy())
    np.testing.assert_array_equal(to_numpy(ours.info), theirs.info.numpy())
    assert (ours.pivots.dtype, ours.info.dtype) == ("int32", "int32")
    _assert_near(ours.LU, theirs.LU)
    assert_same_bits(linalg.lu_factor(weft.asarray(x)), ours[:2])
    right = _matrix("right", (*shape[:-1], 3), dtype)
    for left, adjoint in ((True, False), (True, True), (False, False), (False, True)):
        b = right if left else np.ascontiguousarray(np.swapaxes(right, -1, -2))
        found = eager_and_jit(
            lambda f, p, b, o=left, a=adjoint: linalg.lu_solve(f, p, b, left=o, adjoint=a),
            *ours[:2],
            weft.asarray(b),
        )
        operand = _wide(x).mH if adjoint else _wide(x)
        _assert_near(found, torch.linalg.solve(operand, _wide(b), left=left), _condition(x))


def test_leading_dimensions_of_factors_and_right_sides() -> None:
    x, b = _matrix("lu", (2, 1, 3, 3), "float64"), _matrix("b", (5, 3, 2), "float64")
    found = linalg.lu_solve(*linalg.lu_factor(weft.asarray(x)), weft.asarray(b))
    _assert_near(found, torch.linalg.solve(_wide(x), _wide(b)), _condition(x))


@pytest.mark.parametrize("dtype", DTYPES)
def test_results_that_say_whether_there_are_any(dtype: str) -> None:
    x = _matrix("info", (3, 4, 4), dtype)
    x[1, 2] = x[1, 0] = 0
    b = _matrix("info", (3, 4, 1), dtype)
    inverse = eager_and_jit(linalg.inv_ex, weft.asarray(x))
    assert inverse.info.tolist()[0::2] == [0, 0]
    assert inverse.info.tolist()[1] == torch.linalg.inv_ex(torch.tensor(x)).info[1]
    _assert_near(inverse.inverse[0], np.linalg.inv(x[0]), _condition(x[0]))
    assert np.isnan(to_numpy(inverse.inverse[1])).all()
    solved = eager_and_jit(linalg.solve_ex, weft.asarray(x), weft.asarray(b))
    assert solved.info.tolist() == inverse.info.tolist()
    turned = linalg.solve_ex(weft.asarray(x), weft.asarray(b).mT, left=False)
    _assert_near(turned.result[0], torch.linalg.solve(_wide(x[0]), _wide(b[0]).mT, left=False), 100)
    positive = x @ np.conj(np.swapaxes(x, -1, -2)) + np.diag([1, 1, -1, 1]).astype(dtype) * 50
    factor = eager_and_jit(linalg.cholesky_ex, weft.asarray(positive))
    assert factor.info.tolist() == [1, 1, 1]
    positive = positive + np.eye(4, dtype=dtype) * 100
    factor = linalg.cholesky_ex(weft.asarray(positive), upper=True)
    assert factor.info.tolist() == [0, 0, 0]
    _assert_near(factor.L, torch.linalg.cholesky(_wide(positive), upper=True))
    for function in (linalg.inv_ex, linalg.lu_factor_ex, linalg.cholesky_ex):
        with pytest.raises(weft.LinAlgError, match=f"{function.__name__}.*info is"):
            function(-weft.asarray(x), check_errors=True)
    with pytest.raises(linalg.LinAlgError, match="solve_ex: a singular matrix"):
        linalg.solve_ex(weft.asarray(x), weft.asarray(b), check_errors=True)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("shape", "count"),
    [((5, 3), 3), ((5, 3), 2), ((4, 4), 4), ((1, 1), 1), ((3, 0), 0), ((2, 6, 3), 1), ((4, 2), 0)],
)
def test_products_of_reflections(shape: tuple[int, ...], count: int, dtype: str) -> None:
    x, tau = _matrix("x", shape, dtype), _matrix("tau", (*shape[:-2], count), dtype)
    found = eager_and_jit(linalg.householder_product, weft.asarray(x), weft.asarray(tau))
    wanted = torch.linalg.householder_product(_wide(x), _wide(tau))
    _assert_near(found, wanted, 4)


# Functions and patterns --------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [0.0, 0.1, 1.0, 4.0])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SQUARE)
def test_exponentials(shape: tuple[int, ...], dtype: str, scale: float) -> None:
    """The condition of the exponential is at least the norm of the matrix."""
    x = _matrix("exp", shape, dtype) * np.empty(0, dtype).real.dtype.type(scale)
    found = eager_and_jit(linalg.matrix_exp, weft.asarray(x))
    norms = np.abs(x).sum(-2).max(initial=1)
    _assert_near(found, scipy.linalg.expm(_wide(x).numpy()), float(norms))
    assert_same_bits(linalg.expm(weft.asarray(x)), found)


def test_exponentials_of_large_and_of_no_numbers() -> None:
    turn = np.array([[0.0, -1.0], [1.0, 0.0]])
    for angle in (3.0, 1e3, 1e5):
        wanted = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        found = to_numpy(linalg.matrix_exp(weft.asarray(turn * angle)))
        assert np.abs(found - wanted).max() < 64 * angle * 2.0**-53
    for number in (np.nan, np.inf, 1e300):
        x = weft.asarray(np.stack([np.where(turn == 0, 0, number), turn]))
        found = to_numpy(linalg.matrix_exp(x))
        assert np.isnan(found[0]).all()
        assert_same_bits(found[1], linalg.matrix_exp(weft.asarray(turn)))


@pytest.mark.parametrize("shape", [(0,), (1,), (4,), (2, 3), (0, 3)])
@pytest.mark.parametrize("dtype", [*DTYPES, "int64"])
def test_powers_of_points(shape: tuple[int, ...], dtype: str) -> None:
    x = (_matrix("vander", shape, "float64") * 4).astype(dtype)
    for count in (None, 0, 1, 5):
        found = eager_and_jit(lambda x, n=count: linalg.vander(x, N=n), weft.asarray(x))
        wanted = x[..., None] ** np.arange(shape[-1] if count is None else count)
        assert found.dtype == dtype
        np.testing.assert_allclose(to_numpy(found), wanted, rtol=1e-5)


def test_tensors_as_maps() -> None:
    x, b = _matrix("map", (4, 6, 8, 3), "float64"), _matrix("side", (4, 6), "float64")
    found = eager_and_jit(linalg.tensorinv, weft.asarray(x))
    _assert_near(found, torch.linalg.tensorinv(_wide(x)), _condition(x.reshape(24, 24)))
    flat = weft.asarray(x[0, 0, :, :].reshape(24))[:, None, None] * weft.ones((1, 4, 6))
    assert linalg.tensorinv(weft.eye(24).reshape(24, 4, 6), ind=1).shape == (4, 6, 24)
    assert flat.shape == (24, 4, 6)
    found = eager_and_jit(linalg.tensorsolve, weft.asarray(x), weft.asarray(b))
    _assert_near(found, torch.linalg.tensorsolve(_wide(x), _wide(b)), 1e3)
    moved = np.ascontiguousarray(np.moveaxis(x, (0, 1), (1, 3)))
    wanted = torch.linalg.tensorsolve(_wide(moved), _wide(b), dims=(0, 2))
    found = linalg.tensorsolve(weft.asarray(moved), weft.asarray(b), dims=(0, 2))
    _assert_near(found, wanted, 1e3)
    with pytest.raises(weft.OptionError, match="ind has to be above 0"):
        linalg.tensorinv(weft.asarray(x), ind=0)
    with pytest.raises(weft.ShapeError, match="not of one size"):
        linalg.tensorinv(weft.asarray(x), ind=1)
    with pytest.raises(weft.ShapeError, match="tensorsolve: x1 of shape"):
        linalg.tensorsolve(weft.asarray(x), weft.ones((6, 4)))


@pytest.mark.parametrize("dtype", ["float64", "complex64", "int64"])
@pytest.mark.parametrize(("rows", "columns"), [(3, 5), (4, 2), (1, 1), (2, None)])
def test_constant_diagonals(rows: int, columns: int | None, dtype: str) -> None:
    c = (_matrix("c", (rows,), dtype if "c" in dtype else "float64") * 5).astype(dtype)
    r = None if columns is None else (_matrix("r", (columns,), "float64") * 5).astype(dtype)
    given = [weft.asarray(x) for x in (c, r) if x is not None]
    assert_same_bits(eager_and_jit(linalg.toeplitz, *given), scipy.linalg.toeplitz(c, r))
    assert linalg.toeplitz(weft.ones((0,)), weft.ones((2,))).shape == (0, 2)


@pytest.mark.parametrize("shape", [(3, 4), (1, 1), (0, 3)])
def test_norms_of_vectors_and_matrices(shape: tuple[int, ...]) -> None:
    x = _matrix("norm", shape, "float64")
    for ord in (None, "fro", "nuc", 1, -1, 2, np.inf, -np.inf):
        if 0 in shape and ord is not None:
            continue
        found = eager_and_jit(lambda x, o=ord: linalg.norm(x, o), weft.asarray(x))
        _assert_near(found, np.linalg.norm(x, ord))
        _assert_near(
            linalg.norm(weft.asarray(x), ord=ord, axis=(1, 0), keepdims=True),
            np.linalg.norm(x, ord, axis=(1, 0), keepdims=True),
        )
    for ord in (None, 1, 3, 0):
        _assert_near(linalg.norm(weft.asarray(x), ord, dim=1), np.linalg.norm(x, ord, axis=1))
    with pytest.raises(weft.ShapeError, match="say one axis or two"):
        linalg.norm(weft.ones((1, 1, 1)), 2)


GRADIENTS: dict[str, tuple[Callable, Callable]] = {
    "matrix_exp": (linalg.matrix_exp, torch.linalg.matrix_exp),
    "large": (lambda x: linalg.matrix_exp(x * 2), lambda x: torch.linalg.matrix_exp(x * 2)),
    "lu_factor": (lambda x: linalg.lu_factor(x).LU, lambda x: torch.linalg.lu_factor(x).LU),
    "lu_solve": (
        lambda x: linalg.lu_solve(*linalg.lu_factor(x), x[:, :2] * x[0, 0], adjoint=True),
        lambda x: torch.linalg.lu_solve(
            *torch.linalg.lu_factor(x), x[:, :2] * x[0, 0], adjoint=True
        ),
    ),
    "inv_ex": (lambda x: linalg.inv_ex(x).inverse, lambda x: torch.linalg.inv_ex(x).inverse),
    "householder_product": (
        lambda x: linalg.householder_product(x[:, :3], x[3, :2]),
        lambda x: torch.linalg.householder_product(x[:, :3], x[3, :2]),
    ),
    "vander": (lambda x: linalg.vander(x, N=3), lambda x: torch.linalg.vander(x, N=3)),
    "tensorinv": (
        lambda x: linalg.tensorinv(x.reshape(2, 2, 4)),
        lambda x: torch.linalg.tensorinv(x.reshape(2, 2, 4)),
    ),
}


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_are_those_of_pytorch(name: str, dtype: str) -> None:
    ours, theirs = GRADIENTS[name]
    x = _matrix("gradient", (4, 4), dtype) + 2 * np.eye(4)
    leaf = torch.tensor(x, requires_grad=True)
    expected = theirs(leaf)
    weights = _matrix("weights", tuple(expected.shape), str(expected.dtype).removeprefix("torch."))
    (expected * torch.tensor(weights)).real.sum().backward()

    def step(x: weft.Tensor) -> weft.Tensor:
        mine = x.clone().detach()
        mine.requires_grad = True
        weft.real(ours(mine) * weft.asarray(weights)).sum().backward()
        return mine.grad

    found = to_numpy(eager_and_jit(step, weft.asarray(x)))
    wanted = leaf.grad.resolve_conj().numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-8, atol=1e-9 * float(np.abs(wanted).max()))


def test_exponentials_along_tangents_and_mapped() -> None:
    x, t = (weft.asarray(_matrix(name, (3, 4, 4), "float64")) for name in ("x", "t"))
    mapped = eager_and_jit(weft.vmap(linalg.matrix_exp), x)
    _assert_near(mapped, linalg.matrix_exp(x).numpy(), 8)
    _, found = weft.jvp(linalg.matrix_exp, (x,), (t,))
    wanted = [scipy.linalg.expm_frechet(*pair)[1] for pair in zip(x.numpy(), t.numpy())]
    _assert_near(found, np.stack(wanted), 8)
    factors = eager_and_jit(weft.vmap(lambda x: linalg.lu_factor(x)), x)
    assert_same_bits(factors, linalg.lu_factor(x))


def test_what_factors_refuse() -> None:
    x = weft.eye(3)
    with pytest.raises(weft.UnsupportedError, match="leave pivot=True"):
        linalg.lu_factor(x, pivot=False)
    with pytest.raises(weft.ShapeError, match="pivots of shape"):
        linalg.lu_solve(x, weft.asarray([1, 2]), x)
    with pytest.raises(weft.ShapeError, match="at least as high as wide"):
        linalg.householder_product(weft.ones((2, 3)), weft.ones(2))
    with pytest.raises(weft.ShapeError, match="has to be a vector"):
        linalg.vander(weft.asarray(1.0))
    with pytest.raises(weft.ShapeError, match="not square"):
        linalg.matrix_exp(weft.ones((2, 3)))


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
@pytest.mark.parametrize(
    "shape", [(3, 5), (5, 3), (4, 1), (1, 4), (2, 3, 5), (2, 6, 2), (0, 3), (3, 0), (2, 0, 3)]
)
def test_rows_and_columns_need_not_be_as_many(shape: tuple[int, ...], dtype: str) -> None:
    draw = np.random.default_rng(len(shape) + shape[-1])
    x = draw.normal(size=shape).astype(dtype)
    if dtype == "complex64":
        x += (1j * draw.normal(size=shape)).astype(dtype)
    singular = x.copy()
    singular[..., :1] = 0
    tolerance = 100 * np.finfo(dtype).eps
    for array in (x, singular):
        theirs = torch.from_numpy(array.copy())
        ours = weft.asarray(array)
        factors, expected = linalg.lu_factor_ex(ours), torch.linalg.lu_factor_ex(theirs)
        assert factors.pivots.tolist() == expected.pivots.tolist()
        assert factors.info.tolist() == expected.info.tolist()
        found = [*linalg.lu(ours), *weft.lu_unpack(factors.LU, factors.pivots)]
        wanted = [*torch.linalg.lu(theirs), *torch.lu_unpack(expected.LU, expected.pivots)]
        for one, other in zip(found, wanted, strict=True):
            np.testing.assert_allclose(
                to_numpy(one), other.numpy(), rtol=tolerance, atol=tolerance * np.abs(array).sum()
            )


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (2, 4, 2)])
def test_gradients_of_factors_of_wide_and_tall_matrices(shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(5).normal(size=shape)
    ours = weft.asarray(array, copy=True)
    ours.requires_grad = True
    theirs = torch.from_numpy(array.copy()).requires_grad_()
    for library, x in ((weft, ours), (torch, theirs)):
        _, lower, upper = library.linalg.lu(x)
        (2 * (lower**2).sum() + (upper**3).sum()).backward()
    np.testing.assert_allclose(to_numpy(ours.grad), theirs.grad.numpy(), rtol=1e-10, atol=1e-10)

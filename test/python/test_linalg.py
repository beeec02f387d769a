"""weft.linalg against NumPy and SciPy: values, special shapes, gradients, and what goes wrong."""

from __future__ import annotations

import itertools
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import torch
import weft
from numerics import UNIT_ROUNDOFF, assert_same_bits, eager_and_jit, to_numpy
from weft import linalg

DTYPES = ["float32", "float64", "complex64", "complex128"]
SQUARE = [(1, 1), (3, 3), (8, 8), (0, 0), (2, 4, 4), (2, 0, 3, 3)]
RECTANGULAR = [(3, 5), (5, 3), (1, 4), (4, 1), (0, 3), (3, 0), (2, 3, 4)]


def _matrix(name: object, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    random = np.random.default_rng(zlib.crc32(f"{name} {shape}".encode()))
    x = random.normal(0, 1, shape)
    return (x + 1j * random.normal(0, 1, shape) if "complex" in dtype else x).astype(dtype)


def _positive(name: object, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    x = _matrix(name, shape, dtype)
    return x @ np.conj(np.swapaxes(x, -1, -2)) + np.eye(shape[-1], dtype=dtype)


def _unit(dtype: str) -> float:
    return UNIT_ROUNDOFF[str(np.empty(0, dtype).real.dtype)]


def _assert_near(actual: object, wanted: np.ndarray, dtype: str, scale: float = 1.0) -> None:
    """Both are as near as backward stable algorithms on small matrices are: n eps of their norm."""
    array = to_numpy(actual)
    assert array.shape == wanted.shape
    assert array.dtype == wanted.dtype
    size = max(1, *wanted.shape) if wanted.shape else 1
    bound = 64 * size * _unit(dtype) * scale * max(1.0, float(np.abs(wanted).max(initial=0)))
    assert np.abs(array - wanted).max(initial=0) <= bound


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SQUARE)
def test_decompositions_of_square_matrices(shape: tuple[int, ...], dtype: str) -> None:
    x = _matrix("square", shape, dtype)
    positive = _positive("square", shape, dtype)
    _assert_near(
        eager_and_jit(linalg.cholesky, weft.asarray(positive)), np.linalg.cholesky(positive), dtype
    )
    upper = to_numpy(linalg.cholesky(weft.asarray(positive), upper=True))
    _assert_near(np.conj(np.swapaxes(upper, -1, -2)) @ upper, positive, dtype)

    p, lower, u = (to_numpy(part) for part in eager_and_jit(linalg.lu, weft.asarray(x)))
    _assert_near(p @ lower @ u, x, dtype)
    assert (np.triu(u) == u).all()
    assert (np.tril(lower) == lower).all()

    values, vectors = (
        to_numpy(part) for part in eager_and_jit(linalg.eigh, weft.asarray(positive))
    )
    _assert_near(values, np.linalg.eigvalsh(positive), dtype)
    _assert_near(positive @ vectors, vectors * values[..., None, :], dtype, 8)
    _assert_near(eager_and_jit(linalg.eigvalsh, weft.asarray(positive)), values, dtype)

    values, vectors = (to_numpy(part) for part in eager_and_jit(linalg.eig, weft.asarray(x)))
    assert values.dtype == vectors.dtype == np.result_type(x, np.complex64)
    _assert_near(x.astype(values.dtype) @ vectors, vectors * values[..., None, :], dtype, 8)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [*RECTANGULAR, *SQUARE[:3]])
def test_decompositions_of_any_matrices(shape: tuple[int, ...], dtype: str) -> None:
    x = _matrix("any", shape, dtype)
    m, n = shape[-2:]
    for mode in ("reduced", "complete"):
        q, r = eager_and_jit(lambda x, mode=mode: linalg.qr(x, mode=mode), weft.asarray(x))
        inner = m if mode == "complete" else min(m, n)
        assert q.shape == (*shape[:-1], inner)
        q, r = to_numpy(q), to_numpy(r)
        _assert_near(q @ r, x, dtype)
        gram = np.conj(np.swapaxes(q, -1, -2)) @ q
        _assert_near(gram, np.broadcast_to(np.eye(inner, dtype=dtype), gram.shape), dtype)
        assert (np.triu(r) == r).all()
    for full in (False, True):
        parts = eager_and_jit(
            lambda x, full=full: linalg.svd(x, full_matrices=full), weft.asarray(x)
        )
        wanted = np.linalg.svd(x, full_matrices=full)
        assert [part.shape for part in parts] == [part.shape for part in wanted]
        u, s, vh = (to_numpy(part) for part in parts)
        _assert_near(s, wanted.S, dtype)
        side = min(m, n)
        _assert_near((u[..., :side] * s[..., None, :]) @ vh[..., :side, :], x, dtype)
    _assert_near(eager_and_jit(linalg.svdvals, weft.asarray(x)), wanted.S, dtype)
    if x.size:
        _assert_near(linalg.pinv(weft.asarray(x)), np.linalg.pinv(x), dtype, 16)
        assert_same_bits(linalg.matrix_rank(weft.asarray(x)), np.linalg.matrix_rank(x))


@pytest.mark.parametrize("dtype", DTYPES)
def test_equations(dtype: str) -> None:
    for left, right in [
        ((3, 3), (3, 2)),
        ((3, 3), (3,)),
        ((2, 4, 4), (4, 1)),
        ((4, 4), (2, 4, 3)),
        ((0, 0), (0, 2)),
        ((3, 3), (3, 0)),
    ]:
        a = _positive("left", left, dtype)
        b = _matrix("right", right, dtype)
        _assert_near(
            eager_and_jit(linalg.solve, weft.asarray(a), weft.asarray(b)),
            np.linalg.solve(a, b),
            dtype,
            16,
        )
    a, b = _positive("triangular", (2, 4, 4), dtype), _matrix("triangular", (2, 4, 3), dtype)
    for upper, unit in itertools.product((False, True), (False, True)):
        wanted = np.stack(
            [
                scipy.linalg.solve_triangular(one, right, lower=not upper, unit_diagonal=unit)
                for one, right in zip(a, b, strict=True)
            ]
        )
        options = {"upper": upper, "unitriangular": unit}
        result = eager_and_jit(
            lambda a, b, o=options: linalg.solve_triangular(a, b, **o),
            weft.asarray(a),
            weft.asarray(b),
        )
        _assert_near(result, wanted, dtype, 64)
    turned = np.swapaxes(b, -1, -2)
    result = to_numpy(
        linalg.solve_triangular(weft.asarray(a), weft.asarray(turned), upper=True, left=False)
    )
    _assert_near(result @ np.triu(a), turned, dtype, 64)
    inverse = to_numpy(eager_and_jit(linalg.inv, weft.asarray(a)))
    _assert_near(inverse @ a, np.broadcast_to(np.eye(4, dtype=dtype), a.shape), dtype, 64)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [*SQUARE, (5, 5)])
def test_numbers_of_matrices(shape: tuple[int, ...], dtype: str) -> None:
    x = _matrix("numbers", shape, dtype)
    tensor = weft.asarray(x)
    _assert_near(eager_and_jit(linalg.det, tensor), np.linalg.det(x), dtype)
    wanted = np.linalg.slogdet(x)
    found = eager_and_jit(linalg.slogdet, tensor)
    _assert_near(found.sign, np.asarray(wanted.sign), dtype)
    _assert_near(found.logabsdet, np.asarray(wanted.logabsdet), dtype, 8)
    _assert_near(linalg.trace(tensor), np.trace(x, axis1=-2, axis2=-1), dtype)
    for n in (0, 1, 3):
        _assert_near(linalg.matrix_power(tensor, n), np.linalg.matrix_power(x, n), dtype, 8)
    if x.size:
        _assert_near(linalg.matrix_power(tensor, -2), np.linalg.matrix_power(x, -2), dtype, 4096)
        for order in ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf):
            wanted_norm = np.linalg.matrix_norm(x, ord=order)
            _assert_near(linalg.matrix_norm(tensor, ord=order), wanted_norm, dtype)
        for order in (0, 1, 2, 3.5, -1, np.inf, -np.inf):
            wanted_norm = np.linalg.vector_norm(x, ord=order, axis=-1)
            result = linalg.vector_norm(tensor, ord=order, axis=-1)
            _assert_near(result, wanted_norm.astype(x.real.dtype), dtype, 8)


def test_products() -> None:
    x, y = _matrix("x", (4, 3), "float64"), _matrix("y", (4, 3), "float64")
    _assert_near(linalg.cross(weft.asarray(x), weft.asarray(y)), np.cross(x, y), "float64")
    parts = [_matrix(i, shape, "float64") for i, shape in enumerate([(3, 5), (5, 2), (2, 7)])]
    product = linalg.multi_dot([weft.asarray(part) for part in parts])
    _assert_near(product, np.linalg.multi_dot(parts), "float64", 8)
    a, b = _matrix("a", (7, 3), "float64"), _matrix("b", (7, 2), "float64")
    for left, right in ((a, b), (a[:3], b[:3]), (a[:2], b[:2]), (a @ np.ones((3, 4)), b)):
        found = linalg.lstsq(weft.asarray(left), weft.asarray(right))
        solution, residuals, rank, values = np.linalg.lstsq(left, right)
        _assert_near(found.solution, solution, "float64", 32)
        _assert_near(found.singular_values, values, "float64", 32)
        assert found.rank.item() == rank
        if residuals.size:
            _assert_near(found.residuals, residuals, "float64", 32)
    assert linalg.lstsq(weft.ones(2, 3), weft.ones(2, 1)).residuals.shape == (0,)
    _assert_near(linalg.cond(weft.asarray(a)), np.asarray(np.linalg.cond(a)), "float64", 16)
    for offset in (-2, 0, 1):
        result = linalg.diagonal(weft.asarray(a), offset=offset)
        assert_same_bits(result, np.diagonal(a, offset))


def test_what_has_no_result_is_nan() -> None:
    singular = weft.asarray(np.ones((2, 3, 3)))
    for function in (linalg.inv, linalg.cholesky):
        good = weft.eye(3, dtype="float64") * 2
        both = weft.concat([singular[:1] - 2, weft.stack([good])])
        result = to_numpy(eager_and_jit(function, both))
        assert np.isnan(result[0]).any()
        assert np.isfinite(result[1]).all()
    assert (to_numpy(linalg.det(singular)) == 0).all()
    assert (to_numpy(linalg.slogdet(singular).logabsdet) == -np.inf).all()


GRADIENTS: dict[str, tuple[Callable, Callable]] = {
    "cholesky": (
        lambda x: linalg.cholesky(x @ x.mH + weft.eye(4)),
        lambda x: torch.linalg.cholesky(x @ x.mH + torch.eye(4)),
    ),
    "inv": (linalg.inv, torch.linalg.inv),
    "det": (linalg.det, torch.linalg.det),
    "slogdet": (lambda x: linalg.slogdet(x).logabsdet, lambda x: torch.linalg.slogdet(x).logabsdet),
    "solve": (lambda x: linalg.solve(x, x.mT[:, :2]), lambda x: torch.linalg.solve(x, x.mT[:, :2])),
    "upper": (
        lambda x: linalg.solve_triangular(x, x, upper=True),
        lambda x: torch.linalg.solve_triangular(x, x, upper=True),
    ),
    "unit": (
        lambda x: linalg.solve_triangular(x, x, upper=False, unitriangular=True),
        lambda x: torch.linalg.solve_triangular(x, x, upper=False, unitriangular=True),
    ),
    "lu": (
        lambda x: linalg.lu(x).L + linalg.lu(x).U,
        lambda x: torch.linalg.lu(x).L + torch.linalg.lu(x).U,
    ),
    "qr": (
        lambda x: linalg.qr(x).Q @ linalg.qr(x).R * 2 + linalg.qr(x).R,
        lambda x: torch.linalg.qr(x).Q @ torch.linalg.qr(x).R * 2 + torch.linalg.qr(x).R,
    ),
    "tall": (lambda x: linalg.qr(x[:, :2]).Q, lambda x: torch.linalg.qr(x[:, :2]).Q),
    "wide": (lambda x: linalg.qr(x[:2]).R, lambda x: torch.linalg.qr(x[:2]).R),
    "eigvalsh": (lambda x: linalg.eigvalsh(x + x.mH), lambda x: torch.linalg.eigvalsh(x + x.mH)),
    "eigh": (
        lambda x: weft.abs(linalg.eigh(x + x.mH).eigenvectors) ** 2,
        lambda x: torch.abs(torch.linalg.eigh(x + x.mH).eigenvectors) ** 2,
    ),
    "eig": (
        lambda x: weft.abs(linalg.eig(x).eigenvectors) ** 2 * weft.abs(linalg.eigvals(x)),
        lambda x: (
            torch.abs(torch.linalg.eig(x).eigenvectors) ** 2 * torch.abs(torch.linalg.eigvals(x))
        ),
    ),
    "svdvals": (lambda x: linalg.svdvals(x[:3]), lambda x: torch.linalg.svdvals(x[:3])),
    "svd": (
        lambda x: weft.abs(linalg.svd(x[:3], full_matrices=False).U) ** 2,
        lambda x: torch.abs(torch.linalg.svd(x[:3], full_matrices=False).U) ** 2,
    ),
    "pinv": (lambda x: linalg.pinv(x[:, :3]), lambda x: torch.linalg.pinv(x[:, :3])),
    "nuclear": (
        lambda x: linalg.matrix_norm(x, ord="nuc"),
        lambda x: torch.linalg.matrix_norm(x, ord="nuc"),
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

    def step(x: weft.Tensor) -> list[weft.Tensor]:
        mine = x.clone().detach()
        mine.requires_grad = True
        result = ours(mine)
        weft.real(result * weft.asarray(weights)).sum().backward()
        return [result.detach(), mine.grad]

    result, gradient = eager_and_jit(step, weft.asarray(x))
    wanted = leaf.grad.resolve_conj().numpy()
    np.testing.assert_allclose(to_numpy(result), expected.detach().numpy(), rtol=1e-9, atol=1e-9)
    scale = float(np.abs(wanted).max())
    np.testing.assert_allclose(to_numpy(gradient), wanted, rtol=1e-8, atol=1e-9 * scale)


def test_transformations_and_programs(tmp_path: Path) -> None:
    x = _positive("vmap", (3, 4, 4), "float64")
    mapped = eager_and_jit(weft.vmap(linalg.cholesky), weft.asarray(x))
    assert_same_bits(mapped, linalg.cholesky(weft.asarray(x)))
    right = weft.asarray(_matrix("vmap", (4,), "float64"))
    solved = weft.vmap(linalg.solve, in_axes=(0, None))(weft.asarray(x), right)
    _assert_near(solved, np.linalg.solve(x, to_numpy(right)[:, None])[..., 0], "float64", 16)
    hessian = weft.hessian(lambda x: linalg.slogdet(x).logabsdet)(weft.asarray(x[0]))
    inverse = np.linalg.inv(x[0])
    # The derivative of inv(x)^T by x.
    wanted = -np.einsum("jk,li->ijkl", inverse, inverse)
    np.testing.assert_allclose(to_numpy(hessian), wanted, rtol=1e-9, atol=1e-9)
    exported = weft.export(linalg.inv, weft.spec((4, 4), "float64"))
    exported.save(tmp_path / "inverse.weft")
    assert_same_bits(
        weft.load(tmp_path / "inverse.weft")(weft.asarray(x[0])), linalg.inv(weft.asarray(x[0]))
    )


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: linalg.inv(weft.ones((2, 3))), weft.ShapeError, "inv.*not square"),
        (lambda: linalg.det(weft.ones(3)), weft.ShapeError, "det.*matrix"),
        (
            lambda: linalg.solve(weft.eye(3), weft.ones((2, 2))),
            weft.ShapeError,
            "solve.*do not fit",
        ),
        (lambda: linalg.qr(weft.eye(3), mode="r"), weft.OptionError, "qr: mode"),
        (lambda: linalg.svd(weft.eye(3).half()), weft.DTypeError, "svd.*float16"),
        (lambda: linalg.matrix_norm(weft.eye(3), ord=7), weft.OptionError, "ord is 7"),
        (lambda: linalg.matrix_power(weft.eye(3), 0.5), weft.DTypeError, "matrix_power.*integer"),
        (lambda: linalg.cross(weft.ones(2), weft.ones(2)), weft.ShapeError, "cross.*3 elements"),
    ],
)
def test_errors_name_what_is_wrong(call: Callable, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        call()
    with pytest.raises(error, match=message):
        weft.jit(call)()


def test_matrices_with_nan_have_no_decomposition(capfd: pytest.CaptureFixture) -> None:
    x = weft.asarray(np.array([[np.nan, 2.0], [2.0, 4.0]]))
    for function in (linalg.eigvals, linalg.eigvalsh, linalg.svdvals):
        assert np.isnan(to_numpy(function(x))).all()
    assert np.isnan(to_numpy(linalg.lu(x).U)).any()
    assert capfd.readouterr().err == ""


def test_transforms_alone_need_no_lapack(tmp_path: Path) -> None:
    weft.export(weft.fft.fft, weft.spec((4,), "complex64")).save(tmp_path / "fft.weft")
    weft.export(linalg.inv, weft.spec((2, 2))).save(tmp_path / "inv.weft")
    program = f"""
import sys, weft
loaded = weft.load({str(tmp_path / "fft.weft")!r})
loaded(weft.ones(4, dtype="complex64"))
assert "scipy" not in sys.modules
print(weft.load({str(tmp_path / "inv.weft")!r})(weft.eye(2) * 2)[0, 0].item())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "0.5\n"


def test_an_object_file_of_it_is_refused(tmp_path: Path) -> None:
    program = weft.export(linalg.inv, weft.spec((2, 2)))
    with pytest.raises(weft.UnsupportedError, match="solve is computed by a library"):
        program.compile_object(tmp_path / "inv.o")
    assert not (tmp_path / "inv.o").exists()


def _cofactors(x: np.ndarray) -> np.ndarray:
    """The determinants of what is left of a matrix without a row and a column, signed."""
    n = len(x)
    result = np.empty_like(x)
    for i, j in itertools.product(range(n), repeat=2):
        left = np.delete(np.delete(x, i, 0), j, 1)
        result[i, j] = (-1) ** (i + j) * np.linalg.det(left)
    return result


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_gradient_of_the_determinant_of_singular_matrices(size: int, is_complex: bool) -> None:
    random = np.random.default_rng(size)

    def part(*shape: int) -> np.ndarray:
        x = random.integers(-3, 4, shape).astype(np.float64)
        return x + 1j * random.integers(-3, 4, shape) if is_complex else x

    # Of each rank, beside each other: of whole numbers, so that some are singular to the bit.
    x = np.stack([part(size, rank) @ part(rank, size) for rank in range(size + 1)])
    ours = weft.asarray(x)
    gradient = weft.grad(lambda x: weft.real(linalg.det(x)).sum())
    found = to_numpy(eager_and_jit(gradient, ours))
    _, along = weft.jvp(linalg.det, (ours,), (ours * 2,))
    for i, matrix in enumerate(x):
        wanted = _cofactors(matrix)
        # Each cofactor is a sum of products of so many numbers, of which each has a rounding.
        scale = np.linalg.norm(matrix) ** (size - 1)
        np.testing.assert_allclose(found[i], wanted.conj(), rtol=0, atol=64 * scale * 2.0**-53)
        change = (wanted * matrix * 2).sum()
        tolerance = 64 * size * scale * np.linalg.norm(matrix) * 2.0**-53
        np.testing.assert_allclose(to_numpy(along)[i], change, rtol=0, atol=tolerance)
    mapped = to_numpy(weft.vmap(gradient)(ours))
    np.testing.assert_array_equal(mapped, found)


def test_second_derivative_of_the_determinant() -> None:
    x = np.random.default_rng(0).normal(size=(3, 3))
    found = weft.hessian(linalg.det)(weft.asarray(x))
    wanted = torch.autograd.functional.hessian(torch.linalg.det, torch.from_numpy(x))
    np.testing.assert_allclose(to_numpy(found), wanted.numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("shape", [(4, 3), (3, 5), (2, 2, 4), (1, 3)])
def test_singular_values_of_the_full_svd_have_a_gradient(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).normal(size=shape)
    weights = np.arange(1.0, 1 + min(shape[-2:]))
    found = weft.grad(lambda x: (linalg.svd(x).S * weft.asarray(weights)).sum())(weft.asarray(x))
    leaf = torch.from_numpy(x).requires_grad_()
    (torch.linalg.svdvals(leaf) * torch.from_numpy(weights)).sum().backward()
    np.testing.assert_allclose(to_numpy(found), leaf.grad.numpy(), rtol=1e-10, atol=1e-12)
    u, _, vh = linalg.svd(weft.asarray(x).requires_grad_())
    assert not u.requires_grad
    assert not vh.requires_grad

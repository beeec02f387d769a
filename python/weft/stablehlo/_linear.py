"""Rules for linear algebra and Fourier transforms, and for the LAPACK calls that JAX writes."""

from __future__ import annotations

import math

from .._core import Tensor
from ._rules import Call, rule
from ._weft import weft


@rule("stablehlo.fft")
def fft(call: Call, x: Tensor) -> Tensor:
    """Over the last dimensions, as many as there are lengths."""
    lengths = call["fft_length"]
    axes = tuple(range(x.ndim - len(lengths), x.ndim))
    kind = call["fft_type"]
    if kind == "FFT":
        return weft.fft.fftn(x, axes=axes)
    if kind == "IFFT":
        return weft.fft.ifftn(x, axes=axes)
    function = weft.fft.rfftn if kind == "RFFT" else weft.fft.irfftn
    return function(x, s=tuple(lengths), axes=axes)


def _factor(x: Tensor, lower: bool) -> Tensor:
    """The Cholesky factor from one triangle; the other is not read."""
    whole = weft.tril(x) if lower else weft.triu(x)
    strict = weft.tril(x, k=-1) if lower else weft.triu(x, k=1)
    turned = weft.matrix_transpose(strict)
    whole = whole + (weft.conj(turned) if x.dtype.kind == "complex" else turned)
    return weft.linalg.cholesky(whole, upper=not lower)


@rule("stablehlo.cholesky")
def cholesky(call: Call, x: Tensor) -> Tensor:
    return _factor(x, bool(call.get("lower", False)))


@rule("stablehlo.triangular_solve")
def triangular_solve(call: Call, a: Tensor, b: Tensor) -> Tensor:
    transpose = call["transpose_a"]
    options = {name: bool(call[name]) for name in ("left_side", "lower", "unit_diagonal")}
    return _solved(a, b, transposed=transpose, **options)


def _solved(
    a: Tensor, b: Tensor, *, transposed: str, left_side: bool, lower: bool, unit_diagonal: bool
) -> Tensor:
    if transposed != "NO_TRANSPOSE":
        a = weft.matrix_transpose(a)
        lower = not lower
        if transposed == "ADJOINT" and a.dtype.kind == "complex":
            a = weft.conj(a)
    return weft.linalg.solve_triangular(
        a, b, upper=not lower, left=left_side, unitriangular=unit_diagonal
    )


_LETTERS = ("s", "d", "c", "z")


def lapack(name: str) -> list[str]:
    """The calls of a routine for each dtype."""
    return [f"stablehlo.custom_call @lapack_{letter}{name}_ffi" for letter in _LETTERS]


@rule(*lapack("potrf"))
def potrf(call: Call, x: Tensor) -> tuple:
    """The factor, and zero: where there is none it is NaN already."""
    lower = call["mhlo.backend_config"]["uplo"] == ord("L")
    kind = call.op.types[1]
    return _factor(x, lower), weft.zeros(kind.shape, dtype=kind.dtype)


@rule(*lapack("trsm"))
def trsm(call: Call, a: Tensor, b: Tensor) -> Tensor:
    options = {key: chr(value) for key, value in call["mhlo.backend_config"].items()}
    kinds = {"N": "NO_TRANSPOSE", "T": "TRANSPOSE", "C": "ADJOINT"}
    return _solved(
        a,
        b,
        transposed=kinds[options["trans_x"]],
        left_side=options["side"] == "L",
        lower=options["uplo"] == "L",
        unit_diagonal=options["diag"] == "U",
    )


def _no_trouble(call: Call, number: int) -> Tensor:
    """LAPACK's info: weft says what has no result by NaN."""
    kind = call.op.types[number]
    return weft.zeros(kind.shape, dtype=kind.dtype)


@rule(*lapack("syevd"), *(name.replace("syevd", "heevd") for name in lapack("syevd")))
def syevd(call: Call, x: Tensor) -> tuple:
    """Eigenvectors and eigenvalues, by one triangle."""
    options = call["mhlo.backend_config"]
    is_lower = options["uplo"] == ord("L")
    triangle = weft.tril(x) if is_lower else weft.triu(x)
    strict = weft.matrix_transpose(weft.tril(x, k=-1) if is_lower else weft.triu(x, k=1))
    whole = triangle + (weft.conj(strict) if x.dtype.kind == "complex" else strict)
    values, vectors = weft.linalg.eigh(whole)
    return vectors, values, _no_trouble(call, 2)


@rule(*lapack("gesdd"))
def gesdd(call: Call, x: Tensor) -> tuple:
    """What is left of the matrix, singular values, both matrices of vectors."""
    mode = chr(call["mhlo.backend_config"]["mode"])
    kinds = call.op.types
    if mode == "N":
        left, right = (weft.zeros(kind.shape, dtype=kind.dtype) for kind in kinds[2:4])
        return x, weft.linalg.svdvals(x), left, right, _no_trouble(call, 4)
    left, values, right = weft.linalg.svd(x, full_matrices=mode == "A")
    return x, values, left, right, _no_trouble(call, 4)


@rule(*lapack("getrf"))
def getrf(call: Call, x: Tensor) -> tuple:
    """Both factors in one matrix, and with which row each was exchanged, counted from one."""
    permutation, lower, upper = weft.linalg.lu(x)
    size, kind = x.shape[-1], call.op.types[1]
    if size == 0:
        return x, weft.zeros(kind.shape, dtype=kind.dtype), _no_trouble(call, 2)
    flat = weft.reshape(permutation != 0, (math.prod(x.shape[:-2]), size, size))
    rows = weft.argmax(flat.astype("int8"), axis=1).astype("int64")
    numbers = weft.arange(size, dtype="int64")

    def exchange(order: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
        """Row ``place`` of the result is where the wanted row is now."""
        wanted = weft.take(rows, weft.reshape(place, (1,)), axis=1)
        there = weft.argmax((order == wanted).astype("int64"), axis=1, keepdims=True)
        now = weft.take(order, weft.reshape(place, (1,)), axis=1)
        order = weft.where(numbers == there, now, order)
        return weft.where(numbers == place, wanted, order), there[:, 0] + 1

    start = weft.broadcast_to(numbers, rows.shape)
    _, pivots = weft.scan(exchange, start, numbers)
    pivots = weft.reshape(weft.permute_dims(pivots, (1, 0)), kind.shape).astype(kind.dtype)
    return weft.tril(lower, k=-1) + upper, pivots, _no_trouble(call, 2)

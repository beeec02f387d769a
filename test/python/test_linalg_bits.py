"""No bit of a decomposition depends on what else of it a program reads, or computes beside it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import weft
from numerics import assert_same_bits
from weft import linalg

DTYPES = ["float32", "float64", "complex64", "complex128"]
#: Around the sizes at which LAPACK changes its algorithms, too.
SQUARE = [(1, 1), (2, 3, 3), (7, 7), (27, 27), (0, 0)]
RECTANGULAR = [(1, 4, 3), (3, 7), (5, 5), (30, 8), (8, 60), (0, 3)]

Function = Callable[[weft.Tensor], Sequence[weft.Tensor]]


def _hermitian(x: weft.Tensor) -> weft.Tensor:
    return x + weft.conj(x.mT)


FUNCTIONS: dict[str, Function] = {
    "svd": lambda x: linalg.svd(x),
    "svd of few": lambda x: linalg.svd(x, full_matrices=False),
    "svdvals": lambda x: (linalg.svdvals(x),),
    "pinv": lambda x: (linalg.pinv(x),),
    "matrix_rank": lambda x: (linalg.matrix_rank(x),),
    "qr": lambda x: linalg.qr(x),
    "complete qr": lambda x: linalg.qr(x, mode="complete"),
}
OF_SQUARE: dict[str, Function] = {
    **FUNCTIONS,
    "eigh": lambda x: linalg.eigh(_hermitian(x)),
    "eigvalsh": lambda x: (linalg.eigvalsh(_hermitian(x)),),
    "eig": lambda x: linalg.eig(x),
    "eigvals": lambda x: (linalg.eigvals(x),),
    "lu": lambda x: linalg.lu(x),
    "slogdet": lambda x: linalg.slogdet(x),
}


def _drawn(shape: tuple[int, ...], dtype: str) -> weft.Tensor:
    random = np.random.default_rng([*shape, len(dtype)])
    x = random.normal(0, 1, shape)
    return weft.asarray(
        (x + 1j * random.normal(0, 1, shape) if "complex" in dtype else x).astype(dtype)
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [*SQUARE, *RECTANGULAR], ids=str)
def test_one_result_alone(shape: tuple[int, ...], dtype: str) -> None:
    x = _drawn(shape, dtype)
    for function in (OF_SQUARE if shape in SQUARE else FUNCTIONS).values():
        for place, wanted in enumerate(function(x)):
            found = weft.jit(lambda x, f=function, place=place: f(x)[place])(x)
            assert_same_bits(found, wanted.numpy())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 4, 3), (3, 3), (27, 27)], ids=str)
def test_two_functions_of_one_matrix(shape: tuple[int, ...], dtype: str) -> None:
    x = _drawn(shape, dtype)
    functions = OF_SQUARE if shape[-1] == shape[-2] else FUNCTIONS
    eager = {name: function(x) for name, function in functions.items()}
    for first, second in itertools.combinations(functions, 2):
        both = weft.jit(lambda x, f=functions[first], g=functions[second]: (*f(x), *g(x)))(x)
        for found, wanted in zip(both, (*eager[first], *eager[second]), strict=True):
            assert_same_bits(found, wanted.numpy())

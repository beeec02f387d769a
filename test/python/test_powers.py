"""Powers with fixed exponents: special values, bits, gradients."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import weft
from numerics import as_bits, assert_same_bits, numpy_dtype

EXPONENTS = [-2, -1, -0.5, 0, 0.5, 1, 2, 3, 4]
#: The largest error in units in the last place (docs/numerics.md).
BOUNDS = {0: 0, 1: 0, 2: 0.5, -1: 0.5, 0.5: 0.5, 3: 1.5, -0.5: 1.5, 4: 2.5, -2: 2.5}
FLOATS = ["float16", "bfloat16", "float32", "float64"]
SPECIAL = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 2.0, -2.0, 0.5, -3.0]


def _bases(dtype: str) -> np.ndarray:
    random = np.random.default_rng(5).standard_normal(500)
    return np.concatenate([SPECIAL, random, random * 30]).astype(numpy_dtype(dtype))


def _ways(exponent: float) -> dict[str, Callable[[weft.Tensor], weft.Tensor]]:
    """The ways to write a power with an exponent, which must give the same bits."""

    def in_place(x: weft.Tensor) -> weft.Tensor:
        x = weft.array(x)
        x **= exponent
        return x

    return {
        "operator": lambda x: x**exponent,
        "function": lambda x: weft.pow(x, exponent),
        "in place": in_place,
        "compiled": weft.jit(lambda x: x**exponent),
        "float": lambda x: x ** float(exponent) if x.dtype.kind != "integer" else x**exponent,
        "tensor": lambda x: weft.pow(x, weft.full(x.shape, exponent, dtype=x.dtype)),
        "compiled tensor": weft.jit(lambda x: x ** weft.full((), exponent, dtype=x.dtype)),
        "an argument": lambda x: weft.jit(lambda t, n: t**n)(x, exponent),
        "an argument tensor": lambda x: weft.jit(lambda t, n: t**n)(
            x, weft.full((), exponent, dtype=x.dtype)
        ),
        "by the general kernel": lambda x: _mixed(x, exponent),
    }


def _mixed(x: weft.Tensor, exponent: float) -> weft.Tensor:
    """A tensor of exponents of which some are others."""
    exponents = np.full((2, *x.shape), exponent).astype(x.numpy().dtype)
    exponents[1] = 1
    both = weft.broadcast_to(x, exponents.shape) ** weft.asarray(exponents)
    return both[0]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("exponent", EXPONENTS)
def test_powers_are_those_of_numpy_however_they_are_written(dtype: str, exponent: float) -> None:
    x = _bases(dtype)
    result = (weft.asarray(x) ** exponent).numpy()
    with np.errstate(all="ignore"):
        # np.power, not the operator: that takes the root of -inf for a power of it.
        wide = np.power(x.astype(np.longdouble), np.longdouble(exponent))
    narrow = wide.astype(x.dtype)
    exact = ~np.isfinite(narrow) | (narrow == 0)
    np.testing.assert_array_equal(as_bits(result)[exact], as_bits(narrow)[exact])
    unit = np.spacing(np.abs(narrow[~exact])).astype(np.longdouble)
    error = np.abs(result[~exact].astype(np.longdouble) - wide[~exact]) / unit
    assert error.max() <= (BOUNDS[exponent] if x.dtype.itemsize > 2 else 0.5 + 1e-3)
    for name, function in _ways(exponent).items():
        assert_same_bits(function(weft.asarray(x)), result, name)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "int64"])
@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 4])
def test_powers_of_integers_wrap_as_numpys(dtype: str, exponent: int) -> None:
    x = np.arange(-100, 100).astype(dtype)
    expected = np.power(x, np.asarray(exponent, dtype))
    for name, function in _ways(exponent).items():
        result = function(weft.asarray(x))
        assert result.dtype.name == dtype or name == "an argument"
        assert_same_bits(result.astype(dtype), expected, name)


def test_promotion_is_that_of_other_powers() -> None:
    integers, flags = weft.asarray(np.arange(3)), weft.asarray(np.array([True, False]))
    assert (integers**2).dtype is weft.int64
    assert (integers**2.0).dtype is weft.float32
    assert (integers**0.5).dtype is weft.float32
    assert (flags**2).dtype is weft.pow(flags, weft.asarray(2)).dtype
    half = weft.ones(2, dtype=weft.float16)
    assert (half**2).dtype is weft.float16
    assert (2**half).dtype is weft.float16


@pytest.mark.parametrize(
    ("exponent", "at_zero", "at_two"),
    [(0, 0, 0), (1, 1, 1), (2, 0, 4), (3, 0, 12), (4, 0, 32), (0.5, np.inf, 0.5 / np.sqrt(2))]
    + [(-1, -np.inf, -0.25), (-2, -np.inf, -0.25), (-0.5, -np.inf, -0.5 * 2**-1.5)],
)
def test_gradients_of_powers(exponent: float, at_zero: float, at_two: float) -> None:
    x = weft.asarray(np.array([0.0, 2.0]))

    def written(t: weft.Tensor) -> weft.Tensor:
        return weft.sum(t**exponent)

    gradient = weft.grad(written)(x)
    np.testing.assert_allclose(gradient.numpy(), [at_zero, at_two], rtol=2**-50)
    assert_same_bits(weft.jit(weft.grad(written))(x), gradient)
    leaf = weft.array(x)
    leaf.requires_grad = True
    written(leaf).backward()
    assert_same_bits(leaf.grad, gradient)
    # An exponent that is not known while the gradient is made gives the same.
    unknown = weft.jit(weft.grad(lambda t, n: weft.sum(t**n)))
    assert_same_bits(unknown(x, exponent), gradient)


def test_second_derivatives_of_powers() -> None:
    x = weft.asarray(np.array([0.0, 1.5]))
    for exponent, expected in [(2, [2.0, 2.0]), (3, [0.0, 9.0]), (4, [0.0, 27.0]), (1, [0.0, 0.0])]:
        first = weft.grad(lambda t, n=exponent: weft.sum(t**n))
        second = weft.grad(lambda t, first=first: weft.sum(first(t)))
        assert_same_bits(second(x), np.array(expected))


def test_a_square_is_as_cheap_as_a_product() -> None:
    """No logarithm is left in the kernel."""
    lowered = weft.jit(lambda x: x**2 + x**-1 + x**0.5).lower(weft.ones(8))
    assert "math.powf" not in lowered.ir("kernels")
    assert "weft.pow " not in lowered.ir("kernels")
    assert lowered.ir("kernels").count("weft.fixed_pow") == 3

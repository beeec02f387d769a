"""lgamma, digamma, erfinv, and the normal distribution's shares against SciPy."""

from __future__ import annotations

import decimal
import math
from collections.abc import Callable

import numpy as np
import pytest
import weft
from numerics import UNIT_ROUNDOFF, assert_same_bits, eager_and_jit, to_numpy
from scipy import special
from weft import _special

_RANDOM = np.random.default_rng(0)
_POSITIVE = np.concatenate([np.exp(_RANDOM.uniform(-30, 30, 400)), np.arange(1, 40) / 2])
_NEGATIVE = -np.floor(_RANDOM.uniform(0, 40, 200)) - _RANDOM.uniform(0.05, 0.95, 200)
_SHARES = np.concatenate([10.0 ** _RANDOM.uniform(-300, 0, 300), _RANDOM.uniform(0, 1, 300)])

ROWS: dict[str, tuple[Callable, Callable, np.ndarray, float]] = {
    # name: (ours, SciPy's, arguments, error in units of the larger of the result and 1)
    "lgamma": (weft.lgamma, special.gammaln, np.concatenate([_POSITIVE, _NEGATIVE]), 32),
    "digamma": (weft.digamma, special.digamma, np.concatenate([_POSITIVE, _NEGATIVE]), 200),
    "erfinv": (weft.erfinv, special.erfinv, _RANDOM.uniform(-1, 1, 500), 16),
    "ndtri": (_special.ndtri, special.ndtri, _SHARES, 16),
}


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
@pytest.mark.parametrize("name", ROWS)
def test_values(name: str, dtype: str) -> None:
    function, reference, values, units = ROWS[name]
    x = weft.asarray(values).astype(dtype)
    exact = np.asarray(to_numpy(x), np.float64)
    found = eager_and_jit(function, x)
    assert found.dtype == dtype
    with np.errstate(over="ignore"):
        expected = to_numpy(weft.asarray(reference(exact)).astype(dtype)).astype(np.float64)
    # One rounding on both sides where the dtype is narrow.
    allowed = (units if dtype == "float64" else 2) * 2 * UNIT_ROUNDOFF[dtype]
    got = to_numpy(found).astype(np.float64)
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(got[~finite], expected[~finite])
    got, expected = got[finite], expected[finite]
    error = np.abs(got - expected) / np.maximum(np.abs(expected), 1)
    assert error.max() <= allowed, (exact[finite][error.argmax()], error.max() / allowed)


def test_small_results_keep_their_digits() -> None:
    x = 10.0 ** _RANDOM.uniform(-300, -1, 300)
    np.testing.assert_allclose(weft.erfinv(weft.asarray(x)).numpy(), special.erfinv(x), rtol=2e-15)


def test_the_rest_of_stirlings_formula() -> None:
    """Against 50 digits; what is moved up is a difference of terms of up to 30."""
    decimal.getcontext().prec = 50
    whole = [1, 2, 3, 5, 7, 8, 9, 20, 400, 100_000]
    pi = decimal.Decimal("3.14159265358979323846264338327950288419716939937510")
    exact = []
    for x in map(decimal.Decimal, whole):
        factorial = decimal.Decimal(math.factorial(int(x) - 1)) if x < 1000 else None
        if factorial is None:
            exact.append(1 / (12 * x) - 1 / (360 * x**3))
        else:
            main = (x - decimal.Decimal("0.5")) * x.ln() - x + (2 * pi).ln() / 2
            exact.append(factorial.ln() - main)
    found = _special.stirling_error(weft.asarray(whole, dtype="float64")).numpy()
    error = np.abs(found - np.array([float(x) for x in exact]))
    assert error[:5].max() < 1e-14
    assert error[5:].max() < 2e-15


def test_edges() -> None:
    inf, nan = np.inf, np.nan
    poles = weft.asarray([0.0, -0.0, -1.0, -17.0, inf, 1.0, 2.0])
    assert weft.lgamma(poles).tolist()[:5] == [inf] * 5
    assert np.abs(weft.lgamma(poles).numpy()[5:]).max() < 1e-14
    poles = weft.digamma(weft.asarray([0.0, -1.0, -17.0])).numpy()
    np.testing.assert_array_equal(poles, [-inf, nan, nan])
    outside = weft.erfinv(weft.asarray([-1.0, 1.0, 0.0, 1.5, -1.01, nan])).numpy()
    np.testing.assert_array_equal(outside, [-inf, inf, 0.0, nan, nan, nan])
    shares = _special.ndtri(weft.asarray([0.0, 1.0, 0.5, -0.1, 1.1, nan])).numpy()
    np.testing.assert_array_equal(shares, [-inf, inf, 0.0, nan, nan, nan])
    assert weft.lgamma(weft.asarray([1, 5])).dtype == "float32"


@pytest.mark.parametrize("shape", [(), (0,), (1, 3)])
def test_shapes_and_methods(shape: tuple[int, ...]) -> None:
    x = weft.full(shape, 0.75)
    for name in ("lgamma", "digamma", "erfinv"):
        expected = getattr(weft, name)(x)
        assert expected.shape == shape
        assert_same_bits(getattr(x, name)(), expected)
        assert_same_bits(getattr(x.clone(), f"{name}_")(), expected)


def test_gradients() -> None:
    x = weft.asarray(np.concatenate([_RANDOM.uniform(0.1, 20, 100), _NEGATIVE[:50]]))
    slope = weft.grad(lambda x: weft.sum(weft.lgamma(x)))(x).numpy()
    np.testing.assert_allclose(slope, special.digamma(x.numpy()), rtol=2e-12, atol=2e-12)
    slope = weft.grad(lambda x: weft.sum(weft.digamma(x)))(x).numpy()
    positive = x.numpy() > 0
    expected = special.polygamma(1, x.numpy())
    np.testing.assert_allclose(slope[positive], expected[positive], rtol=2e-12)
    y = weft.asarray(_RANDOM.uniform(-0.999, 0.999, 100))
    slope = weft.grad(lambda y: weft.sum(weft.erfinv(y)))(y).numpy()
    expected = np.sqrt(np.pi) / 2 * np.exp(special.erfinv(y.numpy()) ** 2)
    np.testing.assert_allclose(slope, expected, rtol=1e-12)

"""`weft.special` against mpmath, in units in the last place, and against SciPy and PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import mpmath as mp
import numpy as np
import pytest
import torch
import weft
from numerics import UNIT_ROUNDOFF, assert_same_bits, eager_and_jit, to_numpy
from scipy import special as scipy_special
from weft import special

_RANDOM = np.random.default_rng(0)


def _points(low: float, high: float, count: int = 60) -> np.ndarray:
    """Evenly, and in powers towards 0."""
    even = _RANDOM.uniform(low, high, count)
    small = 10.0 ** _RANDOM.uniform(-20, np.log10(high), count // 3)
    return np.concatenate(
        [even, small if low == 0 else small * _RANDOM.choice([-1, 1], count // 3)]
    )


def _envelope(x: float, exact: float) -> float:
    return min(1.0, abs(x) ** -0.5)


def _larger(x: float, exact: float) -> float:
    return max(abs(exact), _envelope(x, exact))


def _of_airy(x: float, exact: float) -> float:
    size = exact if x > 0 else max(abs(x), 1) ** -0.25
    return size * (1 + 2 / 3 * abs(x) ** 1.5)


class Row(NamedTuple):
    exact: Callable[[Any], Any]
    points: np.ndarray
    #: The error in units in the last place of `scale`, which is the result unless said.
    units: float
    scale: Callable[[float, float], float] = lambda x, exact: exact


def _below(x: Any) -> Any:
    return mp.erfc(-x / mp.sqrt(2)) / 2


def _erfcx(x: Any) -> Any:
    if x < 50:
        return mp.exp(x * x) * mp.erfc(x)
    terms = ((-1) ** n * mp.fac2(2 * n - 1) / (2 * x * x) ** n for n in range(16))
    return mp.fsum(terms) / (x * mp.sqrt(mp.pi))


ROWS = {
    "erfc": Row(mp.erfc, _points(-6, 27), 8),
    "erfcx": Row(_erfcx, np.concatenate([_points(-20, 60), 10.0 ** _RANDOM.uniform(2, 150, 9)]), 8),
    "ndtr": Row(_below, _points(-37.5, 8), 8),
    "log_ndtr": Row(
        lambda x: mp.log(_below(x)) if x < 5 else mp.log1p(-_below(-x)), _points(-60, 30), 8
    ),
    "i0": Row(lambda x: mp.besseli(0, x), _points(-16, 16), 8),
    "i1": Row(lambda x: mp.besseli(1, x), _points(-16, 16), 16),
    "i0e": Row(lambda x: mp.exp(-abs(x)) * mp.besseli(0, x), _points(-500, 500), 8),
    "i1e": Row(lambda x: mp.exp(-abs(x)) * mp.besseli(1, x), _points(-500, 500), 8),
    "modified_bessel_k0": Row(lambda x: mp.besselk(0, x), _points(0, 16), 16),
    "modified_bessel_k1": Row(lambda x: mp.besselk(1, x), _points(0, 16), 16),
    "scaled_modified_bessel_k0": Row(lambda x: mp.exp(x) * mp.besselk(0, x), _points(0, 300), 16),
    "scaled_modified_bessel_k1": Row(lambda x: mp.exp(x) * mp.besselk(1, x), _points(0, 300), 16),
    "bessel_j0": Row(lambda x: mp.besselj(0, x), _points(-40, 40, 150), 8, _envelope),
    "bessel_j1": Row(lambda x: mp.besselj(1, x), _points(-1e6, 1e6, 150), 8, _envelope),
    "bessel_y0": Row(lambda x: mp.bessely(0, x), _points(0, 1e6, 150), 16, _larger),
    "bessel_y1": Row(lambda x: mp.bessely(1, x), _points(0, 40, 150), 16, _larger),
    "spherical_bessel_j0": Row(mp.sinc, _points(-20, 20), 2, lambda x, exact: 1.0),
    "airy_ai": Row(mp.airyai, np.concatenate([_points(-4, 2), _points(-90, 90)]), 32, _of_airy),
}


def _exact(function: Callable[[Any], Any], x: np.ndarray) -> list[Any]:
    with mp.workdps(40):
        return [function(mp.mpf(float(value))) for value in x]


@pytest.mark.parametrize("name", ROWS)
def test_errors_in_units_in_the_last_place(name: str) -> None:
    row = ROWS[name]
    found = to_numpy(eager_and_jit(getattr(special, name), weft.asarray(row.points)))
    for x, value, exact in zip(row.points, found, _exact(row.exact, row.points)):
        unit = np.spacing(abs(row.scale(x, float(exact))))
        assert abs(value - exact) <= row.units * unit, (x, value, float(exact))


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "int32"])
@pytest.mark.parametrize("name", ROWS)
def test_narrow_dtypes_are_rounded_once(name: str, dtype: str) -> None:
    """To within a unit of float64's: what it has is rounded, and so is the reference."""
    x = np.clip(np.abs(ROWS[name].points[:40]), 1, 30)
    given = weft.asarray(x).astype(dtype)
    found = getattr(special, name)(given)
    result = "float32" if dtype == "int32" else dtype
    assert found.dtype == result
    wide = getattr(special, name)(given.astype("float64"))
    assert_same_bits(found, wide.astype(result))


@pytest.mark.parametrize("name", [name for name in ROWS if name != "airy_ai"])
def test_derivatives(name: str) -> None:
    """Of first and second order, against mpmath's differences of 40 digits."""
    row = ROWS[name]
    x = np.array([0.03, 0.4, 0.9, 1.7, 3.3, 7.5, 9.25, 21.0])
    x = np.concatenate([x, -x]) if row.points.min() < 0 else x
    function = getattr(special, name)
    slope = weft.grad(lambda x: weft.sum(function(x)))
    found = to_numpy(eager_and_jit(slope, weft.asarray(x)))
    curve = to_numpy(weft.grad(lambda x: weft.sum(slope(x)))(weft.asarray(x)))
    for order, values in ((1, found), (2, curve)):
        exact = np.array([float(mp.diff(row.exact, mp.mpf(v), order)) for v in x])
        size = np.array([float(abs(row.exact(mp.mpf(v)))) for v in x]) + np.abs(exact)
        assert (np.abs(values - exact) <= 1e-12 * 1e3 ** (order - 1) * np.maximum(size, 1e-3)).all()


@pytest.mark.parametrize("shape", [(), (0,), (1, 3), (2, 0)])
@pytest.mark.parametrize("name", ROWS)
def test_shapes_and_mapping(name: str, shape: tuple[int, ...]) -> None:
    x = weft.full(shape, 1.25)
    function = getattr(special, name)
    result = eager_and_jit(function, x)
    assert result.shape == shape
    if shape:
        assert_same_bits(weft.vmap(function)(x), result)


def test_edges_of_one_operand() -> None:
    inf, nan = np.inf, np.nan
    x = np.array([0.0, -0.0, inf, -inf, nan, -1.0, 1e300, -1e300, 800.0, 5e-324])
    pairs = {
        "erfc": scipy_special.erfc,
        "erfcx": scipy_special.erfcx,
        "ndtr": scipy_special.ndtr,
        # SciPy has none of what is infinite.
        "i0": lambda x: np.where(np.isinf(x), np.inf, scipy_special.i0(x)),
        "i1": lambda x: np.where(np.isinf(x), x, scipy_special.i1(x)),
        "i0e": scipy_special.i0e,
        "i1e": scipy_special.i1e,
        "modified_bessel_k0": scipy_special.k0,
        "modified_bessel_k1": scipy_special.k1,
        "scaled_modified_bessel_k0": scipy_special.k0e,
        "scaled_modified_bessel_k1": scipy_special.k1e,
        "entr": scipy_special.entr,
        "spherical_bessel_j0": lambda x: scipy_special.spherical_jn(0, x),
    }
    for name, reference in pairs.items():
        given = x[:8] if name == "spherical_bessel_j0" else x
        found = to_numpy(getattr(special, name)(weft.asarray(given)))
        np.testing.assert_allclose(found, reference(given), rtol=1e-14, atol=1e-300, err_msg=name)
    few = np.array([0.0, inf, -1.0, nan])
    for name, reference in {
        "bessel_y0": scipy_special.y0,
        "bessel_y1": scipy_special.y1,
        "bessel_j0": scipy_special.j0,
        "bessel_j1": scipy_special.j1,
    }.items():
        found = to_numpy(getattr(special, name)(weft.asarray(few)))
        wanted = np.where(np.isinf(few), 0, reference(few))
        np.testing.assert_allclose(found, wanted, rtol=1e-14, atol=1e-300, err_msg=name)
    assert special.airy_ai(weft.asarray([inf, -inf, 1e300])).tolist() == [0, 0, 0]


# Two operands ------------------------------------------------------------------------------------


def _gamma_points(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Everywhere, and near each other; up to 200 for a, where mpmath and SciPy are exact enough."""
    a = 10.0 ** _RANDOM.uniform(-6, 2.3, count)
    x = a * 10.0 ** _RANDOM.uniform(-1.5, 1.5, count)
    near = np.abs(a * (1 + 2 * _RANDOM.normal(size=count) / np.sqrt(a)))
    return a, np.where(_RANDOM.random(count) < 0.5, near, x)


def test_shares_of_the_gamma_function() -> None:
    a, x = _gamma_points(250)
    lower = to_numpy(eager_and_jit(special.gammainc, weft.asarray(a), weft.asarray(x)))
    upper = to_numpy(eager_and_jit(special.gammaincc, weft.asarray(a), weft.asarray(x)))
    with mp.workdps(40):
        for one, other, below, above in zip(map(mp.mpf, a), map(mp.mpf, x), lower, upper):
            for found, ends in ((below, (0, other)), (above, (other, mp.inf))):
                exact = mp.gammainc(one, *ends, regularized=True)
                if exact > 1e-290:
                    assert abs(found - exact) <= 1e-12 * exact, (float(one), float(other))


def test_shares_of_large_gamma_functions() -> None:
    """By the series to 50 digits, in which Temme's expansion has no part."""
    for a in (2e3, 8e5):
        for x in (a - 4.9 * a**0.5, a, a + 4 * a**0.5):
            with mp.workdps(50):
                term, total, n = mp.mpf(1), mp.mpf(1), 1
                while term > total * mp.mpf(10) ** -45:
                    term *= mp.mpf(x) / (a + n)
                    total, n = total + term, n + 1
                exact = total * mp.exp(a * mp.log(x) - x - mp.loggamma(mp.mpf(a) + 1))
                found = special.gammainc(*(weft.asarray(v, dtype="float64") for v in (a, x)))
                assert abs(found.item() - exact) <= 1e-13 * exact
                found = special.gammaincc(*(weft.asarray(v, dtype="float64") for v in (a, x)))
                assert abs(found.item() - (1 - exact)) <= 1e-12 * (1 - exact)


def test_edges_and_derivatives_of_shares() -> None:
    a = np.array([0.0, 0, 1, 1, np.inf, -1, 1, np.nan, np.inf])
    x = np.array([1.0, 0, 0, np.inf, 1, 1, -1, 1, np.inf])
    for ours, theirs in (
        (special.gammainc, scipy_special.gammainc),
        (special.gammaincc, scipy_special.gammaincc),
    ):
        np.testing.assert_array_equal(
            to_numpy(ours(weft.asarray(a), weft.asarray(x))), theirs(a, x)
        )
    a, x = _gamma_points(200)
    leaf = torch.tensor(x, requires_grad=True)
    for name in ("gammainc", "gammaincc"):
        (wanted,) = torch.autograd.grad(
            getattr(torch.special, name)(torch.tensor(a), leaf).sum(), leaf
        )
        slope = weft.grad(lambda a, x: weft.sum(getattr(special, name)(a, x)), argnums=1)
        found = to_numpy(eager_and_jit(slope, weft.asarray(a), weft.asarray(x)))
        np.testing.assert_allclose(found, wanted.numpy(), rtol=1e-11, atol=1e-300)
    both = weft.asarray(a), weft.asarray(x)
    mapped = weft.vmap(special.gammainc)(*both)
    assert_same_bits(mapped, special.gammainc(*both))
    assert special.gammainc(weft.ones((2, 1)), weft.ones(3)).shape == (2, 3)
    assert special.gammainc(weft.ones((0,), dtype="int32"), 1).dtype == "float32"


def _slope_points() -> tuple[np.ndarray, np.ndarray]:
    """`_gamma_points`; whole a, of which fractions end; and a and x that are equal."""
    a, x = _gamma_points(120)
    whole = np.repeat(np.arange(1.0, 16), 8)
    small = 10.0 ** _RANDOM.uniform(-5, 0, 40)
    equal = np.array([1.0, 2, 20.5, 100, 150.25])
    return (
        np.concatenate([a, whole, small, equal]),
        np.concatenate(
            [x, whole * 10 ** _RANDOM.uniform(0, 1, 120), _RANDOM.uniform(1.1, 3, 40), equal]
        ),
    )


def test_derivatives_of_shares_for_the_first_argument() -> None:
    """Against mpmath's differences of 40 digits: of the share that is small, so that they have them
    all; in reverse and forward mode, in single precision, and mixed with the derivative for x."""
    a, x = _slope_points()
    both = weft.asarray(a), weft.asarray(x)
    slopes = {
        f.__name__: weft.grad(lambda a, x, f=f: weft.sum(f(a, x)))
        for f in (special.gammainc, special.gammaincc)
    }
    found = to_numpy(eager_and_jit(slopes["gammainc"], *both))
    with mp.workdps(40):
        exact = []
        for one, other in zip(map(mp.mpf, a), map(mp.mpf, x)):
            ends = (0, other) if other < one else (other, mp.inf)
            slope = mp.diff(lambda s, e=ends: mp.gammainc(s, *e, regularized=True), one, h=1e-15)
            exact.append(slope if other < one else -slope)
        density = [
            mp.diff(lambda s, v=v: v ** (s - 1) * mp.exp(-v) / mp.gamma(s), s)
            for s, v in zip(map(mp.mpf, a), map(mp.mpf, x))
        ]
    wanted = np.array(exact, float)
    np.testing.assert_allclose(found, wanted, rtol=1e-11, atol=1e-290)
    assert_same_bits(slopes["gammaincc"](*both), -found)
    along = weft.jvp(lambda a: special.gammainc(a, both[1]), (both[0],), (weft.ones_like(both[0]),))
    assert_same_bits(along[1], found)
    narrow = [operand.astype("float32") for operand in both]
    rounded = slopes["gammainc"](*(operand.astype("float64") for operand in narrow))
    assert_same_bits(slopes["gammainc"](*narrow), rounded.astype("float32"))
    mixed = weft.grad(lambda x: weft.sum(slopes["gammainc"](both[0], x)))
    np.testing.assert_allclose(
        to_numpy(mixed(both[1])), np.array(density, float), rtol=1e-11, atol=1e-290
    )
    with pytest.raises(weft.UnsupportedError, match="first argument of gammainc's derivative has"):
        weft.grad(lambda a: weft.sum(slopes["gammainc"](a, both[1])))(both[0])


def test_edges_of_slopes_for_the_first_argument() -> None:
    a, x = np.array([[1, 0], [1, np.inf], [2.5, 0], [0, 1], [-1, 1], [1, -1], [np.nan, 1]]).T
    slope = weft.grad(lambda a, x: weft.sum(special.gammainc(a, x)))
    found = to_numpy(eager_and_jit(slope, weft.asarray(a), weft.asarray(x)))
    np.testing.assert_array_equal(found, [0, 0, 0, *[np.nan] * 4])
    leaf = weft.ones((0, 3)).requires_grad_()
    weft.sum(special.gammainc(leaf, 1.0)).backward()
    assert leaf.grad.shape == (0, 3)
    assert_same_bits(
        weft.vmap(weft.grad(special.gammainc))(
            weft.asarray([1.0, 30.0]), weft.asarray([2.0, 31.0])
        ),
        slope(weft.asarray([1.0, 30.0]), weft.asarray([2.0, 31.0])),
    )


def test_sums_of_powers() -> None:
    s = 1 + 10.0 ** _RANDOM.uniform(-8, 2.3, 1000)
    q = 10.0 ** _RANDOM.uniform(-3, 4, 1000)
    wanted = scipy_special.zeta(s, q)
    fits = np.isfinite(wanted) & (wanted > 1e-290)
    found = to_numpy(eager_and_jit(special.zeta, weft.asarray(s), weft.asarray(q)))
    units = 32 * np.maximum(s, 10) / 10
    error = np.abs(found[fits] - wanted[fits])
    assert (error <= (units * UNIT_ROUNDOFF["float64"])[fits] * wanted[fits]).all()
    np.testing.assert_allclose(
        special.zeta(weft.asarray([2.0, 4.0])), np.pi ** np.array([2, 4]) / [6, 90], rtol=1e-6
    )
    s, q = (
        np.array([1, 0.5, 2, 2, 3, 2, 2.5, 2, 2]),
        np.array([1, 1, 0, -2, -1.5, np.inf, -0.5, np.nan, -0.3]),
    )
    np.testing.assert_allclose(
        to_numpy(special.zeta(weft.asarray(s), weft.asarray(q))),
        scipy_special.zeta(s, q),
        rtol=1e-14,
    )
    slope = weft.grad(lambda s, q: weft.sum(special.zeta(s, q)), argnums=1)
    q = np.array([0.3, 2.0, 40.0])
    found = slope(weft.asarray([2.5, 3.0, 9.0], dtype="float64"), weft.asarray(q))
    np.testing.assert_allclose(
        found, -np.array([2.5, 3, 9]) * scipy_special.zeta([3.5, 4, 10], q), rtol=1e-13
    )


def test_derivatives_of_sums_of_powers_for_the_exponent() -> None:
    s, q = 1 + 10.0 ** _RANDOM.uniform(-3, 1.5, 60), 10.0 ** _RANDOM.uniform(-2, 2, 60)
    slope = weft.grad(lambda s, q: weft.sum(special.zeta(s, q)))
    found = to_numpy(eager_and_jit(slope, weft.asarray(s), weft.asarray(q)))
    curve = to_numpy(weft.grad(lambda s: weft.sum(slope(s, weft.asarray(q))))(weft.asarray(s)))
    for order, values in ((1, found), (2, curve)):
        with mp.workdps(30):
            exact = [mp.zeta(mp.mpf(one), mp.mpf(other), order) for one, other in zip(s, q)]
        size = np.maximum(scipy_special.zeta(s, q), np.abs(np.array(exact, float)))
        np.testing.assert_array_less(np.abs(values - np.array(exact, float)), 1e-11 * size)
    outside = slope(weft.asarray([2.0, 0.5, 2.0]), weft.asarray([-1.5, 1.0, np.nan]))
    assert np.isnan(to_numpy(outside)).all()


@pytest.mark.parametrize("name", ["gammainc", "gammaincc", "zeta"])
def test_a_loop_carries_the_first_argument(name: str) -> None:
    function = getattr(special, name)

    def twice(a: weft.Tensor, x: weft.Tensor) -> weft.Tensor:
        return weft.fori_loop(0, 2, lambda i, s: function(s, x), a)

    a, x = weft.asarray(_RANDOM.uniform(1.5, 4, 9)), weft.asarray(_RANDOM.uniform(0.1, 0.3, 9))
    assert_same_bits(eager_and_jit(twice, a, x), function(function(a, x), x))
    slope = weft.grad(lambda a: weft.sum(twice(a, x)))
    unrolled = weft.grad(lambda a: weft.sum(function(function(a, x), x)))
    assert_same_bits(eager_and_jit(slope, a), unrolled(a))


@pytest.mark.parametrize("n", [0, 1, 2, 5, 20])
def test_derivatives_of_digamma(n: int) -> None:
    x = np.concatenate([_points(0.01, 50, 60), -_RANDOM.uniform(0.1, 0.9, 20) - np.arange(20)])
    x = np.abs(x) if n > 5 else x
    found = to_numpy(eager_and_jit(lambda x: special.polygamma(n, x), weft.asarray(x)))
    for value, ours in zip(x, found):
        with mp.workdps(40):
            exact = mp.polygamma(n, mp.mpf(float(value)))
            if abs(exact) > 1e308:
                assert ours == -np.inf
                continue
            bound = 1e-13 if n else 3e-14
            assert abs(ours - exact) <= bound * max(abs(exact), 1 if value < 0 or not n else 0), (
                value
            )
    slope = weft.grad(lambda x: weft.sum(special.polygamma(n, x)))
    y = np.abs(x) + 0.1
    np.testing.assert_allclose(
        to_numpy(slope(weft.asarray(y))), scipy_special.polygamma(n + 1, y), rtol=1e-11
    )
    with pytest.raises(weft.OptionError, match="n has to be an integer"):
        special.polygamma(-1, weft.ones(2))


@pytest.mark.parametrize("p", [1, 2, 5])
def test_gamma_functions_of_matrices(p: int) -> None:
    a = _RANDOM.uniform(p / 2, 20, (3, 4))
    found = eager_and_jit(lambda a: special.multigammaln(a, p), weft.asarray(a))
    np.testing.assert_allclose(
        found, np.vectorize(scipy_special.multigammaln)(a, p), rtol=1e-13, atol=1e-13
    )
    assert special.multigammaln(weft.ones((0,)) * 9, p).shape == (0,)
    with pytest.raises(weft.OptionError, match="p has to be"):
        special.multigammaln(weft.ones(2), 0)


def test_products_with_logarithms() -> None:
    x = np.array([0.0, 0, 0, 2, -1, np.nan, 0])
    y = np.array([-1.0, -3, 2, 1, 0.5, 0, np.nan])
    found = eager_and_jit(special.xlog1py, weft.asarray(x), weft.asarray(y))
    np.testing.assert_array_equal(
        to_numpy(found), torch.special.xlog1py(torch.tensor(x), torch.tensor(y))
    )
    slope = weft.grad(lambda x, y: weft.sum(special.xlog1py(x, y)), argnums=(0, 1))
    found = slope(weft.asarray([0.0, 2.0]), weft.asarray([0.5, 1.0]))
    np.testing.assert_allclose(found[0], np.log1p([0.5, 1.0]), rtol=1e-6)
    np.testing.assert_allclose(found[1], [0, 1])
    slope = weft.grad(lambda x: weft.sum(special.entr(x)))(weft.asarray([0.5, 1.0]))
    np.testing.assert_allclose(slope, -np.log([0.5, 1.0]) - 1, rtol=1e-6)


# Polynomials --------------------------------------------------------------------------------------

POLYNOMIALS: dict[str, Callable[[Any, Any], Any]] = {
    "chebyshev_polynomial_t": scipy_special.eval_chebyt,
    "chebyshev_polynomial_u": scipy_special.eval_chebyu,
    "chebyshev_polynomial_v": lambda n, x: (
        scipy_special.eval_jacobi(n, -0.5, 0.5, x) / scipy_special.eval_jacobi(n, -0.5, 0.5, 1.0)
    ),
    "chebyshev_polynomial_w": lambda n, x: (
        (2 * n + 1)
        * scipy_special.eval_jacobi(n, 0.5, -0.5, x)
        / scipy_special.eval_jacobi(n, 0.5, -0.5, 1.0)
    ),
    "shifted_chebyshev_polynomial_t": scipy_special.eval_sh_chebyt,
    "shifted_chebyshev_polynomial_u": scipy_special.eval_sh_chebyu,
    "hermite_polynomial_h": scipy_special.eval_hermite,
    "hermite_polynomial_he": scipy_special.eval_hermitenorm,
    "laguerre_polynomial_l": scipy_special.eval_laguerre,
    "legendre_polynomial_p": scipy_special.eval_legendre,
}


@pytest.mark.parametrize("name", POLYNOMIALS)
def test_polynomials(name: str) -> None:
    x = np.concatenate([_RANDOM.uniform(-1, 1, 40), [-1.0, 0.0, 1.0]])
    ours, reference = getattr(special, name), POLYNOMIALS[name]
    for n in (0, 1, 2, 7, 30):
        found = to_numpy(eager_and_jit(lambda x, n=n: ours(x, n), weft.asarray(x)))
        wanted = reference(n, x)
        scale = np.abs(wanted).max()
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-13 * scale)
    degrees = np.arange(x.size) % 9
    found = eager_and_jit(ours, weft.asarray(x), weft.asarray(degrees))
    for n in range(9):
        assert_same_bits(to_numpy(found)[degrees == n], ours(weft.asarray(x[degrees == n]), n))
    assert ours(weft.asarray(x), -1).tolist() == [0] * x.size
    grid = ours(weft.full((2, 1), 0.5), weft.asarray([0, 1, -2]))
    assert (grid.shape, grid.dtype) == ((2, 3), "float32")
    assert_same_bits(weft.vmap(lambda x: ours(x, 4))(weft.asarray(x)), ours(weft.asarray(x), 4))
    slope = weft.grad(lambda x: weft.sum(ours(x, 4)))(weft.asarray(x[:40]))
    step = 1e-5
    wanted = (reference(4, x[:40] + step) - reference(4, x[:40] - step)) / (2 * step)
    np.testing.assert_allclose(to_numpy(slope), wanted, rtol=1e-6, atol=1e-6)
    with pytest.raises(weft.DTypeError, match="n has to be whole"):
        ours(weft.ones(2), 1.5)


@pytest.mark.parametrize("name", POLYNOMIALS)
def test_degrees_are_bounded(name: str) -> None:
    """A degree that is garbage ends: a number is refused, an element is NaN, others are right."""
    ours = getattr(special, name)
    with pytest.raises(weft.OptionError, match="but at most 65536"):
        ours(weft.ones(2), 2**60)
    x = weft.asarray([0.25, 0.5, 0.75])
    expected = ours(x, 3).tolist()
    for dtype, large in (("int64", 2**62), ("uint64", 2**64 - 1), ("int32", 2**16 + 1)):
        n = weft.asarray(np.array([3, large, 3], dtype))
        found = to_numpy(eager_and_jit(ours, x, n))
        np.testing.assert_array_equal(found, [expected[0], np.nan, expected[2]])
    for dtype in ("float16", "float64"):
        n = weft.asarray(np.array([3, np.inf, np.nan], dtype))
        np.testing.assert_array_equal(to_numpy(ours(x, n)), [expected[0], np.nan, np.nan])


@pytest.mark.parametrize("letter", ["t", "u", "v", "w"])
def test_shifted_polynomials(letter: str) -> None:
    x = weft.asarray(_RANDOM.uniform(0, 1, 20))
    shifted = getattr(special, f"shifted_chebyshev_polynomial_{letter}")
    plain = getattr(special, f"chebyshev_polynomial_{letter}")
    assert_same_bits(shifted(x, 6), plain(2 * x - 1, 6))


# Names -------------------------------------------------------------------------------------------


def test_names_of_pytorch() -> None:
    """All there are, and where one takes one tensor, its values."""
    names = [name for name in torch.special.__all__ if not name.startswith("_")]
    assert set(names) <= set(special.__all__)
    x = _RANDOM.uniform(0.05, 0.95, (3, 4))
    for name in names:
        try:
            wanted = getattr(torch.special, name)(torch.tensor(x))
        except TypeError:
            continue
        found = getattr(special, name)(weft.asarray(x))
        np.testing.assert_allclose(to_numpy(found), wanted, rtol=1e-11, atol=1e-13, err_msg=name)
    for name in ("softmax", "log_softmax", "logsumexp"):
        wanted = getattr(torch.special, name)(torch.tensor(x), dim=1)
        found = getattr(special, name)(weft.asarray(x), dim=1)
        np.testing.assert_allclose(to_numpy(found), wanted, rtol=1e-13)
    for name in ("xlogy", "xlog1py", "zeta", "gammainc", "gammaincc"):
        y = x + 1.5
        wanted = getattr(torch.special, name)(torch.tensor(y), torch.tensor(x))
        found = getattr(special, name)(weft.asarray(y), weft.asarray(x))
        np.testing.assert_allclose(to_numpy(found), wanted, rtol=1e-12, err_msg=name)

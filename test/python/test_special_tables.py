"""The coefficients of `weft.special` are what stands above them: computed anew, to 45 digits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as mp
import pytest
from weft.special import _tables as tables

_NODES = 96


def _coefficients(function: Callable[[Any], Any], count: int) -> list[Any]:
    """The first coefficients of Chebyshev's series, by the sums over its nodes."""
    angles = [mp.pi * (k + mp.mpf(1) / 2) / _NODES for k in range(_NODES)]
    values = [function(mp.cos(angle)) for angle in angles]
    sums = [
        mp.fsum(v * mp.cos(j * angle) for v, angle in zip(values, angles)) for j in range(count)
    ]
    return [value * (2 if j else 1) / _NODES for j, value in enumerate(sums)]


def _half_line(t: Any) -> Any:
    return mp.mpf(15) / 4 * (1 + t) / (1 - t)


def _erfcx(x: Any) -> Any:
    if x < 200:
        return mp.exp(x * x) * mp.erfc(x)
    terms = ((-1) ** n * mp.fac2(2 * n - 1) / (2 * x * x) ** n for n in range(12))
    return mp.fsum(terms) / (x * mp.sqrt(mp.pi))


def _erfcx_slope(x: Any) -> Any:
    if x < 200:
        with mp.workdps(60):
            return 2 / mp.sqrt(mp.pi) - 2 * x * _erfcx(x)
    terms = ((-1) ** n * mp.fac2(2 * n - 1) / (2 * x * x) ** n for n in range(1, 12))
    return -mp.fsum(terms) * 2 / mp.sqrt(mp.pi)


def _near(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda t: function(4 * (t + 1))


def _far(function: Callable[[Any], Any], limit: int) -> Callable[[Any], Any]:
    return lambda t: function(2 * mp.mpf(limit) / (t + 1))


def _root(function: Callable[[Any], Any], factor: int) -> Callable[[Any], Any]:
    return lambda t: function(mp.sqrt(factor * (t + 1)))


def _hankel(order: int, part: int) -> Callable[[Any], Any]:
    def value(x: Any) -> Any:
        size, angle = mp.sqrt(mp.pi * x / 2), x - mp.pi * (2 * order + 1) / 4
        j, y = mp.besselj(order, x), mp.bessely(order, x)
        if part:
            return size * (y * mp.cos(angle) - j * mp.sin(angle)) * x
        return size * (j * mp.cos(angle) + y * mp.sin(angle))

    return lambda t: value(8 * mp.sqrt(2 / (t + 1)))


def _zeta_of(x: Any) -> Any:
    """What Airy's functions call zeta."""
    return 2 * mp.mpf(x) ** mp.mpf("1.5") / 3


def _airy_wave(part: int) -> Callable[[Any], Any]:
    def value(z: Any) -> Any:
        x = (3 * z / 2) ** (mp.mpf(2) / 3)
        size, angle = mp.sqrt(mp.pi * mp.sqrt(x)), z + mp.pi / 4
        a, b = mp.airyai(-x), mp.airybi(-x)
        if part:
            return size * (b * mp.sin(angle) - a * mp.cos(angle)) * z
        return size * (a * mp.sin(angle) + b * mp.cos(angle))

    return lambda t: value(_zeta_of(4) * mp.sqrt(2 / (t + 1)))


def _airy_right(t: Any) -> Any:
    z = 2 * _zeta_of(2) / (t + 1)
    x = (3 * z / 2) ** (mp.mpf(2) / 3)
    return mp.airyai(x) * mp.exp(z) * mp.sqrt(mp.sqrt(x))


def _y0(x: Any) -> Any:
    return mp.bessely(0, x) - 2 / mp.pi * mp.log(x) * mp.besselj(0, x)


def _y1(x: Any) -> Any:
    return (mp.bessely(1, x) - 2 / mp.pi * (mp.log(x) * mp.besselj(1, x) - 1 / x)) / x


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "ERFCX": lambda t: (1 + 2 * _half_line(t)) * _erfcx(_half_line(t)),
    "ERFCX_SLOPE": lambda t: (1 + 2 * _half_line(t)) ** 2 * _erfcx_slope(_half_line(t)),
    "I0_NEAR": _near(lambda x: mp.exp(-x) * mp.besseli(0, x)),
    "I1_NEAR": _near(lambda x: mp.exp(-x) * mp.besseli(1, x) / x),
    "I0_FAR": _far(lambda x: mp.exp(-x) * mp.sqrt(x) * mp.besseli(0, x), 8),
    "I1_FAR": _far(lambda x: mp.exp(-x) * mp.sqrt(x) * mp.besseli(1, x), 8),
    "K0_NEAR": _root(lambda x: mp.besselk(0, x) + mp.log(x / 2) * mp.besseli(0, x), 2),
    "K1_NEAR": _root(lambda x: x * (mp.besselk(1, x) - mp.log(x / 2) * mp.besseli(1, x)), 2),
    "K0_FAR": _far(lambda x: mp.exp(x) * mp.sqrt(x) * mp.besselk(0, x), 2),
    "K1_FAR": _far(lambda x: mp.exp(x) * mp.sqrt(x) * mp.besselk(1, x), 2),
    "J0_NEAR": _root(lambda x: mp.besselj(0, x), 32),
    "J1_NEAR": _root(lambda x: mp.besselj(1, x) / x, 32),
    "Y0_NEAR": _root(_y0, 32),
    "Y1_NEAR": _root(_y1, 32),
    "P0": _hankel(0, 0),
    "Q0": _hankel(0, 1),
    "P1": _hankel(1, 0),
    "Q1": _hankel(1, 1),
    "LGAMMA_ONE": lambda t: mp.loggamma(1 + t / 2) / (t / 2),
    "AIRY_MIDDLE": lambda t: mp.airyai(3 * t - 1),
    "AIRY_RIGHT": _airy_right,
    "AIRY_P": _airy_wave(0),
    "AIRY_Q": _airy_wave(1),
}


def test_every_table_is_checked() -> None:
    names = {name for name in vars(tables) if name.isupper()}
    assert names == {*FUNCTIONS, "TEMME"}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_chebyshev_series(name: str) -> None:
    table = getattr(tables, name)
    with mp.workdps(45):
        exact = _coefficients(FUNCTIONS[name], len(table) + 1)
        largest = max(abs(value) for value in exact)
        for found, value in zip(table, exact):
            assert abs(found - value) <= abs(value) * mp.mpf(2) ** -52 + largest * mp.mpf(10) ** -20
        # What is left out does not count.
        assert abs(exact[-1]) <= largest * mp.mpf(2) ** -57


def _inverse_of_mean(count: int) -> list[Any]:
    """The coefficients of eta^(n - 1) in 1 / mu, where mu - log(1 + mu) = eta^2 / 2."""
    mean = [mp.mpf(0), mp.mpf(1)]
    for m in range(2, count + 2):
        inner = mp.fsum(mean[i] * mean[m + 1 - i] for i in range(2, m))
        mean.append((2 * mean[m - 1] / (m + 1) - inner) / 2)
    result = [mp.mpf(1)]
    for n in range(1, count):
        result.append(-mp.fsum(mean[1 + i] * result[n - i] for i in range(1, n + 1)))
    return result


def _stirling(count: int) -> list[Any]:
    """The coefficients of a^-k in gamma(a) over Stirling's formula."""
    logarithm = [mp.mpf(0)] * (count + 1)
    for j in range(1, count // 2 + 1):
        logarithm[2 * j - 1] = mp.bernoulli(2 * j) / (2 * j * (2 * j - 1))
    result = [mp.mpf(1)]
    for n in range(1, count):
        result.append(mp.fsum(i * logarithm[i] * result[n - i] for i in range(1, n + 1)) / n)
    return result


def test_temmes_expansion() -> None:
    """By the recursion c_k = c_(k-1)' / eta + (-1)^k g_k / mu."""
    with mp.workdps(60):
        inverse, stirling = _inverse_of_mean(60), _stirling(len(tables.TEMME) + 1)
        row = inverse[1:]
        for k, table in enumerate(tables.TEMME):
            if k:
                sign = (-1) ** k * stirling[k]
                assert abs(row[1] + sign) < mp.mpf(10) ** -40
                row = [(n + 2) * row[n + 2] + sign * inverse[n + 1] for n in range(len(row) - 2)]
            for found, value in zip(table, row):
                assert abs(found - value) <= abs(value) * mp.mpf(2) ** -52
            beyond = abs(row[len(table)]) * mp.mpf("0.34") ** len(table) * mp.mpf(20) ** -k
            assert beyond < mp.mpf(10) ** -17

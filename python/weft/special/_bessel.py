"""Bessel's functions of order 0 and 1, and Airy's: by Chebyshev's series.

Near 0 by a series in x or x^2, beyond by one in 1 / x or 1 / x^2 of what exp, or sin and cos, leave
of Hankel's expansion: Clenshaw, "Chebyshev series for mathematical functions" (1962). Derivatives
are the functions' own recurrences.
"""

from __future__ import annotations

import math

from .. import _ops
from .._core import Tensor
from .._jit import jit
from . import _tables as tables
from ._series import chebyshev, floating, in_double, with_slope

_TWO_OVER_PI = 2 / math.pi


# Modified ones ------------------------------------------------------------------------------------


def _i0e(x: Tensor) -> Tensor:
    size = _ops.abs(x)
    is_near = size <= 8
    near = chebyshev(tables.I0_NEAR, _ops.where(is_near, size, 8.0) / 4 - 1)
    far = _ops.where(is_near, 8.0, size)
    beyond = chebyshev(tables.I0_FAR, 16 / far - 1) / _ops.sqrt(far)
    return _ops.where(is_near, near, beyond)


def _i1e(x: Tensor) -> Tensor:
    size = _ops.abs(x)
    is_near = size <= 8
    low = _ops.where(is_near, size, 8.0)
    near = chebyshev(tables.I1_NEAR, low / 4 - 1) * low
    far = _ops.where(is_near, 8.0, size)
    beyond = chebyshev(tables.I1_FAR, 16 / far - 1) / _ops.sqrt(far)
    result = _ops.where(is_near, near, beyond)
    return _ops.where(x < 0, -result, result)


def _unscaled(scaled: Tensor, x: Tensor) -> Tensor:
    """Times exp(|x|), in two steps: the result may be finite where that is not."""
    half = _ops.exp(0.5 * _ops.abs(x))
    return scaled * half * half


def _i0(x: Tensor) -> Tensor:
    return _ops.where(_ops.isinf(x), math.inf, _unscaled(_i0e(x), x))


def _i1(x: Tensor) -> Tensor:
    return _ops.where(_ops.isinf(x), x, _unscaled(_i1e(x), x))


def _over(value: Tensor, x: Tensor, at_zero: float) -> Tensor:
    is_zero = x == 0
    return _ops.where(is_zero, at_zero, value / _ops.where(is_zero, 1.0, x))


_i0_of = with_slope(_i0, lambda x, result: i1(x))
_i1_of = with_slope(_i1, lambda x, result: i0(x) - _over(result, x, 0.5))
_i0e_of = with_slope(_i0e, lambda x, result: i1e(x) - _ops.sign(x) * result)
_i1e_of = with_slope(_i1e, lambda x, result: i0e(x) - _ops.sign(x) * result - _over(result, x, 0.5))


def i0(x: Tensor, /) -> Tensor:
    """The modified Bessel function of the first kind, of order 0.

    Integers become float32; of float64 the error is at most 8 units in the last place, and beyond
    |x| = 16 that of exp, half a unit for each 1 of |x|.
    """
    return _i0_of(x)


def i0e(x: Tensor, /) -> Tensor:
    """exp(-|x|) times `i0`. Of float64 the error is at most 8 units in the last place."""
    return _i0e_of(x)


def i1(x: Tensor, /) -> Tensor:
    """The modified Bessel function of the first kind, of order 1. Dtypes and error as `i0`."""
    return _i1_of(x)


def i1e(x: Tensor, /) -> Tensor:
    """exp(-|x|) times `i1`. Of float64 the error is at most 8 units in the last place."""
    return _i1e_of(x)


def _second(near: Tensor, beyond: Tensor, x: Tensor) -> Tensor:
    """One of both sides of 2; of 0 infinite, and of nothing below."""
    result = _ops.where(x <= 2, near, beyond)
    return _ops.where(x > 0, result, _ops.where(x == 0, math.inf, math.nan))


def _k_sides(x: Tensor) -> tuple[Tensor, Tensor]:
    return _ops.where((x > 0) & (x <= 2), x, 2.0), _ops.where(x > 2, x, 2.0)


def _k0_near(x: Tensor) -> Tensor:
    return chebyshev(tables.K0_NEAR, x * x / 2 - 1) - _ops.log(0.5 * x) * _i0(x)


def _k1_near(x: Tensor) -> Tensor:
    return _ops.log(0.5 * x) * _i1(x) + chebyshev(tables.K1_NEAR, x * x / 2 - 1) / x


def _beyond_two(table: tuple[float, ...], x: Tensor) -> Tensor:
    return chebyshev(table, 4 / x - 1) / _ops.sqrt(x)


def _k0(x: Tensor) -> Tensor:
    near, far = _k_sides(x)
    return _second(_k0_near(near), _beyond_two(tables.K0_FAR, far) * _ops.exp(-far), x)


def _k1(x: Tensor) -> Tensor:
    near, far = _k_sides(x)
    return _second(_k1_near(near), _beyond_two(tables.K1_FAR, far) * _ops.exp(-far), x)


def _k0e(x: Tensor) -> Tensor:
    near, far = _k_sides(x)
    return _second(_k0_near(near) * _ops.exp(near), _beyond_two(tables.K0_FAR, far), x)


def _k1e(x: Tensor) -> Tensor:
    near, far = _k_sides(x)
    return _second(_k1_near(near) * _ops.exp(near), _beyond_two(tables.K1_FAR, far), x)


_k0_of = with_slope(_k0, lambda x, result: -modified_bessel_k1(x))
_k1_of = with_slope(_k1, lambda x, result: -modified_bessel_k0(x) - result / x)
_k0e_of = with_slope(_k0e, lambda x, result: result - scaled_modified_bessel_k1(x))
_k1e_of = with_slope(_k1e, lambda x, result: result - result / x - scaled_modified_bessel_k0(x))


def modified_bessel_i0(input: Tensor, /) -> Tensor:
    """`i0`."""
    return i0(input)


def modified_bessel_i1(input: Tensor, /) -> Tensor:
    """`i1`."""
    return i1(input)


def modified_bessel_k0(input: Tensor, /) -> Tensor:
    """The modified Bessel function of the second kind, of order 0: inf at 0, NaN below.

    Integers become float32; of float64 the error is at most 16 units in the last place, and beyond
    16 that of exp, half a unit for each 1 of x.
    """
    return _k0_of(input)


def modified_bessel_k1(input: Tensor, /) -> Tensor:
    """The modified Bessel function of the second kind, of order 1; as `modified_bessel_k0`."""
    return _k1_of(input)


def scaled_modified_bessel_k0(x: Tensor, /) -> Tensor:
    """exp(x) times `modified_bessel_k0`: of float64 to 16 units in the last place."""
    return _k0e_of(x)


def scaled_modified_bessel_k1(x: Tensor, /) -> Tensor:
    """exp(x) times `modified_bessel_k1`: of float64 to 16 units in the last place."""
    return _k1e_of(x)


# Those that oscillate -----------------------------------------------------------------------------


def _hankel(x: Tensor, order: int) -> tuple[Tensor, Tensor]:
    """The functions of the first and second kind, of x >= 8: both are 0 at infinity."""
    table_p, table_q = ((tables.P0, tables.Q0), (tables.P1, tables.Q1))[order]
    is_infinite = _ops.isinf(x)
    x = _ops.where(is_infinite, 8.0, x)
    t = 128 / x / x - 1
    p, q = chebyshev(table_p, t), chebyshev(table_q, t) / x
    sine, cosine = _ops.sin(x), _ops.cos(x)
    # Of x - pi / 4, and of x - 3 pi / 4, where rounding would cost digits.
    first, second = (cosine + sine, sine - cosine) if not order else (sine - cosine, -sine - cosine)
    size = _ops.where(is_infinite, 0.0, 1 / _ops.sqrt(math.pi * x))
    return size * (p * first - q * second), size * (p * second + q * first)


def _first_near(x: Tensor, order: int) -> Tensor:
    t = x * x / 32 - 1
    return chebyshev(tables.J1_NEAR, t) * x if order else chebyshev(tables.J0_NEAR, t)


def _first_kind(x: Tensor, order: int) -> Tensor:
    size = _ops.abs(x)
    is_near = size <= 8
    near = _first_near(_ops.where(is_near, size, 8.0), order)
    result = _ops.where(is_near, near, _hankel(_ops.where(is_near, 8.0, size), order)[0])
    return _ops.where(x < 0, -result, result) if order else result


def _second_kind(x: Tensor, order: int) -> Tensor:
    is_near = x <= 8
    low = _ops.where(is_near & (x > 0), x, 8.0)
    t, by_log = low * low / 32 - 1, _ops.log(low) * _first_near(low, order)
    if order:
        near = chebyshev(tables.Y1_NEAR, t) * low + _TWO_OVER_PI * (by_log - 1 / low)
    else:
        near = chebyshev(tables.Y0_NEAR, t) + _TWO_OVER_PI * by_log
    result = _ops.where(is_near, near, _hankel(_ops.where(is_near, 8.0, x), order)[1])
    return _ops.where(x > 0, result, _ops.where(x == 0, -math.inf, math.nan))


def _j0(x: Tensor) -> Tensor:
    return _first_kind(x, 0)


def _j1(x: Tensor) -> Tensor:
    return _first_kind(x, 1)


def _y0(x: Tensor) -> Tensor:
    return _second_kind(x, 0)


def _y1(x: Tensor) -> Tensor:
    return _second_kind(x, 1)


_j0_of = with_slope(_j0, lambda x, result: -bessel_j1(x))
_j1_of = with_slope(_j1, lambda x, result: bessel_j0(x) - _over(result, x, 0.5))
_y0_of = with_slope(_y0, lambda x, result: -bessel_y1(x))
_y1_of = with_slope(_y1, lambda x, result: bessel_y0(x) - result / x)


def bessel_j0(input: Tensor, /) -> Tensor:
    """Bessel's function of the first kind, of order 0.

    Integers become float32; of float64 the error is at most 8 units of the largest value near x,
    min(1, x^-1/2), while x is below 2**20.
    """
    return _j0_of(input)


def bessel_j1(input: Tensor, /) -> Tensor:
    """Bessel's function of the first kind, of order 1; dtypes and error as `bessel_j0`."""
    return _j1_of(input)


def bessel_y0(input: Tensor, /) -> Tensor:
    """Bessel's function of the second kind, of order 0: -inf at 0, NaN below.

    Integers become float32; of float64 the error is at most 16 units of the larger of the result
    and min(1, x^-1/2), while x is below 2**20.
    """
    return _y0_of(input)


def bessel_y1(input: Tensor, /) -> Tensor:
    """Bessel's function of the second kind, of order 1; as `bessel_y0`."""
    return _y1_of(input)


def _spherical(x: Tensor) -> Tensor:
    is_small = _ops.abs(x) < 1e-2
    square = _ops.where(is_small, x * x, 0.0)
    series = 1 - square / 6 * (1 - square / 20 * (1 - square / 42))
    safe = _ops.where(is_small | _ops.isinf(x), 1.0, x)
    return _ops.where(is_small, series, _ops.where(_ops.isinf(x), 0.0, _ops.sin(safe) / safe))


def spherical_bessel_j0(x: Tensor, /) -> Tensor:
    """sin(x) / x, which is 1 at 0. Integers become float32."""
    return in_double(_spherical, floating(x))


def _airy(x: Tensor) -> Tensor:
    between = _ops.minimum(_ops.maximum(x, -4.0), 2.0)
    middle = chebyshev(tables.AIRY_MIDDLE, (between + 1) / 3)
    right = _ops.where(x > 2, _ops.minimum(x, 1e4), 2.0)
    z = right * _ops.sqrt(right) * (2 / 3)
    limit = 2.0 * math.sqrt(2.0) * 2 / 3
    falling = chebyshev(tables.AIRY_RIGHT, 2 * limit / z - 1) * _ops.exp(-z)
    falling = falling / _ops.sqrt(_ops.sqrt(right))
    is_infinite = x == -math.inf
    left = _ops.where((x < -4) & ~is_infinite, -x, 4.0)
    z = left * _ops.sqrt(left) * (2 / 3)
    ratio = (16 / 3) / z
    t = 2 * ratio * ratio - 1
    p, q = chebyshev(tables.AIRY_P, t), chebyshev(tables.AIRY_Q, t) / z
    sine, cosine = _ops.sin(z), _ops.cos(z)
    wave = p * (sine + cosine) - q * (cosine - sine)
    size = _ops.where(is_infinite, 0.0, 1 / _ops.sqrt(2 * math.pi * _ops.sqrt(left)))
    return _ops.where(x < -4, size * wave, _ops.where(x > 2, falling, middle))


@jit
def _compiled_airy(x: Tensor) -> Tensor:
    return in_double(_airy, x)


def airy_ai(input: Tensor, /) -> Tensor:
    """Airy's function Ai, by Chebyshev's series of what exp, or sin and cos, leave of it.

    Integers become float32. Of float64 the error is at most 32 units in the last place of 1 from
    -4 to 2; beyond, of what it is near x times 1 + z, with z = 2/3 |x|^1.5.
    """
    return _compiled_airy(floating(input))

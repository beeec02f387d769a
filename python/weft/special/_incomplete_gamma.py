"""The incomplete gamma functions, and the derivatives for their first argument."""

from __future__ import annotations

import math
from typing import Any

from .. import _ops
from .._autodiff import jvp
from .._control_flow import while_loop
from .._core import Tensor
from .._creation import ones_like
from .._custom_derivatives import custom_jvp, with_slope_for_first, without_derivative
from .._dtypes import float64
from .._manipulation import astype
from .._reductions import any
from .._special import _lgamma, digamma, stirling_error
from ._series import chebyshev, floating_pair
from ._tables import LGAMMA_ONE, TEMME

_EPSILON = 2.0**-53


def _log1p_less(x: Tensor) -> Tensor:
    """log(1 + x) - x, also where both are near: by the series of atanh(x / (2 + x))."""
    is_near = _ops.abs(x) < 0.5
    safe = _ops.where(is_near, x, 0.0)
    r = safe / (2 + safe)
    square = r * r
    total = square * 0.0 + 1 / 41
    for n in range(39, 1, -2):
        total = total * square + 1 / n
    series = 2 * r * square * total - r * safe
    far = _ops.where(is_near, 1.0, x)
    return _ops.where(is_near, series, _ops.log1p(far) - far)


def _factor(a: Tensor, x: Tensor) -> Tensor:
    """x^a exp(-x) / gamma(a + 1), of both above 0."""
    is_large = a > 1
    large = _ops.where(is_large, a, 2.0)
    inner = large * _log1p_less((x - large) / large) - stirling_error(large)
    by_ratio = _ops.exp(inner) / _ops.sqrt(2 * math.pi * large)
    small = _ops.where(is_large, 1.0, a)
    direct = _ops.exp(small * _ops.log(x) - x - _lgamma(small + 1))
    return _ops.where(is_large, by_ratio, direct)


#: So many terms are added before the next look at whether more are needed.
_TERMS_AT_ONCE = 16

#: An x of 1.1 and a small a need the most steps of the fraction: about 100.
_MOST_LOOKS = 40


def _lower_series(a: Tensor, x: Tensor, is_used: Tensor) -> Tensor:
    """The lower share over `_factor`: the sum of x^n / ((a + 1) ... (a + n))."""
    x = _ops.where(is_used, x, 0.0)

    def step(state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        n, term, total = state
        # What is found stays: no result depends on how long others take.
        is_open, next_term, next_total = term > total * _EPSILON, term, total
        for i in range(_TERMS_AT_ONCE):
            next_term = next_term * x / (n + i)
            next_total = next_total + next_term
        term, total = (
            _ops.where(is_open, new, old) for new, old in ((next_term, term), (next_total, total))
        )
        return n + _TERMS_AT_ONCE, term, total

    one = a * 0.0 + 1.0
    return while_loop(lambda s: any(s[1] > s[2] * _EPSILON), step, (a + 1, one, one))[2]


def _upper_fraction(a: Tensor, x: Tensor, is_used: Tensor, is_for_slope: bool) -> Tensor:
    """The upper share over x^a exp(-x) / gamma(a): Legendre's fraction, by the recurrence of its
    convergents' numerators and denominators, which are scaled before they are too large.

    Of whole a the fraction ends, but not its derivative for a: that needs as many steps as others.
    """
    a, x = _ops.where(is_used, a, 1.0), _ops.where(is_used, x, 4.0)
    # Convergents that lie next to each other differ by their roundings.
    tolerance = 16 * _EPSILON

    def step(state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        n, p, before_p, q, before_q, found, apart = state
        is_open = (apart > tolerance * found) | (n < least)
        former = p / q
        for i in range(_TERMS_AT_ONCE // 2):
            k = n + i
            above, below = k * (k - a), x + (2 * k + 1) - a
            former = p / q if i == _TERMS_AT_ONCE // 2 - 1 else former
            p, before_p = p * below - before_p * above, p
            q, before_q = q * below - before_q * above, q
        scale = _ops.reciprocal(_ops.abs(q) + 1e-300)
        result = p / q
        return (
            n + _TERMS_AT_ONCE // 2,
            *(value * scale for value in (p, before_p, q, before_q)),
            _ops.where(is_open, result, found),
            _ops.where(is_open, _ops.abs(former - result), apart),
        )

    one, zero = a * 0.0 + 1.0, a * 0.0
    least = 24 + 96 / x if is_for_slope else zero
    start = (one, one, zero, x + 1 - a, one, zero, one)
    found = while_loop(
        lambda s: any((s[6] > tolerance * s[5]) | (s[0] < least)),
        step,
        start,
        max_iterations=_MOST_LOOKS,
    )
    return found[5]


def _small_upper(a: Tensor, x: Tensor, is_used: Tensor) -> Tensor:
    """The upper share of small a and x, where it is no difference of near numbers."""
    a, x = _ops.where(is_used, a, 0.25), _ops.where(is_used, x, 0.5)
    power, total = x * 0.0 + 1.0, x * 0.0
    for n in range(1, 25):
        power = power * x * (-1 / n)
        total = total + power / (a + n)
    is_near = a < 0.5
    low = _ops.where(is_near, a, 0.0)
    log_gamma = _ops.where(is_near, chebyshev(LGAMMA_ONE, 2 * low) * low, _lgamma(a + 1))
    exponent = a * _ops.log(x) - log_gamma
    return -_ops.expm1(exponent) - a * _ops.exp(exponent) * total


def _uniform_shares(a: Tensor, x: Tensor, is_used: Tensor) -> tuple[Tensor, Tensor]:
    """Both shares of large a and x near it (Temme, 1979)."""
    from ._error_functions import _erfc

    a, x = _ops.where(is_used, a, 100.0), _ops.where(is_used, x, 100.0)
    mean = (x - a) / a
    half_square = -_log1p_less(mean)
    # At the mean itself the roots are 0, where a root has no derivative but eta's is that of mean.
    is_middle, is_low = half_square == 0, mean < 0
    square = _ops.where(is_middle, 1.0, half_square)
    root, size = _ops.sqrt(2 * square), _ops.sqrt(a * square)
    eta = _ops.where(is_middle, mean, _ops.where(is_low, -root, root))
    size = _ops.where(is_middle, mean * _ops.sqrt(0.5 * a), size)
    total = a * 0.0
    for row in reversed(TEMME):
        inner = eta * 0.0
        for coefficient in reversed(row):
            inner = inner * eta + coefficient
        total = total / a + inner
    rest = _ops.exp(-a * half_square) / _ops.sqrt(2 * math.pi * a) * total
    tail, body = 0.5 * _erfc(size), 0.5 * _erfc(-size)
    return _ops.where(is_low, tail, body) - rest, _ops.where(is_low, body, tail) + rest


def _shares(a: Tensor, x: Tensor, is_for_slope: bool = False) -> tuple[Tensor, Tensor]:
    """The lower and the upper share: each by what has no cancellation where it is small."""
    fits = (a > 0) & (x > 0) & _ops.isfinite(a) & _ops.isfinite(x)
    safe_a, safe_x = _ops.where(fits, a, 1.0), _ops.where(fits, x, 1.0)
    is_uniform = (safe_a > 20) & (_ops.abs(safe_x - safe_a) < 0.3 * safe_a)
    is_small = ~is_uniform & (safe_x <= 1.1)
    # Where less than about half lies below, the upper share is what the lower one leaves.
    low_bound = _ops.where(safe_x <= 0.5, -0.4 / _ops.log(_ops.minimum(safe_x, 0.5)), safe_x * 1.1)
    is_low = _ops.where(is_small, low_bound < safe_a, safe_x < safe_a) & ~is_uniform
    by_terms = is_small & ~is_low
    by_fraction = ~(is_uniform | is_low | by_terms)
    factor = _factor(safe_a, safe_x)
    lower = factor * _lower_series(safe_a, safe_x, is_low)
    fraction = factor * safe_a * _upper_fraction(safe_a, safe_x, by_fraction, is_for_slope)
    upper = _ops.where(by_terms, _small_upper(safe_a, safe_x, by_terms), fraction)
    near_lower, near_upper = _uniform_shares(safe_a, safe_x, is_uniform)
    below = _ops.where(is_low, lower, _ops.subtract(1, upper))
    above = _ops.where(is_low, _ops.subtract(1, lower), upper)
    below, above = (
        _ops.where(is_uniform, near, far)
        for near, far in ((near_lower, below), (near_upper, above))
    )
    return _at_edges(a, x, fits, below, above)


def _at_edges(
    a: Tensor, x: Tensor, fits: Tensor, below: Tensor, above: Tensor
) -> tuple[Tensor, Tensor]:
    """0 and 1 where one of both is 0 or infinite; NaN where none is defined."""
    is_none = (x == 0) & (a > 0) | _ops.isinf(a) & (a > 0) & _ops.isfinite(x)
    is_all = (a == 0) & (x > 0) | (x == math.inf) & (a >= 0) & _ops.isfinite(a)
    is_wrong = (a < 0) | (x < 0)
    sides = []
    for value, at_none in ((below, 0.0), (above, 1.0)):
        edge = _ops.where(is_none, at_none, _ops.where(is_all, 1 - at_none, math.nan))
        sides.append(_ops.where(fits, value, _ops.where(is_wrong, math.nan, edge)))
    return sides[0], sides[1]


def _incomplete(place: int, sign: float, name: str) -> Any:
    def compute(a: Tensor, x: Tensor) -> Tensor:
        wide = (astype(operand, float64, copy=False) for operand in (a, x))
        return astype(_shares(*wide)[place], x.dtype, copy=False)

    compute.__name__ = compute.__qualname__ = name
    function = custom_jvp(compute)

    @function.defjvp
    def _(primals: tuple, tangents: tuple) -> tuple[Tensor, Tensor]:
        """Of x the density; a has its own (`with_slope_for_first`)."""
        (a, x), (_, change) = primals, tangents
        return function(a, x), change * _density(a, x) * sign

    return function


def _density(a: Tensor, x: Tensor) -> Tensor:
    """x^(a - 1) exp(-x) / gamma(a), in the dtype of x."""
    wide_a, wide_x = (astype(operand, float64, copy=False) for operand in (a, x))
    fits = (wide_a > 0) & (wide_x > 0)
    safe_a, safe_x = _ops.where(fits, wide_a, 1.0), _ops.where(fits, wide_x, 1.0)
    inside = _factor(safe_a, safe_x) * safe_a / safe_x
    at_zero = _ops.where(wide_a < 1, math.inf, _ops.where(wide_a == 1, 1.0, 0.0))
    edge = _ops.where((wide_x == 0) & (wide_a > 0), at_zero, math.nan)
    return astype(_ops.where(fits, inside, edge), x.dtype, copy=False)


_gammainc, _gammaincc = _incomplete(0, 1.0, "gammainc"), _incomplete(1, -1.0, "gammaincc")


def gammainc(input: Tensor, other: Tensor, /) -> Tensor:
    """The share of gamma(a), a = ``input``, whose integral goes from 0 to x = ``other``.

    By a series below a, by Legendre's continued fraction above, and by Temme's expansion (1979)
    where a is above 20 and x within 3/10 of it; small shares keep their digits. NaN for negative
    operands, and of 0 and 0.

    Args:
        input, other: floating, or numbers and integers, which become float32; they broadcast.

    Returns:
        The share in their dtype: of float64 to a relative 1e-12 down to 1e-290, of narrower ones
        rounded once. It is differentiable in both, once in a, for which what it is computed by is
        differentiated term by term.

    Raises:
        UnsupportedError: a second derivative for a is asked for.
    """
    return _with_both_slopes(_gammainc, _lower_slope, input, other)


def gammaincc(input: Tensor, other: Tensor, /) -> Tensor:
    """The share of gamma(a) whose integral goes from x on: 1 - `gammainc`, of which it has all
    else."""
    return _with_both_slopes(_gammaincc, _upper_slope, input, other)


def _with_both_slopes(function: Any, slope: Any, a: Any, x: Any) -> Tensor:
    first, second = floating_pair(a, x)
    result = function(_ops.stop_gradient(first), second)
    # A number needs none, and what is not traced takes no time.
    return with_slope_for_first(result, slope, first, second) if isinstance(a, Tensor) else result


# Derivatives for the first argument ---------------------------------------------------------------


def _wide_slope(a: Tensor, x: Tensor) -> Tensor:
    """Of the lower share, in float64."""
    fits = (a > 0) & (x > 0) & _ops.isfinite(a) & _ops.isfinite(x)
    safe_a, safe_x = _ops.where(fits, a, 1.0), _ops.where(fits, x, 1.0)
    _, inside = jvp(lambda a: _shares(a, safe_x, True)[0], (safe_a,), (ones_like(safe_a),))
    is_edge = (a > 0) & _ops.isfinite(a) & ((x == 0) | (x == math.inf))
    return _ops.where(fits, inside, _ops.where(is_edge, 0.0, math.nan))


@custom_jvp
def _slope(a: Tensor, x: Tensor) -> Tensor:
    wide = (astype(operand, float64, copy=False) for operand in (a, x))
    return astype(_wide_slope(*wide), x.dtype, copy=False)


@_slope.defjvp
def _(primals: tuple, tangents: tuple) -> tuple[Tensor, Tensor]:
    """Of x the density's derivative for a."""
    (a, x), (_, change) = primals, tangents
    return _slope(a, x), change * _density(a, x) * (_ops.log(x) - digamma(a))


def _lower_slope(a: Tensor, x: Tensor) -> Tensor:
    """The derivative of `gammainc` for a, which has one for x alone."""
    slope = _slope(_ops.stop_gradient(a), x)
    return without_derivative(slope, a, "the first argument", "gammainc's derivative")


def _upper_slope(a: Tensor, x: Tensor) -> Tensor:
    return -_lower_slope(a, x)


#: Below it the share is x^a / gamma(a + 1) to the last bit.
_TINY = 1e-17


def log_quantile_slope(a: Tensor, log_x: Tensor) -> Tensor:
    """How log(x) moves with a where the lower share of x stays the same: of drawn numbers, the
    derivative for what they are drawn with (Figurnov, Mohamed and Mnih, 2018).

    Args:
        a, log_x: floating, of one shape.

    Returns:
        -(the share's derivative for a) / (x density), in the dtype of log_x, without a derivative.
    """
    wide_a, wide_log = (
        astype(_ops.stop_gradient(operand), float64, copy=False) for operand in (a, log_x)
    )
    x = _ops.exp(wide_log)
    is_tiny = x < _TINY
    tiny = (digamma(wide_a + 1) - wide_log) / wide_a
    safe = _ops.where(is_tiny, 1.0, x)
    usual = -_wide_slope(wide_a, safe) / (_factor(wide_a, safe) * wide_a)
    slope = astype(_ops.where(is_tiny, tiny, usual), log_x.dtype, copy=False)
    name = "a drawn number's derivative"
    for operand in (a, log_x):
        slope = without_derivative(slope, operand, "the concentration", name)
    return slope

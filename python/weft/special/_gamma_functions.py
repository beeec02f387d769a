"""Functions of gamma's family: incomplete ones, derivatives of its logarithm, Hurwitz' zeta."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable
from typing import Any

from .. import _ops
from .._control_flow import cond, while_loop
from .._core import Tensor
from .._creation import _fail
from .._custom_derivatives import custom_jvp, without_derivative
from .._dtypes import float64
from .._errors import OptionError
from .._manipulation import astype, broadcast_arrays, common_operands
from .._reductions import any
from .._special import _lgamma, digamma, lgamma, stirling_error
from ._series import chebyshev, floating, in_double
from ._tables import LGAMMA_ONE, TEMME

_EPSILON = 2.0**-53


def _of_pair(function: Callable[[Tensor, Tensor], Tensor], name: str, x: Any, y: Any) -> Tensor:
    """A function of both in one floating dtype and shape, without a derivative for the first."""
    x, y = broadcast_arrays(*(floating(operand) for operand in common_operands(x, y)))
    return without_derivative(function(_ops.stop_gradient(x), y), x, "the first argument", name)


# The incomplete gamma functions -------------------------------------------------------------------


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


def _upper_fraction(a: Tensor, x: Tensor, is_used: Tensor) -> Tensor:
    """The upper share over x^a exp(-x) / gamma(a): Legendre's fraction, by the recurrence of its
    convergents' numerators and denominators, which are scaled before they are too large."""
    a, x = _ops.where(is_used, a, 1.0), _ops.where(is_used, x, 4.0)
    # Convergents that lie next to each other differ by their roundings.
    tolerance = 16 * _EPSILON

    def step(state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        n, p, before_p, q, before_q, found, apart = state
        is_open = apart > tolerance * found
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
    start = (one, one, zero, x + 1 - a, one, zero, one)
    found = while_loop(
        lambda s: any(s[6] > tolerance * s[5]), step, start, max_iterations=_MOST_LOOKS
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
    eta = _ops.sqrt(2 * half_square)
    eta = _ops.where(mean < 0, -eta, eta)
    total = a * 0.0
    for row in reversed(TEMME):
        inner = eta * 0.0
        for coefficient in reversed(row):
            inner = inner * eta + coefficient
        total = total / a + inner
    rest = _ops.exp(-a * half_square) / _ops.sqrt(2 * math.pi * a) * total
    size = _ops.sqrt(a * half_square)
    tail, body = 0.5 * _erfc(size), 0.5 * _erfc(-size)
    is_low = mean < 0
    return _ops.where(is_low, tail, body) - rest, _ops.where(is_low, body, tail) + rest


def _shares(a: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
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
    fraction = factor * safe_a * _upper_fraction(safe_a, safe_x, by_fraction)
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
        """Of x the density; a is a constant."""
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
        rounded once. It is differentiable in x.

    Raises:
        UnsupportedError: a requires a gradient.
    """
    return _of_pair(_gammainc, "gammainc", input, other)


def gammaincc(input: Tensor, other: Tensor, /) -> Tensor:
    """The share of gamma(a) whose integral goes from x on: 1 - `gammainc`, of which it has all
    else."""
    return _of_pair(_gammaincc, "gammaincc", input, other)


# Hurwitz' zeta ------------------------------------------------------------------------------------

#: B(2j) / (2j)!, with Bernoulli's numbers.
_BERNOULLI = (
    1 / 12,
    -1 / 720,
    1 / 30240,
    -1 / 1209600,
    1 / 47900160,
    -691 / 1307674368000,
    1 / 74724249600,
    -3617 / 10670622842880000,
    43867 / 5109094217170944000,
    -174611 / 802857662698291200000,
    77683 / 14101100039391805440000,
    -236364091 / 1693824136731743669452800000,
)

#: So many terms are added up before the sum becomes an integral.
_TERMS = 10


#: Makes q^-s of q.
_Power = Callable[[Tensor], Tensor]


def _zeta_right(s: Any, q: Any, power: _Power) -> Tensor:
    """The sum of (q + k)^-s, k >= 0, of s > 1 and q > 0: by Euler and Maclaurin's formula."""
    total = power(q)
    for k in range(1, _TERMS):
        total = total + power(q + k)
    edge = q + _TERMS
    last = power(edge)
    total = total + last * (edge / (s - 1) + 0.5)
    term, square = s / edge, 1 / (edge * edge)
    rest = term * _BERNOULLI[0]
    for j in range(1, len(_BERNOULLI)):
        term = term * ((s + (2 * j - 1)) * (s + 2 * j)) * square
        # Of large s all that is left is 0 times this, which must not become infinite.
        term = _ops.minimum(term, 1e250)
        rest = rest + term * _BERNOULLI[j]
    return total + last * rest


def _zeta_of_both_sides(s: Any, q: Tensor, power: _Power, is_odd: Any) -> Tensor:
    """Of s > 1: also of q below 0, where s is whole; inf where a term is."""
    is_left = q < 0

    def right(q: Tensor) -> Tensor:
        return _zeta_right(s, _ops.where(q > 0, q, 1.0), power)

    def both(q: Tensor) -> Tensor:
        """Left of 0 there are the terms of -q, -q - 1, ..., with their signs, before the others."""
        is_left = q < 0
        size = _ops.where(is_left, -q, 1.5)
        part = size - _ops.floor(size)
        is_pole = part == 0
        part = _ops.where(is_pole, 0.5, part)
        turned = _zeta_right(s, part, power) - _zeta_right(s, size + 1, power)
        left = _zeta_right(s, 1 - part, power) + _ops.where(is_odd, -turned, turned)
        return _ops.where(is_left, _ops.where(is_pole, math.inf, left), right(q))

    return _ops.where(q == 0, math.inf, cond(any(is_left), both, right, q))


def _zeta(s: Tensor, q: Tensor) -> Tensor:
    fits = s > 1
    safe = _ops.where(fits & _ops.isfinite(s), s, 2.0)
    is_odd = safe - 2 * _ops.floor(safe * 0.5) == 1
    result = _zeta_of_both_sides(safe, q, lambda base: base**-safe, is_odd)
    is_pole = (q <= 0) & (q == _ops.floor(q))
    result = _ops.where((q < 0) & ~is_pole & (safe != _ops.floor(safe)), math.nan, result)
    limit = _ops.where(q > 1, 0.0, _ops.where(q == 1, 1.0, _ops.where(q > 0, math.inf, math.nan)))
    result = _ops.where(s == math.inf, limit, result)
    result = _ops.where(s == 1, math.inf, _ops.where(fits, result, math.nan))
    result = _ops.where((q == math.inf) & fits, 0.0, result)
    return _ops.where(_ops.isnan(q), math.nan, result)


@custom_jvp
def _zeta_of(s: Tensor, q: Tensor) -> Tensor:
    wide = (astype(operand, float64, copy=False) for operand in (s, q))
    return astype(_zeta(*wide), q.dtype, copy=False)


@_zeta_of.defjvp
def _(primals: tuple, tangents: tuple) -> tuple[Tensor, Tensor]:
    (s, q), (_, change) = primals, tangents
    return _zeta_of(s, q), change * -s * _zeta_of(s + 1, q)


def zeta(input: Tensor, other: Tensor | float = 1.0, /) -> Tensor:
    """Hurwitz' zeta: the sum of (q + k)^-s over k >= 0, s = ``input``, q = ``other``; of q = 1
    Riemann's.

    Ten terms, and the rest by Euler and Maclaurin's formula (Johansson, 2015). inf where s is 1 or
    q one of 0, -1, ...; NaN of smaller s, and of other negative q unless s is whole. The operands
    broadcast.

    Returns:
        The sum in the operands' dtype, float32 of integers: of float64 to 16 units in the last
        place, and to as many for each 10 of s. It is differentiable in q.

    Raises:
        UnsupportedError: s requires a gradient.
    """
    return _of_pair(_zeta_of, "zeta", input, other)


def polygamma(n: int, input: Tensor, /) -> Tensor:
    """The derivative of order n + 1 of `lgamma`: `digamma`, and beyond (-1)^(n + 1) n! zeta(n + 1).

    Integers become float32; of float64 the error is that of `digamma` and `zeta`, relative to the
    larger of both sides' sums where x is negative.

    Raises:
        OptionError: n is no integer of at least 0.
    """
    try:
        order = operator.index(n)
    except TypeError:
        order = -1
    if order < 0:
        raise _fail(OptionError, f"polygamma: n has to be an integer of at least 0, not {n!r}")
    x = floating(input)
    if not order:
        return digamma(x)
    return _polygamma(x, order)


@functools.partial(custom_jvp, nondiff_argnums=1)
def _polygamma(x: Tensor, order: int) -> Tensor:
    scale = math.inf if order > 170 else float(math.factorial(order))
    scale = scale if order % 2 else -scale

    def power(base: Tensor) -> Tensor:
        """By squares and products while they are few."""
        if order > 30:
            return base ** -float(order + 1)
        square, left = _ops.reciprocal(base), order + 1
        result = square if left % 2 else square * 0.0 + 1.0
        while left := left // 2:
            square = square * square
            result = result * square if left % 2 else result
        return result

    def value(x: Tensor) -> Tensor:
        found = _zeta_of_both_sides(float(order + 1), x, power, order % 2 == 0)
        return _ops.where(x == math.inf, 0.0, found) * scale

    return in_double(value, x)


@_polygamma.defjvp
def _(order: int, primals: tuple, tangents: tuple) -> tuple[Tensor, Tensor]:
    (x,), (change,) = primals, tangents
    return _polygamma(x, order), change * _polygamma(x, order + 1)


def multigammaln(a: Tensor, p: int) -> Tensor:
    """The logarithm of the gamma function of p dimensions: p (p - 1) / 4 log(pi), and the sum of
    lgamma(a - j / 2) over j < p. It is defined for a > (p - 1) / 2.

    Integers become float32; the error is that of `lgamma`, p times.

    Raises:
        OptionError: p is no integer of at least 1.
    """
    if not isinstance(p, int) or isinstance(p, bool) or p < 1:
        raise _fail(OptionError, f"multigammaln: p has to be an integer of at least 1, not {p!r}")

    def total(x: Tensor) -> Tensor:
        result = lgamma(x) + p * (p - 1) / 4 * math.log(math.pi)
        for j in range(1, p):
            result = result + lgamma(x - j / 2)
        return result

    return in_double(total, floating(a))

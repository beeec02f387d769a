"""Functions of gamma's family: derivatives of its logarithm, Hurwitz' zeta."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable
from typing import Any

from .. import _ops
from .._autodiff import jvp
from .._control_flow import cond
from .._core import Tensor
from .._creation import _fail, ones_like
from .._custom_derivatives import custom_jvp, with_slope_for_first
from .._dtypes import float64
from .._errors import OptionError
from .._manipulation import astype
from .._reductions import any
from .._special import digamma, lgamma
from ._series import floating, floating_pair, in_double

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


def _zeta_slope(s: Tensor, q: Tensor) -> Tensor:
    """The derivative of `zeta` for s, in the dtype of q; below 0 there is none, as s is whole."""
    wide_s, wide_q = (astype(operand, float64, copy=False) for operand in (s, q))
    safe = _ops.where(wide_q > 0, wide_q, 1.0)
    _, inside = jvp(lambda s: _zeta(s, safe), (wide_s,), (ones_like(wide_s),))
    fits = (wide_q > 0) & (wide_s > 1)
    return astype(_ops.where(fits, inside, math.nan), q.dtype, copy=False)


def zeta(input: Tensor, other: Tensor | float = 1.0, /) -> Tensor:
    """Hurwitz' zeta: the sum of (q + k)^-s over k >= 0, s = ``input``, q = ``other``; of q = 1
    Riemann's.

    Ten terms, and the rest by Euler and Maclaurin's formula (Johansson, 2015). inf where s is 1 or
    q one of 0, -1, ...; NaN of smaller s, and of other negative q unless s is whole. The operands
    broadcast.

    Returns:
        The sum in the operands' dtype, float32 of integers: of float64 to 16 units in the last
        place, and to as many for each 10 of s. It is differentiable in both; where q
        is below 0, in q alone.
    """
    s, q = floating_pair(input, other)
    return with_slope_for_first(_zeta_of(_ops.stop_gradient(s), q), _zeta_slope, s, q)


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

"""Orthogonal polynomials, by their recurrences in the degree."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from .. import _ops
from .._control_flow import fori_loop, while_loop
from .._core import Tensor
from .._creation import _fail, asarray
from .._dtypes import float64, int64
from .._errors import DTypeError, OptionError
from .._jit import jit
from .._manipulation import astype, broadcast_arrays, is_number
from .._reductions import any
from ._series import floating

#: From the degree k, x, and the polynomials of degrees k and k - 1 the next one.
_Step = Callable[[Tensor, Tensor, Tensor, Tensor], Any]

#: Of x the polynomial of degree 1.
_First = Callable[[Any], Any]

#: A degree that comes from a value nobody looked at must not keep a program busy for ever.
_LARGEST_DEGREE = 2**16


def _values(first: _First, step: _Step, x: Tensor, n: Tensor) -> Tensor:
    """Of degrees that are tensors, up to the largest of them."""
    one = x * 0.0 + 1.0

    def advance(state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        k, before, value, result = state
        following = step(astype(k, float64), x, value, before)
        return k + 1, value, following, _ops.where(n > k, following, result)

    start = _ops.where(n < 0, 0.0, _ops.where(n == 0, one, first(x)))
    k = asarray(1, dtype=int64, device=x.device)
    return while_loop(lambda s: any(s[0] < n), advance, (k, one, first(x), start))[3]


def _value(first: _First, step: _Step, x: Tensor, n: int) -> Tensor:
    """Of one degree."""
    one = x * 0.0 + 1.0
    if n < 2:
        return first(x) if n == 1 else one if n == 0 else x * 0.0

    def advance(k: Tensor, pair: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        before, value = pair
        return value, step(astype(k, float64), x, value, before)

    return fori_loop(1, n, advance, (one, first(x)))[1]


def _family(name: str, first: _First, step: _Step, what: str) -> Callable[[Any, Any], Tensor]:
    @jit
    def by_tensors(x: Tensor, n: Tensor) -> Tensor:
        n = astype(n, float64 if n.dtype.kind == "floating" else n.dtype, copy=False)
        fits = n <= _LARGEST_DEGREE
        degrees = astype(_ops.where(fits, n, 0), int64, copy=False)
        values = _values(first, step, astype(x, float64, copy=False), degrees)
        return astype(_ops.where(fits, values, math.nan), x.dtype, copy=False)

    def by_degree(x: Tensor, n: int) -> Tensor:
        return astype(_value(first, step, astype(x, float64, copy=False), n), x.dtype, copy=False)

    by_number = jit(by_degree, static_argnums=1)

    def polynomial(input: Any, n: Any) -> Tensor:
        x = floating(asarray(input))
        if is_number(n) and not isinstance(n, Tensor):
            return by_number(x, degree(n))
        return by_tensors(*broadcast_arrays(x, asarray(n)))

    def degree(n: Any) -> int:
        try:
            whole = operator.index(n)
        except TypeError:
            raise _fail(DTypeError, f"{name}: n has to be whole, not {n!r}") from None
        if whole > _LARGEST_DEGREE:
            raise _fail(OptionError, f"{name}: n is {n}, but at most {_LARGEST_DEGREE}")
        return whole

    polynomial.__name__ = polynomial.__qualname__ = name
    polynomial.__doc__ = (
        f"{what} of degree n; 0 where n is negative.\n\n"
        "By the recurrence in the degree, in float64, rounded once: as many steps as the largest\n"
        "degree, whose errors add up. Integers become float32.\n\n"
        "Args:\n"
        "    input: where.\n"
        "    n: an integer, or a tensor of degrees, which broadcasts; then without a gradient,\n"
        f"        and NaN where n is above {_LARGEST_DEGREE}.\n\n"
        "Raises:\n"
        "    DTypeError: n is a number that is not whole.\n"
        f"    OptionError: n is a number above {_LARGEST_DEGREE}."
    )
    return polynomial


def _chebyshev_step(k: Tensor, x: Any, value: Tensor, before: Tensor) -> Any:
    return 2 * x * value - before


_FIRST: dict[str, tuple[str, _First]] = {
    "t": ("first", lambda x: x),
    "u": ("second", lambda x: 2 * x),
    "v": ("third", lambda x: 2 * x - 1),
    "w": ("fourth", lambda x: 2 * x + 1),
}


def _chebyshev(letter: str, shifted: bool) -> Callable[[Any, Any], Tensor]:
    kind, first = _FIRST[letter]
    if not shifted:
        name = f"chebyshev_polynomial_{letter}"
        return _family(name, first, _chebyshev_step, f"Chebyshev's polynomial of the {kind} kind,")
    return _family(
        f"shifted_chebyshev_polynomial_{letter}",
        lambda x: first(2 * x - 1),
        lambda k, x, value, before: _chebyshev_step(k, 2 * x - 1, value, before),
        f"Chebyshev's polynomial of the {kind} kind, of 2 x - 1,",
    )


chebyshev_polynomial_t, chebyshev_polynomial_u, chebyshev_polynomial_v, chebyshev_polynomial_w = (
    _chebyshev(letter, False) for letter in "tuvw"
)
(
    shifted_chebyshev_polynomial_t,
    shifted_chebyshev_polynomial_u,
    shifted_chebyshev_polynomial_v,
    shifted_chebyshev_polynomial_w,
) = (_chebyshev(letter, True) for letter in "tuvw")

hermite_polynomial_h = _family(
    "hermite_polynomial_h",
    lambda x: 2 * x,
    lambda k, x, value, before: 2 * (x * value - k * before),
    "Hermite's polynomial, as physicists have it,",
)
hermite_polynomial_he = _family(
    "hermite_polynomial_he",
    lambda x: x,
    lambda k, x, value, before: x * value - k * before,
    "Hermite's polynomial, of the normal distribution,",
)
laguerre_polynomial_l = _family(
    "laguerre_polynomial_l",
    lambda x: 1 - x,
    lambda k, x, value, before: ((2 * k + 1 - x) * value - k * before) / (k + 1),
    "Laguerre's polynomial",
)
legendre_polynomial_p = _family(
    "legendre_polynomial_p",
    lambda x: x,
    lambda k, x, value, before: ((2 * k + 1) * x * value - k * before) / (k + 1),
    "Legendre's polynomial",
)

"""Distributions over integers: in float64, by inversion where it is short, else by rejection."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .. import _ops
from .._core import Tensor
from .._creation import Shape, _fail, asarray, zeros_like
from .._dtypes import as_dtype, bool_, float64, int64
from .._errors import DTypeError, OptionError
from .._jit import jit
from .._manipulation import astype, broadcast_to, is_number
from .._special import stirling_error
from ._draw import Draw, open_unit, positive, probability, unit
from ._keys import split

#: Distributions with a lower mean are inverted; of those, less than 1e-16 lie above _LONGEST.
_LARGE_MEAN = 10
_LONGEST = 48

#: From a mean of 10 on a round accepts at least 3 of 4 proposals; less than one number in 2**31 is
#: left without, and becomes the centre of the distribution.
_ROUNDS = 16


def _inverted(u: Tensor, first: Tensor, ratio: Callable[[int], Tensor]) -> Tensor:
    """How many of the sums of probabilities are at most u: ``first`` that of 0, ``ratio(k)`` what
    that of k is to the one before."""
    term = total = first
    count = zeros_like(u)
    for k in range(1, _LONGEST + 1):
        count = count + astype(u >= total, float64)
        term = term * ratio(k)
        total = total + term
    return count


def _first_accepted(
    propose: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]], centre: Tensor, key: Tensor
) -> Tensor:
    """Of some rounds the first proposal that is accepted: ``propose(u, v)`` gives both."""
    keys = split(key, 2 * _ROUNDS)
    value, found = centre, zeros_like(centre, dtype=bool_)
    for turn in range(_ROUNDS):
        u = open_unit(keys[2 * turn], centre.shape, float64) - 0.5
        proposed, accepted = propose(u, open_unit(keys[2 * turn + 1], centre.shape, float64))
        value = _ops.where(accepted & ~found, proposed, value)
        found = found | accepted
    return value


@jit
def _small_poisson(rate: Tensor, key: Tensor) -> Tensor:
    """By inversion, in sequence."""
    return _inverted(unit(key, rate.shape, float64), _ops.exp(-rate), lambda k: rate / k)


@jit
def _large_poisson(rate: Tensor, key: Tensor) -> Tensor:
    """PTRS of Hörmann, "The transformed rejection method for generating Poisson random variables"
    (1993), without its squeezes."""
    b = 0.931 + 2.53 * _ops.sqrt(rate)
    a = -0.059 + 0.02483 * b
    scale = 1.1239 + 1.1328 / (b - 3.4)

    def propose(u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        rest = 0.5 - _ops.abs(u)
        k = _ops.floor((2 * a / rest + b) * u + rate + 0.43)
        safe = _ops.where(k < 1, 1.0, k)
        apart = (rate - safe) / safe
        density = safe * (_ops.log1p(apart) - apart) - 0.5 * _ops.log(2 * math.pi * safe)
        density = _ops.where(k == 0, -rate, density - stirling_error(safe))
        return k, (k >= 0) & (_ops.log(v * scale / (a / (rest * rest) + b)) <= density)

    return _first_accepted(propose, _ops.floor(rate), key)


def poisson(
    rate: Any,
    shape: Shape | None = None,
    *,
    key: Tensor | None = None,
    dtype: object = int64,
    device: object = None,
) -> Tensor:
    """Poisson distributed integers with the mean ``rate``: below 10 by inversion, above by
    rejection (Hörmann, 1993).

    Raises:
        OptionError: the rate is a number below 0. OutOfRangeError: one of a tensor is, and no trace
            hides it; in compiled functions -1 comes for it. ShapeError: it does not broadcast to
            the shape.
    """
    from .._searching import check_range

    if isinstance(rate, (int, float)) and not 0 <= rate < math.inf:
        raise _fail(OptionError, f"poisson: the rate has to be at least 0, not {rate}")
    draw, (rates,) = _wide_draw("poisson", shape, (rate,), key, dtype, device)
    if isinstance(rate, Tensor):
        check_range(rates, 0, math.inf, "poisson: each rate")
    first, second = draw.keys(2)
    is_large = rates >= _LARGE_MEAN
    counts = _ops.where(
        is_large,
        _large_poisson(_ops.where(is_large, rates, _LARGE_MEAN), second),
        _small_poisson(_ops.where(is_large, 0.0, rates), first),
    )
    return astype(_ops.where(rates >= 0, counts, -1.0), dtype)


@jit
def _small_binomial(n: Tensor, p: Tensor, key: Tensor) -> Tensor:
    """By inversion, in sequence."""
    odds = p / (1 - p)
    none = _ops.exp(n * _ops.log1p(-p))
    return _inverted(unit(key, n.shape, float64), none, lambda k: (n - (k - 1)) / k * odds)


@jit
def _large_binomial(n: Tensor, p: Tensor, key: Tensor) -> Tensor:
    """BTRS of Hörmann, "The generation of binomial random variates" (1993), without its squeezes;
    p is at most 1/2."""
    q, spread = 1 - p, _ops.sqrt(n * p * (1 - p))
    b = 1.15 + 2.53 * spread
    a = -0.0873 + 0.0248 * b + 0.01 * p
    alpha = (2.83 + 5.1 / b) * spread
    mode = _ops.floor((n + 1) * p)

    def density(k: Tensor) -> Tensor:
        """The logarithm of k's probability, by the distances from the means of both outcomes."""
        inner = (k > 0) & (k < n)
        safe = _ops.where(inner, k, 1.0)
        other = _ops.where(inner, n - k, n - 1)
        one, two = (n * p - safe) / safe, (n * q - other) / other
        terms = safe * (_ops.log1p(one) - one) + other * (_ops.log1p(two) - two)
        terms = terms - 0.5 * _ops.log(2 * math.pi * safe * other / n)
        terms = terms + stirling_error(n) - stirling_error(safe) - stirling_error(other)
        edge = n * _ops.where(k == 0, _ops.log(q), _ops.log(p))
        return _ops.where(inner, terms, edge)

    highest = density(mode)

    def propose(u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        rest = 0.5 - _ops.abs(u)
        k = _ops.floor((2 * a / rest + b) * u + n * p + 0.5)
        inside = (k >= 0) & (k <= n)
        height = _ops.log(v * alpha / (a / (rest * rest) + b))
        return k, inside & (height <= density(_ops.where(inside, k, mode)) - highest)

    return _first_accepted(propose, mode, key)


def binomial(
    n: Any,
    p: Any,
    shape: Shape | None = None,
    *,
    key: Tensor | None = None,
    dtype: object = int64,
    device: object = None,
) -> Tensor:
    """How many of n trials succeed that do with the probability p: by inversion where fewer than 10
    of the rarer outcome are expected, else by rejection (Hörmann, 1993).

    Raises:
        OptionError: a number n is below 0, or p not in [0, 1]. OutOfRangeError: one of a tensor is,
            and no trace hides it; in compiled functions -1 comes for it. ShapeError: they do not
            broadcast to the shape.
    """
    from .._searching import check_range

    if isinstance(n, (int, float)) and not 0 <= n < 1 << 53:
        raise _fail(OptionError, f"binomial: n has to be at least 0 and below 2**53, not {n}")
    probability("binomial", p)
    draw, (counts, chances) = _wide_draw("binomial", shape, (n, p), key, dtype, device)
    if isinstance(n, Tensor):
        check_range(counts, 0, float(1 << 53), "binomial: each n")
    if isinstance(p, Tensor):
        check_range(chances, 0, 1, "binomial: each p")
    valid = (counts >= 0) & (chances >= 0) & (chances <= 1)
    turned = chances > 0.5
    rare = _ops.where(valid, _ops.where(turned, 1 - chances, chances), 0.0)
    trials = _ops.where(valid, _ops.floor(counts), 0.0)
    is_large = trials * rare >= _LARGE_MEAN
    first, second = draw.keys(2)
    drawn = _ops.where(
        is_large,
        _large_binomial(
            _ops.where(is_large, trials, 32.0), _ops.where(is_large, rare, 0.5), second
        ),
        _small_binomial(_ops.where(is_large, 0.0, trials), _ops.where(is_large, 0.0, rare), first),
    )
    drawn = _ops.where(turned, trials - drawn, drawn)
    return astype(_ops.where(valid, drawn, -1.0), dtype)


def geometric(
    p: Any,
    shape: Shape | None = None,
    *,
    key: Tensor | None = None,
    dtype: object = int64,
    device: object = None,
) -> Tensor:
    """The first of many trials that succeeds, from 1 on, if each does with the probability p.

    By inversion, in float64; what is beyond 2**62 becomes that.

    Raises:
        OptionError: p is a number that is not in (0, 1]. OutOfRangeError: one of a tensor is not in
            [0, 1], and no trace hides it. ShapeError: p does not broadcast to the shape.
    """
    from .._searching import check_range

    positive("geometric", "the probability", p)
    probability("geometric", p)
    draw, (chances,) = _wide_draw("geometric", shape, (p,), key, dtype, device)
    if isinstance(p, Tensor):
        check_range(chances, 0, 1, "geometric: each p")
    drawn = _ops.log(open_unit(draw.key, draw.shape, float64)) / _ops.log1p(-chances)
    counts = _ops.ceil(_ops.where(chances >= 1, 1.0, drawn))
    valid = (chances >= 0) & (chances <= 1)
    counts = _ops.where(counts < 1, 1.0, _ops.where(counts > 2.0**62, 2.0**62, counts))
    return astype(_ops.where(valid, counts, -1.0), dtype)


def _wide_draw(
    name: str, shape: Shape | None, parameters: tuple, key: Any, dtype: object, device: Any
) -> tuple[Draw, list[Tensor]]:
    """A draw in float64, and its parameters as tensors of its shape."""
    if as_dtype(dtype).kind == "bool":
        raise _fail(DTypeError, f"{name}: counts need a dtype of numbers, not bool")
    draw = Draw(name, shape, parameters, key, float64, device)
    return draw, [
        broadcast_to(
            asarray(x, dtype=float64, device=draw.key.device) if is_number(x) else x, draw.shape
        )
        for x in draw.parameters
    ]

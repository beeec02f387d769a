"""Special functions by series: of float64, or in float64 and rounded once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from . import _ops
from ._core import Tensor
from ._creation import asarray
from ._dtypes import float32, float64
from ._manipulation import astype

#: Stirling's series of lgamma and digamma is used from here on; below, the argument is moved up.
_LARGE = 8

#: B(2n) / (2n (2n - 1)), with Bernoulli's numbers.
_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)

#: B(2n) / 2n.
_DIGAMMA = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12)

# Wichura, "Algorithm AS 241: the percentage points of the normal distribution" (1988), PPND16:
# numerators and denominators near the middle, in the tails, and far out.
_MIDDLE = (
    (
        3.3871328727963666080e0,
        1.3314166789178437745e2,
        1.9715909503065514427e3,
        1.3731693765509461125e4,
        4.5921953931549871457e4,
        6.7265770927008700853e4,
        3.3430575583588128105e4,
        2.5090809287301226727e3,
    ),
    (
        1.0,
        4.2313330701600911252e1,
        6.8718700749205790830e2,
        5.3941960214247511077e3,
        2.1213794301586595867e4,
        3.9307895800092710610e4,
        2.8729085735721942674e4,
        5.2264952788528545610e3,
    ),
)
_TAIL = (
    (
        1.42343711074968357734e0,
        4.63033784615654529590e0,
        5.76949722146069140550e0,
        3.64784832476320460504e0,
        1.27045825245236838258e0,
        2.41780725177450611770e-1,
        2.27238449892691845833e-2,
        7.74545014278341407640e-4,
    ),
    (
        1.0,
        2.05319162663775882187e0,
        1.67638483018380384940e0,
        6.89767334985100004550e-1,
        1.48103976427480074590e-1,
        1.51986665636164571966e-2,
        5.47593808499534494600e-4,
        1.05075007164441684324e-9,
    ),
)
_FAR = (
    (
        6.65790464350110377720e0,
        5.46378491116411436990e0,
        1.78482653991729133580e0,
        2.96560571828504891230e-1,
        2.65321895265761230930e-2,
        1.24266094738807843860e-3,
        2.71155556874348757815e-5,
        2.01033439929228813265e-7,
    ),
    (
        1.0,
        5.99832206555887937690e-1,
        1.36929880922735805310e-1,
        1.48753612908506148525e-2,
        7.86869131145613259100e-4,
        1.84631831751005468180e-5,
        1.42151175831644588870e-7,
        2.04426310338993978564e-15,
    ),
)


def _in_double(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    x = asarray(x)
    dtype = x.dtype if x.dtype.kind == "floating" else float32
    return astype(function(astype(x, float64, copy=False)), dtype, copy=False)


def _polynomial(coefficients: Sequence[float], x: Tensor) -> Tensor:
    """By Horner's rule; the coefficient of 1 first."""
    result = x * coefficients[-1] + coefficients[-2]
    for coefficient in coefficients[-3::-1]:
        result = result * x + coefficient
    return result


def stirling_error(x: Tensor) -> Tensor:
    """lgamma(x) - ((x - 1/2) log(x) - x + log(2 pi) / 2), of float64 above 0."""
    is_small = x < _LARGE
    moved = _ops.where(is_small, x + _LARGE, x)
    inverse = _ops.reciprocal(moved)
    series = inverse * _polynomial(_STIRLING, inverse * inverse)
    safe = _ops.where(is_small, x, 1.0)
    product = safe
    for i in range(1, _LARGE):
        product = product * (safe + i)
    above = safe + _LARGE
    rest = (above - 0.5) * _ops.log(above) - (safe - 0.5) * _ops.log(safe)
    return series + _ops.where(is_small, rest - _LARGE - _ops.log(product), 0.0)


def _lgamma_of_positive(x: Tensor) -> Tensor:
    is_small = x < _LARGE
    moved = _ops.where(is_small, x + _LARGE, x)
    inverse = _ops.reciprocal(moved)
    series = inverse * _polynomial(_STIRLING, inverse * inverse)
    large = (moved - 0.5) * (_ops.log(moved) - 1) + (0.5 * math.log(2 * math.pi) - 0.5) + series
    safe = _ops.where(is_small, x, 1.0)
    product = safe
    for i in range(1, _LARGE):
        product = product * (safe + i)
    return large - _ops.where(is_small, _ops.log(product), 0.0)


def lgamma(x: Tensor) -> Tensor:
    """The logarithm of |gamma(x)|, by Stirling's series; inf at 0, -1, -2, ...

    Integers become float32. In float64 the error is at most 32 units in the last place of the
    larger of the result and 1.
    """
    return _in_double(_lgamma, x)


def _lgamma(x: Tensor) -> Tensor:
    is_low = x < 0.5
    upper = _lgamma_of_positive(_ops.where(is_low, 1 - x, x))
    # gamma(x) gamma(1 - x) = pi / sin(pi x); the sine of what is left of whole numbers.
    part = _ops.where(is_low, x - _ops.round(x), 0.5)
    sine = _ops.abs(_ops.sin(part * math.pi))
    lower = math.log(math.pi) - _ops.log(sine) - upper
    result = _ops.where(is_low, lower, upper)
    return _ops.where(_ops.isinf(x), math.inf, result)


def digamma(x: Tensor) -> Tensor:
    """The derivative of `lgamma`; NaN at -1, -2, ..., and -inf at 0.

    Integers become float32. In float64 the error is at most 200 units in the last place of the
    larger of the result and 1, more within 1/20 of the poles below 0.
    """
    return _in_double(_digamma, x)


def _digamma(x: Tensor) -> Tensor:
    is_low = x < 0.5
    z = _ops.where(is_low, 1 - x, x)
    is_small = z < _LARGE
    moved = _ops.where(is_small, z + _LARGE, z)
    inverse = _ops.reciprocal(moved)
    square = inverse * inverse
    upper = _ops.log(moved) - 0.5 * inverse - square * _polynomial(_DIGAMMA, square)
    safe = _ops.where(is_small, z, 1.0)
    steps = 1 / safe
    for i in range(1, _LARGE):
        steps = steps + 1 / (safe + i)
    upper = upper - _ops.where(is_small, steps, 0.0)
    part = _ops.where(is_low, x - _ops.round(x), 0.5)
    is_pole = part == 0
    angle = _ops.where(is_pole, 0.5, part) * math.pi
    lower = upper - math.pi * _ops.cos(angle) / _ops.sin(angle)
    lower = _ops.where(is_pole, _ops.where(x == 0, -math.inf, math.nan), lower)
    return _ops.where(is_low, lower, upper)


def _normal_quantile(middle: Tensor, tail: Tensor) -> Tensor:
    """The point below which 1/2 + middle of a normal distribution lies; tail is 1/2 - |middle|."""
    is_middle = _ops.abs(middle) <= 0.425
    square = _ops.where(is_middle, 0.180625 - middle * middle, 0.1)
    near = middle * (_polynomial(_MIDDLE[0], square) / _polynomial(_MIDDLE[1], square))
    inside = ~is_middle & (tail > 0)
    root = _ops.sqrt(-_ops.log(_ops.where(inside, tail, 0.01)))
    is_far = root > 5
    r = _ops.where(is_far, 1.0, root) - 1.6
    beyond = _polynomial(_TAIL[0], r) / _polynomial(_TAIL[1], r)
    r = _ops.where(is_far, root, 5.0) - 5.0
    far = _polynomial(_FAR[0], r) / _polynomial(_FAR[1], r)
    size = _ops.where(is_far, far, beyond)
    size = _ops.where(tail > 0, size, _ops.where(tail == 0, math.inf, math.nan))
    return _ops.where(is_middle, near, _ops.where(middle < 0, -size, size))


def ndtri(p: Tensor) -> Tensor:
    """The point below which the share p of a normal distribution lies (Wichura, 1988).

    NaN where p is not in [0, 1]. Integers become float32; of float64 the relative error is about
    1e-15.
    """
    return _in_double(lambda x: _normal_quantile(x - 0.5, _ops.minimum(x, _ops.subtract(1, x))), p)


def erfinv(x: Tensor) -> Tensor:
    """What erf makes x of, by the quantiles of a normal distribution (Wichura, 1988).

    NaN where x is not in [-1, 1]. Integers become float32; of float64 the relative error is about
    1e-15.
    """
    half = math.sqrt(0.5)
    return _in_double(
        lambda y: _normal_quantile(y * 0.5, _ops.subtract(0.5, _ops.abs(y) * 0.5)) * half, x
    )

"""The error function's relatives, and the normal distribution's shares."""

from __future__ import annotations

import math

from .. import _ops
from .._core import Tensor
from ._series import chebyshev, with_slope
from ._tables import ERFCX, ERFCX_SLOPE

_TWO_OVER_ROOT_PI = 2 / math.sqrt(math.pi)
_ROOT_HALF = math.sqrt(0.5)


def _exp_of_square(x: Tensor, factor: float) -> Tensor:
    """exp(factor x^2), whose argument is not rounded: of x in sixteenths, and of the rest."""
    near = _ops.round(x * 16) / 16
    return _ops.exp(near * near * factor) * _ops.exp((x - near) * (x + near) * factor)


def _scaled(x: Tensor) -> Tensor:
    """exp(x^2) erfc(x) of x >= 0, by a series of Shepherd and Laframboise's kind (1981)."""
    t = _ops.where(x < 1e17, (x - 3.75) / (x + 3.75), 1.0)
    return chebyshev(ERFCX, t) / (1 + 2 * x)


def _erfcx(x: Tensor) -> Tensor:
    size = _ops.abs(x)
    right = _scaled(size)
    turned = 2 * _exp_of_square(_ops.where(x < 0, _ops.maximum(x, -30.0), 0.0), 1.0) - right
    return _ops.where(x < 0, turned, right)


def _erfcx_slope(x: Tensor, result: Tensor) -> Tensor:
    return _slope_of_scaled(x)


def _slope(x: Tensor) -> Tensor:
    size = _ops.maximum(x, 0.0)
    t = _ops.where(size < 1e17, (size - 3.75) / (size + 3.75), 1.0)
    root = 1 + 2 * size
    right = -chebyshev(ERFCX_SLOPE, t) / root / root
    low = _ops.where(x < 0, _ops.maximum(x, -30.0), 0.0)
    return _ops.where(x < 0, 2 * low * _erfcx(low) - _TWO_OVER_ROOT_PI, right)


_slope_of_scaled = with_slope(_slope, lambda x, result: 2 * erfcx(x) + 2 * x * result)
_erfcx_of = with_slope(_erfcx, _erfcx_slope)


def erfcx(x: Tensor, /) -> Tensor:
    """exp(x^2) times `erfc`, which does not underflow: of large x about 1 / (x sqrt(pi)).

    By Chebyshev's series in (x - 3.75) / (x + 3.75) (Shepherd and Laframboise, 1981). Integers
    become float32; of float64 the error is at most 8 units in the last place.
    """
    return _erfcx_of(x)


def _erfc(x: Tensor) -> Tensor:
    is_far = x > 0.5
    far = _ops.where(is_far, _ops.minimum(x, 30.0), 1.0)
    near = _ops.subtract(1, _ops.erf(_ops.where(is_far, 0.0, x)))
    return _ops.where(is_far, _exp_of_square(far, -1.0) * _scaled(far), near)


_erfc_of = with_slope(_erfc, lambda x, result: -_TWO_OVER_ROOT_PI * _ops.exp(-x * x))


def erfc(x: Tensor, /) -> Tensor:
    """1 - `erf`, with all digits also where little is left.

    By `erfcx` above 1/2. Integers become float32; of float64 the error is at most 8 units in the
    last place.
    """
    return _erfc_of(x)


def _ndtr(x: Tensor) -> Tensor:
    is_far = x < -0.5
    far = _ops.where(is_far, _ops.maximum(x, -40.0), -1.0)
    near = 0.5 + 0.5 * _ops.erf(_ops.where(is_far, 0.0, x) * _ROOT_HALF)
    left = 0.5 * _exp_of_square(far, -0.5) * _scaled(-far * _ROOT_HALF)
    return _ops.where(is_far, left, near)


_ndtr_of = with_slope(_ndtr, lambda x, result: _ops.exp(-0.5 * x * x) / math.sqrt(2 * math.pi))


def ndtr(x: Tensor, /) -> Tensor:
    """The share of a normal distribution that lies below x; also far below 0 with all digits.

    By `erfcx` below -1/2. Integers become float32; of float64 the error is at most 8 units in the
    last place.
    """
    return _ndtr_of(x)


def _log_ndtr(x: Tensor) -> Tensor:
    is_far = x < -1
    far = _ops.where(is_far, x, -1.0)
    left = _ops.log(0.5 * _scaled(-far * _ROOT_HALF)) - 0.5 * far * far
    right = _ops.log1p(-_ndtr(-_ops.where(is_far, 0.0, x)))
    return _ops.where(is_far, left, right)


def _log_ndtr_slope(x: Tensor, result: Tensor) -> Tensor:
    """The density over the share: where the share is small, both are scaled."""
    is_far = x < -1
    far = _ops.where(is_far, x, -1.0)
    left = math.sqrt(2 / math.pi) / erfcx(-far * _ROOT_HALF)
    near = _ops.where(is_far, 0.0, x)
    right = _ops.exp(-0.5 * near * near) / (math.sqrt(2 * math.pi) * ndtr(near))
    return _ops.where(is_far, left, right)


_log_ndtr_of = with_slope(_log_ndtr, _log_ndtr_slope)


def log_ndtr(x: Tensor, /) -> Tensor:
    """The logarithm of `ndtr`, also where that underflows.

    Integers become float32; of float64 the error is at most 8 units in the last place.
    """
    return _log_ndtr_of(x)

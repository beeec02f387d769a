"""Products with logarithms, where 0 times what is infinite is 0."""

from __future__ import annotations

import math

from .. import _ops
from .._core import Tensor
from .._manipulation import common_operands
from ._series import floating


def entr(input: Tensor, /) -> Tensor:
    """-x log(x): 0 at 0, -inf below. Integers become float32."""
    x = floating(input)
    inside = x > 0
    safe = _ops.where(inside, x, 1.0)
    edge = _ops.where(x < 0, -math.inf, _ops.where(x == 0, 0.0, x))
    return _ops.where(inside, -safe * _ops.log(safe), edge)


def xlog1py(input: Tensor, other: Tensor, /) -> Tensor:
    """x log(1 + y), which is 0 where x is 0 and y a number. Integers become float32; the operands
    broadcast."""
    x, y = common_operands(input, other)
    x, y = floating(x), floating(y)
    # Where y is above -1 the product is that, and so is its derivative.
    is_zero = (x == 0) & (y <= -1)
    return _ops.where(is_zero, 0.0, x * _ops.log1p(_ops.where(is_zero, 0.0, y)))

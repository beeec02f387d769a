"""What the special functions are computed by: series, in float64, rounded once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .._core import Tensor
from .._creation import asarray
from .._custom_derivatives import custom_jvp
from .._dtypes import float32, float64
from .._manipulation import astype, broadcast_arrays, common_operands

#: A function of one tensor.
Function = Callable[[Tensor], Tensor]


def floating(x: Tensor) -> Tensor:
    """x, or float32 of what is not floating."""
    x = asarray(x)
    return x if x.dtype.kind == "floating" else astype(x, float32)


def floating_pair(x: Any, y: Any) -> tuple[Tensor, Tensor]:
    """Both in one floating dtype, float32 of integers, and of one shape."""
    first, second = broadcast_arrays(*(floating(operand) for operand in common_operands(x, y)))
    return first, second


def chebyshev(coefficients: Sequence[float], t: Any) -> Tensor:
    """The sum of coefficients times Chebyshev's polynomials, by Clenshaw's recurrence (1955)."""
    double = t + t
    later, last = double * 0.0, double * 0.0 + coefficients[-1]
    for coefficient in coefficients[-2:0:-1]:
        last, later = double * last - later + coefficient, last
    return t * last - later + coefficients[0]


def in_double(function: Function, x: Tensor) -> Tensor:
    """A function of float64 of any floating dtype, rounded once at the end."""
    return astype(function(astype(x, float64, copy=False)), x.dtype, copy=False)


def with_slope(value: Function, slope: Callable[[Tensor, Tensor], Any]) -> Function:
    """A function of float64, and its derivative by x and the function's value, for all dtypes.

    One operation, also where it is not compiled with others.
    """

    def compute(x: Tensor) -> Tensor:
        return in_double(value, x)

    compute.__name__ = compute.__qualname__ = value.__name__.lstrip("_")
    function = custom_jvp(compute)

    @function.defjvp
    def _(primals: tuple[Tensor], tangents: tuple[Tensor]) -> tuple[Tensor, Tensor]:
        (x,), (change,) = primals, tangents
        result = function(x)
        return result, change * slope(x, result)

    return lambda x: function(floating(x))

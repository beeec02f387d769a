"""PyTorch's functions of single elements that are compositions: of integers, bits and powers."""

from __future__ import annotations

import math
from typing import NamedTuple

from . import _complex, _ops, _reductions
from ._control_flow import while_loop
from ._core import Tensor
from ._creation import _fail, asarray, full
from ._dtypes import complex128, float32, float64, int32, int64
from ._elementwise import bitcast, logaddexp
from ._errors import DTypeError
from ._manipulation import astype, broadcast_arrays, common_operands
from ._ops import Operand

#: Of float64: how many bits the fraction has, the bits of the exponent, and that of 1/2.
_FRACTION_BITS, _EXPONENT_BITS, _EXPONENT_OF_HALF = 52, 0x7FF, 1022
#: What subnormal numbers are multiplied by, as a power of two.
_LIFT = 54


class MantissaExponent(NamedTuple):
    """What `frexp` returns."""

    mantissa: Tensor
    exponent: Tensor


def _integers(name: str, x: Operand, y: Operand) -> list[Tensor]:
    """Both in one shape and dtype. Raises DTypeError if that is not of integers."""
    x, y = common_operands(x, y)
    if x.dtype.kind != "integer":
        raise _fail(DTypeError, f"{name}: the operands have to be integers, not {x.dtype.name}")
    return list(broadcast_arrays(x, y))


def gcd(x: Operand, other: Operand) -> Tensor:
    """The greatest common divisor of integers, never negative; of 0 and y it is \\|y\\|.

    By Euclid's algorithm, of all elements side by side. The least integer is as its dtype's abs.

    Raises:
        DTypeError: the operands are not integers.
    """
    first, second = _integers("gcd", x, other)

    def step(state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        larger, smaller = state
        ended = smaller == 0
        rest = _ops.remainder(larger, _ops.where(ended, 1, smaller))
        return _ops.where(ended, larger, smaller), _ops.where(ended, 0, rest)

    start = (_complex.abs(first), _complex.abs(second))
    return while_loop(lambda state: _reductions.any(state[1] != 0), step, start)[0]


def lcm(x: Operand, other: Operand) -> Tensor:
    """The least common multiple of integers, never negative; 0 if one of them is.

    Raises:
        DTypeError: the operands are not integers.
    """
    first, second = _integers("lcm", x, other)
    divisor = gcd(first, second)
    parts = _ops.floor_divide(first, _ops.where(divisor == 0, 1, divisor))
    return _complex.abs(parts * second)


def _power_of_two(exponent: Tensor) -> Tensor:
    """2 to an int64 of at least -1022 and at most 1023, exactly: float64."""
    return bitcast((exponent + (_EXPONENT_OF_HALF + 1)) << _FRACTION_BITS, float64)


def _exponent(x: Tensor) -> Tensor:
    """The exponent of normal numbers of float64 as int64: x / 2 ** exponent is in [1/2, 1)."""
    bits = bitcast(x, int64)
    return ((bits >> _FRACTION_BITS) & _EXPONENT_BITS) - _EXPONENT_OF_HALF


def frexp(x: Tensor) -> MantissaExponent:
    """The mantissa m with 1/2 <= \\|m\\| < 1, and the exponent n (int32) with x = m * 2 ** n.

    Of 0, infinities and NaN the mantissa is x, and the exponent 0.

    Raises:
        DTypeError: x is not floating.
    """
    x = asarray(x)
    if x.dtype.kind != "floating":
        raise _fail(DTypeError, f"frexp: x has dtype {x.dtype.name}, but has to be floating")
    wide = astype(x, float64, copy=False)
    size = _ops.abs(wide.detach())
    is_plain = (size > 0) & (size < math.inf)
    is_small = size < 2.0**-1022
    lifted = _ops.where(is_small, size * 2.0**_LIFT, size)
    found = _exponent(_ops.where(is_plain, lifted, 0.5)) - _ops.where(is_plain & is_small, _LIFT, 0)
    half = found // 2
    mantissa = wide * _power_of_two(-half) * _power_of_two(half - found)
    return MantissaExponent(astype(mantissa, x.dtype, copy=False), astype(found, int32))


def _pair(x: Operand, other: Operand) -> tuple[Tensor, Tensor]:
    """Both as tensors: a number is where the other one is."""
    first = x if isinstance(x, Tensor) else None
    second = other if isinstance(other, Tensor) else None
    place = next((each.device for each in (first, second) if each is not None), None)
    return (
        asarray(x, device=place) if first is None else first,
        asarray(other, device=place) if second is None else second,
    )


def ldexp(x: Operand, other: Operand) -> Tensor:
    """x * 2 ** other; of integers float32."""
    x, exponent = _pair(x, other)
    x = x if x.dtype.is_inexact else astype(x, float32)
    if exponent.dtype.kind != "floating":
        exponent = astype(exponent, float32 if x.dtype.is_complex else x.dtype)
    return x * _ops.exp2(exponent)


def float_power(x: Operand, exponent: Operand) -> Tensor:
    """x ** exponent in float64, or in complex128 if one of them is complex."""
    x, exponent = _pair(x, exponent)
    is_complex = x.dtype.is_complex or exponent.dtype.is_complex
    dtype = complex128 if is_complex else float64
    return _ops.pow(astype(x, dtype, copy=False), astype(exponent, dtype, copy=False))


def logaddexp2(x: Operand, other: Operand) -> Tensor:
    """log2(2 ** x + 2 ** other), without overflow.

    Raises:
        DTypeError: neither is floating.
    """
    first, second = _pair(x, other)
    scale = math.log(2.0)
    return logaddexp(first * scale, second * scale) / scale


def isreal(x: Tensor) -> Tensor:
    """Whether the imaginary part is 0, as that of all real numbers is."""
    x = asarray(x)
    return x.imag == 0 if x.dtype.is_complex else full(x.shape, True, device=x.device)


def rsub(x: Operand, other: Operand, *, alpha: float = 1) -> Tensor:
    """other - alpha * x"""
    first, second = x if isinstance(x, Tensor) else asarray(x), other
    return _ops.subtract(second, first if alpha == 1 else first * alpha)

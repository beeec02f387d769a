"""Elementwise functions that are written by others."""

from __future__ import annotations

import math

from . import _core, _ops
from ._core import Tensor
from ._creation import _fail, asarray
from ._dtypes import as_dtype, bool_, float32
from ._errors import DTypeError
from ._manipulation import astype, broadcast_arrays, common_operands
from ._ops import Operand

#: For a floating or unsigned dtype of so many bytes the signed integer of its bits.
_SIGNED = {1: "int8", 2: "int16", 4: "int32", 8: "int64"}


def bitcast(x: Tensor, dtype: object, /) -> Tensor:
    """The bits of x's elements as elements of another dtype of the same size.

    Raises:
        DTypeError: their sizes differ, or one is bool.
    """
    x, wanted = asarray(x), as_dtype(dtype)
    if x.dtype.itemsize != wanted.itemsize or (x.dtype is wanted) < ("bool" in (x.dtype, wanted)):
        raise _fail(
            DTypeError,
            f"bitcast: an element of {x.dtype.name} has other bits than one of {wanted.name}",
        )
    return x if x.dtype is wanted else _core.apply("weft.bitcast", (x,), None, x.shape, wanted)


def _bits(x: Tensor) -> Tensor:
    return bitcast(x, _SIGNED[x.dtype.itemsize])


def _floats(name: str, *operands: Operand) -> tuple[Tensor, ...]:
    """Operands in their common shape and floating dtype. Raises DTypeError for integers."""
    tensors = common_operands(*operands)
    if tensors[0].dtype.kind != "floating":
        raise _fail(
            DTypeError,
            f"{name}: the operands have to be floating, not {tensors[0].dtype.name}",
        )
    return broadcast_arrays(*tensors)


def add(x: Operand, y: Operand, /, *, alpha: float = 1) -> Tensor:
    """x + alpha * y, in their common dtype and shape."""
    return _ops.add(x, y if alpha == 1 else _ops.multiply(y, alpha))


def subtract(x: Operand, y: Operand, /, *, alpha: float = 1) -> Tensor:
    """x - alpha * y, in their common dtype and shape."""
    return _ops.subtract(x, y if alpha == 1 else _ops.multiply(y, alpha))


def _truth(x: Operand) -> Operand:
    """x as bools: what is not zero is true, as NaN is."""
    if isinstance(x, (bool, int, float, complex)):
        return bool(x)
    x = asarray(x)
    return x if x.dtype is bool_ else _ops.not_equal(x, 0)


def logical_not(x: Operand, /) -> Tensor:
    """True where x is false; of numbers, complex ones too, where it is 0."""
    return _ops.logical_not(_truth(x))


def logical_and(x: Operand, y: Operand, /) -> Tensor:
    """True where x and y are; numbers, complex ones too, are unless they are 0."""
    return _ops.logical_and(_truth(x), _truth(y))


def logical_or(x: Operand, y: Operand, /) -> Tensor:
    """True where x or y is; numbers, complex ones too, are unless they are 0."""
    return _ops.logical_or(_truth(x), _truth(y))


def logical_xor(x: Operand, y: Operand, /) -> Tensor:
    """True where exactly one of x and y is; numbers, complex ones too, are unless they are 0."""
    return _ops.logical_xor(_truth(x), _truth(y))


def signbit(x: Tensor, /) -> Tensor:
    """Whether the sign of x is negative; it is of -0.0, and may be of NaN."""
    x = asarray(x)
    return (_bits(x) if x.dtype.kind == "floating" else x) < 0


def copysign(x1: Operand, x2: Operand, /) -> Tensor:
    """The magnitude of x1 with the sign of x2.

    Raises:
        DTypeError: neither is floating.
    """
    x, sign = _floats("copysign", x1, x2)
    return _ops.where(signbit(x) == signbit(sign), x, -x)


def nextafter(x1: Operand, x2: Operand, /) -> Tensor:
    """The number of the dtype that comes next after x1 towards x2.

    Raises:
        DTypeError: neither is floating.
    """
    x, target = _floats("nextafter", x1, x2)
    bits = _bits(x)
    # The bits of numbers of one sign are in the order of their magnitudes.
    away = (target > x) == (x > 0)
    least = _ops.where(target > 0, 1, -(2 ** (8 * x.dtype.itemsize - 1)) + 1)
    stepped = bits + astype(_ops.where(away, 1, -1), bits.dtype)
    result = bitcast(_ops.where(x == 0, astype(least, bits.dtype), stepped), x.dtype)
    result = _ops.where(x == target, target, result)
    return _ops.where(_ops.isnan(x) | _ops.isnan(target), math.nan, result)


def hypot(x1: Operand, x2: Operand, /) -> Tensor:
    """The square root of x1 * x1 + x2 * x2, without overflow; at 0 the derivative is 0.

    Raises:
        DTypeError: neither is floating.
    """
    x, y = (_ops.abs(operand) for operand in _floats("hypot", x1, x2))
    dtype = x.dtype
    if dtype.itemsize < float32.itemsize:
        x, y = astype(x, float32), astype(y, float32)
    larger, smaller = _ops.maximum(x, y), _ops.minimum(x, y)
    infinite = (x == math.inf) | (y == math.inf)
    # Neither a value nor a derivative of what is not chosen may be infinite.
    safe = _ops.where(infinite, 1, larger)
    ratio = _ops.where(infinite, 0, smaller) / _ops.where(safe == 0, 1, safe)
    length = safe * _ops.sqrt(1 + ratio * ratio)
    return astype(_ops.where(infinite, math.inf, length), dtype, copy=False)


def logaddexp(x1: Operand, x2: Operand, /) -> Tensor:
    """log(exp(x1) + exp(x2)), without overflow.

    Raises:
        DTypeError: neither is floating.
    """
    x, y = _floats("logaddexp", x1, x2)
    difference = _ops.where(x == y, 0, x - y)
    return _ops.maximum(x, y) + _ops.log1p(_ops.exp(-_ops.abs(difference)))


def positive(x: Tensor, /) -> Tensor:
    """x itself, as a new tensor.

    Raises:
        DTypeError: x is of bools.
    """
    x = asarray(x)
    if x.dtype.kind == "bool":
        raise _fail(DTypeError, "positive: the operand has to be numeric, not bool")
    return x.clone()


def square(x: Tensor, /) -> Tensor:
    """x * x"""
    x = asarray(x)
    return x * x

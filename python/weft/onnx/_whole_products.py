"""Products of matrices, and convolutions, of integers that count from a zero point, exact."""

from __future__ import annotations

import functools
import math
import operator
from typing import Any

from .._core import SymbolicSize, Tensor
from ..nn._quantized import Packed
from ._rules import weft
from ._windows import conv

#: float32 holds the sum of so many products of a number of 8 bits and a difference of two.
_EXACT = 512


def from_zero(x: Tensor, zero: Tensor | None, axis: int, dtype: str = "float64") -> Tensor:
    """The integers less their zero point, exact in float64, and of 8 bits in float32."""
    wide = x.astype(dtype)
    return wide if zero is None else wide - _along(zero, x.ndim, axis).astype(dtype)


def _most(x: Tensor, zero: Tensor | None) -> int:
    """The largest magnitude of a number of 8 bits less its zero point."""
    return 128 if zero is None and x.dtype.name == "int8" else 255


def whole_convolution(
    x: Tensor, w: Tensor, x_zero: Tensor | None, w_zero: Tensor | None, **options: Any
) -> Tensor:
    """The convolution of the integers less their zero points, exact, in float64.

    Of numbers of 8 bits it is computed in float32, by as many channels at a time as have sums that
    float32 holds, in whatever order they are added.
    """
    in_bytes = all(each.dtype.name in ("int8", "uint8") for each in (x, w))
    if not in_bytes or any(isinstance(size, SymbolicSize) for size in w.shape[1:]):
        return conv(from_zero(x, x_zero, 1), from_zero(w, w_zero, 0), **options)
    depth, window = w.shape[1], max(math.prod(w.shape[2:]), 1)
    step = 2**24 // (_most(x, x_zero) * _most(w, w_zero)) // window
    if step < 1 or (depth > step and options.get("group", 1) != 1):
        return conv(from_zero(x, x_zero, 1), from_zero(w, w_zero, 0), **options)
    left, right = from_zero(x, x_zero, 1, "float32"), from_zero(w, w_zero, 0, "float32")
    if depth <= step:
        return conv(left, right, **options).astype("float64")
    parts = [slice(begin, begin + step) for begin in range(0, depth, step)]
    sums = [conv(left[:, part], right[:, part], **options).astype("float64") for part in parts]
    return functools.reduce(operator.add, sums)


def signed(x: Tensor) -> Tensor:
    """Numbers of 8 bits as int8: of uint8 those that lie 128 below."""
    return x if x.dtype.name == "int8" else (x.astype("int16") - 128).astype("int8")


def whole_product(
    a: Tensor, b: Tensor, a_zero: Tensor | None = None, b_zero: Tensor | None = None
) -> Tensor:
    """The matrix product of the integers less their zero points, exact: int32 for a matrix b of
    8 bits, else float64."""
    in_bytes = all(each.dtype.name in ("int8", "uint8") for each in (a, b))
    is_open = any(isinstance(size, SymbolicSize) for size in b.shape)
    of_columns = b_zero is None or math.prod(b_zero.shape) in (1, b.shape[-1])
    if not in_bytes or b.ndim != 2 or is_open or not of_columns:
        left, right = from_zero(a, a_zero, a.ndim - 2), from_zero(b, b_zero, b.ndim - 1)
        return weft.matmul(left, right)
    depth, columns = b.shape
    turned, zeros = signed(b).mT, _signed_zero(b, b_zero)
    if zeros is not None:
        zeros = weft.broadcast_to(weft.reshape(zeros, (-1, 1)), (columns, 1))
    rows = signed(a)
    total = weft.zeros((*a.shape[:-1], columns), dtype="int32")
    for begin in range(0, depth, _EXACT):
        part = slice(begin, begin + _EXACT)
        numbers = weft.reshape(turned[:, part], (columns, 1, -1))
        packed = Packed(numbers, weft.ones((columns, 1)), zeros, 8)
        total = total + packed.product_of_whole(rows[..., part]).astype("int32")
    zero = _signed_zero(a, a_zero)
    if zero is None:
        return total
    differences = turned.astype("int32")
    differences = differences if zeros is None else differences - zeros.astype("int32")
    sums = weft.sum(differences, axis=1, dtype="int32")
    return total - _along(zero, a.ndim, a.ndim - 2).astype("int32") * sums


def _signed_zero(x: Tensor, zero: Tensor | None) -> Tensor | None:
    """What `signed(x)` counts from; None for 0."""
    if zero is not None:
        return signed(zero)
    return None if x.dtype.name == "int8" else weft.full((), -128, dtype="int8")


def _along(zero: Tensor, rank: int, axis: int) -> Tensor:
    """A zero point as it broadcasts: of all, of each slice along the axis, or as it is."""
    if zero.ndim != 1:
        return zero
    shape = [1] * rank
    shape[axis] = -1
    return weft.reshape(zero, () if zero.shape[0] == 1 else shape)

"""Conversions between element types, those included that weft has no dtype for."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _ops
from .._core import Tensor
from .._creation import _fail, asarray
from .._dtypes import finfo
from .._elementwise import bitcast
from .._errors import UnsupportedError
from .._manipulation import astype, clip
from .._searching import where
from ._rules import rule, shape_rule
from ._values import (
    NARROW,
    Narrow,
    NarrowType,
    as_tensor,
    dtype_of,
    is_symbolic,
    number_of,
    with_integers,
)

#: What is larger than the largest number is infinite, in eight-bit floats that have infinity.
_HAS_INFINITY = frozenset({"float8_e5m2"})


def element_of(value: Any) -> int:
    """The number of a value's ONNX type."""
    if isinstance(value, Narrow):
        return next(number for number, kind in NARROW.items() if kind is value.type)
    return number_of(as_tensor(value).dtype)


def convert(value: Any, to: int, saturate: bool = True, round_mode: str = "up") -> Any:
    """A value with elements of another ONNX type."""
    tensor = value.tensor if isinstance(value, Narrow) else as_tensor(value)
    if to in NARROW:
        kind = NARROW[to]
        if isinstance(value, Narrow) and value.type is kind:
            return value
        return Narrow(kind, narrowed(tensor, kind, saturate, round_mode))
    dtype = dtype_of(to)
    if dtype.name.startswith("float8") and tensor.dtype != dtype:
        return _to_float8(tensor, dtype, saturate)
    return astype(tensor, dtype)


def _to_float8(x: Tensor, dtype: Any, saturate: bool) -> Tensor:
    """Rounded to the nearest; what is too large the largest, or NaN, or infinite."""
    most = float(finfo(dtype).max)
    wide = astype(x, "float64") if x.dtype.name == "float64" else astype(x, "float32")
    limited = astype(clip(wide, -most, most), dtype)
    if saturate:
        return limited
    # Halfway to the next number that there would be, which is even.
    beyond = most * (1.0 + (1 / 28 if dtype.name == "float8_e4m3fn" else 1 / 14))
    away = _ops.abs(wide) > beyond if most == 448 else _ops.abs(wide) >= beyond
    if dtype.name in _HAS_INFINITY:
        infinite = astype(where(wide > 0, np.inf, -np.inf), dtype)
        return where(away, infinite, limited)
    return where(away, astype(asarray(np.float32(np.nan)), dtype), limited)


def narrowed(x: Tensor, kind: NarrowType, saturate: bool, round_mode: str = "up") -> Tensor:
    """A tensor's numbers as those of a narrow type, in the dtype that holds them."""
    if kind.is_integer:
        return _narrow_integers(x, kind)
    if x.dtype.name == "float64":
        raise _fail(UnsupportedError, f"float64 to {kind.name} would round twice; cast it before")
    wide = astype(x, "float32")
    if kind.name == "FLOAT8E8M0":
        return _power_of_two(wide, kind, saturate, round_mode)
    rounded = _rounded(wide, kind) + 0.0 if kind.has_nan else _rounded(wide, kind)
    limited = clip(rounded, kind.least, kind.most)
    if not kind.has_nan:
        limited = where(_ops.isnan(wide), 0.0, limited)
    if kind.has_nan:
        away = _ops.abs(rounded) > kind.most
        if saturate:
            # Infinity has no place in these types, whose one NaN takes what is none.
            limited = where(_ops.isnan(wide), np.nan, limited)
        else:
            limited = where(away | ~_ops.isfinite(wide), np.nan, limited)
    return astype(limited, kind.held)


def _narrow_integers(x: Tensor, kind: NarrowType) -> Tensor:
    """The lowest bits of the integer part."""
    whole = astype(x, "int32")
    count = int(kind.most - kind.least) + 1
    low = _ops.bitwise_and(whole, count - 1)
    signed = where(low > kind.most, low - count, low)
    return astype(signed, kind.held)


def _rounded(x: Tensor, kind: NarrowType) -> Tensor:
    """To the nearest multiple of the unit in the last place, ties to the even one."""
    exponent = _ops.bitwise_and(_ops.bitwise_right_shift(bitcast(x, "int32"), 23), 255) - 127
    unit = _ops.maximum(exponent, kind.exponent) - kind.mantissa
    scale = bitcast(_ops.bitwise_left_shift(clip(unit, -126, 127) + 127, 23), "float32")
    finite = where(_ops.isfinite(x), x, 0.0)
    return where(_ops.isfinite(x), _ops.round(finite / scale) * scale, x)


def _power_of_two(x: Tensor, kind: NarrowType, saturate: bool, round_mode: str) -> Tensor:
    """A power of two, as scales of blocks are: up, down, or to the nearest, ties up."""
    bits = bitcast(_ops.abs(x), "int32")
    exponent, rest = _ops.bitwise_right_shift(bits, 23), _ops.bitwise_and(bits, 0x7FFFFF)
    limits = {"up": 0, "down": 0x7FFFFF, "nearest": 0x3FFFFF}
    step = astype(rest > limits[round_mode], "int32")
    # Below the smallest normal number lies one power of two, 2 ** -127.
    exponent = exponent + step
    tiny = bitcast(asarray(np.int32(1 << 22)), "float32")
    power = where(
        exponent <= 0,
        tiny,
        bitcast(_ops.bitwise_left_shift(clip(exponent, 1, 254), 23), "float32"),
    )
    away = (exponent > 254) | ~_ops.isfinite(x)
    most = where(_ops.isnan(x), np.nan, kind.most) if saturate else np.nan
    return where(away, most, power)


@rule("Cast", raw=True)
def _cast(x: Any, *, to: int, saturate: int = 1, round_mode: str = "up") -> Any:
    return convert(x, to, bool(saturate), round_mode)


@rule("CastLike", raw=True)
def _cast_like(x: Any, like: Any, *, saturate: int = 1, round_mode: str = "up") -> Any:
    return convert(x, element_of(like), bool(saturate), round_mode)


@shape_rule("Cast")
def _known_cast(x: np.ndarray, *, to: int, saturate: int = 1, round_mode: str = "up") -> Any:
    if is_symbolic(x):
        return with_integers(x, dtype_of(to).name) if to in (6, 7) else None
    return x.astype(dtype_of(to).name) if to in (1, 2, 3, 5, 6, 7, 9, 11) else None


@shape_rule("CastLike")
def _known_cast_like(x: np.ndarray, like: np.ndarray, *, saturate: int = 1) -> Any:
    return None if is_symbolic(x) or is_symbolic(like) else x.astype(like.dtype)


@rule("BitCast", raw=True)
def _bit_cast(x: Any, *, to: int) -> Any:
    if to in NARROW or isinstance(x, Narrow):
        raise _fail(UnsupportedError, "BitCast of types that weft holds in wider ones")
    tensor, dtype = as_tensor(x), dtype_of(to)
    if tensor.dtype.name == "bool" or dtype.name == "bool":
        tensor = astype(tensor, "uint8") if tensor.dtype.name == "bool" else tensor
        return tensor != 0 if dtype.name == "bool" else bitcast(tensor, dtype)
    return bitcast(tensor, dtype)

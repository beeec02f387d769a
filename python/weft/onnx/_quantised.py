"""Ops on integers that stand for floats: x is about (integer - zero point) * scale.

Sums of products of integers are exact: of matrices in int32, of windows in floats that hold them.
"""

from __future__ import annotations

from typing import Any

from .. import _ops
from .._core import Tensor
from .._dtypes import iinfo
from ._casting import convert, element_of
from ._rules import rule, weft
from ._values import NARROW, Narrow, as_tensor, dtype_of
from ._whole_products import whole_convolution, whole_product


def _spread(parameter: Tensor, x: Tensor, axis: int, block: int) -> Tensor:
    """A scale or zero point as it broadcasts to x: of all, of each slice, or of each block."""
    if parameter.ndim == 0 or tuple(parameter.shape) == (1,):
        return weft.reshape(parameter, ())
    place = axis % x.ndim
    if block:
        wide = weft.repeat(parameter, block, axis=place)
        return wide[(slice(None),) * place + (slice(0, x.shape[place]),)]
    if parameter.ndim > 1:
        return parameter
    shape = [1] * x.ndim
    shape[place] = -1
    return weft.reshape(parameter, shape)


def _held(value: Any) -> Any:
    return value.tensor if isinstance(value, Narrow) else as_tensor(value)


def rounded(x: Tensor, zero: Any, to: int) -> Any:
    """Scaled numbers as integers around the zero point, within the range of their type."""
    shifted = _ops.round(x)
    shifted = shifted if zero is None else shifted + zero.astype(shifted.dtype)
    if to in NARROW:
        kind = NARROW[to]
        return Narrow(kind, weft.clip(shifted, kind.least, kind.most).astype(kind.held))
    dtype = dtype_of(to)
    limits = iinfo(dtype)
    return weft.clip(shifted, float(limits.min), float(limits.max)).astype(dtype)


def _is_float(to: int) -> bool:
    return not NARROW[to].is_integer if to in NARROW else dtype_of(to).kind == "floating"


@rule("QuantizeLinear", "com.microsoft.QuantizeLinear", raw=True)
def _quantize_linear(
    x: Any,
    scale: Any,
    zero: Any = None,
    *,
    axis: int = 1,
    block_size: int = 0,
    output_dtype: int = 0,
    precision: int = 0,
    saturate: int = 1,
) -> Any:
    to = element_of(zero) if zero is not None else output_dtype or 2
    tensor, factor = _held(x), _held(scale)
    wide = tensor.astype(dtype_of(precision)) if precision else tensor.astype("float32")
    scaled = wide / _spread(factor, tensor, axis, block_size).astype(wide.dtype)
    if _is_float(to):
        return convert(scaled, to, bool(saturate))
    offset = None if zero is None else _spread(_held(zero), tensor, axis, block_size)
    return rounded(scaled, offset, to)


@rule("DequantizeLinear", "com.microsoft.DequantizeLinear", raw=True)
def _dequantize_linear(
    x: Any,
    scale: Any,
    zero: Any = None,
    *,
    axis: int = 1,
    block_size: int = 0,
    output_dtype: int = 0,
) -> Any:
    tensor, factor = _held(x), _held(scale)
    dtype = dtype_of(output_dtype) if output_dtype else factor.dtype
    if tensor.dtype.kind == "floating":
        wide = tensor.astype("float32")
    else:
        wide = tensor.astype("int32")
        if zero is not None:
            wide = wide - _spread(_held(zero), tensor, axis, block_size).astype("int32")
        wide = wide.astype("float32")
    made = wide * _spread(factor, tensor, axis, block_size).astype("float32")
    return made.astype(dtype)


@rule("MatMulInteger")
def _mat_mul_integer(
    a: Tensor, b: Tensor, a_zero: Tensor | None = None, b_zero: Tensor | None = None
) -> Tensor:
    return whole_product(a, b, a_zero, b_zero).astype("int32")


@rule("QLinearMatMul")
def _qlinear_mat_mul(
    a: Tensor,
    a_scale: Tensor,
    a_zero: Tensor,
    b: Tensor,
    b_scale: Tensor,
    b_zero: Tensor,
    y_scale: Tensor,
    y_zero: Tensor,
) -> Any:
    product = whole_product(a, b, a_zero, b_zero).astype("float64")
    rows = _as_axis(a_scale, product.ndim, -2)
    columns = _as_axis(b_scale, product.ndim, -1)
    scaled = product * (rows * columns / y_scale.astype("float64"))
    return rounded(scaled, y_zero, element_of(y_zero))


def _as_axis(scale: Tensor, rank: int, axis: int) -> Tensor:
    wide = scale.astype("float64")
    if wide.ndim != 1 or wide.shape[0] == 1:
        return weft.reshape(wide, ()) if wide.ndim < 2 else wide
    shape = [1] * rank
    shape[axis] = -1
    return weft.reshape(wide, shape)


@rule("ConvInteger")
def _conv_integer(
    x: Tensor, w: Tensor, x_zero: Tensor | None = None, w_zero: Tensor | None = None, **options: Any
) -> Tensor:
    return whole_convolution(x, w, x_zero, w_zero, **options).astype("int32")


@rule("QLinearConv")
def _qlinear_conv(
    x: Tensor,
    x_scale: Tensor,
    x_zero: Tensor,
    w: Tensor,
    w_scale: Tensor,
    w_zero: Tensor,
    y_scale: Tensor,
    y_zero: Tensor,
    bias: Tensor | None = None,
    **options: Any,
) -> Any:
    sums = whole_convolution(x, w, x_zero, w_zero, **options)
    if bias is not None:
        sums = sums + weft.reshape(bias.astype("float64"), (-1, *[1] * (x.ndim - 2)))
    factor = _as_axis(w_scale, x.ndim, 1) * (x_scale / y_scale).astype("float64")
    return rounded(sums * factor, y_zero, element_of(y_zero))

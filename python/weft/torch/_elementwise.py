"""Rules for elementwise ops: unary, binary, comparisons, choices, conversions, activations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

import weft
from weft.nn import functional

from .._creation import _fail
from .._errors import UnsupportedError
from ._rules import TABLE, as_dtype, common_dtype, floating, method, promoted, weft_dtype

Value = Any


def _floating_unary(function: Callable) -> Callable:
    def rule(x: weft.Tensor) -> weft.Tensor:
        return function(as_dtype(x, floating(x.dtype)))

    return rule


for _name in (
    *("acos", "acosh", "asin", "asinh", "atan", "atanh", "cos", "cosh", "sin", "sinh", "tan"),
    *("tanh", "erf", "erfinv", "exp", "exp2", "expm1", "log", "log10", "log1p", "log2", "lgamma"),
    *("reciprocal", "rsqrt", "sigmoid", "sqrt", "digamma", "sinc"),
):
    TABLE.rule(f"aten.{_name}.default")(_floating_unary(getattr(weft, _name)))


def _kept_unary(function: Callable) -> Callable:
    def rule(x: weft.Tensor) -> weft.Tensor:
        return x if weft.isdtype(x.dtype, ("bool", "integral")) else function(x)

    return rule


for _name in ("ceil", "floor", "trunc", "round"):
    TABLE.rule(f"aten.{_name}.default")(_kept_unary(getattr(weft, _name)))

for _name in ("abs", "neg", "isinf", "isnan", "logical_not", "frac", "signbit"):
    TABLE.rule(f"aten.{_name}.default")(getattr(weft, _name))
method("bitwise_not", "aten.bitwise_not.default")


@TABLE.rule("aten.sign.default", "aten.sgn.default")
def _sign(x: weft.Tensor) -> weft.Tensor:
    if x.dtype == weft.bool:
        return x
    # NaN has the sign 0 in ATen.
    if weft.isdtype(x.dtype, "real floating"):
        return weft.where(weft.isnan(x), weft.zeros_like(x), weft.sign(x))
    return weft.sign(x)


@TABLE.rule("aten.round.decimals")
def _round_decimals(x: weft.Tensor, *, decimals: int = 0) -> weft.Tensor:
    return x.round(decimals=decimals)


def _binary(function: Callable, to_floating: bool = False) -> Callable:
    def rule(x: Value, y: Value) -> weft.Tensor:
        return function(*promoted(x, y, to_floating=to_floating))

    return rule


for _name, _function in (
    ("atan2", weft.atan2),
    ("hypot", weft.hypot),
    ("copysign", weft.copysign),
    ("logaddexp", weft.logaddexp),
    ("xlogy", weft.Tensor.xlogy),
):
    TABLE.rule(f"aten.{_name}.default", f"aten.{_name}.Tensor")(_binary(_function, True))

for _name in ("fmax", "fmin", "remainder", "nextafter", "floor_divide"):
    TABLE.rule(f"aten.{_name}.default", f"aten.{_name}.Tensor", f"aten.{_name}.Scalar")(
        _binary(getattr(weft, _name))
    )


def _extreme(function: Callable, of_bool: Callable) -> Callable:
    def rule(x: Value, y: Value) -> weft.Tensor:
        operands = promoted(x, y)
        return (of_bool if operands[0].dtype == weft.bool else function)(*operands)

    return rule


TABLE.rule("aten.maximum.default")(_extreme(weft.maximum, weft.logical_or))
TABLE.rule("aten.minimum.default")(_extreme(weft.minimum, weft.logical_and))
TABLE.rule("aten.remainder.Scalar_Tensor")(_binary(weft.remainder))
TABLE.rule("aten.fmod.Tensor", "aten.fmod.Scalar")(_binary(weft.Tensor.fmod))

for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    TABLE.rule(f"aten.{_name}.Tensor", f"aten.{_name}.Scalar")(_binary(getattr(weft, _name)))

for _name in ("bitwise_and", "bitwise_or", "bitwise_xor"):
    TABLE.rule(f"aten.{_name}.Tensor", f"aten.{_name}.Scalar", f"aten.{_name}.Scalar_Tensor")(
        _binary(getattr(weft, _name))
    )
for _name in ("bitwise_left_shift", "bitwise_right_shift"):
    _dunder = f"aten.__{_name[8]}shift__"
    TABLE.rule(
        *(f"aten.{_name}.Tensor", f"aten.{_name}.Tensor_Scalar"),
        *(f"{_dunder}.Tensor", f"{_dunder}.Scalar"),
    )(_binary(getattr(weft, _name)))
for _name in ("gcd", "lcm"):
    TABLE.rule(f"aten.{_name}.default")(_binary(getattr(weft, _name)))


def _logical(function: Callable) -> Callable:
    def rule(x: weft.Tensor, y: weft.Tensor) -> weft.Tensor:
        return function(as_dtype(x, weft.bool), as_dtype(y, weft.bool))

    return rule


for _name in ("logical_and", "logical_or", "logical_xor"):
    TABLE.rule(f"aten.{_name}.default")(_logical(getattr(weft, _name)))


def _scaled(y: Value, alpha: Value) -> Value:
    return y if alpha == 1 else weft.multiply(*promoted(y, alpha))


@TABLE.rule("aten.add.Tensor", "aten.add.Scalar")
def _add(x: Value, y: Value, alpha: Value = 1) -> weft.Tensor:
    if common_dtype(x, y) == weft.bool:
        return weft.logical_or(*promoted(x, y if alpha else False))
    return weft.add(*promoted(x, _scaled(y, alpha)))


@TABLE.rule("aten.sub.Tensor", "aten.sub.Scalar")
def _sub(x: Value, y: Value, alpha: Value = 1) -> weft.Tensor:
    return weft.subtract(*promoted(x, _scaled(y, alpha)))


@TABLE.rule("aten.rsub.Scalar", "aten.rsub.Tensor")
def _rsub(x: Value, y: Value, alpha: Value = 1) -> weft.Tensor:
    return _sub(y, x, alpha)


@TABLE.rule("aten.mul.Tensor", "aten.mul.Scalar")
def _mul(x: Value, y: Value) -> weft.Tensor:
    if common_dtype(x, y) == weft.bool:
        return weft.logical_and(*promoted(x, y))
    return weft.multiply(*promoted(x, y))


@TABLE.rule("aten.div.Tensor", "aten.div.Scalar", "aten.true_divide.Tensor")
def _div(x: Value, y: Value) -> weft.Tensor:
    return weft.divide(*promoted(x, y, to_floating=True))


@TABLE.rule("aten.div.Tensor_mode", "aten.div.Scalar_mode")
def _div_mode(x: Value, y: Value, *, rounding_mode: str | None) -> weft.Tensor:
    if rounding_mode is None:
        return _div(x, y)
    left, right = promoted(x, y)
    return left.div(right, rounding_mode=rounding_mode)


@TABLE.rule("aten.pow.Tensor_Tensor", "aten.pow.Tensor_Scalar", "aten.pow.Scalar")
def _pow(x: Value, y: Value) -> weft.Tensor:
    return weft.pow(*promoted(x, y))


@TABLE.rule("aten.clamp.default", "aten.clamp.Tensor")
def _clamp(x: weft.Tensor, low: Value = None, high: Value = None) -> weft.Tensor:
    dtype = common_dtype(*(value for value in (x, low, high) if value is not None))
    result = as_dtype(x, dtype)
    if low is not None:
        result = weft.maximum(result, as_dtype(low, dtype))
    return result if high is None else weft.minimum(result, as_dtype(high, dtype))


@TABLE.rule("aten.clamp_min.default", "aten.clamp_min.Tensor")
def _clamp_min(x: weft.Tensor, low: Value) -> weft.Tensor:
    return _clamp(x, low)


@TABLE.rule("aten.clamp_max.default", "aten.clamp_max.Tensor")
def _clamp_max(x: weft.Tensor, high: Value) -> weft.Tensor:
    return _clamp(x, None, high)


@TABLE.rule("aten.where.self", "aten.where.ScalarSelf", "aten.where.ScalarOther")
def _where(condition: weft.Tensor, x: Value, y: Value) -> weft.Tensor:
    return weft.where(as_dtype(condition, weft.bool), *promoted(x, y))


@TABLE.rule("aten.masked_fill.Scalar", "aten.masked_fill.Tensor")
def _masked_fill(x: weft.Tensor, mask: weft.Tensor, value: Value) -> weft.Tensor:
    return weft.where(mask, as_dtype(value, x.dtype), x)


@TABLE.rule("aten._to_copy.default", "prims.convert_element_type.default")
def _to_copy(x: weft.Tensor, dtype: torch.dtype | None = None, **_: Any) -> weft.Tensor:
    if dtype is None:
        return x
    wanted = weft_dtype(dtype)
    if x.dtype.is_complex and not wanted.is_complex and wanted != weft.bool:
        x = weft.real(x)  # as PyTorch does, which warns of it
    return as_dtype(x, wanted)


@TABLE.rule("aten.clone.default", "aten.alias.default")
@TABLE.rule("aten.lift_fresh_copy.default", "aten.lift_fresh.default", "aten.contiguous.default")
def _same(x: weft.Tensor, **_: Any) -> weft.Tensor:
    return x


method("detach", "aten.detach.default")


@TABLE.rule("aten.copy.default")
def _copy(x: weft.Tensor, source: weft.Tensor, *_: Any) -> weft.Tensor:
    return weft.broadcast_to(as_dtype(source, x.dtype), x.shape)


@TABLE.rule("aten._neg_view.default")
def _negated(x: weft.Tensor) -> weft.Tensor:
    return -x


method("relu", "aten.relu.default")
TABLE.rule("aten.silu.default")(functional.silu)
TABLE.rule("aten.mish.default")(functional.mish)


@TABLE.rule("aten.gelu.default")
def _gelu(x: weft.Tensor, *, approximate: str = "none") -> weft.Tensor:
    return functional.gelu(x, approximate=approximate)


@TABLE.rule("aten.leaky_relu.default")
def _leaky_relu(x: weft.Tensor, slope: float = 0.01) -> weft.Tensor:
    return functional.leaky_relu(x, slope)


@TABLE.rule("aten.rrelu_with_noise_functional.default")
def _rrelu(
    x: weft.Tensor,
    noise: weft.Tensor,
    lower: float = 0.125,
    upper: float = 1 / 3,
    training: bool = False,
    **_: Any,
) -> tuple:
    if training:
        raise _fail(UnsupportedError, "rrelu draws its slopes inside")
    return functional.leaky_relu(x, (lower + upper) / 2), noise


@TABLE.rule("aten.elu.default")
def _elu(
    x: weft.Tensor, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0
) -> weft.Tensor:
    below = weft.expm1(weft.minimum(x, 0.0) * input_scale) * (alpha * scale)
    return weft.where(x > 0, x * scale, below)


@TABLE.rule("aten.hardtanh.default")
def _hardtanh(x: weft.Tensor, low: float = -1.0, high: float = 1.0) -> weft.Tensor:
    kind = int if weft.isdtype(x.dtype, "integral") else float
    return _clamp(x, kind(low), kind(high))


@TABLE.rule("aten.angle.default")
def _angle(x: weft.Tensor) -> weft.Tensor:
    return weft.angle(as_dtype(x, floating(x.dtype)))


TABLE.rule("aten.polar.default")(weft.polar)
method("ldexp", "aten.ldexp.Tensor")


@TABLE.rule("aten.frexp.Tensor")
def _frexp(x: weft.Tensor) -> tuple:
    return tuple(x.frexp())

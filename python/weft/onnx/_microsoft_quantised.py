"""The ops of com.microsoft on integers that stand for floats, which ONNX Runtime's tools write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._core import Tensor
from ._casting import element_of
from ._quantised import rounded
from ._rules import rule, weft
from ._whole_products import from_zero, whole_product
from ._windows import average_pool


def _wide(x: Tensor, scale: Tensor, zero: Tensor | None) -> Tensor:
    return from_zero(x, zero, 0).astype("float32") * weft.reshape(scale, ())


def _narrow(x: Tensor, scale: Tensor, zero: Tensor | None, like: Tensor) -> Any:
    to = element_of(like if zero is None else zero)
    zero = None if zero is None else weft.reshape(zero, ())
    return rounded(x / weft.reshape(scale, ()), zero, to)


def _binary(name: str, function: Callable[[Tensor, Tensor], Tensor]) -> None:
    @rule(f"com.microsoft.{name}")
    def quantised(
        a: Tensor,
        a_scale: Tensor,
        a_zero: Tensor | None,
        b: Tensor,
        b_scale: Tensor,
        b_zero: Tensor | None,
        y_scale: Tensor,
        y_zero: Tensor | None = None,
    ) -> Any:
        left, right = _wide(a, a_scale, a_zero), _wide(b, b_scale, b_zero)
        return _narrow(function(left, right), y_scale, y_zero, a)


def _unary(name: str, function: Callable[..., Tensor], **defaults: Any) -> None:
    """An op of one input, whose other attributes the function takes."""

    @rule(f"com.microsoft.{name}")
    def quantised(
        x: Tensor,
        scale: Tensor,
        zero: Tensor | None,
        y_scale: Tensor,
        y_zero: Tensor | None = None,
        **options: Any,
    ) -> Any:
        made = function(_wide(x, scale, zero), **(defaults | options))
        return _narrow(made, y_scale, y_zero, x)


def _softmax(x: Tensor, axis: int, opset: int) -> Tensor:
    if opset >= 13:
        return weft.softmax(x, dim=axis)
    place = axis % x.ndim
    return weft.reshape(weft.softmax(weft.flatten(x, place), dim=-1), x.shape)


def _pooled(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Of images whose channels may be behind."""

    def of(x: Tensor, channels_last: int, **options: Any) -> Tensor:
        if not channels_last:
            return function(x, **options)
        return weft.moveaxis(function(weft.moveaxis(x, -1, 1), **options), 1, -1)

    return of


def _mean_of_all(x: Tensor) -> Tensor:
    return weft.mean(x, axis=tuple(range(2, x.ndim)), keepdims=True)


def _mean(x: Tensor, axes: Any, keepdims: int) -> Tensor:
    return weft.mean(x, axis=None if axes is None else tuple(axes), keepdims=bool(keepdims))


_binary("QLinearAdd", weft.add)
_binary("QLinearMul", weft.multiply)
_unary("QLinearSigmoid", weft.sigmoid)
_unary("QLinearLeakyRelu", lambda x, alpha: weft.where(x < 0, x * alpha, x), alpha=0.01)
_unary("QLinearSoftmax", _softmax, axis=-1, opset=13)
_unary("QLinearAveragePool", _pooled(average_pool), channels_last=0)
_unary("QLinearGlobalAveragePool", _pooled(_mean_of_all), channels_last=0)
_unary("QLinearReduceMean", _mean, axes=None, keepdims=1)


@rule("com.microsoft.QLinearConcat")
def _concat(scale: Tensor, zero: Tensor, *triples: Tensor, axis: int) -> Any:
    parts = [_wide(*triples[k : k + 3]) for k in range(0, len(triples), 3)]
    return _narrow(weft.concatenate(parts, axis=axis), scale, zero, zero)


@rule("com.microsoft.QLinearWhere")
def _where(condition: Tensor, *given: Tensor) -> Any:
    x, y = _wide(*given[:3]), _wide(*given[3:6])
    return _narrow(weft.where(condition, x, y), given[6], given[7], given[7])


@rule("com.microsoft.QGemm")
def _gemm(
    a: Tensor,
    a_scale: Tensor,
    a_zero: Tensor | None,
    b: Tensor,
    b_scale: Tensor,
    b_zero: Tensor | None,
    c: Tensor | None = None,
    y_scale: Tensor | None = None,
    y_zero: Tensor | None = None,
    *,
    alpha: float = 1.0,
    trans_a: int = 0,
    trans_b: int = 0,
) -> Any:
    """c counts in steps of both scales; without a scale of the result it is float32."""
    total = whole_product(a.mT if trans_a else a, b.mT if trans_b else b, a_zero, b_zero)
    wide = total.astype("float64")
    wide = wide if c is None else wide + c.astype("float64")
    made = wide * (a_scale.astype("float64") * b_scale.astype("float64") * alpha)
    if y_scale is None:
        return made.astype("float32")
    return _narrow(made, y_scale.astype("float64"), y_zero, a)


@rule("com.microsoft.MatMulIntegerToFloat")
def _matmul_to_float(
    a: Tensor,
    b: Tensor,
    a_scale: Tensor,
    b_scale: Tensor,
    a_zero: Tensor | None = None,
    b_zero: Tensor | None = None,
    bias: Tensor | None = None,
) -> Tensor:
    total = whole_product(a, b, a_zero, b_zero).astype("float32")
    made = total * (a_scale * b_scale)
    return made if bias is None else made + bias

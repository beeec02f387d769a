"""Ops that go element by element."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from .._core import Tensor
from ..nn import functional
from ._rules import rule, shape_rule, weft
from ._values import is_symbolic

_UNARY: dict[str, Callable[..., Tensor]] = {
    "Abs": weft.abs,
    "Acos": weft.acos,
    "Acosh": weft.acosh,
    "Asin": weft.asin,
    "Asinh": weft.asinh,
    "Atan": weft.atan,
    "Atanh": weft.atanh,
    "BitwiseNot": weft.bitwise_invert,
    "Ceil": weft.ceil,
    "Cos": weft.cos,
    "Cosh": weft.cosh,
    "Exp": weft.exp,
    "Floor": weft.floor,
    "HardSwish": functional.hardswish,
    "IsNaN": weft.isnan,
    "Log": weft.log,
    "Mish": functional.mish,
    "Neg": weft.negative,
    "Not": weft.logical_not,
    "Reciprocal": weft.reciprocal,
    "Relu": weft.relu,
    "Round": weft.round,
    "Sigmoid": weft.sigmoid,
    "Sign": weft.sign,
    "Sin": weft.sin,
    "Sinh": weft.sinh,
    "Softsign": functional.softsign,
    "Sqrt": weft.sqrt,
    "Tan": weft.tan,
    "Tanh": weft.tanh,
}
_BINARY: dict[str, Callable[..., Tensor]] = {
    "Add": weft.add,
    "And": weft.logical_and,
    "BitwiseAnd": weft.bitwise_and,
    "BitwiseOr": weft.bitwise_or,
    "BitwiseXor": weft.bitwise_xor,
    "Equal": weft.equal,
    "Greater": weft.greater,
    "GreaterOrEqual": weft.greater_equal,
    "Less": weft.less,
    "LessOrEqual": weft.less_equal,
    "Mul": weft.multiply,
    "Or": weft.logical_or,
    "Sub": weft.subtract,
    "Xor": weft.logical_xor,
}


def _add_tables() -> None:
    # A lambda of operands alone: an attribute that is given to one of these is an error.
    for name, function in _UNARY.items():
        rule(name)(lambda x, function=function: function(x))
    for name, function in _BINARY.items():
        rule(name)(lambda a, b, function=function: function(a, b))


_add_tables()


@rule("Erf")
def _erf(x: Tensor) -> Tensor:
    return weft.erf(x).astype(x.dtype)


@rule("Div")
def _div(a: Tensor, b: Tensor) -> Tensor:
    if a.dtype.kind == "floating" or a.dtype.is_complex:
        return weft.divide(a, b)
    return weft.div(a, b, rounding_mode="trunc")


@rule("Mod")
def _mod(a: Tensor, b: Tensor, *, fmod: int = 0) -> Tensor:
    return weft.fmod(a, b) if fmod else weft.remainder(a, b)


@rule("Pow")
def _pow(base: Tensor, exponent: Tensor) -> Tensor:
    if base.dtype == exponent.dtype:
        return weft.pow(base, exponent)
    if exponent.dtype.kind == "floating" and base.dtype.kind != "floating":
        wide = "float64" if exponent.dtype.name == "float64" else "float32"
        return weft.pow(base.astype(wide), exponent.astype(wide)).astype(base.dtype)
    return weft.pow(base, exponent.astype(base.dtype))


def _folded(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda *operands: functools.reduce(function, operands)


rule("Sum")(_folded(weft.add))
rule("Max")(_folded(weft.maximum))
rule("Min")(_folded(weft.minimum))


@rule("Mean")
def _mean(*operands: Tensor) -> Tensor:
    return functools.reduce(weft.add, operands) / len(operands)


@rule("BitShift")
def _bit_shift(x: Tensor, count: Tensor, *, direction: str) -> Tensor:
    left = direction == "LEFT"
    return weft.bitwise_left_shift(x, count) if left else weft.bitwise_right_shift(x, count)


@rule("Where")
def _where(condition: Tensor, x: Tensor, y: Tensor) -> Tensor:
    return weft.where(condition, x, y)


@rule("Clip")
def _clip(
    x: Tensor,
    least: Tensor | None = None,
    most: Tensor | None = None,
    *,
    min: float | None = None,
    max: float | None = None,
) -> Tensor:
    low, high = (least if min is None else min), (most if max is None else max)
    # First the lower bound, then the upper one, which counts where they cross.
    x = x if low is None else weft.maximum(x, low)
    return x if high is None else weft.minimum(x, high)


@rule("IsInf")
def _is_inf(x: Tensor, *, detect_negative: int = 1, detect_positive: int = 1) -> Tensor:
    found = weft.isinf(x)
    found = found if detect_negative else found & (x > 0)
    return found if detect_positive else found & (x < 0)


# Activations ---------------------------------------------------------------------------------


@rule("LeakyRelu")
def _leaky_relu(x: Tensor, *, alpha: float = 0.01) -> Tensor:
    return functional.leaky_relu(x, alpha)


@rule("Elu")
def _elu(x: Tensor, *, alpha: float = 1.0) -> Tensor:
    return functional.elu(x, alpha)


@rule("Celu")
def _celu(x: Tensor, *, alpha: float = 1.0) -> Tensor:
    return functional.celu(x, alpha)


@rule("Selu")
def _selu(
    x: Tensor, *, alpha: float = 1.6732631921768188, gamma: float = 1.0507010221481323
) -> Tensor:
    return gamma * weft.where(x > 0, x, alpha * weft.expm1(weft.minimum(x, 0.0)))


@rule("HardSigmoid")
def _hard_sigmoid(x: Tensor, *, alpha: float = 0.2, beta: float = 0.5) -> Tensor:
    return weft.clip(alpha * x + beta, 0.0, 1.0)


@rule("Softplus")
def _softplus(x: Tensor) -> Tensor:
    return weft.logaddexp(x, weft.zeros_like(x))


@rule("ThresholdedRelu")
def _thresholded_relu(x: Tensor, *, alpha: float = 1.0) -> Tensor:
    return weft.where(x > alpha, x, 0)


@rule("Shrink")
def _shrink(x: Tensor, *, bias: float = 0.0, lambd: float = 0.5) -> Tensor:
    above = weft.where(x > lambd, x - bias, 0)
    return weft.where(x < -lambd, x + bias, above).astype(x.dtype)


@rule("Swish")
def _swish(x: Tensor, *, alpha: float = 1.0) -> Tensor:
    return x * weft.sigmoid(x * alpha)


@rule("Gelu")
def _gelu(x: Tensor, *, approximate: str = "none") -> Tensor:
    return functional.gelu(x, approximate=approximate)


@rule("PRelu")
def _prelu(x: Tensor, slope: Tensor) -> Tensor:
    return weft.where(x < 0, x * slope, x)


# Shape arithmetic ----------------------------------------------------------------------------


def _truncated(a: np.ndarray, b: np.ndarray) -> Any:
    if a.dtype.kind == "f":
        return np.divide(a, b)
    if is_symbolic(a) or is_symbolic(b):
        # Sizes are not negative.
        return a // b
    if not np.all(b):
        return None
    return (np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b))).astype(a.dtype)


def _known_comparison(function: Callable[..., Any]) -> Callable[..., Any]:
    def compare(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.asarray(function(a, b)).astype(bool)

    return compare


_KNOWN_BINARY: dict[str, Callable[..., Any]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "And": np.logical_and,
    "Or": np.logical_or,
    "Xor": np.logical_xor,
}
_COMPARISONS: dict[str, Callable[..., Any]] = {
    "Equal": operator.eq,
    "Greater": operator.gt,
    "GreaterOrEqual": operator.ge,
    "Less": operator.lt,
    "LessOrEqual": operator.le,
}


def _is_plain_number(array: np.ndarray) -> bool:
    return array.dtype.kind in "iufb"


def _of_numbers(function: Callable[..., Any]) -> Callable[..., Any]:
    """Of known values without symbolic sizes; None of others."""
    return lambda *given: function(*given) if all(map(_is_plain_number, given)) else None


def _add_known() -> None:
    for name, function in _KNOWN_BINARY.items():
        shape_rule(name)(lambda a, b, function=function: function(a, b))
    for name, function in _COMPARISONS.items():
        shape_rule(name)(_known_comparison(function))
    shape_rule("Div")(_truncated)
    shape_rule("Neg")(lambda x: np.negative(x))
    for name, function in {"Abs": np.abs, "Ceil": np.ceil, "Floor": np.floor}.items():
        shape_rule(name)(_of_numbers(function))
    shape_rule("Not")(_of_numbers(np.logical_not))
    shape_rule("Sqrt")(_of_numbers(np.sqrt))
    shape_rule("Where")(lambda c, x, y: np.where(c, x, y) if _is_plain_number(c) else None)


_add_known()


def _extreme(choose: Callable[..., Any]) -> Callable[..., Any]:
    def extreme(*operands: np.ndarray) -> Any:
        if any(map(is_symbolic, operands)):
            return None
        return functools.reduce(choose, operands)

    return extreme


shape_rule("Max")(_extreme(np.maximum))
shape_rule("Min")(_extreme(np.minimum))


@shape_rule("Mod")
def _known_mod(a: np.ndarray, b: np.ndarray, *, fmod: int = 0) -> Any:
    if is_symbolic(a) or is_symbolic(b):
        return None if fmod else a - (a // b) * b
    return np.fmod(a, b) if fmod else np.mod(a, b)

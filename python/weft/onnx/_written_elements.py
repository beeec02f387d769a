"""Elementwise operations as ONNX nodes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ._values import number_of
from ._writer import BOOL, INT64, Op, form, numpy_dtype

_SAME = {
    **{name: name.capitalize() for name in ("abs", "sign", "sqrt")},
    **{name: name.capitalize() for name in ("reciprocal", "exp", "log", "sin", "cos", "tan")},
    **{name: name.capitalize() for name in ("asin", "acos", "atan", "sinh", "cosh", "tanh")},
    **{name: name.capitalize() for name in ("asinh", "acosh", "atanh", "erf", "sigmoid", "relu")},
    "negative": "Neg",
    "isnan": "IsNaN",
    "isinf": "IsInf",
    "logical_not": "Not",
    "add": "Add",
    "subtract": "Sub",
    "multiply": "Mul",
    "divide": "Div",
    "pow": "Pow",
    "select": "Where",
    "maximum": "Max",
    "minimum": "Min",
    "logical_and": "And",
    "logical_or": "Or",
    "logical_xor": "Xor",
    "equal": "Equal",
    "less": "Less",
    "less_equal": "LessOrEqual",
    "greater": "Greater",
    "greater_equal": "GreaterOrEqual",
    "bitwise_and": "BitwiseAnd",
    "bitwise_or": "BitwiseOr",
    "bitwise_xor": "BitwiseXor",
    "stop_gradient": "Identity",
    "barrier": "Identity",
    "gelu": "Gelu",
    "softplus": "Softplus",
}


def _add_same(name: str, onnx_name: str) -> None:
    @form(name)
    def same(op: Op) -> str:
        return op.node(onnx_name, *op.inputs)


for _name, _onnx_name in _SAME.items():
    _add_same(_name, _onnx_name)


@form("fixed_pow")
def _fixed_pow(op: Op) -> str:
    exponent = op.writer.array(np.array(op.options["exponent"], numpy_dtype(op.result.dtype)))
    return op.node("Pow", op.inputs[0], exponent)


@form("not_equal")
def _not_equal(op: Op) -> str:
    return op.node("Not", op.node("Equal", *op.inputs))


@form("rsqrt")
def _rsqrt(op: Op) -> str:
    return op.node("Reciprocal", op.node("Sqrt", *op.inputs))


@form("silu")
def _silu(op: Op) -> str:
    return op.node("Mul", op.inputs[0], op.node("Sigmoid", op.inputs[0]))


@form("cast")
def _cast(op: Op) -> str:
    return op.node("Cast", op.inputs[0], to=number_of(op.result.dtype))


@form("softmax", "log_softmax")
def _softmax(op: Op) -> str:
    name = "LogSoftmax" if op.name == "weft.log_softmax" else "Softmax"
    return op.node(name, op.inputs[0], axis=op.options["axis"])


@form("isfinite")
def _isfinite(op: Op) -> str:
    (x,) = op.inputs
    return op.node("Not", op.node("Or", op.node("IsInf", x), op.node("IsNaN", x)))


@form("floor", "ceil", "round")
def _rounded(op: Op) -> str:
    name = op.name.removeprefix("weft.").capitalize()
    return op.node(name if op.is_float else "Identity", op.inputs[0])


@form("bitwise_invert")
def _invert(op: Op) -> str:
    is_flag = op.writer.elements[op.inputs[0]] == BOOL
    return op.node("Not" if is_flag else "BitwiseNot", op.inputs[0])


@form("trunc")
def _trunc(op: Op) -> str:
    (x,) = op.inputs
    if not op.is_float:
        return op.node("Identity", x)
    return op.node("Mul", op.node("Sign", x), op.node("Floor", op.node("Abs", x)))


@form("cbrt")
def _cbrt(op: Op) -> str:
    (x,) = op.inputs
    root = op.node("Pow", op.node("Abs", x), op.writer.like(x, 1 / 3))
    return op.node("Mul", op.node("Sign", x), root)


@form("exp2")
def _exp2(op: Op) -> str:
    (x,) = op.inputs
    return op.node("Pow", op.writer.like(x, 2), x)


@form("log2", "log10")
def _log(op: Op) -> str:
    (x,) = op.inputs
    base = 2 if op.name == "weft.log2" else 10
    return op.node("Mul", op.node("Log", x), op.writer.like(x, 1 / math.log(base)))


@form("expm1")
def _expm1(op: Op) -> str:
    """exp(x) - 1 is 2 t / (1 - t) of t = tanh(x / 2), which does not cancel near 0."""
    (x,) = op.inputs
    w, one = op.writer, op.writer.like(op.inputs[0], 1)
    t = op.node("Tanh", op.node("Mul", x, w.like(x, 0.5)))
    near = op.node("Div", op.node("Add", t, t), op.node("Sub", one, t))
    far = op.node("Sub", op.node("Exp", x), one)
    return op.node("Where", op.node("Less", op.node("Abs", x), one), near, far)


@form("log1p")
def _log1p(op: Op) -> str:
    """log(u) x / (u - 1) of u = 1 + x as rounded: the rounding cancels (Kahan)."""
    (x,) = op.inputs
    one = op.writer.like(x, 1)
    u = op.node("Add", x, one)
    log = op.node("Log", u)
    near = op.node("Mul", log, op.node("Div", x, op.node("Sub", u, one)))
    small = op.node("Less", op.node("Abs", x), one)
    made = op.node("Where", small, near, log)
    return op.node("Where", op.node("Equal", u, one), x, made)


def _is_negative(op: Op, x: str) -> str:
    """Where the sign is set, that of a zero included."""
    zero = op.writer.like(x, 0)
    turned = op.node("Less", op.node("Reciprocal", x), zero)
    return op.node(
        "Or", op.node("Less", x, zero), op.node("And", op.node("Equal", x, zero), turned)
    )


@form("atan2")
def _atan2(op: Op) -> str:
    y, x = op.inputs
    like = op.writer.like
    high, wide = op.node("Abs", y), op.node("Abs", x)
    made = op.node("Atan", op.node("Div", high, wide))
    both = op.node("And", op.node("IsInf", x), op.node("IsInf", y))
    made = op.node("Where", both, like(x, math.pi / 4), made)
    nothing = op.node("Equal", op.node("Add", high, wide), like(x, 0))
    made = op.node("Where", nothing, like(x, 0), made)
    left = op.node("Sub", like(x, math.pi), made)
    made = op.node("Where", _is_negative(op, x), left, made)
    return op.node("Where", _is_negative(op, y), op.node("Neg", made), made)


# Division with the floor ---------------------------------------------------------------------


def _float_remainder(op: Op, x: str, y: str) -> tuple[str, str]:
    """C's remainder, and where it has another sign than y."""
    zero = op.writer.like(x, 0)
    rest = op.node("Mod", x, y, fmod=1)
    signs = op.node("Xor", op.node("Less", rest, zero), op.node("Less", y, zero))
    differs = op.node("And", op.node("Not", op.node("Equal", rest, zero)), signs)
    return rest, differs


def _divisor(op: Op, y: str) -> tuple[str, str]:
    """y, with 1 for 0 and -1, by which processors don't divide; and where it is 0."""
    none = op.node("Equal", y, op.writer.like(y, 0))
    bad = none
    if not _is_unsigned(op):
        bad = op.node("Or", none, op.node("Equal", y, op.writer.like(y, -1)))
    return op.node("Where", bad, op.writer.like(y, 1), y), none


def _is_unsigned(op: Op) -> bool:
    return numpy_dtype(op.types[0].dtype).kind == "u"


@form("remainder")
def _remainder(op: Op) -> str:
    x, y = op.inputs
    if op.is_float:
        rest, differs = _float_remainder(op, x, y)
        return op.node("Where", differs, op.node("Add", rest, y), rest)
    divisor, none = _divisor(op, y)
    return op.node("Where", none, op.writer.like(x, 0), op.node("Mod", x, divisor))


@form("floor_divide")
def _floor_divide(op: Op) -> str:
    x, y = op.inputs
    like = op.writer.like
    if op.is_float:
        rest, differs = _float_remainder(op, x, y)
        whole = op.node("Round", op.node("Div", op.node("Sub", x, rest), y))
        made = op.node("Where", differs, op.node("Sub", whole, like(x, 1)), whole)
        return op.node("Where", op.node("Equal", y, like(y, 0)), op.node("Div", x, y), made)
    divisor, none = _divisor(op, y)
    made = _floored(op, x, divisor)
    if not _is_unsigned(op):
        made = op.node("Where", op.node("Equal", y, like(y, -1)), op.node("Neg", x), made)
    return op.node("Where", none, like(x, 0), made)


def _floored(op: Op, x: str, y: str) -> str:
    """x / y of integers, rounded down: Mod has the sign of y, Div cuts off."""
    quotient, rest = op.node("Div", x, y), op.node("Mod", x, y)
    inexact = op.node("Not", op.node("Equal", rest, op.writer.like(x, 0)))
    signs = op.node("Xor", *(op.node("Less", z, op.writer.like(z, 0)) for z in (x, y)))
    less = op.node("Sub", quotient, op.writer.like(x, 1))
    return op.node("Where", op.node("And", inexact, signs), less, quotient)


# Bits ----------------------------------------------------------------------------------------


def _powers(op: Op, by: str) -> str:
    """2 to the power of integers that are at least 0 and less than the number of bits."""
    dtype = numpy_dtype(op.types[0].dtype)
    powers = np.array([1 << k for k in range(8 * dtype.itemsize)], np.uint64).astype(dtype)
    return op.node("Gather", op.writer.array(powers), op.writer.cast(by, INT64))


def _shifted_by(op: Op) -> tuple[str, str]:
    """How far, cut to the number of bits less 1; and where it was further."""
    bits = 8 * numpy_dtype(op.types[0].dtype).itemsize
    by = op.writer.cast(op.inputs[1], INT64)
    # A negative number is a large one: int64 has all others, and uint64's large ones are negative.
    far = op.node("Or", *(op.node(*test) for test in _beyond(op, by, bits)))
    return op.node("Where", far, op.writer.whole(bits - 1), by), far


def _beyond(op: Op, by: str, bits: int) -> Any:
    return (
        ("GreaterOrEqual", by, op.writer.whole(bits)),
        ("Less", by, op.writer.whole(0)),
    )


@form("bitwise_left_shift")
def _left_shift(op: Op) -> str:
    by, far = _shifted_by(op)
    made = op.node("Mul", op.inputs[0], _powers(op, by))
    return op.node("Where", far, op.writer.like(op.inputs[0], 0), made)


@form("bitwise_right_shift")
def _right_shift(op: Op) -> str:
    """A division rounded down, in two steps: the highest power of two is negative."""
    x = op.inputs[0]
    by, far = _shifted_by(op)
    half = op.node("Div", by, op.writer.whole(2))
    for step in (half, op.node("Sub", by, half)):
        x = _floored(op, x, _powers(op, step))
    zero = op.writer.like(x, 0)
    if _is_unsigned(op):
        return op.node("Where", far, zero, x)
    end = op.node("Where", op.node("Less", x, zero), op.writer.like(x, -1), zero)
    return op.node("Where", far, end, x)

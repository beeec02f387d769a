"""Rules for CHLO: functions that StableHLO has not, and ops that broadcast."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._core import Tensor
from .._foreign import Rule
from ._rules import RULES, Call, rule
from ._weft import weft

_UNARY: dict[str, Callable[[Tensor], Tensor]] = {
    "acos": weft.acos,
    "acosh": weft.acosh,
    "asin": weft.asin,
    "asinh": weft.asinh,
    "atan": weft.atan,
    "atanh": weft.atanh,
    "conj": weft.conj,
    "cosh": weft.cosh,
    "digamma": weft.digamma,
    "erf": weft.erf,
    "erf_inv": weft.erfinv,
    "is_inf": weft.isinf,
    "is_neg_inf": lambda x: x == -weft.inf,
    "is_pos_inf": lambda x: x == weft.inf,
    "lgamma": weft.lgamma,
    "sinh": weft.sinh,
    "square": weft.square,
    "tan": weft.tan,
}


def _unary(function: Callable[[Tensor], Tensor]) -> Rule:
    return lambda call, x: function(x)


for _name, _function in _UNARY.items():
    # The second name is how JAX 0.6 writes some of them.
    rule(f"chlo.{_name}", f"stablehlo.custom_call @mhlo.{_name}")(_unary(_function))


@rule("chlo.next_after", "chlo.broadcast_next_after")
def next_after(call: Call, a: Tensor, b: Tensor) -> Tensor:
    return weft.nextafter(a, b)


def _broadcasting(name: str) -> Rule:
    def run(call: Call, *values: Tensor) -> Any:
        own: Any = RULES.find(f"stablehlo.{name}")
        return own(call, *weft.broadcast_arrays(*values))

    return run


for _name in (
    *("add", "and", "atan2", "compare", "complex", "divide", "maximum", "minimum", "multiply"),
    *("or", "power", "remainder", "select", "shift_left", "shift_right_arithmetic"),
    *("shift_right_logical", "subtract", "xor"),
):
    rule(f"chlo.broadcast_{_name}")(_broadcasting(_name))


@rule("chlo.mulhi")
def mulhi(call: Call, a: Tensor, b: Tensor) -> Tensor:
    """The upper half of a product: in wider integers, or of halves (Warren, 8-2)."""
    bits = 8 * a.dtype.itemsize
    is_signed = weft.iinfo(a.dtype).min < 0
    own = call.type.bits or bits
    if bits < 64:
        wide = f"{'' if is_signed else 'u'}int{2 * bits}"
        product = a.astype(wide) * b.astype(wide)
        high = weft.bitwise_right_shift(product, weft.asarray(own, dtype=wide))
        return high.astype(a.dtype)
    x, y = (weft.bitcast(value, "uint64") for value in (a, b))
    half, mask = weft.asarray(32, dtype="uint64"), weft.asarray(2**32 - 1, dtype="uint64")

    def upper(value: Tensor) -> Any:
        return weft.bitwise_right_shift(value, half)

    low = upper((x & mask) * (y & mask))
    middle = upper(x) * (y & mask) + low
    other = (x & mask) * upper(y) + (middle & mask)
    high = upper(x) * upper(y) + upper(middle) + upper(other)
    if is_signed:
        zero = weft.asarray(0, dtype="uint64")
        high = high - weft.where(a < 0, y, zero) - weft.where(b < 0, x, zero)
    return weft.bitcast(high, a.dtype)


@rule("chlo.scan")
def scan(call: Call, *operands: Tensor) -> tuple:
    """Results along the dimension, then the last carried values."""
    sizes = call.get("operandSegmentSizes") or call.get("operand_segment_sizes")
    count = sizes[0] if sizes else len(operands) // 2
    inputs, init = operands[:count], operands[count:]
    axis, results = call["dimension"], len(call.op.types) - len(init)
    body = call.region(0)

    def step(carried: list[Tensor], slices: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        made = body(*slices, *carried)
        return list(made[results:]), list(made[:results])

    rows = [weft.moveaxis(value, axis, 0) for value in inputs]
    reverse = bool(call.get("is_reverse", False))
    last, made = weft.scan(step, list(init), rows, reverse=reverse)
    return (*(weft.moveaxis(value, 0, axis) for value in made), *last)


@rule("stablehlo.uniform_quantize", "stablehlo.uniform_dequantize")
def quantize(call: Call, x: Tensor) -> Tensor:
    raise weft.UnsupportedError("quantized values are not supported")

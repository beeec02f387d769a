"""Rules for ops of elements: each is one of weft's, or a few."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._core import Tensor
from .._dtypes import DType, iinfo
from ._graph import TensorType
from ._rules import Call, rule
from ._weft import weft

_SIMPLE: dict[str, Callable[..., Tensor]] = {
    "ceil": weft.ceil,
    "cosine": weft.cos,
    "exponential": weft.exp,
    "exponential_minus_one": weft.expm1,
    "floor": weft.floor,
    "is_finite": weft.isfinite,
    "log": weft.log,
    "log_plus_one": weft.log1p,
    "negate": weft.negative,
    "round_nearest_even": weft.round,
    "rsqrt": weft.rsqrt,
    "sine": weft.sin,
    "sqrt": weft.sqrt,
    "subtract": weft.subtract,
    "tan": weft.tan,
    "tanh": weft.tanh,
}

# Of bools and of numbers.
_BY_KIND: dict[str, tuple[Callable[..., Tensor], Callable[..., Tensor]]] = {
    "add": (weft.logical_or, weft.add),
    "multiply": (weft.logical_and, weft.multiply),
    "maximum": (weft.logical_or, weft.maximum),
    "minimum": (weft.logical_and, weft.minimum),
    "and": (weft.logical_and, weft.bitwise_and),
    "or": (weft.logical_or, weft.bitwise_or),
    "xor": (weft.logical_xor, weft.bitwise_xor),
    "not": (weft.logical_not, weft.bitwise_invert),
}


def _simple(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda call, *values: function(*values)


def of_kind(name: str, *values: Tensor) -> Tensor:
    """`add`, `maximum` and their kin, which are logical ones for bools."""
    logical, numeric = _BY_KIND[name]
    if values[0].dtype.kind == "bool":
        return logical(*values)
    if values[0].dtype.kind == "complex" and name in ("maximum", "minimum"):
        a, b = values
        before = (a.real < b.real) | ((a.real == b.real) & (a.imag < b.imag))
        return weft.where(before if name == "minimum" else ~before, a, b)
    return numeric(*values)


def _kinds(name: str) -> Callable[..., Tensor]:
    return lambda call, *values: of_kind(name, *values)


for _name, _function in _SIMPLE.items():
    rule(f"stablehlo.{_name}")(_simple(_function))
for _name in _BY_KIND:
    rule(f"stablehlo.{_name}")(_kinds(_name))


@rule("stablehlo.divide")
def divide(call: Call, a: Tensor, b: Tensor) -> Tensor:
    """Integers are divided towards zero; by zero they give -1."""
    if a.dtype.kind != "integer":
        return weft.divide(a, b)
    return _quotient(a, b)


def _quotient(a: Tensor, b: Tensor) -> Tensor:
    zero, one = (weft.asarray(number, dtype=a.dtype) for number in (0, 1))
    safe = weft.where(b == zero, one, b)
    quotient = weft.floor_divide(a, safe)
    if iinfo(a.dtype).min < 0:
        is_inexact = quotient * safe != a
        quotient = weft.where(is_inexact & ((a < zero) != (safe < zero)), quotient + one, quotient)
    return weft.where(b == zero, weft.bitwise_invert(zero), quotient)


@rule("stablehlo.remainder")
def remainder(call: Call, a: Tensor, b: Tensor) -> Tensor:
    """With the sign of a; of integers by zero it is a."""
    if a.dtype.kind != "integer":
        return weft.fmod(a, b)
    zero, one = (weft.asarray(number, dtype=a.dtype) for number in (0, 1))
    return weft.where(b == zero, a, a - weft.where(b == zero, one, b) * _quotient(a, b))


@rule("stablehlo.power")
def power(call: Call, a: Tensor, b: Tensor) -> Tensor:
    """Of integers to negative powers what is left of the fraction: 1, -1 or 0."""
    if a.dtype.kind != "integer" or iinfo(a.dtype).min == 0:
        return weft.pow(a, b)
    zero, one = (weft.asarray(number, dtype=a.dtype) for number in (0, 1))
    odd = (b & one) == one
    small = weft.where(a == one, one, weft.where(a == -one, weft.where(odd, -one, one), zero))
    return weft.where(b < zero, small, weft.pow(a, weft.maximum(b, zero)))


@rule("stablehlo.cbrt")
def cbrt(call: Call, x: Tensor) -> Tensor:
    return weft.pow(x, 1 / 3) if x.dtype.kind == "complex" else weft.cbrt(x)


@rule("stablehlo.logistic")
def logistic(call: Call, x: Tensor) -> Tensor:
    return 1 / (1 + weft.exp(-x)) if x.dtype.kind == "complex" else weft.sigmoid(x)


@rule("stablehlo.atan2")
def atan2(call: Call, y: Tensor, x: Tensor) -> Tensor:
    """Of complex numbers -i log((x + iy) / sqrt(x^2 + y^2))."""
    if x.dtype.kind != "complex":
        return weft.atan2(y, x)
    return -1j * weft.log((x + 1j * y) / weft.sqrt(x * x + y * y))


@rule("stablehlo.abs")
def abs_(call: Call, x: Tensor) -> Tensor:
    return weft.abs(x)


@rule("stablehlo.sign")
def sign(call: Call, x: Tensor) -> Tensor:
    """Zeros keep their sign."""
    if x.dtype.kind == "floating":
        return weft.where(x == 0, x, weft.sign(x))
    return weft.sign(x)


@rule("stablehlo.round_nearest_afz")
def round_nearest_afz(call: Call, x: Tensor) -> Tensor:
    """Halves away from zero."""
    whole = weft.trunc(x)
    return weft.where(weft.abs(x - whole) >= 0.5, whole + weft.sign(x), whole)


@rule("stablehlo.real", "stablehlo.imag")
def part(call: Call, x: Tensor) -> Tensor:
    """Of a real number the imaginary part is zero."""
    if x.dtype.kind == "complex":
        return weft.real(x) if call.op.name.endswith("real") else weft.imag(x)
    return x if call.op.name.endswith("real") else weft.zeros_like(x)


@rule("stablehlo.complex")
def complex_(call: Call, real: Tensor, imag: Tensor) -> Tensor:
    return weft.complex(real, imag)


def unsigned(dtype: DType) -> str:
    """The name of the unsigned integer with as many bits."""
    return f"uint{8 * dtype.itemsize}"


def ordered(x: Tensor) -> Tensor:
    """Integers in the order of all floats: -NaN, -inf, ..., -0, 0, ..., inf, NaN."""
    bits = weft.bitcast(x, f"int{8 * x.dtype.itemsize}")
    magnitude = weft.asarray(iinfo(bits.dtype).max, dtype=bits.dtype)
    return weft.where(bits < 0, weft.bitwise_xor(bits, magnitude), bits)


_COMPARISONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "EQ": weft.equal,
    "NE": weft.not_equal,
    "LT": weft.less,
    "LE": weft.less_equal,
    "GT": weft.greater,
    "GE": weft.greater_equal,
}


@rule("stablehlo.compare")
def compare(call: Call, a: Tensor, b: Tensor) -> Tensor:
    """False is below true; TOTALORDER knows all bits of floats."""
    direction = call["comparison_direction"]
    if call.get("compare_type") == "TOTALORDER" and a.dtype.kind == "floating":
        a, b = ordered(a), ordered(b)
    if a.dtype.kind == "bool":
        a, b = a.astype("uint8"), b.astype("uint8")
    return _COMPARISONS[direction](a, b)


@rule("stablehlo.select")
def select(call: Call, flag: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return weft.where(flag, a, b)


@rule("stablehlo.clamp")
def clamp(call: Call, low: Tensor, x: Tensor, high: Tensor) -> Tensor:
    return of_kind("minimum", of_kind("maximum", x, low), high)


@rule("stablehlo.convert")
def convert(call: Call, x: Tensor) -> Tensor:
    return converted(x, call.dtype)


def converted(x: Tensor, dtype: DType) -> Tensor:
    """The real part if the new dtype is no complex one; whether it is zero, for bools."""
    if x.dtype.kind == "complex" and dtype.kind != "complex":
        x = weft.real(x)
    if dtype.kind == "bool" and x.dtype.kind != "bool":
        return x != 0
    return x.astype(dtype)


def _shifted(x: Tensor, by: Tensor, shift: Callable[..., Tensor], beyond: Tensor) -> Tensor:
    bits = 8 * x.dtype.itemsize
    zero, most = (weft.asarray(number, dtype=by.dtype) for number in (0, bits))
    inside = (by >= zero) & (by < most)
    return weft.where(inside, shift(x, weft.where(inside, by, zero)), beyond)


@rule("stablehlo.shift_left")
def shift_left(call: Call, x: Tensor, by: Tensor) -> Tensor:
    return _shifted(x, by, weft.bitwise_left_shift, weft.zeros_like(x))


@rule("stablehlo.shift_right_arithmetic")
def shift_right_arithmetic(call: Call, x: Tensor, by: Tensor) -> Tensor:
    """Of an unsigned number too, the first bit is taken for a sign."""
    whole = weft.bitcast(x, f"int{8 * x.dtype.itemsize}")
    by = weft.bitcast(by, whole.dtype)
    sign_ = weft.where(whole < 0, weft.full_like(whole, -1), weft.zeros_like(whole))
    return weft.bitcast(_shifted(whole, by, weft.bitwise_right_shift, sign_), x.dtype)


@rule("stablehlo.shift_right_logical")
def shift_right_logical(call: Call, x: Tensor, by: Tensor) -> Tensor:
    whole, by = (weft.bitcast(value, unsigned(x.dtype)) for value in (x, by))
    bits = call.type.bits
    if bits is not None:
        whole = weft.bitwise_and(whole, weft.asarray(2**bits - 1, dtype=whole.dtype))
    shifted = _shifted(whole, by, weft.bitwise_right_shift, weft.zeros_like(whole))
    return weft.bitcast(shifted, x.dtype)


def _one_bits(x: Tensor) -> Tensor:
    """How many bits of unsigned integers are set: sums of pairs, of fours, ... (Warren, 5-1)."""
    bits = 8 * x.dtype.itemsize
    width = 1
    while width < bits:
        mask = sum((2**width - 1) << place for place in range(0, bits, 2 * width))
        low, shift = (weft.asarray(number, dtype=x.dtype) for number in (mask, width))
        x = (x & low) + (weft.bitwise_right_shift(x, shift) & low)
        width *= 2
    return x


def _within(call: Call, x: Tensor) -> tuple[Tensor, int]:
    """The operand as an unsigned integer of its own bits alone, and how many these are."""
    bits = call.type.bits or 8 * x.dtype.itemsize
    whole = weft.bitcast(x, unsigned(x.dtype))
    return whole & weft.asarray(2**bits - 1, dtype=whole.dtype), bits


@rule("stablehlo.popcnt")
def popcnt(call: Call, x: Tensor) -> Tensor:
    return _one_bits(_within(call, x)[0]).astype(x.dtype)


@rule("stablehlo.count_leading_zeros")
def count_leading_zeros(call: Call, x: Tensor) -> Tensor:
    """All bits below the highest one are set, and what is not is counted."""
    whole, bits = _within(call, x)
    width = 1
    while width < bits:
        whole = whole | weft.bitwise_right_shift(whole, weft.asarray(width, dtype=whole.dtype))
        width *= 2
    return (weft.asarray(bits, dtype=whole.dtype) - _one_bits(whole)).astype(x.dtype)


@rule("stablehlo.bitcast_convert")
def bitcast_convert(call: Call, x: Tensor) -> Tensor:
    """A last dimension comes or goes where elements have other sizes; lower bits are first."""
    source, target = call.op.input_types[0], call.type
    if x.dtype.kind == "complex":
        x = weft.view_as_real(x)
        source = TensorType((), {8: "f32", 16: "f64"}[source.dtype.itemsize])
    if target.dtype.kind != "complex":
        return weft.reshape(_rebitten(x, source, target), target.shape)
    part = TensorType((), {8: "f32", 16: "f64"}[target.dtype.itemsize])
    parts = weft.reshape(_rebitten(x, source, part), (*target.shape, 2))
    return weft.complex(parts[..., 0], parts[..., 1])


def _bit_count(kind: TensorType) -> int:
    return 1 if kind.dtype.kind == "bool" else kind.bits or 8 * kind.dtype.itemsize


def _as_bits(x: Tensor, bits: int) -> Tensor:
    """Elements as unsigned integers without other bits than their own."""
    if x.dtype.kind == "bool":
        return x.astype("uint8")
    whole = weft.bitcast(x, unsigned(x.dtype))
    return whole & weft.asarray(2**bits - 1, dtype=whole.dtype)


def _rebitten(x: Tensor, source: TensorType, target: TensorType) -> Tensor:
    """The bits of real elements as elements of another type, with the dimensions as they come."""
    small, large = sorted((_bit_count(source), _bit_count(target)))
    whole = _as_bits(x, _bit_count(source))
    if _bit_count(source) < large:
        wide = f"uint{max(large, 8)}"
        parts = whole.astype(wide)
        whole = weft.zeros_like(parts[..., 0])
        for i in range(large // small):
            step = weft.asarray(small * i, dtype=wide)
            whole = whole | weft.bitwise_left_shift(parts[..., i], step)
    elif small < _bit_count(source):
        mask = weft.asarray(2**small - 1, dtype=whole.dtype)
        steps = [weft.asarray(small * i, dtype=whole.dtype) for i in range(large // small)]
        pieces = [weft.bitwise_right_shift(whole, step) & mask for step in steps]
        whole = weft.stack(pieces, axis=-1).astype(f"uint{max(small, 8)}")
    if target.dtype.kind == "bool":
        return whole != 0
    return weft.bitcast(whole, target.dtype)


@rule("stablehlo.reduce_precision")
def reduce_precision(call: Call, x: Tensor) -> Tensor:
    """Rounds to a float of fewer bits, to nearest, ties to even; too large a number is infinite."""
    return rounded(x, call["exponent_bits"], call["mantissa_bits"])


def rounded(x: Tensor, exponent_bits: int, mantissa_bits: int) -> Tensor:
    """Numbers below the smallest normal one become zero with their sign, as XLA has it."""
    own = {2: {"float16": 10, "bfloat16": 7}.get(x.dtype.name, 0), 4: 23, 8: 52}[x.dtype.itemsize]
    width = 8 * x.dtype.itemsize
    kind = unsigned(x.dtype)

    def number(value: int) -> Tensor:
        made: Tensor = weft.asarray(value, dtype=kind)
        return made

    bits = weft.bitcast(x, kind)
    if mantissa_bits < own:
        shift = own - mantissa_bits
        last = weft.bitwise_right_shift(bits, number(shift)) & number(1)
        bits = bits + last + number((1 << (shift - 1)) - 1)
        bits = bits & number((2**width - 1) ^ ((1 << shift) - 1))
    own_exponent = width - 1 - own
    if exponent_bits < own_exponent:
        sign_ = bits & number(1 << (width - 1))
        exponent = bits & number((2**own_exponent - 1) << own)
        bias, own_bias = 2 ** (exponent_bits - 1) - 1, 2 ** (own_exponent - 1) - 1
        infinity = number((2**own_exponent - 1) << own)
        is_large = exponent > number((own_bias + bias) << own)
        is_small = exponent <= number((own_bias - bias) << own)
        bits = weft.where(is_large, sign_ | infinity, weft.where(is_small, sign_, bits))
    made = weft.bitcast(bits, x.dtype)
    # Without a mantissa there is no NaN.
    unknown = x if mantissa_bits else weft.full_like(x, weft.inf)
    return weft.where(weft.isnan(x), unknown, made)


@rule("stablehlo.optimization_barrier")
def optimization_barrier(call: Call, *values: Any) -> Any:
    return values


@rule("stablehlo.map")
def map_(call: Call, *values: Tensor) -> Tensor:
    """The region is for elements, and so for tensors of them."""
    from ._bodies import elementwise

    return elementwise(call, values)[0]

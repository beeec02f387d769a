"""The element types: ``weft.float32`` and the others."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _core
from ._errors import DTypeError


class DType:
    """An element type. Equal to its name and to NumPy's dtype or scalar type of that name.

    Attributes:
        name: the array API's name, as ``"float32"``.
        itemsize: bytes of an element.
        kind: ``"bool"``, ``"integer"``, ``"floating"`` or ``"complex"``.
    """

    __slots__ = ("itemsize", "kind", "name")
    __weft_static__ = True

    def __init__(self, name: str, itemsize: int, kind: str) -> None:
        self.name = name
        self.itemsize = itemsize
        self.kind = kind

    @property
    def is_floating_point(self) -> bool:
        """Whether the elements are floating-point numbers."""
        return self.kind == "floating"

    @property
    def is_complex(self) -> bool:
        """Whether the elements are complex numbers."""
        return self.kind == "complex"

    @property
    def is_float8(self) -> bool:
        """Whether the elements are floats of one byte: kept and converted, not computed with."""
        return self.kind == "floating" and self.itemsize == 1

    @property
    def is_inexact(self) -> bool:
        """Whether the elements are floating-point or complex numbers: what gradients are of
        (but for `is_float8`)."""
        return self.kind in ("floating", "complex")

    @property
    def is_kept_as_bits(self) -> bool:
        """Whether NumPy has no such dtype: ml_dtypes has it, and buffers only show its bits."""
        return self.name == "bfloat16" or self.is_float8

    def to_numpy(self) -> np.dtype:
        """NumPy's dtype; bfloat16 and floats of a byte need the package ml_dtypes."""
        if self.is_kept_as_bits:
            try:
                import ml_dtypes
            except ImportError:
                raise DTypeError(
                    f"NumPy has no {self.name}: install ml_dtypes, or convert to float32 first"
                ) from None
            return np.dtype(getattr(ml_dtypes, self.name))
        return np.dtype(self.name)

    def __repr__(self) -> str:
        return f"weft.{self.name}"

    def __hash__(self) -> int:
        return hash(self.name)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, DType):
            return self is other
        if isinstance(other, str):
            return self.name == other
        if isinstance(other, type) and issubclass(other, np.generic):
            return _name_of(other) == self.name
        return isinstance(other, np.dtype) and other.name == self.name

    def __reduce__(self) -> tuple:
        return as_dtype, (self.name,)


def _name_of(numpy_type: Any) -> str | None:
    """The name of the dtype that NumPy knows by a scalar type or a code as "<f4"."""
    try:
        return np.dtype(numpy_type).name
    except (TypeError, ValueError, SyntaxError):
        return None


bool_ = DType("bool", 1, "bool")
int8 = DType("int8", 1, "integer")
int16 = DType("int16", 2, "integer")
int32 = DType("int32", 4, "integer")
int64 = DType("int64", 8, "integer")
uint8 = DType("uint8", 1, "integer")
float16 = DType("float16", 2, "floating")
bfloat16 = DType("bfloat16", 2, "floating")
float32 = DType("float32", 4, "floating")
float64 = DType("float64", 8, "floating")
uint16 = DType("uint16", 2, "integer")
uint32 = DType("uint32", 4, "integer")
uint64 = DType("uint64", 8, "integer")
complex64 = DType("complex64", 8, "complex")
complex128 = DType("complex128", 16, "complex")
float8_e4m3fn = DType("float8_e4m3fn", 1, "floating")
float8_e5m2 = DType("float8_e5m2", 1, "floating")

# The order of the C++ enumeration.
_all = [
    *(bool_, int8, int16, int32, int64, uint8),
    *(float16, bfloat16, float32, float64, uint16, uint32, uint64, complex64, complex128),
    *(float8_e4m3fn, float8_e5m2),
]
_by_name = {dtype.name: dtype for dtype in _all}
_names = dict(_by_name)
_by_name |= {"half": float16, "float": float32, "double": float64, "long": int64, "int": int64}
_by_name |= {"cfloat": complex64, "cdouble": complex128}
_by_type = {bool: bool_, int: int64, float: float32, complex: complex64}

#: Kinds in the order of promotion.
KIND_ORDER = ("bool", "integer", "floating", "complex")

_core.register_dtypes(_all)


def by_name() -> dict[str, DType]:
    """All dtypes by their names."""
    return dict(_names)


def as_dtype(dtype: Any) -> DType:
    """The dtype that a DType, a name, a NumPy dtype or bool, int, float or complex means.

    Raises:
        DTypeError: it means none.
    """
    if isinstance(dtype, DType):
        return dtype
    if isinstance(dtype, str) and dtype in _by_name:
        return _by_name[dtype]
    name: str | None = None
    if isinstance(dtype, type):
        if dtype in _by_type:
            return _by_type[dtype]
        name = _name_of(dtype) if issubclass(dtype, np.generic) else None
    elif isinstance(dtype, np.dtype):
        name = dtype.name
    elif isinstance(dtype, str):
        name = _name_of(dtype)
    if name in _by_name:
        return _by_name[name]
    from ._creation import _fail

    names = ", ".join(known.name for known in _all)
    raise _fail(DTypeError, f"{dtype!r} is no dtype of weft: there are {names}")


def promote_types(left: object, right: object) -> DType:
    """The dtype that both convert to (see `result_type`).

    Raises:
        DTypeError: there is none: uint64 and a signed integer.
    """
    first, second = as_dtype(left), as_dtype(right)
    common = _core.common_dtype(first, second)
    if common is None:
        from ._creation import _fail

        raise _fail(
            DTypeError,
            f"{first.name} and {second.name} have no common dtype; convert one of them by astype",
        )
    return common


def result_type(*arrays_and_dtypes: object) -> DType:
    """The dtype that the arguments (tensors, dtypes, Python numbers) are converted to together.

    Python numbers are weak: they decide only when no tensor or dtype of their kind is given.
    """
    strong: DType | None = None
    weak: DType | None = None
    for argument in arrays_and_dtypes:
        if type(argument) in _by_type:
            candidate = _by_type[type(argument)]
            weak = candidate if weak is None else promote_types(weak, candidate)
            continue
        is_array = isinstance(argument, (_core.Tensor, np.ndarray, np.generic))
        candidate = as_dtype(argument.dtype if is_array else argument)  # type: ignore[attr-defined]
        strong = candidate if strong is None else promote_types(strong, candidate)
    if strong is None or weak is None:
        result = strong or weak
        if result is None:
            raise DTypeError("result_type needs at least one argument")
        return result
    if weak.is_complex and not strong.is_complex:
        return promote_types(strong, weak)
    return weak if KIND_ORDER.index(weak.kind) > KIND_ORDER.index(strong.kind) else strong


def part_dtype(dtype: DType) -> DType:
    """The dtype of the parts of a complex dtype; others are their own."""
    return {"complex64": float32, "complex128": float64}.get(dtype.name, dtype)


class FloatInfo:
    """The limits of a floating dtype: bits, eps, max, min, smallest_normal.

    Of a complex dtype they are those of its parts.
    """

    def __init__(self, dtype: DType) -> None:
        dtype = part_dtype(dtype)
        mantissa, largest_exponent = {
            "float8_e4m3fn": (3, 8),
            "float8_e5m2": (2, 15),
            "float16": (10, 15),
            "bfloat16": (7, 127),
            "float32": (23, 127),
            "float64": (52, 1023),
        }[dtype.name]
        self.dtype = dtype
        self.bits = 8 * dtype.itemsize
        self.eps = 2.0**-mantissa
        # The last number of float8_e4m3fn is its NaN, and its exponents begin one lower.
        without_infinity = dtype is float8_e4m3fn
        self.max = (2.0 - (1 + without_infinity) * self.eps) * 2.0**largest_exponent
        self.min = -self.max
        self.smallest_normal = 2.0 ** (1 + without_infinity - largest_exponent)


class IntegerInfo:
    """The limits of an integer dtype: bits, max, min."""

    def __init__(self, dtype: DType) -> None:
        signed = not is_unsigned(dtype)
        self.dtype = dtype
        self.bits = 8 * dtype.itemsize
        self.max = 2 ** (self.bits - signed) - 1
        self.min = -(2 ** (self.bits - 1)) if signed else 0


def _limited_dtype(dtype: object, kinds: tuple[str, ...], name: str) -> DType:
    is_array = isinstance(dtype, (_core.Tensor, np.ndarray, np.generic))
    known = as_dtype(dtype.dtype if is_array else dtype)  # type: ignore[attr-defined]
    if known.kind not in kinds:
        from ._creation import _fail

        raise _fail(DTypeError, f"{name}: {known.name} is no {' or '.join(kinds)} dtype")
    return known


def finfo(dtype: object) -> FloatInfo:
    """The limits of a floating or complex dtype, or of a tensor's.

    Raises:
        DTypeError: the dtype is neither.
    """
    return FloatInfo(_limited_dtype(dtype, ("floating", "complex"), "finfo"))


def iinfo(dtype: object) -> IntegerInfo:
    """The limits of an integer dtype, or of a tensor's.

    Raises:
        DTypeError: the dtype is not an integer one.
    """
    return IntegerInfo(_limited_dtype(dtype, ("integer",), "iinfo"))


def can_cast(from_: object, to: object, /) -> bool:
    """Whether a dtype, or that of a tensor, is converted to ``to`` by promotion.

    Raises:
        DTypeError: an argument means no dtype.
    """
    source = as_dtype(from_.dtype if isinstance(from_, _core.Tensor) else from_)
    target = as_dtype(to)
    return _core.common_dtype(source, target) is target


_KINDS = {
    "bool": (bool_,),
    "signed integer": (int8, int16, int32, int64),
    "unsigned integer": (uint8, uint16, uint32, uint64),
    "integral": (int8, int16, int32, int64, uint8, uint16, uint32, uint64),
    "real floating": (float16, bfloat16, float32, float64),
    "complex floating": (complex64, complex128),
    "numeric": tuple(dtype for dtype in _all if dtype is not bool_ and not dtype.is_float8),
}


def is_unsigned(dtype: DType) -> bool:
    """Whether the elements are integers without a sign."""
    return dtype in _KINDS["unsigned integer"]


def isdtype(dtype: object, kind: object) -> bool:
    """Whether a dtype is of a kind: a dtype, a kind of the array API, or a tuple of these.

    The kinds are "bool", "signed integer", "unsigned integer", "integral", "real floating",
    "complex floating" and "numeric".

    Raises:
        DTypeError: the kind is none of these.
    """
    known = as_dtype(dtype)
    if isinstance(kind, tuple):
        return any(isdtype(known, item) for item in kind)
    if isinstance(kind, str) and kind in _KINDS:
        return known in _KINDS[kind]
    return known is as_dtype(kind)

"""The element types: ``weft.float32`` and the others."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from . import _core
from ._errors import DTypeError


class DType:
    """An element type. Equal to its name and to NumPy's dtype of that name.

    Attributes:
        name: the array API's name, as ``"float32"``.
        itemsize: bytes of an element.
        kind: ``"bool"``, ``"integer"`` or ``"floating"``.
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

    def to_numpy(self) -> np.dtype:
        """NumPy's dtype; bfloat16 needs the package ml_dtypes."""
        if self.name == "bfloat16":
            try:
                import ml_dtypes
            except ImportError:
                raise DTypeError(
                    "NumPy has no bfloat16: install ml_dtypes, or convert to float32 first"
                ) from None
            return np.dtype(ml_dtypes.bfloat16)
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
        try:
            return np.dtype(cast(Any, other)).name == self.name
        except TypeError:
            return NotImplemented

    def __reduce__(self) -> tuple:
        return as_dtype, (self.name,)


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

# The order of the C++ enumeration.
_all = [bool_, int8, int16, int32, int64, uint8, float16, bfloat16, float32, float64]
_by_name = {dtype.name: dtype for dtype in _all}
_by_name |= {"half": float16, "float": float32, "double": float64, "long": int64, "int": int64}
_by_type = {bool: bool_, int: int64, float: float32}

_core.register_dtypes(_all)


def as_dtype(dtype: Any) -> DType:
    """The dtype that a DType, a name, a NumPy dtype or bool, int or float means.

    Raises:
        DTypeError: it means none.
    """
    if isinstance(dtype, DType):
        return dtype
    if isinstance(dtype, str) and dtype in _by_name:
        return _by_name[dtype]
    if isinstance(dtype, type) and dtype in _by_type:
        return _by_type[dtype]
    try:
        return _by_name[np.dtype(dtype).name]
    except (TypeError, KeyError):
        names = ", ".join(known.name for known in _all)
        raise DTypeError(f"{dtype!r} is no dtype of weft: there are {names}") from None


def promote_types(left: object, right: object) -> DType:
    """The dtype that both convert to (see `result_type`)."""
    first, second = as_dtype(left), as_dtype(right)
    if first is second:
        return first
    order = {"bool": 0, "integer": 1, "floating": 2}
    if first.kind != second.kind:
        return first if order[first.kind] > order[second.kind] else second
    if uint8 in (first, second) and first.kind == "integer":
        other = second if first is uint8 else first
        return int16 if other is int8 else other
    if first.itemsize == second.itemsize:
        return float32
    return first if first.itemsize > second.itemsize else second


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
        candidate = argument.dtype if isinstance(argument, _core.Tensor) else as_dtype(argument)
        strong = candidate if strong is None else promote_types(strong, candidate)
    if strong is None or weak is None:
        result = strong or weak
        if result is None:
            raise DTypeError("result_type needs at least one argument")
        return result
    order = {"bool": 0, "integer": 1, "floating": 2}
    return weak if order[weak.kind] > order[strong.kind] else strong


class FloatInfo:
    """The limits of a floating dtype: bits, eps, max, min, smallest_normal."""

    def __init__(self, dtype: DType) -> None:
        mantissa, largest_exponent = {
            "float16": (10, 15),
            "bfloat16": (7, 127),
            "float32": (23, 127),
            "float64": (52, 1023),
        }[dtype.name]
        self.dtype = dtype
        self.bits = 8 * dtype.itemsize
        self.eps = 2.0**-mantissa
        self.max = (2.0 - self.eps) * 2.0**largest_exponent
        self.min = -self.max
        self.smallest_normal = 2.0 ** (1 - largest_exponent)


def finfo(dtype: object) -> FloatInfo:
    """The limits of a floating dtype.

    Raises:
        DTypeError: the dtype is not floating.
    """
    known = dtype.dtype if isinstance(dtype, _core.Tensor) else as_dtype(dtype)
    if known.kind != "floating":
        raise DTypeError(f"finfo: {known.name} is not a floating dtype")
    return FloatInfo(known)


def iinfo(dtype: object) -> np.iinfo:
    """The limits of an integer dtype: bits, min, max.

    Raises:
        DTypeError: the dtype is not an integer one.
    """
    known = dtype.dtype if isinstance(dtype, _core.Tensor) else as_dtype(dtype)
    if known.kind != "integer":
        raise DTypeError(f"iinfo: {known.name} is not an integer dtype")
    return np.iinfo(known.to_numpy())

"""What flows along the edges of an ONNX graph while it is run.

A value is a tensor of weft; a NumPy array, which is known while tracing: a constant of the model or
a shape, whose elements are Python objects where sizes are symbolic; a list, for a sequence; None,
for an optional that is empty or an operand that is left out; or a `Narrow`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _core
from .._core import SymbolicSize, Tensor
from .._creation import _fail, asarray
from .._dtypes import DType, as_dtype
from .._errors import ConcretizationError, UnsupportedError
from .._manipulation import reshape, stack

#: The dtypes of weft by ONNX's numbers of element types.
_DTYPES = {
    1: "float32",
    2: "uint8",
    3: "int8",
    4: "uint16",
    5: "int16",
    6: "int32",
    7: "int64",
    9: "bool",
    10: "float16",
    11: "float64",
    12: "uint32",
    13: "uint64",
    14: "complex64",
    15: "complex128",
    16: "bfloat16",
    17: "float8_e4m3fn",
    19: "float8_e5m2",
}
_NUMBERS = {name: number for number, name in _DTYPES.items()}


@dataclass(frozen=True)
class NarrowType:
    """An element type that weft has no dtype for: its numbers are held in a wider one.

    Integers lie between ``least`` and ``most``. Floats have ``mantissa`` bits behind the point, and
    their smallest normal number has the exponent ``exponent``; ``has_nan``: what is too large
    without saturation is NaN, and 0 has no sign.
    """

    name: str
    held: str
    least: float
    most: float
    mantissa: int = 0
    exponent: int = 0
    has_nan: bool = False

    @property
    def is_integer(self) -> bool:
        """Whether it is one of the integers."""
        return self.held in ("int8", "uint8")


NARROW = {
    18: NarrowType("FLOAT8E4M3FNUZ", "float16", -240, 240, 3, -7, True),
    20: NarrowType("FLOAT8E5M2FNUZ", "float16", -57344, 57344, 2, -15, True),
    21: NarrowType("UINT4", "uint8", 0, 15),
    22: NarrowType("INT4", "int8", -8, 7),
    23: NarrowType("FLOAT4E2M1", "float16", -6, 6, 1, 0),
    24: NarrowType("FLOAT8E8M0", "float32", 2.0**-127, 2.0**127, 0, -127, True),
    25: NarrowType("UINT2", "uint8", 0, 3),
    26: NarrowType("INT2", "int8", -2, 1),
}


@dataclass(frozen=True)
class Narrow:
    """A tensor of numbers of a narrow type, held in a wider dtype."""

    type: NarrowType
    tensor: Tensor


def dtype_of(number: int) -> DType:
    """The dtype of an ONNX element type. Raises UnsupportedError."""
    if number not in _DTYPES:
        raise _fail(UnsupportedError, f"weft has no tensors of the ONNX type {type_name(number)}")
    return as_dtype(_DTYPES[number])


def has_dtype(number: int) -> bool:
    """Whether weft has tensors that hold elements of an ONNX type."""
    return number in _DTYPES or number in NARROW


def number_of(dtype: DType) -> int:
    """The ONNX element type of a dtype."""
    return _NUMBERS[dtype.name]


def type_name(number: int) -> str:
    """ONNX's name of an element type."""
    import onnx

    known = onnx.TensorProto.DataType.values()
    return onnx.TensorProto.DataType.Name(number) if number in known else f"number {number}"


def held_dtype(number: int) -> DType:
    """The dtype in which weft holds elements of the type: of narrow ones a wider one."""
    return as_dtype(NARROW[number].held) if number in NARROW else dtype_of(number)


def as_value(tensor: Tensor, number: int) -> Tensor | Narrow:
    """A tensor that holds elements of this type, as a value."""
    return Narrow(NARROW[number], tensor) if number in NARROW else tensor


class Sizes(np.ndarray):
    """Known integers with sizes that are not known among them, and the dtype that they have in
    the model: TensorFlow computes its shapes in int32."""

    integers = "int64"

    def __array_finalize__(self, array: Any) -> None:
        self.integers = getattr(array, "integers", "int64")


def with_integers(array: np.ndarray, integers: str) -> np.ndarray:
    """Symbolic values as those of this dtype."""
    result = array.view(Sizes)
    result.integers = integers
    return result


def is_symbolic(array: np.ndarray) -> bool:
    """Whether sizes that are not known are among the elements."""
    return array.dtype == object


def sizes(shape: Any) -> np.ndarray:
    """The sizes of a shape as a known value."""
    found = list(shape)
    kind = object if any(isinstance(size, SymbolicSize) for size in found) else np.int64
    result = np.empty(len(found), kind)
    result[:] = found
    return result


def plain(array: Any, integers: str = "int64") -> np.ndarray:
    """A known value; of Python's objects only where symbolic sizes are among them. These are of
    their own dtype, or of the one given."""
    integers = getattr(array, "integers", integers)
    array = np.asarray(array)
    if array.dtype != object:
        return array
    if not any(isinstance(x, SymbolicSize) for x in array.flat):
        return array.astype(integers)
    return with_integers(array, integers)


def as_tensor(value: Any) -> Any:
    """A value as a rule of weft's functions takes it: known ones as tensors."""
    if not isinstance(value, np.ndarray):
        return value
    if not is_symbolic(value):
        return asarray(value)
    integers = getattr(value, "integers", "int64")
    parts = [asarray(size).astype(integers) for size in value.flat]
    return reshape(stack(parts), value.shape) if value.ndim else parts[0]


def known(value: Any) -> np.ndarray | None:
    """The value as an array if it can be had while tracing."""
    if value is None or isinstance(value, np.ndarray):
        return value
    if isinstance(value, Tensor) and _core.gives_value_of(value):
        return np.asarray(value)
    return None


def require_known(value: Any, what: str) -> np.ndarray | None:
    """The value as an array; None for what is left out. Raises ConcretizationError."""
    found = known(value)
    if found is None and value is not None:
        raise _fail(
            ConcretizationError,
            f"{what} has to be known while the model is traced, as shapes follow from it; give the "
            "value of the model's input it is computed of: weft.onnx.load(path, "
            "known={name: array})",
        )
    return found


def numbers(array: Any) -> list[Any]:
    """The elements of a known value as Python's numbers and symbolic sizes."""
    return [x if isinstance(x, SymbolicSize) else x.item() for x in _items(array)]


def _items(array: Any) -> Any:
    found = np.asarray(array).reshape(-1)
    return [np.asarray(x) if not isinstance(x, SymbolicSize) else x for x in found]


def number(array: Any) -> Any:
    """The one element of a known value."""
    return numbers(array)[0]


def product(shape: Any) -> Any:
    """The product of sizes, symbolic ones among them."""
    return math.prod(shape)

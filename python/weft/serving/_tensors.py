"""Tensors of the Open Inference Protocol: arrays to and from JSON, bytes and lists of numbers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .. import _dtypes
from .._dtypes import DType
from ._refusals import RefusedError, invalid

#: The protocol's names of dtypes. It has BYTES besides, for texts (arrays of objects, `bytes`), and
#: none for complex numbers.
DATATYPES: dict[str, DType] = {
    "BOOL": _dtypes.bool_,
    "UINT8": _dtypes.uint8,
    "UINT16": _dtypes.uint16,
    "UINT32": _dtypes.uint32,
    "UINT64": _dtypes.uint64,
    "INT8": _dtypes.int8,
    "INT16": _dtypes.int16,
    "INT32": _dtypes.int32,
    "INT64": _dtypes.int64,
    "FP16": _dtypes.float16,
    "FP32": _dtypes.float32,
    "FP64": _dtypes.float64,
    "BF16": _dtypes.bfloat16,
}
DATATYPE_NAMES = {dtype: name for name, dtype in DATATYPES.items()}

#: Of a tensor of texts.
_BYTES = np.dtype(object)

#: No tensor has more dimensions.
_MOST_DIMENSIONS = 64


def checked_dtype(name: str, datatype: Any) -> np.dtype:
    """NumPy's dtype for the datatype of a tensor. Raises RefusedError."""
    if datatype == "BYTES":
        return _BYTES
    if not isinstance(datatype, str) or datatype not in DATATYPES:
        raise invalid(
            f"{name} has the datatype {shown(datatype)}, but there are BYTES and "
            f"{', '.join(DATATYPES)}"
        )
    return DATATYPES[datatype].to_numpy()


def checked_shape(name: str, shape: Any, most: int) -> tuple[int, ...]:
    """The shape of a tensor, of at most so many elements, those of empty ones included.

    Sizes beside a zero count, too: what is computed of an empty tensor need not be empty.
    """
    sizes = list(shape) if isinstance(shape, Sequence) and not isinstance(shape, str) else None
    if sizes is None or len(sizes) > _MOST_DIMENSIONS:
        raise invalid(f"{name} has the shape {shown(shape)}, but a shape is a list of sizes")
    for size in sizes:
        if type(size) is not int or size < 0:
            raise invalid(f"{name} has the size {shown(size)}: a size is an integer from 0 on")
    if math.prod(max(size, 1) for size in sizes) > most:
        raise invalid(f"{name} has the shape {shown(sizes)}: more than a request can have")
    return tuple(sizes)


def datatype_of(array: np.ndarray) -> str:
    """The protocol's name of an array's dtype."""
    if array.dtype == _BYTES:
        return "BYTES"
    return next(name for dtype, name in DATATYPE_NAMES.items() if dtype == array.dtype)


def from_bytes(name: str, data: Any, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    """The tensor whose elements are these bytes, row by row, little-endian."""
    if dtype == _BYTES:
        return texts(name, list(_split(name, data)), shape)
    wanted = math.prod(shape) * dtype.itemsize
    if len(data) != wanted:
        raise invalid(
            f"{name} of shape {list(shape)} has {wanted} bytes, but {len(data)} were given"
        )
    # ml_dtypes' types have no buffers of their own.
    raw = np.frombuffer(data, np.dtype(f"u{dtype.itemsize}")).reshape(shape)
    raw = raw if raw.flags.aligned else raw.copy()
    if dtype == np.bool_ and raw.size and raw.max() > 1:
        raise invalid(f"{name} is BOOL, but has bytes that are neither 0 nor 1")
    return raw.view(dtype)


def _split(name: str, data: Any) -> Iterator[bytes]:
    """The texts in bytes, each behind its length of 4 bytes."""
    place = 0
    while place < len(data):
        end = place + 4 + int.from_bytes(data[place : place + 4], "little")
        if place + 4 > len(data) or end > len(data):
            raise invalid(f"{name} is BYTES, but its lengths are not those of its elements")
        yield bytes(data[place + 4 : end])
        place = end


def texts(name: str, elements: Sequence[bytes], shape: tuple[int, ...]) -> np.ndarray:
    """The tensor of these texts. Raises RefusedError if there are not so many."""
    if len(elements) != math.prod(shape):
        raise invalid(
            f"{name} of shape {list(shape)} has {math.prod(shape)} elements, but {len(elements)} "
            "were given"
        )
    array = np.empty(len(elements), object)
    array[:] = elements
    return array.reshape(shape)


def to_bytes(array: np.ndarray) -> bytes:
    """The elements as bytes, row by row, little-endian; of BYTES each behind its length."""
    if array.dtype == _BYTES:
        return b"".join(len(text).to_bytes(4, "little") + text for text in array.ravel())
    return array.tobytes()


def from_numbers(name: str, data: Any, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    """The tensor of a list of numbers: flat, or nested as the shape is."""
    flat = _flattened(name, data, shape)
    if dtype == _BYTES:
        return texts(name, [_encoded(name, element) for element in flat], shape)
    if len(flat) != math.prod(shape):
        raise invalid(
            f"{name} of shape {list(shape)} has {math.prod(shape)} elements, but {len(flat)} "
            "were given"
        )
    kinds = set(map(type, flat))
    allowed = {bool} if dtype == np.bool_ else {int} if dtype.kind in "iu" else {int, float}
    if not kinds <= allowed:
        other = next(each for each in flat if type(each) not in allowed)
        raise invalid(f"{name} is of {dtype.name}, but has the element {shown(other)}")
    try:
        if dtype.kind in "biu":
            return np.array(flat, dtype).reshape(shape)
        wide = np.array(flat, np.float64)
    except OverflowError:
        raise invalid(f"{name} has an element that {dtype.name} does not have") from None
    with np.errstate(over="ignore"):
        array = wide.astype(dtype)
    if not np.isfinite(array.astype(np.float64)).all():
        raise invalid(f"{name} has an element that {dtype.name} does not have")
    return array.reshape(shape)


def _encoded(name: str, element: Any) -> bytes:
    if not isinstance(element, str):
        raise invalid(f"{name} is BYTES, but has the element {shown(element)}")
    try:
        return element.encode()
    except UnicodeEncodeError:
        raise invalid(f"{name} has an element that is no text of Unicode") from None


def _flattened(name: str, data: Any, shape: tuple[int, ...]) -> list:
    if not isinstance(data, list):
        raise invalid(f"{name} has the data {shown(data)}, but data is a list")
    level = data
    for size in shape[:-1]:
        if not level or not isinstance(level[0], list):
            break
        if len(level) % max(size, 1) or not all(isinstance(row, list) for row in level):
            raise invalid(f"{name} is not nested as its shape {list(shape)} is")
        level = list(itertools.chain.from_iterable(level))
    if level is not data:
        _check_nesting(name, data, shape)
    return level


def _check_nesting(name: str, data: list, shape: tuple[int, ...]) -> None:
    level: list = [data]
    for size in shape:
        if not all(isinstance(row, list) and len(row) == size for row in level):
            raise invalid(f"{name} is not nested as its shape {list(shape)} is")
        level = list(itertools.chain.from_iterable(level))


def to_numbers(name: str, array: np.ndarray) -> list:
    """The elements in a flat list. Raises RefusedError for those that JSON does not have."""
    if array.dtype == _BYTES:
        return [text.decode() for text in array.ravel()]
    if array.dtype.kind in "biu":
        return array.ravel().tolist()
    wide = array.astype(np.float64)
    if not np.isfinite(wide).all():
        raise RefusedError(
            invalid("").kind,
            f"the output {name} has NaN or infinite elements, which JSON does not have: ask for "
            "binary data",
        )
    return wide.ravel().tolist()


def shown(value: Any) -> str:
    """A value as messages show it."""
    if isinstance(value, int) and abs(value) >= 1 << 64:
        return "a number beyond 64 bits"
    if isinstance(value, (list, dict)) and len(value) > 8:
        return f"a {type(value).__name__} of {len(value)}"
    try:
        text = repr(value)
    except (RecursionError, ValueError):
        return f"a {type(value).__name__}"
    return text if len(text) < 60 else text[:57] + "..."

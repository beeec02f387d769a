"""A StableHLO program as plain data: functions of ops, whose values have numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .. import _dtypes
from .._dtypes import DType
from .._errors import UnsupportedError

#: The size of a dimension that no type tells.
DYNAMIC = -1

_DTYPES = {
    "i1": "bool",
    "f16": "float16",
    "bf16": "bfloat16",
    "f32": "float32",
    "f64": "float64",
    "f8E4M3FN": "float8_e4m3fn",
    "f8E5M2": "float8_e5m2",
    "complex<f32>": "complex64",
    "complex<f64>": "complex128",
    "index": "int64",
    **{f"{sign}{bits}": f"int{bits}" for sign in ("i", "si") for bits in (8, 16, 32, 64)},
    **{f"ui{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
}
# Integers of less than a byte are held in one, and wrapped after each op.
_NARROW = {"i2": ("int8", 2), "i4": ("int8", 4), "ui2": ("uint8", 2), "ui4": ("uint8", 4)}


@dataclass(frozen=True)
class TensorType:
    """The type of a value; ``element`` is as StableHLO writes it."""

    shape: tuple[int, ...]
    element: str

    @property
    def dtype(self) -> DType:
        """The dtype that holds the elements. Raises UnsupportedError if weft has none."""
        name = _NARROW[self.element][0] if self.element in _NARROW else _DTYPES.get(self.element)
        if name is None:
            raise UnsupportedError(f"weft has no dtype for StableHLO's {self.element}")
        return getattr(_dtypes, name + "_" if name == "bool" else name)

    @property
    def bits(self) -> int | None:
        """How many bits an integer of less than a byte has; None for all others."""
        return _NARROW[self.element][1] if self.element in _NARROW else None

    @property
    def is_static(self) -> bool:
        """Whether all sizes are known."""
        return DYNAMIC not in self.shape

    def __str__(self) -> str:
        sizes = "".join("?x" if size == DYNAMIC else f"{size}x" for size in self.shape)
        return f"tensor<{sizes}{self.element}>"


@dataclass(eq=False)
class Op:
    """One op. A type is a TensorType, a tuple of types, or a text for what else there is."""

    name: str
    inputs: list[int]
    outputs: list[int]
    input_types: list[Any]
    types: list[Any]
    attributes: dict[str, Any]
    regions: list[Region]
    place: str
    # Of the whole function, by the number of a value.
    producers: dict[int, Op] = field(default_factory=dict, repr=False)


@dataclass(eq=False)
class Region:
    """A block: what it takes, its ops in order, and what it returns."""

    arguments: list[int]
    types: list[Any]
    ops: list[Op] = field(default_factory=list)
    results: list[int] = field(default_factory=list)

    def walk(self) -> Iterator[Op]:
        """All ops, those of inner regions behind the op that has them."""
        for op in self.ops:
            yield op
            for inner in op.regions:
                yield from inner.walk()


@dataclass(eq=False)
class Function:
    """A function of the program, with the names that its arguments have in the file, if any."""

    name: str
    body: Region
    result_types: list[Any]
    names: list[str]

"""The type of the rows of `op_table.py`, which weft-tblgen generates from the op records."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

# What the classes of dtypes in a row stand for, by the names of the array API.
DTYPE_CLASSES: Mapping[str, tuple[str, ...]] = {
    "float": ("float16", "bfloat16", "float32", "float64"),
    "integer": ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    "bool": ("bool",),
}

# The names that a reference may use besides the op's arguments, with the modules they stand for.
REFERENCE_MODULES: Mapping[str, str] = {"np": "numpy", "sp": "scipy.special", "torch": "torch"}


@dataclass(frozen=True)
class Operand:
    """A positional argument: a tensor, or with `variadic` a sequence of tensors."""

    name: str
    # Names of classes in DTYPE_CLASSES, and single dtypes where only part of a class is accepted.
    dtype_classes: tuple[str, ...]
    variadic: bool = False

    def dtypes(self) -> tuple[str, ...]:
        """The names of all real dtypes that the op itself takes, before promotion; without those of
        a byte, which `test_float8.py` tests."""
        return tuple(
            dtype
            for dtype_class in self.dtype_classes
            for dtype in DTYPE_CLASSES.get(dtype_class, (dtype_class,))
            if dtype not in ("complex", "float8")
        )

    def takes_complex(self) -> bool:
        """Whether complex numbers may be given; the op is a composite then."""
        return "complex" in self.dtype_classes


@dataclass(frozen=True)
class Attribute:
    """A keyword-only argument; `kind` is "int", "ints" (a sequence), "float" or "bool"."""

    name: str
    kind: str


@dataclass(frozen=True)
class OpRecord:
    """One op of the dialect, with a generated Python function or without."""

    name: str
    # Empty if there is no generated function.
    python: str
    # "elementwise", "library", ...: who computes it.
    computed_by: tuple[str, ...]
    # Empty if it has a derivative.
    not_differentiable_reason: str


@dataclass(frozen=True)
class OpRow:
    """One op with a generated Python function."""

    # With the dialect, "weft.add", and as it is called in Python, "add".
    name: str
    python: str
    operands: tuple[Operand, ...]
    attributes: tuple[Attribute, ...]
    # A lambda over the arguments; empty if the op has hand-written tests only.
    reference: str
    # Which inputs to draw, see `domain` in WeftBase.td.
    domain: str
    max_ulp: int
    differentiable: bool
    not_differentiable_reason: str

    def reference_function(self) -> Callable[..., Any]:
        """The reference as a function; imports only the modules that it names.

        Raises ValueError for a row without a reference.
        """
        if not self.reference:
            raise ValueError(f"{self.name} has no reference")
        code = compile(self.reference, f"<reference of {self.name}>", "eval")
        names = {name for function in code.co_consts for name in getattr(function, "co_names", ())}
        modules = {
            short: importlib.import_module(module)
            for short, module in REFERENCE_MODULES.items()
            if short in names
        }
        function: Callable[..., Any] = eval(code, modules)
        return function

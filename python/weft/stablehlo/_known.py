"""Small integers that are known while a program is traced: sizes, and what is computed of them.

Ops of dynamic shapes take these as tensors; weft takes ints and symbolic sizes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .._core import SymbolicSize, Tensor
from .._creation import _fail, asarray
from .._errors import UnsupportedError, WeftError
from .._manipulation import reshape, stack
from ._graph import Op, TensorType

#: Elements that a tensor of sizes may have.
MOST = 64
_TYPES = ("i1", "i32", "i64", "ui32", "index")


class Known:
    """Ints and symbolic sizes in the place of an integer tensor, which `tensor` makes of them."""

    def __init__(self, values: Any, kind: TensorType) -> None:
        self.values = np.empty(np.shape(values), object)
        self.values[...] = values
        self.kind = kind

    def tensor(self) -> Tensor:
        """The tensor."""
        flat = self.values.reshape(-1).tolist()
        if any(isinstance(value, SymbolicSize) for value in flat):
            parts = [asarray(value).astype(self.kind.dtype) for value in flat]
            return reshape(stack(parts), self.values.shape)
        array = np.array(flat, self.kind.dtype.to_numpy())
        return asarray(array.reshape(self.values.shape))

    def sizes(self) -> list[Any]:
        """The elements as a list."""
        return self.values.reshape(-1).tolist()


def may_be_known(kind: Any) -> bool:
    """Whether values of a type are worth being looked at."""
    return (
        isinstance(kind, TensorType)
        and kind.element in _TYPES
        and len(kind.shape) <= 2
        and kind.is_static
        and math.prod(kind.shape) <= MOST
    )


def known_of(op: Op | None) -> Known | None:
    """The numbers of a constant that may be known; None of anything else."""
    numbers = op.attributes.get("known") if op is not None else None
    if op is None or numbers is None:
        return None
    made = Known((), op.types[0])
    made.values = np.empty(len(numbers), object)
    made.values[:] = numbers
    made.values = made.values.reshape(op.types[0].shape)
    return made


def sizes_of(value: Any, what: str) -> list[Any]:
    """The numbers in a value that a shape is made of. Raises UnsupportedError."""
    if isinstance(value, Known):
        return value.sizes()
    raise _fail(
        UnsupportedError,
        f"{what} depends on values of tensors; the shapes of a program have to follow from those "
        "of its arguments",
    )


def _elementwise(function: Callable) -> Callable[[Op, list[np.ndarray]], Any]:
    return lambda op, values: np.frompyfunc(function, len(values), 1)(*values)


def _compare(op: Op, values: list[np.ndarray]) -> Any:
    tests: dict[str, Callable] = {
        "EQ": lambda a, b: a == b,
        "NE": lambda a, b: a != b,
        "LT": lambda a, b: a < b,
        "LE": lambda a, b: a <= b,
        "GT": lambda a, b: a > b,
        "GE": lambda a, b: a >= b,
    }
    test = tests[op.attributes["comparison_direction"]]
    return np.frompyfunc(lambda a, b: bool(test(a, b)), 2, 1)(*values)


def _truncated(a: Any, b: Any) -> Any:
    if isinstance(a, SymbolicSize) or isinstance(b, SymbolicSize):
        return a // b
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def _slice(op: Op, values: list[np.ndarray]) -> Any:
    names = ("start_indices", "limit_indices", "strides")
    return values[0][tuple(slice(*bounds) for bounds in zip(*(op.attributes[n] for n in names)))]


def _broadcast(op: Op, values: list[np.ndarray]) -> Any:
    column = [1] * len(op.types[0].shape)
    for size, axis in zip(values[0].shape, op.attributes["broadcast_dimensions"]):
        column[axis] = size
    return np.broadcast_to(values[0].reshape(column), op.types[0].shape)


_FOLDS: dict[str, Callable[[Op, list[np.ndarray]], Any]] = {
    "stablehlo.add": _elementwise(lambda a, b: a + b),
    "stablehlo.subtract": _elementwise(lambda a, b: a - b),
    "stablehlo.multiply": _elementwise(lambda a, b: a * b),
    "stablehlo.divide": _elementwise(_truncated),
    "stablehlo.remainder": _elementwise(lambda a, b: a - b * _truncated(a, b)),
    "stablehlo.maximum": _elementwise(max),
    "stablehlo.minimum": _elementwise(min),
    "stablehlo.negate": _elementwise(lambda a: -a),
    "stablehlo.clamp": _elementwise(lambda low, a, high: min(max(a, low), high)),
    "stablehlo.select": _elementwise(lambda flag, a, b: a if flag else b),
    "stablehlo.and": _elementwise(lambda a, b: a & b),
    "stablehlo.or": _elementwise(lambda a, b: a | b),
    "stablehlo.not": _elementwise(lambda a: not a if isinstance(a, bool) else ~a),
    "stablehlo.sign": _elementwise(lambda a: (a > 0) - (a < 0)),
    "stablehlo.convert": _elementwise(lambda a: a),
    "stablehlo.compare": _compare,
    "stablehlo.slice": _slice,
    "stablehlo.broadcast_in_dim": _broadcast,
    "stablehlo.reshape": lambda op, values: values[0].reshape(op.types[0].shape),
    "stablehlo.concatenate": lambda op, v: np.concatenate(v, op.attributes["dimension"]),
}


def _is_held(value: Any, element: str) -> bool:
    if isinstance(value, SymbolicSize):
        return element != "i1"
    limits = {"i1": (0, 1), "i32": (-(2**31), 2**31 - 1), "ui32": (0, 2**32 - 1)}
    low, high = limits.get(element, (-(2**63), 2**63 - 1))
    return low <= value <= high and (element == "i1") == isinstance(value, bool)


def folded(op: Op, inputs: list[Any]) -> Known | None:
    """The result of an op of known numbers; None if nobody knows it."""
    fold = _FOLDS.get(op.name)
    if fold is None or len(op.types) != 1 or not may_be_known(op.types[0]):
        return None
    if op.types[0].element == "i1" and op.name == "stablehlo.convert":
        return None
    try:
        values = fold(op, [value.values for value in inputs])
    except (WeftError, ZeroDivisionError):
        return None
    element = op.types[0].element
    if not all(_is_held(value, element) for value in np.reshape(values, -1).tolist()):
        return None
    return Known(values, op.types[0])

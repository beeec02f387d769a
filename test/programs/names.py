"""The public functions and methods that take one or two tensors and nothing else, found by trying.

What can be exported is a function of its operands: it draws no random numbers, changes nothing, and
has a shape that does not depend on values.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
import weft

#: Where functions are.
_PLACES: tuple[tuple[str, ModuleType], ...] = (
    ("weft", weft),
    ("weft.nn.functional", weft.nn.functional),
    ("weft.linalg", weft.linalg),
    ("weft.fft", weft.fft),
    ("weft.special", weft.special),
)

#: They import other systems, to refuse what they are given.
_BRIDGES = ("from_torch", "from_jax", "to_torch")


def _samples() -> list[Any]:
    square = np.random.default_rng(1).uniform(0.1, 0.9, (3, 3))
    return [
        weft.asarray(square.astype(dtype)) for dtype in ("float32", "int32", "bool", "complex64")
    ]


def _is_function(function: Callable[..., Any], *operands: Any) -> bool:
    """Whether it gives one tensor of these, and nothing but them decides its shape and values."""

    def one(*tensors: weft.Tensor) -> weft.Tensor:
        result = function(*tensors)
        if not isinstance(result, weft.Tensor):
            raise TypeError("no tensor")
        return result

    try:
        weft.export(one, *operands)
    except Exception:
        return False
    return True


def _candidates() -> Iterator[tuple[str, Callable[..., Any]]]:
    for path, module in _PLACES:
        for name in sorted(dir(module)):
            # Changes in place are a rule of their own: they must not change what others read.
            function = getattr(module, name)
            if name[0] == "_" or not callable(function) or isinstance(function, type):
                continue
            # Memory that nobody has written has no values to compare.
            if "empty" not in name and name[-1] != "_" and name not in _BRIDGES:
                yield f"{path}.{name}({{}})", function
    for name in sorted(dir(weft.Tensor)):
        # Names that are refused are in the class, and raise.
        method = getattr(weft.Tensor, name, None)
        if name[0] != "_" and name[-1] != "_" and callable(method):
            yield f"{{}}.{name}()", method


@functools.cache
def public_calls() -> tuple[tuple[str, int], ...]:
    """Each call as text with places for operands, and how many of them."""
    calls = []
    samples = _samples()
    for code, function in _candidates():
        if any(_is_function(function, x) for x in samples):
            calls.append((code, 1))
        if any(_is_function(function, x, x) for x in samples):
            two = code.replace("({})", "({}, {})").replace("()", "({})")
            calls.append((two, 2))
    return tuple(calls)

"""Sizes that calls choose: PyTorch's formulas as weft's, and their numbers in a call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from .. import _core
from .._creation import _fail
from .._errors import UnsupportedError


def formula(size: Any) -> Any:
    """A size as `weft.spec` takes it: a number, or the text of a formula."""
    return size if isinstance(size, int) else _text(size.node.expr)


def _text(expression: Any) -> Any:
    if expression.is_Integer:
        return int(expression)
    if expression.is_Symbol:
        return str(expression)
    parts = [_text(part) for part in expression.args]
    if expression.is_Add or expression.is_Mul:
        return f" {'+' if expression.is_Add else '*'} ".join(f"({part})" for part in parts)
    if type(expression).__name__ in ("FloorDiv", "CleanDiv") and isinstance(parts[1], int):
        return f"floor(({parts[0]}) / {parts[1]})"
    raise _fail(UnsupportedError, f"weft has no symbolic size like {expression}")


def symbolic(size: Any) -> Any:
    """A SymInt as a size of weft, in a trace; plain numbers as they are."""
    if not isinstance(size, torch.SymInt):
        return size
    text = formula(size)
    return text if isinstance(text, int) else _core.parse_size(text)


def bind(size: Any, number: int, numbers: dict[Any, int]) -> None:
    """Notes what a symbol stands for in this call."""
    if isinstance(size, torch.SymInt) and size.node.expr.is_Symbol:
        numbers[size.node.expr] = number


def number_of(size: Any, numbers: Mapping[Any, int]) -> Any:
    """What a size is in this call."""
    if not isinstance(size, (torch.SymInt, torch.SymFloat, torch.SymBool)):
        return size
    found = size.node.expr.subs(numbers)
    if isinstance(size, torch.SymBool):
        return bool(found)
    return float(found) if isinstance(size, torch.SymFloat) else int(found)

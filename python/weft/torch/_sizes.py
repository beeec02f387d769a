"""Sizes that calls choose: PyTorch's formulas as weft's, and their numbers in a call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch.utils._sympy.symbol import SymT, symbol_is_type

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


def symbols(size: Any) -> set[Any]:
    """The symbols in a size."""
    known = isinstance(size, (torch.SymInt, torch.SymFloat, torch.SymBool))
    return size.node.expr.free_symbols if known else set()


def found_late(size: Any) -> set[Any]:
    """The symbols in a size that elements tell, and no argument: PyTorch calls them unbacked."""
    return {s for s in symbols(size) if symbol_is_type(s, (SymT.UNBACKED_INT, SymT.UNBACKED_FLOAT))}


def tells(size: Any, symbol: Any) -> bool:
    """Whether the number of a dimension tells that of a symbol, as weft's programs see it."""
    if symbols(size) != {symbol}:
        return False
    expression = size.node.expr
    return bool(expression.is_polynomial(symbol) and expression.diff(symbol).is_number)


def symbolic(size: Any) -> Any:
    """A SymInt, or the same as a float, as a size of weft, in a trace; others as they are."""
    if isinstance(size, torch.SymFloat) and type(size.node.expr).__name__ == "ToFloat":
        text = _text(size.node.expr.args[0])
    elif isinstance(size, torch.SymInt):
        text = formula(size)
    else:
        return size
    return text if isinstance(text, int) else _core.parse_size(text)


def bind(expected: Any, value: Any, numbers: dict[Any, Any]) -> None:
    """Notes what symbols stand for in this call: those of a tensor's shape, or of a number."""
    if isinstance(value, torch.Tensor):
        for size, number in zip(expected.shape, value.shape):
            bind(size, number, numbers)
    elif isinstance(expected, (list, tuple)):
        for part, given in zip(expected, value):
            bind(part, given, numbers)
    elif symbols(expected) and expected.node.expr.is_Symbol:
        numbers[expected.node.expr] = value


def number_of(size: Any, numbers: Mapping[Any, int]) -> Any:
    """What a size is in this call."""
    if not isinstance(size, (torch.SymInt, torch.SymFloat, torch.SymBool)):
        return size
    found = size.node.expr.subs(numbers)
    if isinstance(size, torch.SymBool):
        return bool(found)
    return float(found) if isinstance(size, torch.SymFloat) else int(found)

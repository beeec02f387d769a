"""What compiled functions print: a text with places for tensors, which each call fills in."""

from __future__ import annotations

import ast
import builtins
import functools
import itertools
import linecache
import re
import sys
import types
from typing import Any, NamedTuple

from . import _core
from ._core import Tensor

#: Stands in a formatted string that is printed at once for a tensor.
_MARK = re.compile("\x00weft ([0-9]+)\x00")
#: The tensors of strings that are yet to be printed.
_formatted: dict[int, tuple[Tensor, str]] = {}
_numbers = itertools.count()


class Place(NamedTuple):
    """Where a tensor stands in a printed text."""

    kind: type
    requires_grad: bool
    specification: str

    def text(self, value: Tensor) -> str:
        if self.specification:
            return format(value.item(), self.specification)
        from ._methods import text_of

        return text_of(value, self.kind.__name__, self.requires_grad)


def _is_asked(value: Any) -> bool:
    """Whether a tensor has a value that only calls know."""
    return (
        isinstance(value, Tensor)
        and _core.python_number(value) is None
        and _core.gives_value_of(value)
    )


def _parts(value: Any, tensors: list[Tensor]) -> tuple[str | Place, ...]:
    """A printed value as texts and places; their tensors are added to ``tensors``."""
    if _is_asked(value):
        tensors.append(value)
        return (Place(type(value), value.requires_grad, ""),)
    parts: list[str | Place] = []
    for number, part in enumerate(_MARK.split(str(value))):
        tensor, specification = _formatted.pop(int(part), (None, "")) if number % 2 else (None, "")
        if tensor is None:
            parts.append(part)
        else:
            tensors.append(tensor)
            parts.append(Place(type(tensor), tensor.requires_grad, specification))
    return tuple(parts)


def record(
    *values: Any, sep: Any = None, end: Any = None, file: Any = None, flush: Any = False
) -> None:
    """What print() does in a trace."""
    tensors: list[Tensor] = []
    parts = tuple(_parts(value, tensors) for value in values)
    _core.record_print((parts, sep, end, file, flush), tensors)


def show(text: tuple, tensors: list[Tensor]) -> None:
    """Prints what `record` was given, with the values of the tensors."""
    values = iter(tensors)
    parts, sep, end, file, flush = text
    printed = [
        "".join(part if isinstance(part, str) else part.text(next(values)) for part in value)
        for value in parts
    ]
    _core.print_now(*printed, sep=sep, end=end, file=file, flush=flush)


def mark_of(tensor: Tensor, specification: str, frame: types.FrameType) -> str | None:
    """What stands for the tensor in a formatted string, if the frame is about to print that."""
    if not _core.is_tracing() or not _is_asked(tensor) or not _is_printed(frame):
        return None
    number = next(_numbers)
    _formatted[number] = tensor, specification
    return f"\x00weft {number}\x00"


def _is_printed(frame: types.FrameType) -> bool:
    """Whether the frame formats a string ``f"..."`` that is an argument of print()."""
    code = frame.f_code
    own = code.co_varnames + code.co_freevars + code.co_cellvars
    shadowed = "print" in own or frame.f_globals.get("print", builtins.print) is not builtins.print
    if sys.version_info < (3, 11) or shadowed:
        return False
    positions = list(code.co_positions())[frame.f_lasti // 2]
    lines = "".join(linecache.getlines(code.co_filename, frame.f_globals))
    return positions in _printed_places(lines)


@functools.lru_cache(maxsize=64)
def _printed_places(source: str) -> frozenset[tuple[int | None, ...]]:
    """Where formatted strings stand that are arguments of print(), and the values in them."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return frozenset()
    found = set()
    for call in ast.walk(tree):
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)):
            continue
        if call.func.id != "print":
            continue
        for argument in call.args:
            if isinstance(argument, ast.JoinedStr):
                nodes = [argument, *argument.values]
                found |= {
                    (node.lineno, node.end_lineno, node.col_offset, node.end_col_offset)
                    for node in nodes
                    if isinstance(node, (ast.JoinedStr, ast.FormattedValue))
                }
    return frozenset(found)

"""Nodes of a graph know the user's line: from PyTorch's stack traces to weft's own locations."""

from __future__ import annotations

import functools
import os
import re
import types
from collections.abc import Callable
from typing import Any

import torch
import torch.fx

#: Where PyTorch is.
FOLDER = os.path.join(os.path.dirname(torch.__file__), "")

_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+)')


def user_line(node: torch.fx.Node) -> tuple[str, int]:
    """File and line of the innermost frame of the node's stack trace; ("", 0) if it has none.

    PyTorch's own frames, as those of `torch.nn.Linear`, count where there are no others.
    """
    found = _FRAME.findall(node.stack_trace or "")
    own = [frame for frame in found if not frame[0].startswith(FOLDER)]
    file, line = (own or found or [("", 0)])[-1]
    return file, int(line)


def place(node: torch.fx.Node) -> str:
    """The user's line as file:line, or the name of the node."""
    file, line = user_line(node)
    return f"{file}:{line}" if file else f"the node {node.name}"


def _call(rule: Callable, args: tuple, kwargs: dict[str, Any]) -> Any:
    return rule(*args, **kwargs)


@functools.lru_cache(maxsize=4096)
def caller(file: str, line: int) -> Callable:
    """A function that calls a rule, and stands in the user's file at that line.

    Operations take the line of the innermost frame that is not weft's own: this one.
    """
    if not file:
        return _call
    code = _call.__code__.replace(co_filename=file, co_firstlineno=max(line - 1, 1))
    return types.FunctionType(code, {"__name__": "weft.torch"}, "forward")

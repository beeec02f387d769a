"""The table of rules for ONNX's ops, and what a rule may say of its operands.

A rule is a function of the operands and, by keyword, of the attributes, whose names are written in
Python's way: ``transA`` is ``trans_a``. It gives one value, or a tuple of the node's outputs.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .._creation import _fail
from .._errors import UnsupportedError
from .._foreign import RuleTable

#: The public functions, of which rules are made; tables make some, of which types know nothing.
weft: Any = importlib.import_module("weft")

TABLE = RuleTable("ONNX")

#: Known values of known ones: shape arithmetic, in NumPy, on arrays that may hold symbolic sizes.
SHAPE_ARITHMETIC = RuleTable("ONNX shape arithmetic")


class OnnxRule:
    """The function that computes an op, and what it says of its operands.

    Attributes:
        known: the numbers of operands that have to be known while tracing; the function gets them
            as NumPy arrays. Others are tensors.
        wanted: the numbers of operands that are known where they are constants or shapes.
        raw: whether the function takes every kind of value.
        takes_node: whether the function has a parameter ``node``.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        known: Sequence[int] = (),
        wanted: Sequence[int] = (),
        raw: bool = False,
        when: Callable[[Any], bool] | None = None,
    ) -> None:
        self.function = function
        self._when = when
        self.known, self.wanted, self.raw = frozenset(known), frozenset(wanted), raw
        parameters = inspect.signature(function).parameters.values()
        self.options = {p.name for p in parameters if p.kind is p.KEYWORD_ONLY} - {"node"}
        # An attribute that is left out has the bits of one that says the same number.
        self._defaults = {
            p.name: float(np.float32(p.default))
            for p in parameters
            if p.kind is p.KEYWORD_ONLY and isinstance(p.default, float)
        }
        self.takes_node = any(p.name == "node" for p in parameters)
        self.takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters)

    def __call__(self, *operands: Any, **options: Any) -> Any:
        """What the function gives."""
        return self.function(*operands, **(self._defaults | options))

    def takes(self, node: Any) -> bool:
        """Whether it is the rule of this NodeProto; others have the body that ONNX defines."""
        return self._when is None or self._when(node)

    def check_options(self, given: Sequence[str], what: str) -> None:
        """Raises UnsupportedError for attributes that the rule does not know."""
        unknown = [] if self.takes_all else sorted(set(given) - self.options)
        if unknown:
            raise _fail(
                UnsupportedError,
                f"{what}: weft's rule does not know the attribute {', '.join(unknown)}",
            )


def rule(
    *names: str,
    since: int = 0,
    known: Sequence[int] = (),
    wanted: Sequence[int] = (),
    raw: bool = False,
    when: Callable[[Any], bool] | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator: the function is the rule of these ops, from this opset on; see `OnnxRule`.

    An op that ONNX defines by others may have a rule for some of its nodes only, of which ``when``
    holds.

    Ops of other domains than ONNX's own are written with them: ``com.microsoft.Gelu``.
    """

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        TABLE.rule(*names, since=since)(OnnxRule(function, known, wanted, raw, when))
        return function

    return add


def shape_rule(*names: str, since: int = 0) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator: the function computes these ops of known values."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        SHAPE_ARITHMETIC.rule(*names, since=since)(OnnxRule(function))
        return function

    return add


def option_name(attribute: str) -> str:
    """The keyword of an ONNX attribute."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", attribute).lower()

"""PyTorch's spelling of calls: names and places of arguments that the array API has otherwise.

A call that fits a function's signature is left alone. One that does not, is made of the method of
that name, which takes PyTorch's arguments, or with the names of the other spelling.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from ._core import Tensor
from ._creation import asarray

#: A keyword and what the other spelling calls it, the first of these that the function has.
_OTHER_NAMES = {
    "dim": ("axis", "axes"),
    "dims": ("axis", "axes"),
    "keepdim": ("keepdims",),
    "diagonal": ("k",),
    "axis": ("dim",),
    "keepdims": ("keepdim",),
    "size": ("shape",),
    "steps": ("num",),
    "end": ("stop",),
    "in_dims": ("in_axes",),
    "out_dims": ("out_axes",),
}

#: Keywords that only the array API has.
_ARRAY_API = {"axis", "keepdims"}

#: PyTorch's names of the first and the second operand.
_OPERANDS = ("input", "tensors", "other")

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class _Plan(NamedTuple):
    """How a call is made instead."""

    target: Callable
    #: What the user called.
    function: Callable
    #: The keywords whose values come first, and those whose values come last.
    operands: tuple[str, ...]
    behind: tuple[str, ...]
    #: What to call the positional arguments that there is no place for.
    extra: tuple[str, ...]
    #: What to call keywords.
    names: dict[str, str]

    def call(self, arguments: tuple, options: dict[str, Any]) -> Any:
        first = (options[name] for name in self.operands)
        arguments = (*first, *arguments, *(options[name] for name in self.behind))
        taken = len(arguments) - len(self.extra)
        renamed = {self.names[name]: value for name, value in options.items() if name in self.names}
        renamed.update(zip(self.extra, arguments[taken:], strict=True))
        if self.target is not self.function and not isinstance(arguments[0], Tensor):
            arguments = (asarray(arguments[0]), *arguments[1:])
        return self.target(*arguments[:taken], **renamed)


def _own_name(name: str, parameters: Mapping[str, inspect.Parameter]) -> str:
    """What a function calls a keyword."""
    others = [] if name in parameters else _OTHER_NAMES.get(name, ())
    return next((other for other in others if other in parameters), name)


def _is_by_place(parameter: inspect.Parameter | None) -> bool:
    return parameter is not None and parameter.kind is inspect.Parameter.POSITIONAL_ONLY


def _planned(
    target: Callable, function: Callable, count: int, names: tuple[str, ...]
) -> _Plan | None:
    parameters = inspect.signature(target).parameters
    operands = tuple(name for name in _OPERANDS if name in names and name not in parameters)
    renamed = {name: _own_name(name, parameters) for name in names if name not in operands}
    order = list(parameters)
    behind = sorted(
        (name for name, own in renamed.items() if _is_by_place(parameters.get(own))),
        key=lambda name: order.index(renamed[name]),
    )
    count += len(operands)
    if [order.index(renamed.pop(name)) for name in behind] != [
        count + i for i in range(len(behind))
    ]:
        return None
    count += len(behind)
    places = sum(parameter.kind in _POSITIONAL for parameter in parameters.values())
    is_open = any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters.values())
    extra_count = 0 if is_open else max(count - places, 0)
    keywords = [
        name
        for name, parameter in parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    ]
    if extra_count > len(keywords):
        return None
    extra = tuple(keywords[:extra_count])
    plan = _Plan(target, function, operands, tuple(behind), extra, renamed)
    given = [None] * (count - extra_count)
    wanted = [*plan.extra, *renamed.values()]
    if len(set(wanted)) != len(wanted):
        return None
    try:
        inspect.signature(target).bind(*given, **dict.fromkeys(wanted))
    except TypeError:
        return None
    return plan


@functools.lru_cache(maxsize=4096)
def _plan(
    function: Callable, is_method: bool, of_tensor: bool, count: int, names: tuple[str, ...]
) -> _Plan | None:
    method = getattr(Tensor, function.__name__, None)
    # One of the array API's own keywords makes all of the call mean what it means there.
    is_own = not _ARRAY_API.isdisjoint(names)
    if of_tensor and not is_own and not is_method and callable(method):
        plan = _planned(method, function, count, names)
        if plan is not None:
            return plan
    return _planned(function, function, count, names)


def respelled(
    function: Callable, is_method: bool, arguments: tuple, options: dict[str, Any]
) -> Callable[[], Any] | None:
    """The call with the other spelling, if there is one that fits; the given one does not."""
    first = arguments[0] if arguments else options.get(_OPERANDS[0])
    of_tensor = isinstance(first, (Tensor, np.ndarray, np.generic))
    plan = _plan(function, is_method, of_tensor, len(arguments), tuple(options))
    return None if plan is None else functools.partial(plan.call, arguments, options)

"""PyTorch's spelling of calls: names and places of arguments that the array API has otherwise.

A call that fits a function's signature is left alone. One that does not, is made of the method of
that name, which takes PyTorch's arguments, or with the names of the other spelling. ``out=``, the
tensor that a result is written to, is taken by every function that gives new tensors.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from ._core import Tensor
from ._creation import _fail, asarray
from ._dtypes import KIND_ORDER
from ._errors import DTypeError, ShapeError

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

#: PyTorch's names of the first and the second operand, where the function has others for them.
_FIRST = ("input", "tensors", "a", "A")
_SECOND = ("other", "exponent", "mat2", "vec", "vec2", "tensor", "values", "b", "B")

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class _Plan(NamedTuple):
    """How a call is made instead."""

    target: Callable
    #: What the user called.
    function: Callable
    #: The keywords whose value comes first; that of a method is the tensor that has it.
    lead: tuple[str, ...]
    #: The keywords whose values come behind the arguments that are given by place: operands, and
    #: then what else has its place.
    operands: tuple[str, ...]
    behind: tuple[str, ...]
    #: What to call the positional arguments that there is no place for.
    extra: tuple[str, ...]
    #: What to call keywords.
    names: dict[str, str]

    def call(self, arguments: tuple, options: dict[str, Any]) -> Any:
        first, last = (
            [options[name] for name in names]
            for names in (self.lead, (*self.operands, *self.behind))
        )
        arguments = (*first, *arguments, *last)
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
    operands = tuple(
        name for name in (*_FIRST, *_SECOND) if name in names and name not in parameters
    )
    if operands and not count and operands[0] not in _FIRST:
        return None
    lead = operands[:1] if target is not function and operands[:1] == ("input",) else ()
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
    plan = _Plan(target, function, lead, operands[len(lead) :], tuple(behind), extra, renamed)
    given = [None] * (count - extra_count)
    wanted = [*plan.extra, *renamed.values()]
    if len(set(wanted)) != len(wanted):
        return None
    try:
        inspect.signature(target).bind(*given, **dict.fromkeys(wanted))
    except TypeError:
        return None
    return plan


def _is_turned(method: Callable, function: Callable) -> bool:
    """Whether a method's tensor is not what comes first for the function, as that of `where`."""
    own, others = (list(inspect.signature(f).parameters) for f in (method, function))
    return len(own) > 1 and own[1] == others[0] != own[0]


@functools.lru_cache(maxsize=4096)
def _plan(
    function: Callable, is_method: bool, of_tensor: bool, count: int, names: tuple[str, ...]
) -> _Plan | None:
    method = getattr(Tensor, function.__name__, None)
    # One of the array API's own keywords makes all of the call mean what it means there.
    is_own = not _ARRAY_API.isdisjoint(names)
    if of_tensor and not is_own and not is_method and callable(method):
        if "input" not in names and _is_turned(method, function):
            return _planned(function, function, count, names)
        plan = _planned(method, function, count, names)
        if plan is not None:
            return plan
    return _planned(function, function, count, names)


def _into(out: Any, found: Any, name: str) -> Any:
    """``out``, a tensor or a tuple of tensors, with what a function has found, in place."""
    if out is None:
        return found
    if isinstance(out, (tuple, list)) and isinstance(found, tuple):
        if len(out) != len(found):
            raise _fail(ShapeError, f"{name}: {len(out)} tensors out for {len(found)} results")
        written = [_into(*pair, name) for pair in zip(out, found, strict=True)]
        return type(found)(*written) if hasattr(found, "_fields") else tuple(written)
    if not isinstance(out, Tensor) or not isinstance(found, Tensor):
        raise _fail(DTypeError, f"{name}: out has to be as the result is, not {type(out).__name__}")
    if out.shape != found.shape:
        raise _fail(ShapeError, f"{name}: out has shape {out.shape}, but the result {found.shape}")
    if KIND_ORDER.index(found.dtype.kind) > KIND_ORDER.index(out.dtype.kind):
        raise _fail(
            DTypeError, f"{name}: the result is {found.dtype.name}, but out {out.dtype.name}"
        )
    return out.copy_(found)


def _fitting(
    function: Callable, is_method: bool, arguments: tuple, options: dict[str, Any]
) -> Callable[[], Any] | None:
    """The call, if it fits as it is or in the other spelling."""
    try:
        inspect.signature(function).bind(*arguments, **options)
    except TypeError:
        return respelled(function, is_method, arguments, options)
    return functools.partial(function, *arguments, **options)


def respelled(
    function: Callable, is_method: bool, arguments: tuple, options: dict[str, Any]
) -> Callable[[], Any] | None:
    """The call with the other spelling, if there is one that fits; the given one does not."""
    if "out" in options and "out" not in inspect.signature(function).parameters:
        rest = {name: value for name, value in options.items() if name != "out"}
        call = _fitting(function, is_method, arguments, rest)
        return None if call is None else lambda: _into(options["out"], call(), function.__name__)
    first = arguments[0] if arguments else next((options[n] for n in _FIRST if n in options), None)
    of_tensor = isinstance(first, (Tensor, np.ndarray, np.generic))
    plan = _plan(function, is_method, of_tensor, len(arguments), tuple(options))
    return None if plan is None else functools.partial(plan.call, arguments, options)

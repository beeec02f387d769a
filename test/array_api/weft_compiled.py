"""The namespace `weft` with each of its functions compiled: a new `weft.jit` for every call.

Arguments that are tensors, alone or in lists and tuples, are arguments of the compiled function;
everything else is part of it.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

import weft
from weft import *  # noqa: F403

#: What looks at values or at no tensor, and is no program to compile.
_EAGER = {
    *("asarray", "from_dlpack", "isdtype", "finfo", "iinfo", "can_cast", "result_type"),
    *("jit", "grad", "value_and_grad", "vjp", "jvp", "export", "load", "stats", "broadcast_shapes"),
}


def _compiled(function: Callable) -> Callable:
    @functools.wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        tensors: list[weft.Tensor] = []

        def taken(value: Any) -> Any:
            if isinstance(value, weft.Tensor):
                place = len(tensors)
                tensors.append(value)
                return lambda given: given[place]
            if type(value) in (list, tuple):
                items = [taken(item) for item in value]
                return lambda given: type(value)(item(given) for item in items)
            return lambda given: value

        places = [taken(value) for value in arguments]
        named = {name: taken(value) for name, value in options.items()}

        def program(*given: weft.Tensor) -> Any:
            return function(
                *(place(given) for place in places),
                **{name: place(given) for name, place in named.items()},
            )

        return weft.jit(program)(*tensors)

    return call


def _compiled_namespace(module: types.ModuleType, names: dict[str, Any]) -> None:
    for name in dir(module):
        member = getattr(module, name)
        if name.startswith("_") or name in _EAGER or not isinstance(member, types.FunctionType):
            continue
        names[name] = _compiled(member)


bool = weft.bool
__array_api_version__ = weft.__array_api_version__
__array_namespace_info__ = weft.__array_namespace_info__
_compiled_namespace(weft, globals())
for _extension in ("linalg", "fft"):
    if hasattr(weft, _extension):
        _members = types.SimpleNamespace(**vars(getattr(weft, _extension)))
        _compiled_namespace(getattr(weft, _extension), vars(_members))
        globals()[_extension] = _members

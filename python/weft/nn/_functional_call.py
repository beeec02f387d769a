"""Calling a module with other tensors than its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .._core import Tensor
from .._creation import _fail
from .._errors import DTypeError, NameUseError
from ._module import Module

#: The registry of a module, and a name in it.
_Place = tuple[dict[str, Any], str]


def _places(module: Module) -> dict[str, _Place]:
    """Where the parameters and buffers are, by their dotted names."""
    result = {}
    for path, each in module.named_modules(remove_duplicate=False):
        for registry in (each._parameters, each._buffers):
            for name in registry:
                result[f"{path}.{name}" if path else name] = (registry, name)
    return result


def _merged(given: Mapping[str, Tensor] | Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    if isinstance(given, Mapping):
        return dict(given)
    result: dict[str, Tensor] = {}
    for part in given:
        repeated = sorted(result.keys() & part.keys())
        if repeated:
            raise _fail(NameUseError, f"functional_call: {', '.join(repeated)} given twice")
        result.update(part)
    return result


def _with_shared(
    places: dict[str, _Place], given: dict[str, Tensor]
) -> Iterator[tuple[str, Tensor]]:
    """What is given, also for the other names of parameters that are shared."""
    names: dict[int, list[str]] = {}
    for name, (registry, key) in places.items():
        if registry[key] is not None:
            names.setdefault(id(registry[key]), []).append(name)
    for shared in names.values():
        values = {id(given[name]): given[name] for name in shared if name in given}
        if len(values) > 1:
            raise _fail(
                NameUseError,
                f"functional_call: {', '.join(shared)} are one tensor, but several are given; use "
                "tie_weights=False to have several",
            )
        for value in values.values():
            yield from ((name, value) for name in shared)


@contextlib.contextmanager
def _exchanged(places: dict[str, _Place], tensors: dict[str, Tensor]) -> Iterator[None]:
    former = []
    try:
        for name, tensor in tensors.items():
            registry, key = places[name]
            former.append((registry, key, registry[key]))
            registry[key] = tensor
        yield
    finally:
        for registry, key, tensor in reversed(former):
            registry[key] = tensor


def functional_call(
    module: Module,
    parameters_and_buffers: Mapping[str, Tensor] | Sequence[Mapping[str, Tensor]],
    args: Any = None,
    kwargs: Mapping[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """What a module gives with other tensors for its parameters and buffers, which it keeps.

    So gradients of functions are those for parameters: ``weft.grad(lambda parameters: loss(
    weft.functional_call(module, parameters, x)))``.

    Args:
        module: any module.
        parameters_and_buffers: tensors by dotted names; several dicts are taken together. Buffers
            that the module changes in place are those given.
        args: a tuple of arguments, or a single one; None: none.
        kwargs: keywords of the call.
        tie_weights: a parameter that has several names is replaced under all of them.
        strict: all names of parameters and buffers have to be there, and no other.

    Raises:
        NameUseError: names are missing or unknown, with ``strict``; or given twice. DTypeError:
            something is no tensor.
    """
    places, given = _places(module), _merged(parameters_and_buffers)
    unknown = [name for name in given if name not in places]
    known = {name: value for name, value in given.items() if name in places}
    for name, value in known.items():
        if not isinstance(value, Tensor):
            raise _fail(
                DTypeError, f"functional_call: {name} is a {type(value).__name__}, not a tensor"
            )
    tensors = {**known, **dict(_with_shared(places, known))} if tie_weights else known
    present = {name for name, (registry, key) in places.items() if registry[key] is not None}
    missing = sorted(present - tensors.keys())
    if strict and (missing or unknown):
        raise _fail(
            NameUseError,
            f"functional_call: missing: {', '.join(missing)}; unexpected: {', '.join(unknown)}",
        )
    positional = () if args is None else args if isinstance(args, tuple) else (args,)
    with _exchanged(places, tensors):
        return module(*positional, **(kwargs or {}))

"""The state of a module by dotted names: making a state dict, and loading one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, NamedTuple

from .._autodiff import no_grad
from .._core import Tensor
from .._creation import _fail, asarray
from .._errors import ShapeError
from ._parameter import Parameter

if TYPE_CHECKING:
    from ._module import Module

#: The name of what `Module.get_extra_state` returns.
_EXTRA_STATE = "_extra_state"


class IncompatibleKeys(NamedTuple):
    """What `Module.load_state_dict` did not find, and what it had no place for."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return (
            f"IncompatibleKeys(missing_keys={self.missing_keys!r}, "
            f"unexpected_keys={self.unexpected_keys!r})"
        )


class _Place(NamedTuple):
    """Where a tensor of the state is."""

    module: Module
    registry: str
    name: str

    @property
    def tensor(self) -> Tensor:
        return self.module._registry(self.registry)[self.name]

    def take(self, value: Tensor) -> None:
        """Puts another tensor there."""
        if self.registry == "_parameters":
            value = Parameter(value, self.tensor.requires_grad)
        self.module._own(self.registry, self.name, value)


def _has_extra_state(module: Module) -> bool:
    from ._module import Module

    return type(module).get_extra_state is not Module.get_extra_state


def own_places(module: Module) -> Iterator[_Place]:
    """The parameters and persistent buffers of a module itself."""
    for registry in ("_parameters", "_buffers"):
        for name, tensor in module._registry(registry).items():
            if tensor is not None and name not in module._transient_buffers:
                yield _Place(module, registry, name)


def call_hooks(module: Module, event: str, *arguments: Any) -> None:
    """Calls the hooks of a module for an event."""
    for hook in module._state_hooks:
        if hook.event == event:
            hook.function(module, *arguments)


def add_state(
    module: Module, destination: MutableMapping[str, Any], prefix: str, keep_vars: bool
) -> None:
    """Writes the state of a module, and of all below it, into ``destination``."""
    call_hooks(module, "before state_dict", prefix, keep_vars)
    for place in own_places(module):
        tensor = place.tensor
        destination[prefix + place.name] = tensor if keep_vars else tensor.detach()
    if _has_extra_state(module):
        destination[prefix + _EXTRA_STATE] = module.get_extra_state()
    for name, child in module._modules.items():
        if child is not None:
            # By the method, which a class of the user's may have made its own.
            child.state_dict(
                destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars
            )
    call_hooks(module, "after state_dict", destination, prefix, {})


def _dotted(module: Module) -> list[tuple[str, Module]]:
    """The modules with what the names of their tensors begin with; shared ones several times."""
    named = module.named_modules(remove_duplicate=False)
    return [(path + "." if path else "", each) for path, each in named]


def load_state(
    module: Module, state_dict: Mapping[str, Any], strict: bool, assign: bool
) -> IncompatibleKeys:
    """See `Module.load_state_dict`."""
    given, modules = dict(state_dict), _dotted(module)
    for prefix, each in modules:
        call_hooks(each, "before load_state_dict", given, prefix, {}, strict, [], [], [])
    places = {prefix + place.name: place for prefix, each in modules for place in own_places(each)}
    extras = {prefix + _EXTRA_STATE: each for prefix, each in modules if _has_extra_state(each)}
    result = IncompatibleKeys(
        [name for name in (*places, *extras) if name not in given],
        [name for name in given if name not in places and name not in extras],
    )
    problems = []
    if strict and result.missing_keys:
        problems.append("missing: " + ", ".join(result.missing_keys))
    if strict and result.unexpected_keys:
        problems.append("unexpected: " + ", ".join(result.unexpected_keys))
    values = {
        name: asarray(value, dtype=None if assign else places[name].tensor.dtype, copy=True)
        for name, value in given.items()
        if name in places
    }
    problems += [
        f"{name} has shape {value.shape}, but {places[name].tensor.shape} is needed"
        for name, value in values.items()
        if value.shape != places[name].tensor.shape
    ]
    if problems:
        raise _fail(
            ShapeError, f"load_state_dict of {type(module).__name__}: " + "; ".join(problems)
        )
    _take([(places[name], value) for name, value in values.items()], assign)
    for name, each in extras.items():
        if name in given:
            each.set_extra_state(given[name])
    for _, each in reversed(modules):
        call_hooks(each, "after load_state_dict", result)
    return result


@no_grad()
def _take(values: list[tuple[_Place, Tensor]], assign: bool) -> None:
    for place, value in values:
        if assign:
            place.take(value.detach())
        else:
            place.tensor.assign(value.detach().to(place.tensor.device))

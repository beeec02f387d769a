"""Modules that hold modules or parameters."""

from __future__ import annotations

import operator
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from .._core import Tensor
from .._creation import _fail
from .._errors import DTypeError, NameUseError, OptionError, OutOfBoundsError
from ._module import Module, _indented, check_form_of_name
from ._parameter import Parameter

Self = TypeVar("Self", bound="_Ordered")


def _place_of(owner: Module, index: int, count: int) -> int:
    """A position among ``count``, of which negative ones count from the end."""
    place = operator.index(index)
    if not -count <= place < count:
        raise _fail(
            OutOfBoundsError,
            f"{type(owner).__name__}: index {place} is out of range for {count} members",
        )
    return place % count


class _Ordered(Module):
    """Modules named by their positions."""

    def _position(self, index: int) -> str:
        return list(self._modules)[_place_of(self, index, len(self))]

    def _replace_all(self, modules: Iterable[Module]) -> None:
        """Has these modules, with their positions for names."""
        numbered = {str(place): module for place, module in enumerate(modules)}
        self._modules.clear()
        self._modules.update(numbered)

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return self._of_slice(dict(list(self._modules.items())[index]))
        return self._modules[self._position(index)]

    def _of_slice(self, members: dict[str, Module]) -> Module:
        raise NotImplementedError

    def __setitem__(self, index: int, module: Module) -> None:
        self.register_module(self._position(index), module)

    def __delitem__(self, index: int | slice) -> None:
        remaining = list(self._modules.values())
        if not isinstance(index, slice):
            index = _place_of(self, index, len(self))
        del remaining[index]
        self._replace_all(remaining)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules.values())

    def __iadd__(self: Self, other: Iterable[Module]) -> Self:
        return self.extend(other)

    def append(self: Self, module: Module) -> Self:
        """Adds a module at the end; returns the container."""
        self.register_module(str(len(self)), module)
        return self

    def extend(self: Self, modules: Iterable[Module]) -> Self:
        """Adds modules at the end; returns the container."""
        for module in list(modules):
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> Any:
        """Puts a module before the one at ``index``; len() of them means the end.

        Raises:
            OutOfBoundsError: there are fewer. DTypeError: it is no module.
        """
        count, place = len(self), operator.index(index)
        if not -count <= place <= count:
            raise _fail(
                OutOfBoundsError,
                f"{type(self).__name__}: index {place} is out of range for {count} members",
            )
        if not isinstance(module, Module):
            raise _fail(DTypeError, f"insert: a {type(module).__name__} is no Module")
        members = list(self._modules.values())
        members.insert(place, module)
        self._replace_all(members)
        return self

    def pop(self, key: int | slice) -> Any:
        """Removes the module at a position (of a slice several), and returns it."""
        removed = self[key]
        del self[key]
        return removed


class Sequential(_Ordered):
    """Modules called one after the other: ``Sequential(a, b)``, ``Sequential(dict(a=a, b=b))``."""

    def __init__(self, *args: Any) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], Mapping):
            members = list(args[0].items())
        else:
            members = [(str(place), module) for place, module in enumerate(args)]
        for name, module in members:
            self.register_module(name, module)

    def _of_slice(self, members: dict[str, Module]) -> Module:
        return Sequential(members)

    def __add__(self, other: Sequential) -> Sequential:
        if not isinstance(other, Sequential):
            return NotImplemented
        return Sequential(*self, *other)

    def _repeated(self, count: int) -> list[Module]:
        """The modules ``count`` times; the same ones, not copies."""
        times = operator.index(count)
        if times < 1:
            raise _fail(OptionError, f"Sequential: can't be repeated {times} times")
        return list(self) * times

    def __mul__(self, count: int) -> Sequential:
        return Sequential(*self._repeated(count))

    __rmul__ = __mul__

    def __imul__(self, count: int) -> Sequential:
        self._replace_all(self._repeated(count))
        return self

    def forward(self, input: Any) -> Any:
        """The result of the last module."""
        for module in self._modules.values():
            input = module(input)
        return input


class ModuleList(_Ordered):
    """A list of modules, which has no forward of its own."""

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        self.extend(() if modules is None else modules)

    def _of_slice(self, members: dict[str, Module]) -> Module:
        return ModuleList(members.values())

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *other])

    def __repr__(self) -> str:
        groups: list[tuple[int, str, int]] = []
        for place, text in enumerate(map(repr, self)):
            if groups and groups[-1][1] == text:
                groups[-1] = (*groups[-1][:2], place)
            else:
                groups.append((place, text, place))
        lines = [
            _indented(f"({first}): {text}" if first == last else _of_several(first, last, text))
            for first, text, last in groups
        ]
        name = type(self).__name__
        return "\n  ".join([f"{name}(", *lines]) + "\n)" if lines else f"{name}()"


def _of_several(first: int, last: int, text: str) -> str:
    return f"({first}-{last}): {last - first + 1} x {text}"


def _pairs(members: Any) -> list[tuple[str, Any]]:
    """Names and members, of a mapping or of pairs."""
    if isinstance(members, (Mapping, _Named)):
        return list(members.items())
    return [(name, member) for name, member in members]


class _Named(Module):
    """Members by name; subclasses say how one is found, added and removed."""

    def keys(self) -> Iterable[str]:
        """The names."""
        raise NotImplementedError

    def __getitem__(self, key: str) -> Any:
        raise NotImplementedError

    def __setitem__(self, key: str, value: Any) -> None:
        raise NotImplementedError

    def __delitem__(self, key: str) -> None:
        raise NotImplementedError

    def _missing(self, key: object) -> Exception:
        return _fail(NameUseError, f"{type(self).__name__} has no member {key!r}")

    def __len__(self) -> int:
        return len(list(self.keys()))

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __contains__(self, key: object) -> bool:
        return key in set(self.keys())

    def values(self) -> Iterable[Any]:
        """The members."""
        return [self[key] for key in self.keys()]

    def items(self) -> Iterable[tuple[str, Any]]:
        """Names and members."""
        return [(key, self[key]) for key in self.keys()]

    def update(self, members: Any) -> None:
        """Adds members, of a mapping or of pairs, replacing those of the same names."""
        for name, member in _pairs(members):
            self[name] = member

    def pop(self, key: str) -> Any:
        """Removes a member, and returns it. Raises KeyError."""
        removed = self[key]
        del self[key]
        return removed

    def clear(self) -> None:
        """Removes all members."""
        for key in list(self.keys()):
            del self[key]


class ModuleDict(_Named):
    """Modules by name, which has no forward of its own."""

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        super().__init__()
        self.update(modules or {})

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._modules.keys()

    def __getitem__(self, key: str) -> Module:
        if key not in self._modules:
            raise self._missing(key)
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        # Modules are found by index: names of methods are no names less.
        check_form_of_name(key, "module")
        if not isinstance(module, Module):
            raise _fail(DTypeError, f"ModuleDict: {key!r} is a {type(module).__name__}, no Module")
        if key in self.__dict__:
            raise _fail(NameUseError, f"ModuleDict has an attribute {key!r} already")
        self._own("_modules", key, module)

    def __delitem__(self, key: str) -> None:
        if key not in self._modules:
            raise self._missing(key)
        del self._modules[key]


class _Values(Module):
    """Values by name: parameters, and anything else beside them."""

    def __init__(self) -> None:
        super().__init__()
        self._names: dict[str, None] = {}
        self._others: dict[str, Any] = {}

    def _put(self, name: str, value: Any) -> None:
        check_form_of_name(name, "member")
        if isinstance(value, Tensor) and not isinstance(value, Parameter):
            value = Parameter(value)
        self._names[name] = None
        if isinstance(value, Parameter):
            self._others.pop(name, None)
            self._parameters[name] = value
        else:
            self._parameters.pop(name, None)
            self._others[name] = value

    def _get(self, name: str) -> Any:
        return self._parameters[name] if name in self._parameters else self._others[name]

    def _drop(self, name: str) -> None:
        del self._names[name]
        self._parameters.pop(name, None)
        self._others.pop(name, None)

    def extra_repr(self) -> str:
        """A line for each member."""
        lines = []
        for name in self._names:
            value = self._get(name)
            described = (
                f"Parameter of {value.dtype.name} and shape {tuple(value.shape)}"
                if isinstance(value, Parameter)
                else f"{type(value).__name__}: {value!r}"
            )
            lines.append(f"({name}): {described}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        lines = self.extra_repr().split("\n") if self._names else []
        name = type(self).__name__
        return "\n  ".join([f"{name}(", *lines]) + "\n)" if lines else f"{name}()"


class ParameterList(_Values):
    """A list of parameters. Tensors become parameters; other values are only kept."""

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        self.extend(() if values is None else values)

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return type(self)([self[place] for place in range(*index.indices(len(self)))])
        return self._get(str(_place_of(self, index, len(self))))

    def __setitem__(self, index: int, value: Any) -> None:
        self._put(str(_place_of(self, index, len(self))), value)

    def __len__(self) -> int:
        return len(self._names)

    def __iter__(self) -> Iterator[Any]:
        return iter([self[place] for place in range(len(self))])

    def __iadd__(self, values: Iterable[Any]) -> ParameterList:
        return self.extend(values)

    def append(self, value: Any) -> ParameterList:
        """Adds a value at the end; returns the list."""
        self._put(str(len(self)), value)
        return self

    def extend(self, values: Iterable[Any]) -> ParameterList:
        """Adds values at the end; returns the list. Raises DTypeError for a tensor."""
        if isinstance(values, Tensor):
            raise _fail(DTypeError, "ParameterList: takes several values, not one tensor")
        for value in list(values):
            self.append(value)
        return self


class ParameterDict(_Values, _Named):
    """Parameters by name. Tensors become parameters; other values are only kept.

    Names of a plain dict are sorted, as in PyTorch; those of an OrderedDict, of pairs or of another
    ParameterDict are not.
    """

    def __init__(self, parameters: Any = None) -> None:
        super().__init__()
        self.update({} if parameters is None else parameters)

    def update(self, parameters: Any) -> None:
        """Adds values, of a mapping or of pairs, replacing those of the same names."""
        pairs = _pairs(parameters)
        if isinstance(parameters, Mapping) and not isinstance(parameters, OrderedDict):
            pairs = sorted(pairs, key=operator.itemgetter(0))
        for name, value in pairs:
            self[name] = value

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._names.keys()

    def __getitem__(self, key: str) -> Any:
        if key not in self._names:
            raise self._missing(key)
        return self._get(key)

    def __setitem__(self, key: str, value: Any) -> None:
        self._put(key, value)

    def __delitem__(self, key: str) -> None:
        if key not in self._names:
            raise self._missing(key)
        self._drop(key)

    def __reversed__(self) -> Iterator[str]:
        return reversed(list(self._names))

    def copy(self) -> ParameterDict:
        """Another dict of the same parameters."""
        return ParameterDict(self.items())

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a name, or ``default``."""
        return self._get(key) if key in self._names else default

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The value of a name, which gets ``default`` if there is none."""
        if key not in self:
            self[key] = default
        return self[key]

    def popitem(self) -> tuple[str, Any]:
        """Removes the name that was added last, and returns it with its value."""
        if not self._names:
            raise self._missing("at the end")
        last = next(reversed(self))
        return last, self.pop(last)

    def fromkeys(self, keys: Iterable[str], default: Any = None) -> ParameterDict:
        """Another dict with these names and one value for all."""
        return ParameterDict([(key, default) for key in keys])

    def __or__(self, other: Any) -> ParameterDict:
        result = self.copy()
        result.update(other)
        return result

    def __ror__(self, other: Any) -> ParameterDict:
        result = ParameterDict(_pairs(other))
        result.update(self)
        return result

    def __ior__(self, other: Any) -> ParameterDict:
        self.update(other)
        return self

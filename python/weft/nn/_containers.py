"""Modules that hold modules."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .._creation import _fail
from .._errors import OutOfBoundsError
from ._module import Module


class _Ordered(Module):
    """Modules named by their positions."""

    def _position(self, index: int) -> str:
        count, place = len(self), operator.index(index)
        if not -count <= place < count:
            raise _fail(
                OutOfBoundsError,
                f"{type(self).__name__}: index {place} is out of range for {count} modules",
            )
        return list(self._modules)[place % count]

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return self._of_slice(dict(list(self._modules.items())[index]))
        return self._modules[self._position(index)]

    def _of_slice(self, members: dict[str, Module]) -> Module:
        raise NotImplementedError

    def __setitem__(self, index: int, module: Module) -> None:
        self.register_module(self._position(index), module)

    def __delitem__(self, index: int) -> None:
        delattr(self, self._position(index))
        remaining = list(self._modules.values())
        self._modules.clear()
        for place, module in enumerate(remaining):
            self._modules[str(place)] = module

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules.values())

    def append(self, module: Module) -> Any:
        """Adds a module at the end; returns the container."""
        self.register_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Any:
        """Adds modules at the end; returns the container."""
        for module in modules:
            self.append(module)
        return self


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

    def forward(self, x: Any) -> Any:
        """The result of the last module."""
        for module in self._modules.values():
            x = module(x)
        return x


class ModuleList(_Ordered):
    """A list of modules, which has no forward of its own."""

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        super().__init__()
        self.extend(modules)

    def _of_slice(self, members: dict[str, Module]) -> Module:
        return ModuleList(members.values())

    def insert(self, index: int, module: Module) -> None:
        """Puts a module before the one at ``index``."""
        members = list(self._modules.values())
        members.insert(index, module)
        for place, member in enumerate(members):
            self.register_module(str(place), member)


class ModuleDict(Module):
    """Modules by name, which has no forward of its own."""

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        super().__init__()
        self.update(modules or {})

    def __getitem__(self, key: str) -> Module:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.register_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: object) -> bool:
        return key in self._modules

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._modules.keys()

    def values(self) -> Iterable[Module]:
        """The modules."""
        return self._modules.values()

    def items(self) -> Iterable[tuple[str, Module]]:
        """Names and modules."""
        return self._modules.items()

    def update(self, modules: Mapping[str, Module]) -> None:
        """Adds modules, replacing those of the same names."""
        for name, module in modules.items():
            self.register_module(name, module)
